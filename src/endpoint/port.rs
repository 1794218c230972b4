//! One NIC port of the host: its addresses, neighbours and waiting frames.

use super::address::ALL_NODES;
use super::config::{Limits, is_link_local};
use super::keyed_hash::KeyedHash;
use super::neighbour::NeighbourTable;
use super::output::OutputQueue;
use super::{PortAddress, PortConfig};
use crate::base::PortIndex;
use crate::wire::{MacAddress, solicited_node};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What passed through one port since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortStatistics {
    /// Frames that arrived.
    pub frames_received: u64,
    /// Their bytes, Ethernet header included.
    pub bytes_received: u64,
    /// Frames handed to the driver; one that the port cuts counts once.
    pub frames_sent: u64,
    /// Their bytes, Ethernet header included.
    pub bytes_sent: u64,
    /// Frames of ours that were dropped before the driver saw them.
    pub frames_dropped: u64,
}

#[derive(Debug)]
pub(super) struct Port<P> {
    pub(super) index: PortIndex,
    pub(super) config: PortConfig,
    /// Configured addresses and the link-local one.
    addresses: Vec<PortAddress>,
    /// Ethernet addresses of the multicast groups that the host listens to.
    groups: Vec<MacAddress>,
    pub(super) link_up: bool,
    /// The most frames that the port was ever seen to take at once.
    pub(super) most_room: usize,
    pub(super) neighbours: NeighbourTable<P>,
    pub(super) output: OutputQueue<P>,
    pub(super) statistics: PortStatistics,
}

impl<P> Port<P> {
    pub(super) fn new(index: PortIndex, config: PortConfig, limits: &Limits, hash: KeyedHash) -> Self {
        let addresses = config.all_addresses();
        Self {
            index,
            groups: groups(&addresses),
            addresses,
            config,
            link_up: true,
            most_room: 0,
            neighbours: NeighbourTable::new(
                limits.neighbours,
                limits.neighbour_frames,
                limits.own_frames,
                hash,
            ),
            output: OutputQueue::new(limits.own_frames),
            statistics: PortStatistics::default(),
        }
    }

    pub(super) fn addresses(&self) -> &[PortAddress] {
        &self.addresses
    }

    /// Whether the address is one of this port's.
    pub(super) fn owns(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|at| at.address == address)
    }

    /// Whether a frame to this Ethernet address is for us.
    pub(super) fn listens_to(&self, mac: MacAddress) -> bool {
        mac == self.config.mac || mac == MacAddress::BROADCAST || self.groups.contains(&mac)
    }

    /// Whether the IPv4 address means every host of a link of this port.
    pub(super) fn is_broadcast(&self, address: IpAddr) -> bool {
        address == IpAddr::V4(Ipv4Addr::BROADCAST) || self.addresses.iter().any(|at| at.is_broadcast(address))
    }

    /// Bits of the longest prefix on this link that covers `address`.
    pub(super) fn prefix_bits(&self, address: IpAddr) -> Option<u8> {
        self.addresses.iter().filter(|at| at.covers(address)).map(|at| at.prefix_bits).max()
    }

    /// Who takes packets for `destination`: itself if it is on the link, else
    /// the gateway.
    pub(super) fn next_hop(&self, destination: IpAddr) -> Option<IpAddr> {
        if self.prefix_bits(destination).is_some() {
            return Some(destination);
        }
        // RFC 4291 §2.5.6: no router forwards these.
        self.gateway(destination).filter(|_| !is_link_local(destination))
    }

    /// The gateway for destinations of that family.
    pub(super) const fn gateway(&self, destination: IpAddr) -> Option<IpAddr> {
        if destination.is_ipv4() { self.config.gateway_v4 } else { self.config.gateway_v6 }
    }

    /// The address of ours to talk to `destination` from: of the longest
    /// prefix that covers it, else the first that reaches beyond the link.
    pub(super) fn source_for(&self, destination: IpAddr) -> Option<IpAddr> {
        let covering =
            self.addresses.iter().filter(|at| at.covers(destination)).max_by_key(|at| at.prefix_bits);
        let same_family = |at: &&PortAddress| at.address.is_ipv4() == destination.is_ipv4();
        let mut others = self.addresses.iter().filter(same_family);
        covering.or_else(|| others.find(|at| !is_link_local(at.address))).map(|at| at.address)
    }
}

/// All nodes, and the solicited-node group of each address (RFC 4861 §7.2.1).
fn groups(addresses: &[PortAddress]) -> Vec<MacAddress> {
    let v6 = |at: &PortAddress| match at.address {
        IpAddr::V6(address) => Some(address),
        IpAddr::V4(_) => None,
    };
    let mut groups: Vec<Ipv6Addr> = addresses.iter().filter_map(v6).map(solicited_node).collect();
    if !groups.is_empty() {
        groups.push(ALL_NODES);
    }
    let mut macs: Vec<_> = groups.into_iter().map(MacAddress::multicast).collect();
    macs.dedup();
    macs
}
