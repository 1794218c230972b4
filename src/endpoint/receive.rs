//! The way in: Ethernet, VLAN and IP, down to who speaks the protocol above.

use super::Endpoint;
use super::address::is_unicast;
use super::port::Port;
use crate::base::{Context, Outcome, Packet, PortIndex, ReceiveMeta};
use crate::wire::{EtherType, Ethernet, Ipv4, Ipv6, MacAddress, ParseError, protocol};
use std::net::IpAddr;

/// Whence an IP packet came and whither it went.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) port: PortIndex,
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) protocol: u8,
    pub(super) hop_limit: u8,
    /// Bytes of IP header with all extensions.
    pub(super) header_bytes: usize,
    /// Sent to an address of ours on both layers, not to a group or everybody.
    pub(super) to_us_alone: bool,
}

impl<P: Packet> Endpoint<P> {
    /// Takes in a frame that `port` received: Ethernet header to the last byte,
    /// without checksum. Every frame is counted, at least as received; what is
    /// wrong with one is an [`Outcome`].
    pub fn handle_frame(&mut self, cx: &mut Context<'_>, port: PortIndex, mut frame: P, meta: ReceiveMeta) {
        let Some(at) = self.port_mut(port) else { return };
        cx.count(Outcome::FrameReceived);
        at.statistics.frames_received += 1;
        at.statistics.bytes_received += frame.len() as u64;
        let Ok(header) = Ethernet::parse(frame.head()) else { return cx.count(Outcome::FrameTruncated) };
        if !at.takes(&header, &meta) {
            return cx.count(Outcome::FrameNotForUs);
        }
        let index = usize::from(port.0);
        frame.trim_front(header.header_bytes());
        match header.ether_type {
            EtherType::IPV4 => self.handle_ipv4(cx, index, header.destination, frame, meta),
            EtherType::IPV6 => self.handle_ipv6(cx, index, header.destination, frame, meta),
            EtherType::ARP => self.handle_arp(cx, index, frame.head()),
            _ => cx.count(Outcome::EtherTypeUnknown),
        }
    }

    fn handle_ipv4(
        &mut self,
        cx: &mut Context<'_>,
        index: usize,
        mac: MacAddress,
        mut packet: P,
        meta: ReceiveMeta,
    ) {
        let header = match Ipv4::parse(packet.head(), packet.len(), meta.ip_checksum) {
            Ok(header) => header,
            Err(ParseError::Checksum) => return cx.count(Outcome::IpChecksumBad),
            Err(_) => return cx.count(Outcome::IpMalformed),
        };
        // Fragments are nothing to us: we set DF, and so do the peers of TCP.
        if header.is_fragment() {
            return cx.count(Outcome::IpFragment);
        }
        let header_bytes = usize::from(header.header_bytes);
        packet.truncate(header_bytes + usize::from(header.payload_bytes));
        let arrival = Arrival {
            port: PortIndex(index as u8),
            source: header.source.into(),
            destination: header.destination.into(),
            protocol: header.protocol,
            hop_limit: header.time_to_live,
            header_bytes,
            to_us_alone: !mac.is_multicast(),
        };
        self.handle_ip(cx, arrival, packet, meta);
    }

    fn handle_ipv6(
        &mut self,
        cx: &mut Context<'_>,
        index: usize,
        mac: MacAddress,
        mut packet: P,
        meta: ReceiveMeta,
    ) {
        let Ok(header) = Ipv6::parse(packet.head(), packet.len()) else {
            return cx.count(Outcome::IpMalformed);
        };
        if header.fragment {
            return cx.count(Outcome::IpFragment);
        }
        let header_bytes = usize::from(header.header_bytes);
        packet.truncate(header_bytes + usize::from(header.payload_bytes));
        let arrival = Arrival {
            port: PortIndex(index as u8),
            source: header.source.into(),
            destination: header.destination.into(),
            protocol: header.protocol,
            hop_limit: header.hop_limit,
            header_bytes,
            to_us_alone: !mac.is_multicast(),
        };
        self.handle_ip(cx, arrival, packet, meta);
    }

    /// `packet` is the IP packet, header included, padding not.
    fn handle_ip(&mut self, cx: &mut Context<'_>, mut arrival: Arrival, mut packet: P, meta: ReceiveMeta) {
        if arrival.protocol == protocol::TCP {
            packet.trim_front(arrival.header_bytes);
            return self.handle_tcp(cx, &mut arrival, packet, meta);
        }
        if !self.admits(cx, &mut arrival) {
            return;
        }
        match (arrival.protocol, arrival.source.is_ipv4()) {
            (protocol::ICMP, true) => self.handle_icmp_v4(cx, &arrival, packet),
            (protocol::ICMPV6, false) => self.handle_icmp_v6(cx, &arrival, packet),
            (protocol::UDP, _) => {
                cx.count(Outcome::UdpClosedPort);
                self.answer_unreachable(cx, &arrival, packet);
            }
            _ => {
                cx.count(Outcome::IpProtocolUnknown);
                self.answer_unreachable(cx, &arrival, packet);
            }
        }
    }

    /// Whether a packet came to an address of this host, or of a group, from one
    /// that another host may have. Notes whether it came to us alone.
    pub(super) fn admits(&self, cx: &mut Context<'_>, arrival: &mut Arrival) -> bool {
        let port = &self.ports[usize::from(arrival.port.0)];
        let to_us = port.owns(arrival.destination);
        let to_group = is_multicast(arrival.destination) || port.is_broadcast(arrival.destination);
        if !to_us && !to_group {
            cx.count(Outcome::IpNotForUs);
            return false;
        }
        if !self.is_source_valid(arrival) {
            cx.count(Outcome::IpSourceInvalid);
            return false;
        }
        arrival.to_us_alone &= to_us;
        true
    }

    /// RFC 1122 §3.2.1.3, RFC 4291 §2.7: a packet comes from one host, and not
    /// from this one. A host without address may use neighbour discovery.
    fn is_source_valid(&self, arrival: &Arrival) -> bool {
        if arrival.source.is_unspecified() {
            return arrival.source.is_ipv6() && arrival.protocol == protocol::ICMPV6;
        }
        let port = &self.ports[usize::from(arrival.port.0)];
        is_unicast(arrival.source)
            && !port.is_broadcast(arrival.source)
            && !self.ports.iter().any(|port| port.owns(arrival.source))
    }
}

const fn is_multicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_multicast(),
        IpAddr::V6(address) => address.is_multicast(),
    }
}

impl<P> Port<P> {
    /// Whether a frame is for this port: its VLAN, its address or group, and
    /// not one of its own that came back.
    fn takes(&self, header: &Ethernet, meta: &ReceiveMeta) -> bool {
        let stripped = meta.vlan.map(|tag| tag & Ethernet::VLAN_ID).filter(|&id| id != 0);
        header.vlan_id().or(stripped) == self.config.vlan
            && self.listens_to(header.destination)
            && header.source != self.config.mac
            && !header.source.is_multicast()
    }
}
