//! A configuration as plain data: every value checked, every default filled in.

use super::device::Device;
use crate::base::Duration;
use crate::congestion::Algorithm;
use crate::mptcp::SchedulerKind;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

/// A valid configuration: what one endpoint is started with.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file it was read from.
    pub file: PathBuf,
    /// How DPDK's environment is started.
    pub eal: Eal,
    /// The NIC ports, at least one; a port's index is its [`PortIndex`](crate::base::PortIndex).
    pub ports: Vec<Port>,
    /// Settings of every subflow.
    pub tcp: Tcp,
    /// Settings of every connection.
    pub mptcp: Mptcp,
    /// Settings of the packet loop and its memory.
    pub engine: Engine,
    /// The keys that the file does not name, with the values taken for them.
    pub defaults: Vec<DefaultUsed>,
}

/// A key that the file does not name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefaultUsed {
    /// The key as a path.
    pub key: String,
    /// The value taken.
    pub value: String,
}

/// How DPDK's environment is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Eal {
    /// Where packet memory comes from.
    pub memory: Memory,
    /// How much of it is reserved, in MiB.
    pub memory_mb: u32,
    /// The CPUs of the packet loops.
    pub cores: Vec<u16>,
    /// Sets endpoints on one machine apart.
    pub file_prefix: String,
    /// What DPDK logs.
    pub log_level: EalLogLevel,
    /// Handed to `rte_eal_init` behind our own.
    pub arguments: Vec<String>,
}

/// Where packet memory comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// Ordinary pages: no root, no preparation.
    NoHuge,
    /// Anonymous hugepages: no mount, nothing left behind.
    InMemory,
    /// Hugepages as files in a hugetlbfs.
    Files,
}

/// The least severe message that DPDK logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EalLogLevel {
    /// Only what broke.
    Error,
    /// And what is suspicious.
    Warning,
    /// And what matters.
    Notice,
    /// And what happens.
    Info,
    /// Everything.
    Debug,
}

/// A NIC port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name in statistics and messages, unique.
    pub name: String,
    /// The DPDK device behind it.
    pub device: Device,
    /// Our addresses on it, at least one.
    pub addresses: Vec<Subnet>,
    /// Next hop of IPv4 destinations outside the subnets.
    pub gateway: Option<Ipv4Addr>,
    /// Next hop of IPv6 destinations outside the subnets.
    pub gateway6: Option<Ipv6Addr>,
    /// Largest IP packet in bytes.
    pub mtu: u16,
    /// VLAN id of every frame.
    pub vlan: Option<u16>,
    /// Used only when no other port works (MP_PRIO, RFC 8684 §3.3.8).
    pub backup: bool,
    /// Instead of the device's own.
    pub mac: Option<[u8; 6]>,
    /// Size of the receive ring.
    pub rx_descriptors: u16,
    /// Size of the transmit ring.
    pub tx_descriptors: u16,
    /// Receive frames for any MAC address.
    pub promiscuous: bool,
    /// Let the port cut segments, where it can.
    pub tso: bool,
    /// Let the port merge segments, where it can.
    pub lro: bool,
}

/// An address with the length of its network prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// Our address in it.
    pub address: IpAddr,
    /// Leading bits that all its addresses share.
    pub prefix: u8,
}

/// Settings of every subflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tcp {
    /// Congestion control.
    pub congestion: Algorithm,
    /// Floor of the retransmission timer.
    pub rto_min: Duration,
    /// Shift of the announced window (RFC 7323 §2).
    pub window_scale: u8,
    /// Offer selective acknowledgements (RFC 2018).
    pub sack: bool,
    /// Offer timestamps (RFC 7323 §3).
    pub timestamps: bool,
    /// How long an acknowledgement may wait.
    pub delayed_ack: Duration,
    /// Silence before the peer is probed; `None` never probes.
    pub keepalive: Option<Duration>,
    /// SYNs and SYN/ACKs sent again before giving up.
    pub syn_retries: u8,
    /// Timeouts in a row before giving up.
    pub retries: u8,
    /// Segments in flight at the start (RFC 6928).
    pub initial_window_segments: u8,
    /// How long TIME_WAIT lasts.
    pub time_wait: Duration,
}

/// Settings of every connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mptcp {
    /// Speak MPTCP; off: plain TCP only.
    pub enabled: bool,
    /// Which subflow gets the next bytes.
    pub scheduler: SchedulerKind,
    /// Require DSS checksums (RFC 8684 §3.3).
    pub checksum: bool,
    /// Subflows of a connection at most, the first counted.
    pub max_subflows: u8,
    /// Addresses of the peer remembered per connection.
    pub max_remote_addresses: u8,
    /// Join from every address of ours to every one of the peer's.
    pub full_mesh: bool,
    /// Announce our other addresses (ADD_ADDR).
    pub announce: bool,
    /// Ports on the core's NUMA node first.
    pub prefer_near_ports: bool,
    /// Bytes an application may have in a connection unacknowledged.
    pub send_buffer_bytes: usize,
    /// Bytes received and not yet read, with the window announced.
    pub receive_buffer_bytes: usize,
    /// An ADD_ADDR without echo is sent again after this.
    pub add_address_timeout: Duration,
    /// How long a connection without any subflow waits for one.
    pub close_timeout: Duration,
}

