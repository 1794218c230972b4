//! From a configuration to what the rooms below are started with.

use super::settings::Config;
use crate::base::{AddressId, Duration, PortIndex, PortSet};
use crate::mptcp::{self, LocalAddress};
use crate::tcp;
use std::rc::Rc;

/// RFC 6298 §2.1.
const RTO_INITIAL: Duration = Duration::from_secs(1);
/// RFC 6298 §2.5: at least 60 s.
const RTO_MAX: Duration = Duration::from_secs(60);
/// As long as Linux waits for a peer whose application is gone.
const FIN_WAIT_2: Duration = Duration::from_secs(60);
/// Time between keepalive probes and how many, as on Linux.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(75);
const KEEPALIVE_PROBES: u8 = 9;
/// SYNs with MP_CAPABLE before a plain one (RFC 8684 §3.1), as on Linux.
const CAPABLE_SYN_RETRIES: u8 = 2;

impl Config {
    /// Settings of every subflow.
    pub fn tcp(&self) -> tcp::Config {
        let keepalive =
            |idle| tcp::Keepalive { idle, interval: KEEPALIVE_INTERVAL, probes: KEEPALIVE_PROBES };
        tcp::Config {
            window_scale: self.tcp.window_scale,
            timestamps: self.tcp.timestamps,
            sack: self.tcp.sack,
            rto_min: self.tcp.rto_min,
            rto_initial: RTO_INITIAL,
            rto_max: RTO_MAX,
            delayed_ack: self.tcp.delayed_ack,
            syn_retries: self.tcp.syn_retries,
            retries: self.tcp.retries,
            keepalive: self.tcp.keepalive.map(keepalive),
            time_wait: self.tcp.time_wait,
            fin_wait_2: FIN_WAIT_2,
            congestion: self.tcp.congestion,
            initial_window_segments: self.tcp.initial_window_segments,
            reassembly_segments: self.reassembly_segments(),
        }
    }

    /// A window full of segments, but never more than a quarter of the packet
    /// buffers: what is kept out of order is missing from the receive rings.
    fn reassembly_segments(&self) -> u16 {
        let window_segments = self.mptcp.receive_buffer_bytes / 1_024;
        let affordable = self.engine.packet_buffers as usize / 4;
        u16::try_from(window_segments.min(affordable)).unwrap_or(u16::MAX)
    }

    /// Settings of every connection, those of its subflows included.
    pub fn mptcp(&self) -> mptcp::Config {
        mptcp::Config {
            enabled: self.mptcp.enabled,
            checksum: self.mptcp.checksum,
            scheduler: self.mptcp.scheduler,
            addresses: self.local_addresses(),
            max_subflows: self.mptcp.max_subflows,
            max_remote_addresses: self.mptcp.max_remote_addresses,
            full_mesh: self.mptcp.full_mesh,
            announce: self.mptcp.announce,
            send_buffer_bytes: self.mptcp.send_buffer_bytes,
            receive_buffer_bytes: self.mptcp.receive_buffer_bytes,
            add_address_timeout: self.mptcp.add_address_timeout,
            close_timeout: self.mptcp.close_timeout,
            far_ports: PortSet::EMPTY,
            capable_syn_retries: CAPABLE_SYN_RETRIES,
            tcp: Rc::new(self.tcp()),
        }
    }

    /// Every address with its id: counted from 1, because 0 is the initial
    /// subflow's (RFC 8684 §3.4.1).
    fn local_addresses(&self) -> Vec<LocalAddress> {
        let ports = self.ports.iter().zip(0..).map(|(port, index)| (port, PortIndex(index)));
        let addresses =
            ports.flat_map(|(port, index)| port.addresses.iter().map(move |subnet| (port, index, subnet)));
        let numbered = addresses.zip(1..).map(|((port, index, subnet), id)| LocalAddress {
            id: AddressId(id),
            address: subnet.address,
            port: index,
            backup: port.backup,
        });
        numbered.collect()
    }
}
