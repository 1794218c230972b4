//! ARP (RFC 826, RFC 5227): answers for our addresses, and what others tell.

use super::Endpoint;
use super::address::is_unicast;
use super::neighbour::Evidence;
use crate::base::{Context, Outcome, Packet};
use crate::wire::{Arp, ArpOperation, EtherType, MacAddress};
use std::net::{IpAddr, Ipv4Addr};

impl<P: Packet> Endpoint<P> {
    /// Takes in an ARP packet from port `index`.
    pub(super) fn handle_arp(&mut self, cx: &mut Context<'_>, index: usize, bytes: &[u8]) {
        let Ok(arp) = Arp::parse(bytes) else { return cx.count(Outcome::ArpMalformed) };
        let port = &self.ports[index];
        let for_us = port.owns(arp.target_address.into());
        let sender = IpAddr::from(arp.sender_address);
        // Nobody else may speak for our addresses; a probe (RFC 5227 §2.1.1) has no sender.
        let is_neighbour = is_unicast(sender)
            && arp.sender_mac.is_unicast()
            && !port.owns(sender)
            && port.prefix_bits(sender).is_some()
            && !port.is_broadcast(sender);
        if is_neighbour {
            let evidence = match arp.operation {
                ArpOperation::Request if for_us => Evidence::Question,
                ArpOperation::Reply if for_us && arp.target_mac == port.config.mac => {
                    Evidence::Answer { overrides: true }
                }
                _ => Evidence::Announcement { overrides: true },
            };
            self.learn(cx, index, sender, arp.sender_mac, evidence);
        }
        if arp.operation == ArpOperation::Request && for_us && arp.sender_mac.is_unicast() {
            self.send_arp_reply(cx, index, &arp);
        }
    }

    fn send_arp_reply(&mut self, cx: &mut Context<'_>, index: usize, request: &Arp) {
        let reply = Arp {
            operation: ArpOperation::Reply,
            sender_mac: self.ports[index].config.mac,
            sender_address: request.target_address,
            target_mac: request.sender_mac,
            target_address: request.sender_address,
        };
        self.send_arp(cx, index, request.sender_mac, &reply);
    }

    /// Asks who has `address`: everybody, or the one who had it.
    pub(super) fn send_arp_request(
        &mut self,
        cx: &mut Context<'_>,
        index: usize,
        address: Ipv4Addr,
        source: Ipv4Addr,
        unicast: Option<MacAddress>,
    ) {
        let request = Arp {
            operation: ArpOperation::Request,
            sender_mac: self.ports[index].config.mac,
            sender_address: source,
            target_mac: MacAddress::default(),
            target_address: address,
        };
        self.send_arp(cx, index, unicast.unwrap_or(MacAddress::BROADCAST), &request);
    }

    /// Tells everybody that an address is ours (RFC 5227 §3).
    pub(super) fn announce_v4(&mut self, cx: &mut Context<'_>, index: usize, address: Ipv4Addr) {
        self.send_arp_request(cx, index, address, address, None);
    }

    fn send_arp(&mut self, cx: &mut Context<'_>, index: usize, mac: MacAddress, arp: &Arp) {
        let mut body = [0; Arp::BYTES];
        arp.emit(&mut body);
        self.send_raw(cx, index, mac, EtherType::ARP, &body);
    }

    /// Takes in a neighbour's Ethernet address; what waited for it leaves. The
    /// other cores hear of it.
    pub(super) fn learn(
        &mut self,
        cx: &mut Context<'_>,
        index: usize,
        address: IpAddr,
        mac: MacAddress,
        evidence: Evidence,
    ) {
        self.publish_neighbour(index, address, Some(mac), evidence);
        self.learn_quietly(cx, index, address, mac, evidence);
    }

    /// The same for what another core says.
    pub(super) fn learn_quietly(
        &mut self,
        cx: &mut Context<'_>,
        index: usize,
        address: IpAddr,
        mac: MacAddress,
        evidence: Evidence,
    ) {
        if index >= self.ports.len() {
            return;
        }
        let mut ready = Vec::new();
        if !self.ports[index].neighbours.learn(cx.now, address, mac, evidence, &mut ready) {
            cx.count(Outcome::NeighbourTableFull);
        }
        for frame in ready {
            if let Some(segment) = frame.segment
                && let Some(connection) = self.touch(segment.connection)
            {
                connection.handle_late_departure(cx, segment.subflow);
            }
            self.enqueue(cx, index, frame);
        }
    }
}