/// Settings of the packet loop and its memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Engine {
    /// Idle polling before the core sleeps.
    pub spin: Duration,
    /// Poll for ever.
    pub never_sleep: bool,
    /// Connections at most, those in TIME_WAIT counted.
    pub max_connections: u32,
    /// Connections of a listener that wait to be accepted, at most.
    pub backlog: u32,
    /// Memory that one client writes into, in MiB.
    pub transmit_arena_mb: u32,
    /// Memory that one client reads from, in MiB.
    pub receive_arena_mb: u32,
    /// Packet buffers of the endpoint, shared by its ports.
    pub packet_buffers: u32,
    /// Those of them that one client may read received bytes in; 0 for none.
    pub receive_in_place_buffers: u32,
}

impl Subnet {
    /// Whether `address` lies in this subnet.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let shift = 32 - u32::from(self.prefix.min(32));
                shift == 32 || u32::from(own) >> shift == u32::from(other) >> shift
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let shift = 128 - u32::from(self.prefix.min(128));
                shift == 128 || u128::from(own) >> shift == u128::from(other) >> shift
            }
            _ => false,
        }
    }

    /// Whether any address lies in both.
    pub fn overlaps(&self, other: &Self) -> bool {
        if self.prefix <= other.prefix { self.contains(other.address) } else { other.contains(self.address) }
    }

    /// The subnet's first address.
    pub fn network(&self) -> IpAddr {
        match self.address {
            IpAddr::V4(own) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix.min(32))).unwrap_or(0);
                Ipv4Addr::from(u32::from(own) & mask).into()
            }
            IpAddr::V6(own) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix.min(128))).unwrap_or(0);
                Ipv6Addr::from(u128::from(own) & mask).into()
            }
        }
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl Memory {
    pub(super) const NAMES: &[(&str, Self)] =
        &[("no-huge", Self::NoHuge), ("in-memory", Self::InMemory), ("files", Self::Files)];

    /// Its name in the file.
    pub fn name(self) -> &'static str {
        name_of(Self::NAMES, &self)
    }
}

impl EalLogLevel {
    pub(super) const NAMES: &[(&str, Self)] = &[
        ("error", Self::Error),
        ("warning", Self::Warning),
        ("notice", Self::Notice),
        ("info", Self::Info),
        ("debug", Self::Debug),
    ];

    /// Its name in the file, which DPDK shares.
    pub fn name(self) -> &'static str {
        name_of(Self::NAMES, &self)
    }
}

/// The congestion controls by their names in the file.
pub(super) const CONGESTION_NAMES: &[(&str, Algorithm)] =
    &[("new-reno", Algorithm::NewReno), ("cubic", Algorithm::Cubic)];

/// The schedulers by their names in the file.
pub(super) const SCHEDULER_NAMES: &[(&str, SchedulerKind)] =
    &[("min-rtt", SchedulerKind::MinRtt), ("round-robin", SchedulerKind::RoundRobin)];

/// The name of `value` in a table of names.
pub(super) fn name_of<T: PartialEq>(names: &[(&'static str, T)], value: &T) -> &'static str {
    names.iter().find(|(_, candidate)| candidate == value).map_or("?", |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(text: &str) -> Subnet {
        let (address, prefix) = text.split_once('/').unwrap();
        Subnet { address: address.parse().unwrap(), prefix: prefix.parse().unwrap() }
    }

    #[test]
    fn a_subnet_knows_its_addresses() {
        let four = subnet("10.1.1.2/24");
        assert!(four.contains("10.1.1.254".parse().unwrap()));
        assert!(!four.contains("10.1.2.1".parse().unwrap()));
        assert!(!four.contains("fd00::1".parse().unwrap()));
        assert_eq!(four.network().to_string(), "10.1.1.0");
        assert!(subnet("0.0.0.0/0").contains("255.0.0.1".parse().unwrap()));
        assert_eq!(subnet("10.9.8.7/0").network().to_string(), "0.0.0.0");
        let six = subnet("fd00:1::2/64");
        assert!(six.contains("fd00:1::ffff".parse().unwrap()));
        assert!(!six.contains("fd00:2::1".parse().unwrap()));
        assert_eq!(six.network().to_string(), "fd00:1::");
        assert!(subnet("::1/0").contains("fd00::1".parse().unwrap()));
    }

    #[test]
    fn overlap_is_symmetric() {
        let (wide, narrow, apart) = (subnet("10.0.0.1/8"), subnet("10.7.0.1/30"), subnet("11.0.0.1/8"));
        assert!(wide.overlaps(&narrow) && narrow.overlaps(&wide));
        assert!(!wide.overlaps(&apart) && !apart.overlaps(&wide));
    }
}
