use super::station::*;
use super::*;
use crate::base::{Outcome, PortIndex, ReceiveMeta};
use crate::wire::{Arp, ArpOperation, EtherType, Ethernet};
use std::net::{IpAddr, Ipv4Addr};

#[test]
fn announces_its_addresses_at_the_start_and_when_the_link_comes_up() {
    let mut bench = Bench::new(endpoint_config(1, 1));
    bench.with(|endpoint, cx| endpoint.handle_link(cx, PortIndex(0), false));
    assert!(!bench.endpoint.is_link_up(PortIndex(0)));
    assert_eq!(bench.sent().len(), 0);
    // What would be said meanwhile is lost.
    assert_eq!(bench.exchange(&arp_request(STATION_MAC, STATION_V4, HOST_V4)).len(), 0);
    assert_eq!(bench.count(Outcome::LinkDown), 1);
    bench.with(|endpoint, cx| endpoint.handle_link(cx, PortIndex(0), true));
    let frames = bench.sent();
    // One ARP; advertisements for the configured and the link-local address.
    assert_eq!(frames.len(), 3);
    let arp = parse_arp(&frames[0]);
    assert_eq!(Ethernet::parse(&frames[0]).unwrap().destination, MacAddress::BROADCAST);
    assert_eq!((arp.sender_address, arp.target_address), (HOST_V4, HOST_V4));
    assert_eq!(arp.sender_mac, HOST_MAC);
}

#[test]
fn answers_for_its_addresses_only() {
    let mut bench = Bench::new(endpoint_config(1, 2));
    let replies = bench.exchange(&arp_request(STATION_MAC, STATION_V4, HOST_V4));
    let expected = Arp {
        operation: ArpOperation::Reply,
        sender_mac: HOST_MAC,
        sender_address: HOST_V4,
        target_mac: STATION_MAC,
        target_address: STATION_V4,
    };
    assert_eq!(replies, [arp_frame(&expected, STATION_MAC)]);
    assert_eq!(bench.exchange(&arp_request(STATION_MAC, STATION_V4, [10, 0, 0, 2].into())).len(), 0);
    // The other port's address is not on this link.
    assert_eq!(bench.exchange(&arp_request(STATION_MAC, STATION_V4, [10, 1, 0, 1].into())).len(), 0);
    // A probe (RFC 5227) for our address is answered, and teaches nothing.
    let probe = arp_request(MacAddress([2, 0, 0, 0, 9, 9]), Ipv4Addr::UNSPECIFIED, HOST_V4);
    assert_eq!(bench.exchange(&probe).len(), 1);
    let neighbours: Vec<_> = bench.endpoint.neighbours(PortIndex(0)).collect();
    assert_eq!(neighbours, [(IpAddr::V4(STATION_V4), Some(STATION_MAC))]);
}

#[test]
fn nobody_else_speaks_for_its_addresses() {
    let mut bench = Bench::new(endpoint_config(1, 1));
    bench.exchange(&arp_request(STATION_MAC, HOST_V4, HOST_V4));
    // Nor from beyond the link.
    bench.exchange(&arp_request(STATION_MAC, [192, 0, 2, 1].into(), HOST_V4));
    assert_eq!(bench.endpoint.neighbours(PortIndex(0)).count(), 0);
}

#[test]
fn resolves_before_it_answers_a_stranger() {
    let mut bench = Bench::new(endpoint_config(1, 1));
    let asked = bench.exchange(&echo_v4(STATION_V4, HOST_V4, b"hello"));
    let [request] = &asked[..] else { panic!("{asked:?}") };
    let request = parse_arp(request);
    assert_eq!((request.sender_address, request.target_address), (HOST_V4, STATION_V4));
    let answer = arp_answer(&request);
    let released = bench.exchange(&answer);
    assert_eq!(released.len(), 1);
    let header = Ethernet::parse(&released[0]).unwrap();
    assert_eq!((header.destination, header.ether_type), (STATION_MAC, EtherType::IPV4));
}

#[test]
fn gives_up_on_who_does_not_answer() {
    let mut bench = Bench::new(endpoint_config(1, 1));
    bench.exchange(&echo_v4(STATION_V4, HOST_V4, b"hello"));
    let mut requests = 0;
    for _ in 0..100 {
        bench.pass(Duration::from_millis(50));
        requests += bench.sent().len();
    }
    assert_eq!(requests, 4, "five with the first");
    assert_eq!(bench.count(Outcome::NeighbourUnresolved), 1);
    assert_eq!(bench.endpoint.poll_deadline(), None);
    assert_eq!(bench.endpoint.port_statistics(PortIndex(0)).unwrap().frames_dropped, 1);
}

#[test]
fn counts_what_is_malformed() {
    let mut bench = Bench::new(endpoint_config(1, 1));
    let mut bytes = arp_request(STATION_MAC, STATION_V4, HOST_V4);
    bytes.truncate(30);
    bench.exchange(&bytes);
    assert_eq!(bench.count(Outcome::ArpMalformed), 1);
}

#[test]
fn a_flood_of_askers_fills_the_table_and_no_more() {
    let mut config = endpoint_config(1, 1);
    config.limits.neighbours = 8;
    let mut bench = Bench::new(config);
    for last in 10..200 {
        let request = arp_request(MacAddress([2, 0, 0, 0, 9, last]), [10, 0, 0, last].into(), HOST_V4);
        bench.receive_at(0, &request, ReceiveMeta::default());
    }
    assert_eq!(bench.endpoint.neighbours(PortIndex(0)).count(), 8);
    assert!(bench.count(Outcome::NeighbourTableFull) > 100);
}
