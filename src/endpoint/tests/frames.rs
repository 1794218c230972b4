use super::station::*;
use super::*;
use crate::base::{ChecksumState, Outcome, PortIndex, ReceiveMeta};
use crate::wire::{EtherType, Ethernet, Ipv4, protocol};
use std::net::Ipv4Addr;

/// An IPv4 packet without payload in a frame to the host.
fn ipv4(header: &Ipv4) -> Vec<u8> {
    let mut body = vec![0; 20 + usize::from(header.payload_bytes)];
    header.emit(&mut body);
    frame(STATION_MAC, HOST_MAC, EtherType::IPV4, &body)
}

#[test]
fn takes_only_frames_that_are_for_it() {
    let mut bench = Bench::new(endpoint_config(1, 1));
    let body = [0; 46];
    let other = MacAddress([2, 0, 0, 0, 7, 7]);
    for bytes in [
        frame(STATION_MAC, other, EtherType::ARP, &body),
        frame(STATION_MAC, MacAddress([0x33, 0x33, 0, 0, 0, 5]), EtherType::IPV6, &body),
        frame(HOST_MAC, MacAddress::BROADCAST, EtherType::ARP, &body),
        frame(MacAddress::BROADCAST, HOST_MAC, EtherType::ARP, &body),
    ] {
        bench.exchange(&bytes);
    }
    assert_eq!(bench.count(Outcome::FrameNotForUs), 4);
    bench.exchange(&frame(STATION_MAC, HOST_MAC, EtherType(0x88cc), &body));
    assert_eq!(bench.count(Outcome::EtherTypeUnknown), 1);
    bench.exchange(&[0; 13]);
    assert_eq!(bench.count(Outcome::FrameTruncated), 1);
    bench.receive_at(9, &[0; 60], ReceiveMeta::default());
    assert_eq!(bench.count(Outcome::FrameReceived), 6);
}

#[test]
fn drops_what_is_wrong_with_ipv4() {
    let mut bench = Bench::new(endpoint_config(1, 1));
    let good = Ipv4::new(STATION_V4, HOST_V4, 200, 8);
    let mut bad_checksum = ipv4(&good);
    bad_checksum[24] ^= 1;
    bench.exchange(&bad_checksum);
    assert_eq!(bench.count(Outcome::IpChecksumBad), 1);
    bench.receive_at(0, &bad_checksum, GOOD);
    assert_eq!(bench.count(Outcome::IpProtocolUnknown), 1, "the driver vouched for it");
    let bad = ReceiveMeta { ip_checksum: ChecksumState::Bad, ..GOOD };
    bench.receive_at(0, &ipv4(&good), bad);
    assert_eq!(bench.count(Outcome::IpChecksumBad), 2);
    let mut short = ipv4(&good);
    short.pop();
    bench.exchange(&short);
    assert_eq!(bench.count(Outcome::IpMalformed), 1);
    bench.exchange(&ipv4(&Ipv4 { more_fragments: true, ..good }));
    assert_eq!(bench.count(Outcome::IpFragment), 1);
    bench.exchange(&ipv4(&Ipv4 { destination: Ipv4Addr::new(10, 0, 0, 2), ..good }));
    assert_eq!(bench.count(Outcome::IpNotForUs), 1);
}

#[test]
fn nobody_comes_from_where_no_host_is() {
    let mut bench = Bench::new(endpoint_config(1, 2));
    let martians =
        ["0.0.0.0", "127.0.0.1", "224.0.0.5", "255.255.255.255", "10.0.0.255", "10.0.0.1", "10.1.0.1"];
    for martian in martians {
        let header = Ipv4::new(martian.parse().unwrap(), HOST_V4, protocol::UDP, 8);
        assert_eq!(bench.exchange(&ipv4(&header)).len(), 0, "{martian}");
    }
    assert_eq!(bench.count(Outcome::IpSourceInvalid), martians.len() as u64);
}

#[test]
fn the_address_of_another_port_is_not_here() {
    let mut bench = Bench::new(endpoint_config(1, 2));
    bench.exchange(&ipv4(&Ipv4::new(STATION_V4, [10, 1, 0, 1].into(), protocol::UDP, 8)));
    assert_eq!(bench.count(Outcome::IpNotForUs), 1);
}

#[test]
fn a_port_in_a_vlan_hears_and_speaks_only_there() {
    let mut config = endpoint_config(1, 1);
    config.ports[0].vlan = Some(42);
    let mut bench = Bench::new(config);
    let untagged = arp_request(STATION_MAC, STATION_V4, HOST_V4);
    assert_eq!(bench.exchange(&untagged).len(), 0);
    let tagged = |tag: u16| {
        let mut bytes = untagged[..12].to_vec();
        bytes.extend([0x81, 0x00]);
        bytes.extend(tag.to_be_bytes());
        bytes.extend(&untagged[12..]);
        bytes
    };
    assert_eq!(bench.exchange(&tagged(43)).len(), 0);
    assert_eq!(bench.exchange(&tagged(0)).len(), 0);
    assert_eq!(bench.count(Outcome::FrameNotForUs), 3);
    let replies = bench.exchange(&tagged(0x2000 | 42));
    let header = Ethernet::parse(&replies[0]).unwrap();
    assert_eq!((header.vlan, header.destination), (Some(42), STATION_MAC));
    assert_eq!(parse_arp(&replies[0]).target_address, STATION_V4);
    // The driver may have stripped the tag.
    bench.receive_at(0, &untagged, ReceiveMeta { vlan: Some(42), ..ReceiveMeta::default() });
    assert_eq!(bench.sent().len(), 1);
}

#[test]
fn a_priority_tag_is_no_vlan() {
    let mut bench = Bench::new(endpoint_config(1, 1));
    let untagged = arp_request(STATION_MAC, STATION_V4, HOST_V4);
    let mut tagged = untagged[..12].to_vec();
    tagged.extend([0x81, 0x00, 0xe0, 0x00]);
    tagged.extend(&untagged[12..]);
    assert_eq!(bench.exchange(&tagged).len(), 1);
}

#[test]
fn own_frames_wait_for_room_up_to_a_limit() {
    let mut config = endpoint_config(1, 1);
    config.limits.own_frames = 5;
    let mut bench = Bench::new(config);
    bench.wire.room = Some(0);
    for last in 10..20 {
        let request = arp_request(STATION_MAC, [10, 0, 0, last].into(), HOST_V4);
        bench.receive_at(0, &request, ReceiveMeta::default());
    }
    assert_eq!(bench.sent().len(), 0);
    assert!(!bench.endpoint.is_idle());
    assert_eq!(bench.count(Outcome::TransmitQueueFull), 5);
    bench.wire.room = Some(3);
    assert_eq!(bench.sent().len(), 3);
    bench.wire.room = Some(3);
    assert_eq!(bench.sent().len(), 2);
    assert!(bench.endpoint.is_idle());
    let statistics = bench.endpoint.port_statistics(PortIndex(0)).unwrap();
    assert_eq!((statistics.frames_received, statistics.frames_dropped), (10, 5));
}
