//! The bytes of every header are those of an independent crate, and either
//! side reads what the other wrote.

use super::generate::{arp, ethernet, ipv4, ipv6, tcp, tcp_bytes};
use crate::base::{ChecksumState, SeqNumber};
use crate::wire::*;
use etherparse as theirs;
use proptest::prelude::*;
use std::net::{Ipv4Addr, Ipv6Addr};

fn their_ethernet(header: &Ethernet) -> (theirs::Ethernet2Header, Option<theirs::SingleVlanHeader>) {
    let ether_type = theirs::EtherType(header.ether_type.0);
    let vlan = header.vlan.map(|tag| theirs::SingleVlanHeader {
        pcp: theirs::VlanPcp::try_new((tag >> 13) as u8).unwrap(),
        drop_eligible_indicator: tag & 0x1000 != 0,
        vlan_id: theirs::VlanId::try_new(tag & Ethernet::VLAN_ID).unwrap(),
        ether_type,
    });
    let outer = theirs::Ethernet2Header {
        source: header.source.0,
        destination: header.destination.0,
        ether_type: if vlan.is_some() { theirs::EtherType::VLAN_TAGGED_FRAME } else { ether_type },
    };
    (outer, vlan)
}

fn their_arp(arp: &Arp) -> theirs::ArpPacket {
    theirs::ArpPacket::new(
        theirs::ArpHardwareId::ETHERNET,
        theirs::EtherType::IPV4,
        theirs::ArpOperation(arp.operation as u16),
        &arp.sender_mac.0,
        &arp.sender_address.octets(),
        &arp.target_mac.0,
        &arp.target_address.octets(),
    )
    .unwrap()
}

fn their_ipv4(header: &Ipv4) -> theirs::Ipv4Header {
    let mut theirs = theirs::Ipv4Header::new(
        header.payload_bytes,
        header.time_to_live,
        theirs::IpNumber(header.protocol),
        header.source.octets(),
        header.destination.octets(),
    )
    .unwrap();
    theirs.dscp = theirs::IpDscp::try_new(header.traffic_class >> 2).unwrap();
    theirs.ecn = theirs::IpEcn::try_new(header.traffic_class & 3).unwrap();
    theirs.identification = header.identification;
    theirs.dont_fragment = header.dont_fragment;
    theirs.more_fragments = header.more_fragments;
    theirs.fragment_offset = theirs::IpFragOffset::try_new(header.fragment_offset).unwrap();
    theirs.header_checksum = theirs.calc_header_checksum();
    theirs
}

fn their_ipv6(header: &Ipv6) -> theirs::Ipv6Header {
    theirs::Ipv6Header {
        traffic_class: header.traffic_class,
        flow_label: theirs::Ipv6FlowLabel::try_new(header.flow_label).unwrap(),
        payload_length: header.payload_bytes,
        next_header: theirs::IpNumber(header.protocol),
        hop_limit: header.hop_limit,
        source: header.source.octets(),
        destination: header.destination.octets(),
    }
}

fn their_tcp(segment: &Tcp, options: &[u8]) -> theirs::TcpHeader {
    let mut header = theirs::TcpHeader::new(
        segment.source_port,
        segment.destination_port,
        segment.sequence.0,
        segment.window,
    );
    header.acknowledgment_number = segment.acknowledgement.0;
    header.urgent_pointer = segment.urgent;
    let set = |flag| segment.flags.contains(flag);
    header.fin = set(TcpFlags::FIN);
    header.syn = set(TcpFlags::SYN);
    header.rst = set(TcpFlags::RST);
    header.psh = set(TcpFlags::PSH);
    header.ack = set(TcpFlags::ACK);
    header.urg = set(TcpFlags::URG);
    header.ece = set(TcpFlags::ECE);
    header.cwr = set(TcpFlags::CWR);
    header.set_options_raw(options).unwrap();
    header
}

