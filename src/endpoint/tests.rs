//! Whole hosts: frames in, frames out.

mod arp;
mod config;
mod connections;
mod cores;
mod discovery;
mod frames;
mod hostile;
mod icmp;
mod lan;
mod links;
mod merge;
mod segments;
mod size;
mod station;
mod steering;

use super::*;
use crate::base::{Duration, PortSet};
use crate::mptcp::{self, SchedulerKind};
use crate::tcp;
use crate::wire::MacAddress;
use std::rc::Rc;

/// Settings of TCP for tests.
fn tcp_config() -> tcp::Config {
    tcp::Config {
        window_scale: 7,
        rto_min: Duration::from_millis(200),
        rto_initial: Duration::from_secs(1),
        syn_retries: 3,
        retries: 8,
        time_wait: Duration::from_secs(60),
        ..tcp::Config::default()
    }
}

/// Settings of MPTCP for tests, with every address of `ports`.
fn mptcp_config(ports: &[PortConfig]) -> mptcp::Config {
    mptcp::Config {
        enabled: true,
        checksum: false,
        scheduler: SchedulerKind::MinRtt,
        addresses: local_addresses(ports),
        max_subflows: 4,
        max_remote_addresses: 8,
        full_mesh: true,
        announce: true,
        send_buffer_bytes: 1 << 20,
        receive_buffer_bytes: 1 << 20,
        add_address_timeout: Duration::from_secs(1),
        close_timeout: Duration::from_secs(5),
        far_ports: PortSet::EMPTY,
        capable_syn_retries: 2,
        tcp: Rc::new(tcp_config()),
    }
}

/// Port `number` of host `host`: 10.`number`.0.`host`/24 and
/// 2001:db8:`number`::`host`/64.
fn port_config(host: u8, number: u8) -> PortConfig {
    let v4 = [10, number, 0, host];
    let v6 = [0x2001, 0xdb8, number.into(), 0, 0, 0, 0, host.into()];
    PortConfig {
        name: format!("port{number}"),
        mac: MacAddress([2, 0, 0, 0, host, number]),
        mtu: 1500,
        addresses: vec![
            PortAddress { address: v4.into(), prefix_bits: 24 },
            PortAddress { address: v6.into(), prefix_bits: 64 },
        ],
        gateway_v4: None,
        gateway_v6: None,
        vlan: None,
        backup: false,
        tx_ip_checksum: false,
        tx_tcp_checksum: false,
        super_segment_bytes: 0,
    }
}

/// Host `host` with `ports` ports.
fn endpoint_config(host: u8, ports: u8) -> EndpointConfig {
    let ports: Vec<_> = (0..ports).map(|number| port_config(host, number)).collect();
    EndpointConfig { mptcp: Rc::new(mptcp_config(&ports)), ports, limits: Limits::default(), steering: None }
}
