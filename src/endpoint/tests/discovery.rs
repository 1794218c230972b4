use super::station::*;
use super::*;
use crate::base::{Outcome, PortIndex};
use crate::wire::{EtherType, Ethernet, Icmpv6, Ipv6, protocol, solicited_node};
use etherparse::{Icmpv6Type, PacketBuilder, SlicedPacket, TransportSlice};
use std::net::{IpAddr, Ipv6Addr};

pub(super) const HOST_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
pub(super) const STATION_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 9);

/// An ICMPv6 message from the station.
fn message(
    source: Ipv6Addr,
    destination: Ipv6Addr,
    mac: MacAddress,
    hop_limit: u8,
    message: &Icmpv6<'_>,
) -> Vec<u8> {
    let mut body = vec![0; 40 + message.encoded_len()];
    let header = Ipv6::new(source, destination, protocol::ICMPV6, message.encoded_len() as u16);
    Ipv6 { hop_limit, ..header }.emit(&mut body);
    message.emit(source, destination, &mut body[40..]);
    frame(STATION_MAC, mac, EtherType::IPV6, &body)
}

fn solicitation(source: Ipv6Addr, target: Ipv6Addr, hop_limit: u8) -> Vec<u8> {
    let group = solicited_node(target);
    let source_mac = (!source.is_unspecified()).then_some(STATION_MAC);
    let solicitation = Icmpv6::NeighbourSolicitation { target, source_mac };
    message(source, group, MacAddress::multicast(group), hop_limit, &solicitation)
}

/// The station's address becomes known to the host.
pub(super) fn introduce_station(bench: &mut Bench) {
    assert_eq!(bench.exchange(&solicitation(STATION_V6, HOST_V6, 255)).len(), 1);
}

fn parse(bytes: &[u8]) -> (Ethernet, Ipv6, Icmpv6<'_>) {
    let ethernet = Ethernet::parse(bytes).unwrap();
    let body = &bytes[ethernet.header_bytes()..];
    let ip = Ipv6::parse(body, body.len()).unwrap();
    let message = Icmpv6::parse(&body[usize::from(ip.header_bytes)..], ip.source, ip.destination);
    (ethernet, ip, message.unwrap().unwrap())
}

fn echo(source: Ipv6Addr, destination: Ipv6Addr) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(STATION_MAC.0, HOST_MAC.0)
        .ipv6(source.octets(), destination.octets(), 30)
        .icmpv6_echo_request(3, 4);
    let mut bytes = Vec::new();
    builder.write(&mut bytes, b"are you there?").unwrap();
    bytes
}

#[test]
fn answers_a_solicitation() {
    let mut bench = Bench::new(endpoint_config(1, 1));
    let replies = bench.exchange(&solicitation(STATION_V6, HOST_V6, 255));
    let (ethernet, ip, advertisement) = parse(&replies[0]);
    assert_eq!((ethernet.destination, ip.hop_limit), (STATION_MAC, 255));
    assert_eq!((ip.source, ip.destination), (HOST_V6, STATION_V6));
    let expected = Icmpv6::NeighbourAdvertisement {
        target: HOST_V6,
        router: false,
        solicited: true,
        overriding: true,
        target_mac: Some(HOST_MAC),
    };
    assert_eq!(advertisement, expected);
    let neighbours: Vec<_> = bench.endpoint.neighbours(PortIndex(0)).collect();
    assert_eq!(neighbours, [(IpAddr::V6(STATION_V6), Some(STATION_MAC))]);
}

#[test]
fn has_a_link_local_address() {
    let mut bench = Bench::new(endpoint_config(1, 1));
    let own: Ipv6Addr = "fe80::ff:fe00:100".parse().unwrap();
    let replies = bench.exchange(&solicitation("fe80::9".parse().unwrap(), own, 255));
    assert_eq!(parse(&replies[0]).1.source, own);
}

#[test]
fn defends_its_address_against_who_wants_to_take_it() {
    let mut bench = Bench::new(endpoint_config(1, 1));
    let replies = bench.exchange(&solicitation(Ipv6Addr::UNSPECIFIED, HOST_V6, 255));
    let (ethernet, ip, advertisement) = parse(&replies[0]);
    let all_nodes = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    assert_eq!((ethernet.destination, ip.destination), (MacAddress::multicast(all_nodes), all_nodes));
    assert!(matches!(advertisement, Icmpv6::NeighbourAdvertisement { solicited: false, .. }));
}

#[test]
fn ignores_what_a_router_forwarded_and_what_others_are_asked() {
    let mut bench = Bench::new(endpoint_config(1, 1));
    assert_eq!(bench.exchange(&solicitation(STATION_V6, HOST_V6, 254)).len(), 0);
    assert_eq!(bench.count(Outcome::IcmpMalformed), 1);
    // Same group, another address.
    let other = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 7, 1);
    assert_eq!(bench.exchange(&solicitation(STATION_V6, other, 255)).len(), 0);
    assert_eq!(bench.endpoint.neighbours(PortIndex(0)).count(), 0);
}

#[test]
fn resolves_and_answers_an_echo() {
    let mut bench = Bench::new(endpoint_config(1, 1));
    let asked = bench.exchange(&echo(STATION_V6, HOST_V6));
    let (ethernet, ip, question) = parse(&asked[0]);
    let group = solicited_node(STATION_V6);
    assert_eq!((ip.source, ip.destination, ip.hop_limit), (HOST_V6, group, 255));
    assert_eq!(ethernet.destination, MacAddress::multicast(group));
    let expected = Icmpv6::NeighbourSolicitation { target: STATION_V6, source_mac: Some(HOST_MAC) };
    assert_eq!(question, expected);
    let answer = Icmpv6::NeighbourAdvertisement {
        target: STATION_V6,
        router: false,
        solicited: true,
        overriding: true,
        target_mac: Some(STATION_MAC),
    };
    let released = bench.exchange(&message(STATION_V6, HOST_V6, HOST_MAC, 255, &answer));
    let sliced = SlicedPacket::from_ethernet(&released[0]).unwrap();
    let Some(TransportSlice::Icmpv6(icmp)) = sliced.transport else { panic!("not ICMPv6") };
    let Icmpv6Type::EchoReply(reply) = icmp.icmp_type() else { panic!("{icmp:?}") };
    assert_eq!((reply.id, reply.seq, icmp.payload()), (3, 4, &b"are you there?"[..]));
    assert!(icmp.is_checksum_valid(HOST_V6.octets(), STATION_V6.octets()));
    assert_eq!(Ethernet::parse(&released[0]).unwrap().destination, STATION_MAC);
}

#[test]
fn an_advertisement_alone_makes_no_entry() {
    let mut bench = Bench::new(endpoint_config(1, 1));
    let announcement = Icmpv6::NeighbourAdvertisement {
        target: STATION_V6,
        router: false,
        solicited: false,
        overriding: true,
        target_mac: Some(STATION_MAC),
    };
    bench.exchange(&message(STATION_V6, HOST_V6, HOST_MAC, 255, &announcement));
    assert_eq!(bench.endpoint.neighbours(PortIndex(0)).count(), 0);
}