/// The options that both sides know, of a segment built by the other side.
fn their_options(options: &TcpOptions) -> Vec<theirs::TcpOptionElement> {
    use theirs::TcpOptionElement::{
        MaximumSegmentSize, SelectiveAcknowledgement, SelectiveAcknowledgementPermitted, Timestamp,
        WindowScale,
    };
    let pair = |&(left, right): &(SeqNumber, SeqNumber)| (left.0, right.0);
    let sack = options.sack.first().map(|first| {
        let mut more = options.sack[1..].iter().map(pair);
        SelectiveAcknowledgement(pair(first), [more.next(), more.next(), more.next()])
    });
    let known = [
        options.mss.map(MaximumSegmentSize),
        options.window_scale.map(WindowScale),
        options.sack_permitted.then_some(SelectiveAcknowledgementPermitted),
        options.timestamps.map(|stamps| Timestamp(stamps.value, stamps.echo)),
        sack,
    ];
    known.into_iter().flatten().collect()
}

proptest! {
    #[test]
    fn ethernet_and_vlan(header in ethernet()) {
        let (outer, vlan) = their_ethernet(&header);
        let mut bytes = vec![0; header.header_bytes()];
        header.emit(&mut bytes);
        let built = [&outer.to_bytes()[..], &vlan.iter().flat_map(theirs::SingleVlanHeader::to_bytes).collect::<Vec<_>>()].concat();
        prop_assert_eq!(&bytes, &built);
        prop_assert_eq!(Ethernet::parse(&built), Ok(header));
        let (parsed, rest) = theirs::Ethernet2Header::from_slice(&bytes).unwrap();
        prop_assert_eq!(parsed, outer);
        if let Some(vlan) = vlan {
            prop_assert_eq!(theirs::SingleVlanHeader::from_slice(rest).unwrap().0, vlan);
        }
    }

    #[test]
    fn arp_packets(packet in arp()) {
        let theirs = their_arp(&packet);
        let mut bytes = [0; Arp::BYTES];
        packet.emit(&mut bytes);
        prop_assert_eq!(&bytes[..], &theirs.to_bytes()[..]);
        prop_assert_eq!(Arp::parse(&theirs.to_bytes()), Ok(packet));
        let parsed = theirs::ArpPacket::from_slice(&bytes).unwrap().try_eth_ipv4().unwrap();
        prop_assert_eq!(parsed.sender_mac, packet.sender_mac.0);
        prop_assert_eq!(parsed.target_ipv4, packet.target_address.octets());
    }

    #[test]
    fn ipv4_headers(header in ipv4(100), options in prop::collection::vec(any::<[u8; 4]>(), 0..=10)) {
        let mut theirs = their_ipv4(&header);
        let mut bytes = [0; 20];
        header.emit(&mut bytes);
        prop_assert_eq!(&bytes[..], &theirs.to_bytes()[..]);
        prop_assert_eq!(&theirs::Ipv4Header::from_slice(&bytes).unwrap().0, &theirs);
        theirs.options = options.concat().as_slice().try_into().unwrap();
        theirs.set_payload_len(100).unwrap();
        theirs.header_checksum = theirs.calc_header_checksum();
        let with_options = theirs.to_bytes();
        let expected = Ipv4 { header_bytes: with_options.len() as u8, ..header };
        let packet_bytes = with_options.len() + 100;
        prop_assert_eq!(Ipv4::parse(&with_options, packet_bytes, ChecksumState::Unknown), Ok(expected));
        prop_assert_eq!(expected.is_fragment(), theirs.is_fragmenting_payload());
    }

    #[test]
    fn ipv6_headers(header in ipv6(100)) {
        let theirs = their_ipv6(&header);
        let mut bytes = [0; 40];
        header.emit(&mut bytes);
        prop_assert_eq!(bytes, theirs.to_bytes());
        prop_assert_eq!(&theirs::Ipv6Header::from_slice(&bytes).unwrap().0, &theirs);
        prop_assert_eq!(Ipv6::parse(&theirs.to_bytes(), 140), Ok(header));
    }

    #[test]
    fn tcp_headers((segment, options) in tcp(), payload in prop::collection::vec(any::<u8>(), 0..50)) {
        let mut theirs = their_tcp(&segment, &options);
        let mut bytes = [0; 60];
        let written = segment.emit(&options, &mut bytes);
        prop_assert_eq!(&bytes[..written], &theirs.to_bytes()[..]);
        prop_assert_eq!(&theirs::TcpHeader::from_slice(&bytes[..written]).unwrap().0, &theirs);
        let (source, destination) = (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(198, 51, 100, 7));
        theirs.checksum = theirs.calc_checksum_ipv4_raw(source.octets(), destination.octets(), &payload).unwrap();
        let with_checksum = tcp_bytes(&segment, &options, &payload, source.into(), destination.into());
        prop_assert_eq!(&with_checksum[..written], &theirs.to_bytes()[..]);
        prop_assert_eq!(Tcp::parse(&with_checksum), Ok(segment));
    }

    #[test]
    fn tcp_checksums_over_ipv6((segment, options) in tcp(), addresses: (Ipv6Addr, Ipv6Addr), payload: Vec<u8>) {
        let theirs = their_tcp(&segment, &options);
        let (source, destination) = addresses;
        let expected = theirs.calc_checksum_ipv6_raw(source.octets(), destination.octets(), &payload).unwrap();
        let bytes = tcp_bytes(&segment, &options, &payload, source.into(), destination.into());
        prop_assert_eq!(bytes[16..18].to_vec(), expected.to_be_bytes());
    }

    #[test]
    fn tcp_options_that_the_other_side_wrote((segment, _) in tcp()) {
        let elements = their_options(&segment.options);
        let mut theirs = their_tcp(&segment, &[]);
        prop_assume!(theirs.set_options(&elements).is_ok());
        let mut expected = segment;
        expected.options.mptcp = MptcpOptions::default();
        expected.header_bytes = theirs.header_len() as u8;
        prop_assert_eq!(Tcp::parse(&theirs.to_bytes()), Ok(expected));
    }
}

