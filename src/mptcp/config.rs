//! Settings of a connection and the way of a subflow.

use super::SchedulerKind;
use crate::base::{AddressId, Duration, FourTuple, PackedTuple, PortIndex, PortSet};
use crate::tcp;
use std::net::IpAddr;
use std::rc::Rc;

/// Settings of a connection, shared by all of an endpoint.
#[derive(Clone, Debug)]
pub struct Config {
    /// Offer and accept MPTCP; off: plain TCP only.
    pub enabled: bool,
    /// Require DSS checksums: the A flag (RFC 8684 §3.1).
    pub checksum: bool,
    /// Which subflow sends next.
    pub scheduler: SchedulerKind,
    /// Our addresses: joins are opened from them, and they are announced.
    pub addresses: Vec<LocalAddress>,
    /// Subflows per connection at most, the first counted.
    pub max_subflows: u8,
    /// Addresses of the peer remembered per connection.
    pub max_remote_addresses: u8,
    /// Open subflows from every address of ours (active side).
    pub full_mesh: bool,
    /// Announce our other addresses by ADD_ADDR.
    pub announce: bool,
    /// Bytes that the application may have unacknowledged in the connection.
    pub send_buffer_bytes: usize,
    /// Bytes received and not yet consumed, and the window announced.
    pub receive_buffer_bytes: usize,
    /// An ADD_ADDR without echo is sent again after this.
    pub add_address_timeout: Duration,
    /// How long a connection without a subflow waits for one, and how long a
    /// closed one waits for the peer's end (RFC 8684 §3.3.3).
    pub close_timeout: Duration,
    /// Ports whose memory is far from the core that serves the connections: on
    /// another NUMA node. Their subflows get what the others have no window for.
    pub far_ports: PortSet,
    /// SYNs with MP_CAPABLE sent before a plain one (RFC 8684 §3.1).
    pub capable_syn_retries: u8,
    /// Settings of each subflow.
    pub tcp: Rc<tcp::Config>,
}

/// An address of this endpoint as a connection sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalAddress {
    /// Its id, at least 1: 0 is the initial subflow's address.
    pub id: AddressId,
    /// The address.
    pub address: IpAddr,
    /// The NIC port that has it.
    pub port: PortIndex,
    /// Ask the peer to use its subflows only as backup (the B flag).
    pub backup: bool,
}

/// The way of one subflow.
#[derive(Clone, Copy, Debug)]
pub struct Path {
    /// Both ends.
    pub tuple: FourTuple,
    /// NIC port it leaves by.
    pub port: PortIndex,
    /// IP MTU in bytes; path MTU discovery lowers it.
    pub mtu: u16,
    /// Payload bytes that the port cuts into segments itself (TSO); 0: none.
    pub super_segment_bytes: usize,
}

/// A path as a subflow keeps it.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeptPath {
    tuple: PackedTuple,
    pub(super) super_segment_bytes: u32,
    pub(super) mtu: u16,
    pub(super) port: PortIndex,
}

impl From<Path> for KeptPath {
    fn from(path: Path) -> Self {
        let super_segment_bytes = u32::try_from(path.super_segment_bytes).unwrap_or(u32::MAX);
        Self { tuple: path.tuple.into(), super_segment_bytes, mtu: path.mtu, port: path.port }
    }
}

impl KeptPath {
    /// Both ends.
    pub(super) fn tuple(&self) -> FourTuple {
        self.tuple.into()
    }

    /// As the rooms above know it.
    pub(super) fn path(&self) -> Path {
        let super_segment_bytes = self.super_segment_bytes as usize;
        Path { tuple: self.tuple(), port: self.port, mtu: self.mtu, super_segment_bytes }
    }
}

impl Path {
    /// The largest TCP payload without options: the MTU less the fixed IP and
    /// TCP headers.
    pub(super) fn mss_bytes(&self) -> u16 {
        let headers = if self.tuple.local.is_ipv4() { 40 } else { 60 };
        self.mtu.saturating_sub(headers).max(64)
    }
}
