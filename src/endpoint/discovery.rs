//! Neighbour discovery for IPv6 (RFC 4861): answers for our addresses, and
//! what others tell.

use super::Endpoint;
use super::address::{ALL_NODES, is_unicast};
use super::neighbour::Evidence;
use super::receive::Arrival;
use super::send::OwnPacket;
use crate::base::{Context, Outcome, Packet};
use crate::wire::{Icmpv6, MacAddress, protocol, solicited_node};
use std::net::{IpAddr, Ipv6Addr};

/// ICMPv6 header, target address and one option.
const MESSAGE_BYTES: usize = 8 + 16 + 8;

impl<P: Packet> Endpoint<P> {
    /// Takes in a message of neighbour discovery.
    pub(super) fn handle_discovery(&mut self, cx: &mut Context<'_>, arrival: &Arrival, message: &Icmpv6<'_>) {
        // RFC 4861 §7.1: a router has not forwarded it.
        if arrival.hop_limit != Icmpv6::NEIGHBOUR_HOP_LIMIT {
            return cx.count(Outcome::IcmpMalformed);
        }
        let index = usize::from(arrival.port.0);
        match *message {
            Icmpv6::NeighbourSolicitation { target, source_mac } => {
                self.handle_solicitation(cx, index, arrival.source, target, source_mac);
            }
            Icmpv6::NeighbourAdvertisement {
                target, solicited, overriding: overrides, target_mac, ..
            } => {
                let evidence = if solicited {
                    Evidence::Answer { overrides }
                } else {
                    Evidence::Announcement { overrides }
                };
                match target_mac.filter(|mac| mac.is_unicast()) {
                    Some(mac) if !self.ports[index].owns(target.into()) => {
                        self.learn(cx, index, target.into(), mac, evidence);
                    }
                    None if solicited => {
                        self.publish_neighbour(index, target.into(), None, evidence);
                        self.confirm_quietly(cx, index, target.into());
                    }
                    _ => cx.count(Outcome::IcmpIgnored),
                }
            }
            // Gateways are configured.
            _ => cx.count(Outcome::IcmpIgnored),
        }
    }

    /// A neighbour answers that is where it was.
    pub(super) fn confirm_quietly(&mut self, cx: &Context<'_>, index: usize, address: IpAddr) {
        if let Some(port) = self.ports.get_mut(index) {
            port.neighbours.confirm(cx.now, address);
        }
    }

    fn handle_solicitation(
        &mut self,
        cx: &mut Context<'_>,
        index: usize,
        source: IpAddr,
        target: Ipv6Addr,
        source_mac: Option<MacAddress>,
    ) {
        if !self.ports[index].owns(target.into()) {
            return cx.count(Outcome::IcmpIgnored);
        }
        if let Some(mac) = source_mac.filter(|mac| mac.is_unicast() && is_unicast(source)) {
            self.learn(cx, index, source, mac, Evidence::Question);
        }
        match source {
            IpAddr::V6(source) if !source.is_unspecified() => {
                self.send_advertisement(cx, index, target, Some(source), source_mac);
            }
            // Somebody wants to take our address (RFC 4862 §5.4.3): all shall know.
            _ => self.send_advertisement(cx, index, target, None, None),
        }
    }

    /// Says that `target` is ours: to `asker`, or to everybody.
    fn send_advertisement(
        &mut self,
        cx: &mut Context<'_>,
        index: usize,
        target: Ipv6Addr,
        asker: Option<Ipv6Addr>,
        asker_mac: Option<MacAddress>,
    ) {
        let message = Icmpv6::NeighbourAdvertisement {
            target,
            router: false,
            solicited: asker.is_some(),
            overriding: true,
            target_mac: Some(self.ports[index].config.mac),
        };
        let destination = asker.unwrap_or(ALL_NODES);
        let known = asker_mac.filter(|mac| mac.is_unicast());
        let mac = if asker.is_some() { known } else { Some(MacAddress::multicast(ALL_NODES)) };
        self.send_discovery(cx, index, &message, (target, destination), mac);
    }

    /// Asks who has `address`: its group, or the one who had it.
    pub(super) fn send_solicitation(
        &mut self,
        cx: &mut Context<'_>,
        index: usize,
        address: Ipv6Addr,
        source: Ipv6Addr,
        unicast: Option<MacAddress>,
    ) {
        let source_mac = Some(self.ports[index].config.mac);
        let message = Icmpv6::NeighbourSolicitation { target: address, source_mac };
        let destination = if unicast.is_some() { address } else { solicited_node(address) };
        let mac = unicast.unwrap_or_else(|| MacAddress::multicast(destination));
        self.send_discovery(cx, index, &message, (source, destination), Some(mac));
    }

    /// Tells everybody that an address is ours (RFC 4861 §7.2.6).
    pub(super) fn announce_v6(&mut self, cx: &mut Context<'_>, index: usize, address: Ipv6Addr) {
        self.send_advertisement(cx, index, address, None, None);
    }

    fn send_discovery(
        &mut self,
        cx: &mut Context<'_>,
        index: usize,
        message: &Icmpv6<'_>,
        (source, destination): (Ipv6Addr, Ipv6Addr),
        mac: Option<MacAddress>,
    ) {
        let mut buffer = [0; MESSAGE_BYTES];
        let bytes = message.emit(source, destination, &mut buffer);
        let packet = OwnPacket {
            source: source.into(),
            destination: destination.into(),
            protocol: protocol::ICMPV6,
            hop_limit: Icmpv6::NEIGHBOUR_HOP_LIMIT,
            upper: &buffer[..bytes],
            payload: None,
        };
        match mac {
            Some(mac) => self.send_on_link(cx, index, mac, packet),
            None => self.send_routed(cx, packet),
        }
    }
}
