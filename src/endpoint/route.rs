//! Which port and next hop lead to a destination. A source address belongs to
//! one port, and its packets leave there (the strong host model, RFC 1122
//! §3.3.4.2): so every subflow keeps to its own link.

use super::config::is_link_local;
use super::port::Port;
use crate::base::PortIndex;
use std::net::IpAddr;

#[cfg(test)]
mod tests;

/// The way of packets from one address of ours to one destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) port: PortIndex,
    pub(super) next_hop: IpAddr,
}

/// The way from `source`, an address of ours, to `destination`.
pub(super) fn route<P>(ports: &[Port<P>], source: IpAddr, destination: IpAddr) -> Option<Route> {
    if source.is_ipv4() != destination.is_ipv4() || ports.iter().any(|port| port.owns(destination)) {
        return None;
    }
    let port = ports.iter().find(|port| port.owns(source))?;
    if port.is_broadcast(destination) {
        return None;
    }
    Some(Route { port: port.index, next_hop: port.next_hop(destination)? })
}

/// The address to connect to `destination` from when the application does not
/// say: of the port with the longest prefix, else of the first port with a
/// gateway. Ports without link come last.
pub(super) fn choose_source<P>(ports: &[Port<P>], destination: IpAddr) -> Option<IpAddr> {
    if is_link_local(destination) && destination.is_ipv6() && ports.len() > 1 {
        // Every link has these: the application must say which it means.
        return None;
    }
    let on_link = ports.iter().filter_map(|port| Some((port.prefix_bits(destination)?, port)));
    // `max_by_key` keeps the last of equals; the first port shall win.
    let nearest = on_link.rev().max_by_key(|(bits, port)| (port.link_up, *bits)).map(|(_, port)| port);
    let has_gateway = |port: &&Port<P>| port.gateway(destination).is_some();
    let beyond = || ports.iter().filter(has_gateway).rev().max_by_key(|port| port.link_up);
    nearest.or_else(beyond)?.source_for(destination)
}
