use super::station::*;
use super::*;
use crate::base::{Outcome, PortIndex, ReceiveMeta};
use crate::wire::{EtherType, Ethernet, Icmpv4, Ipv4, protocol};
use etherparse::{Icmpv4Type, NetSlice, PacketBuilder, SlicedPacket, TransportSlice};
use std::net::Ipv4Addr;

fn udp_v4(source: Ipv4Addr, destination: Ipv4Addr, mac: MacAddress) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(STATION_MAC.0, mac.0)
        .ipv4(source.octets(), destination.octets(), 20)
        .udp(1000, 53);
    let mut bytes = Vec::new();
    builder.write(&mut bytes, b"question").unwrap();
    bytes
}

fn udp_v6(payload_bytes: usize) -> Vec<u8> {
    let (source, destination) = (discovery::STATION_V6.octets(), discovery::HOST_V6.octets());
    let builder =
        PacketBuilder::ethernet2(STATION_MAC.0, HOST_MAC.0).ipv6(source, destination, 20).udp(1000, 53);
    let mut bytes = Vec::new();
    builder.write(&mut bytes, &vec![5; payload_bytes]).unwrap();
    bytes
}

#[test]
fn an_echo_request_is_answered() {
    let mut bench = Bench::new(endpoint_config(1, 1));
    bench.introduce_station();
    for data in [&b""[..], b"odd", b"even", &[7; 1472]] {
        let replies = bench.exchange(&echo_v4(STATION_V4, HOST_V4, data));
        let [reply] = &replies[..] else { panic!("{replies:?}") };
        let sliced = SlicedPacket::from_ethernet(reply).unwrap();
        let Some(NetSlice::Ipv4(ip)) = sliced.net else { panic!("not IPv4") };
        assert_eq!((ip.header().source_addr(), ip.header().destination_addr()), (HOST_V4, STATION_V4));
        assert_eq!(ip.header().header_checksum(), ip.header().to_header().calc_header_checksum());
        let Some(TransportSlice::Icmpv4(icmp)) = sliced.transport else { panic!("not ICMP") };
        let Icmpv4Type::EchoReply(echo) = icmp.icmp_type() else { panic!("{icmp:?}") };
        assert_eq!((echo.id, echo.seq, icmp.payload()), (7, 8, data));
        let checksum = icmp.icmp_type().calc_checksum(icmp.payload());
        assert_eq!(icmp.checksum(), checksum);
    }
    assert_eq!(bench.count(Outcome::IcmpEchoAnswered), 5);
}

#[test]
fn echoes_are_limited() {
    let mut config = endpoint_config(1, 1);
    config.limits.icmp_echoes_per_second = 4;
    let mut bench = Bench::new(config);
    bench.introduce_station();
    for _ in 0..10 {
        bench.receive_at(0, &echo_v4(STATION_V4, HOST_V4, b"x"), ReceiveMeta::default());
    }
    assert_eq!(bench.sent().len(), 3);
    assert_eq!(bench.count(Outcome::IcmpRateLimited), 7);
}

#[test]
fn a_udp_datagram_finds_nobody() {
    let mut bench = Bench::new(endpoint_config(1, 1));
    bench.introduce_station();
    let datagram = udp_v4(STATION_V4, HOST_V4, HOST_MAC);
    let errors = bench.exchange(&datagram);
    let [error] = &errors[..] else { panic!("{errors:?}") };
    let ip = Ipv4::parse(&error[14..], error.len() - 14, Default::default()).unwrap();
    assert_eq!((ip.source, ip.destination, ip.protocol), (HOST_V4, STATION_V4, protocol::ICMP));
    let Ok(Some(Icmpv4::Unreachable { code, quote })) = Icmpv4::parse(&error[34..]) else {
        panic!("not an unreachable");
    };
    assert_eq!((code, quote), (Icmpv4::PORT_UNREACHABLE, &datagram[14..]));
    assert_eq!(bench.count(Outcome::UdpClosedPort), 1);
}

#[test]
fn an_unknown_protocol_is_refused() {
    let mut bench = Bench::new(endpoint_config(1, 1));
    bench.introduce_station();
    let mut body = [0; 24];
    Ipv4::new(STATION_V4, HOST_V4, 132, 4).emit(&mut body);
    let errors = bench.exchange(&frame(STATION_MAC, HOST_MAC, EtherType::IPV4, &body));
    let Ok(Some(Icmpv4::Unreachable { code, .. })) = Icmpv4::parse(&errors[0][34..]) else {
        panic!("not an unreachable");
    };
    assert_eq!(code, Icmpv4::PROTOCOL_UNREACHABLE);
    assert_eq!(bench.count(Outcome::IpProtocolUnknown), 1);
}

