//! How the two hosts are configured.

use mpdk::base::{Duration, PortIndex, PortSet};
use mpdk::endpoint::{EndpointConfig, Limits, PortAddress, PortConfig, local_addresses};
use mpdk::wire::MacAddress;
use mpdk::{congestion, mptcp, tcp};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

/// The first of the ports that the passive host serves.
const SERVICE: u16 = 8_080;

/// What a scenario chooses.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    pub mptcp: bool,
    pub links: u8,
    /// Payload bytes that ports cut themselves; 0: none.
    pub super_segment_bytes: usize,
    pub connections: usize,
    /// Each connection has a timer that runs.
    pub keepalive: bool,
    /// Listeners: each has its own 4-tuples.
    pub services: u16,
    /// Which subflow gets what.
    pub scheduler: mptcp::SchedulerKind,
}

fn address(host: u8, link: u8) -> IpAddr {
    [10, link, 0, host + 1].into()
}

/// Where the passive host listens.
pub fn service(number: u16) -> SocketAddr {
    SocketAddr::new(address(1, 0), SERVICE + number)
}

fn port(setup: &Setup, host: u8, link: u8) -> PortConfig {
    PortConfig {
        name: format!("link{link}"),
        mac: MacAddress([2, 0, 0, 0, host, link]),
        mtu: 1500,
        addresses: vec![PortAddress { address: address(host, link), prefix_bits: 24 }],
        gateway_v4: None,
        gateway_v6: None,
        vlan: None,
        backup: false,
        tx_ip_checksum: true,
        tx_tcp_checksum: true,
        super_segment_bytes: setup.super_segment_bytes,
    }
}

fn tcp_config(setup: &Setup) -> tcp::Config {
    let idle = Duration::from_secs(7_200);
    let keepalive = tcp::Keepalive { idle, interval: Duration::from_secs(75), probes: 9 };
    tcp::Config {
        window_scale: 10,
        timestamps: true,
        sack: true,
        rto_min: Duration::from_millis(10),
        rto_initial: Duration::from_secs(1),
        rto_max: Duration::from_secs(60),
        delayed_ack: Duration::from_millis(4),
        syn_retries: 6,
        retries: 15,
        keepalive: setup.keepalive.then_some(keepalive),
        // Short: that a connection is forgotten belongs to its life.
        time_wait: Duration::from_millis(1),
        fin_wait_2: Duration::from_secs(60),
        congestion: congestion::Algorithm::Cubic,
        initial_window_segments: 10,
        reassembly_segments: 4_096,
    }
}

/// Host 0 connects, host 1 listens; port n of both is on link n.
pub fn endpoint_config(setup: &Setup, host: u8) -> EndpointConfig {
    let ports: Vec<_> = (0..setup.links).map(|link| port(setup, host, link)).collect();
    let mptcp = mptcp::Config {
        enabled: setup.mptcp,
        checksum: false,
        scheduler: setup.scheduler,
        addresses: local_addresses(&ports),
        max_subflows: 8,
        max_remote_addresses: 8,
        full_mesh: true,
        announce: true,
        send_buffer_bytes: 4 << 20,
        receive_buffer_bytes: 4 << 20,
        add_address_timeout: Duration::from_secs(10),
        close_timeout: Duration::from_secs(60),
        far_ports: PortSet::EMPTY,
        capable_syn_retries: 2,
        tcp: Rc::new(tcp_config(setup)),
    };
    let limits = Limits { connections: setup.connections, ..Limits::default() };
    EndpointConfig { ports, mptcp: Rc::new(mptcp), limits, steering: None }
}

/// Every port.
pub fn ports(links: u8) -> impl Iterator<Item = PortIndex> {
    (0..links).map(PortIndex)
}