fn their_extensions(fragment: Option<theirs::Ipv6FragmentHeader>) -> theirs::Ipv6Extensions {
    // PadN fills an extension header of eight bytes.
    let padding = [1, 4, 0, 0, 0, 0];
    let options = theirs::Ipv6RawExtHeader::new_raw(theirs::ip_number::TCP, &padding).unwrap();
    // Routing type 4 with no segments left.
    let routing = theirs::Ipv6RawExtHeader::new_raw(theirs::ip_number::TCP, &[4, 0, 0, 0, 0, 0]).unwrap();
    theirs::Ipv6Extensions {
        hop_by_hop_options: Some(options.clone()),
        destination_options: Some(options.clone()),
        routing: Some(theirs::Ipv6RoutingExtensions { routing, final_destination_options: Some(options) }),
        fragment,
        auth: None,
    }
}

fn with_extensions(mut extensions: theirs::Ipv6Extensions) -> Vec<u8> {
    let first = extensions.set_next_headers(theirs::ip_number::TCP);
    let header = Ipv6 {
        protocol: first.0,
        ..Ipv6::new(Ipv6Addr::LOCALHOST, Ipv6Addr::UNSPECIFIED, 0, (extensions.header_len() + 20) as u16)
    };
    let mut bytes = their_ipv6(&header).to_bytes().to_vec();
    extensions.write(&mut bytes, first).unwrap();
    bytes.extend([0; 20]);
    bytes
}

#[test]
fn extension_headers_are_skipped() {
    let bytes = with_extensions(their_extensions(None));
    let header = Ipv6::parse(&bytes, bytes.len()).unwrap();
    assert_eq!((header.protocol, header.header_bytes, header.payload_bytes), (protocol::TCP, 72, 20));
    assert!(!header.fragment);
    for end in 40..72 {
        assert_eq!(Ipv6::parse(&bytes[..end], bytes.len()), Err(ParseError::Truncated), "{end} bytes");
    }
}

#[test]
fn fragments_are_recognised() {
    let cases = [(0, false, false), (0, true, true), (1, false, true), (1, true, true)];
    for (offset, more, expected) in cases {
        let offset = theirs::IpFragOffset::try_new(offset).unwrap();
        let fragment = theirs::Ipv6FragmentHeader::new(theirs::ip_number::TCP, offset, more, 7);
        let extensions =
            theirs::Ipv6Extensions { fragment: Some(fragment), ..theirs::Ipv6Extensions::default() };
        let bytes = with_extensions(extensions);
        let header = Ipv6::parse(&bytes, bytes.len()).unwrap();
        assert_eq!(header.fragment, expected);
        assert_eq!((header.protocol, header.header_bytes), (protocol::TCP, 48));
    }
}