#[test]
fn no_error_about_what_others_received_too() {
    let mut bench = Bench::new(endpoint_config(1, 1));
    bench.introduce_station();
    let broadcast = Ipv4Addr::new(10, 0, 0, 255);
    assert_eq!(bench.exchange(&udp_v4(STATION_V4, broadcast, MacAddress::BROADCAST)).len(), 0);
    assert_eq!(bench.exchange(&udp_v4(STATION_V4, HOST_V4, MacAddress::BROADCAST)).len(), 0);
    assert_eq!(bench.exchange(&udp_v4(STATION_V4, Ipv4Addr::BROADCAST, MacAddress::BROADCAST)).len(), 0);
    assert_eq!(bench.count(Outcome::UdpClosedPort), 3);
}

#[test]
fn errors_are_limited() {
    let mut config = endpoint_config(1, 1);
    config.limits.icmp_errors_per_second = 2;
    let mut bench = Bench::new(config);
    bench.introduce_station();
    for _ in 0..5 {
        bench.receive_at(0, &udp_v4(STATION_V4, HOST_V4, HOST_MAC), ReceiveMeta::default());
    }
    assert_eq!(bench.sent().len(), 2);
    bench.pass(Duration::from_millis(500));
    assert_eq!(bench.exchange(&udp_v4(STATION_V4, HOST_V4, HOST_MAC)).len(), 1);
}

#[test]
fn an_ipv6_error_quotes_no_more_than_the_least_mtu() {
    let mut bench = Bench::new(endpoint_config(1, 1));
    discovery::introduce_station(&mut bench);
    for (payload_bytes, quoted) in [(10, 58), (1400, 1232)] {
        let errors = bench.exchange(&udp_v6(payload_bytes));
        let sliced = SlicedPacket::from_ethernet(&errors[0]).unwrap();
        let Some(TransportSlice::Icmpv6(icmp)) = sliced.transport else { panic!("not ICMPv6") };
        assert_eq!((icmp.type_u8(), icmp.code_u8(), icmp.payload().len()), (1, 4, quoted));
        let (source, destination) = (discovery::HOST_V6.octets(), discovery::STATION_V6.octets());
        assert!(icmp.is_checksum_valid(source, destination));
    }
}

#[test]
fn malformed_messages_are_counted() {
    let mut bench = Bench::new(endpoint_config(1, 1));
    let mut bytes = echo_v4(STATION_V4, HOST_V4, b"hello");
    *bytes.last_mut().unwrap() ^= 1;
    assert_eq!(bench.exchange(&bytes).len(), 0);
    assert_eq!(bench.count(Outcome::IcmpMalformed), 1);
}

#[test]
fn a_quote_of_a_segment_that_is_not_ours_changes_nothing() {
    let mut bench = Bench::new(endpoint_config(1, 1));
    let mut quote = vec![0; 28];
    Ipv4::new(HOST_V4, STATION_V4, protocol::TCP, 1480).emit(&mut quote);
    for message in [
        Icmpv4::FragmentationNeeded { mtu: 1000, quote: &quote },
        Icmpv4::Unreachable { code: 1, quote: &quote },
        Icmpv4::Unreachable { code: 1, quote: &quote[..10] },
    ] {
        let mut body = vec![0; 20 + message.encoded_len()];
        Ipv4::new(STATION_V4, HOST_V4, protocol::ICMP, message.encoded_len() as u16).emit(&mut body);
        message.emit(&mut body[20..]);
        assert_eq!(bench.exchange(&frame(STATION_MAC, HOST_MAC, EtherType::IPV4, &body)).len(), 0);
    }
    assert_eq!(bench.count(Outcome::IcmpNotOurs), 3);
    assert_eq!(bench.endpoint.port_statistics(PortIndex(0)).unwrap().frames_received, 3);
}

#[test]
fn answers_go_out_by_the_gateway_when_the_asker_is_beyond_the_link() {
    let mut config = endpoint_config(1, 1);
    config.ports[0].gateway_v4 = Some(STATION_V4.into());
    let mut bench = Bench::new(config);
    bench.introduce_station();
    let replies = bench.exchange(&echo_v4([192, 0, 2, 7].into(), HOST_V4, b"far"));
    assert_eq!(Ethernet::parse(&replies[0]).unwrap().destination, STATION_MAC);
    let mut lonely = Bench::new(endpoint_config(1, 1));
    assert_eq!(lonely.exchange(&echo_v4([192, 0, 2, 7].into(), HOST_V4, b"far")).len(), 0);
    assert_eq!(lonely.count(Outcome::NoRoute), 1);
}
