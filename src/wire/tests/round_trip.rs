use super::generate::{arp, ethernet, ipv4, ipv6, tcp};
use crate::base::ChecksumState;
use crate::wire::*;
use proptest::prelude::*;
use std::net::Ipv4Addr;

proptest! {
    #[test]
    fn ethernet_survives_the_wire(header in ethernet()) {
        let mut bytes = [0xaa; 20];
        let written = header.emit(&mut bytes);
        prop_assert_eq!(written, header.header_bytes());
        prop_assert_eq!(Ethernet::parse(&bytes), Ok(header));
        prop_assert_eq!(Ethernet::parse(&bytes[..written]), Ok(header));
        prop_assert_eq!(Ethernet::parse(&bytes[..written - 1]), Err(ParseError::Truncated));
    }

    #[test]
    fn arp_survives_the_wire(packet in arp()) {
        let mut bytes = [0xaa; 46];
        prop_assert_eq!(packet.emit(&mut bytes), Arp::BYTES);
        prop_assert_eq!(Arp::parse(&bytes), Ok(packet));
        prop_assert_eq!(Arp::parse(&bytes[..27]), Err(ParseError::Truncated));
    }

    #[test]
    fn ipv4_survives_the_wire(header in ipv4(30)) {
        let mut bytes = [0xaa; 60];
        prop_assert_eq!(header.emit(&mut bytes), Ipv4::HEADER_BYTES);
        prop_assert_eq!(Ipv4::parse(&bytes, 60, ChecksumState::Unknown), Ok(header));
        prop_assert_eq!(Ipv4::parse(&bytes[..20], 50, ChecksumState::Unknown), Ok(header));
        prop_assert_eq!(Ipv4::parse(&bytes[..20], 49, ChecksumState::Unknown), Err(ParseError::Truncated));
        prop_assert_eq!(Ipv4::parse(&bytes[..19], 50, ChecksumState::Unknown), Err(ParseError::Truncated));
    }

    #[test]
    fn ipv6_survives_the_wire(header in ipv6(30)) {
        let mut bytes = [0xaa; 80];
        prop_assert_eq!(header.emit(&mut bytes), Ipv6::HEADER_BYTES);
        prop_assert_eq!(Ipv6::parse(&bytes, 80), Ok(header));
        prop_assert_eq!(Ipv6::parse(&bytes[..40], 70), Ok(header));
        prop_assert_eq!(Ipv6::parse(&bytes[..40], 69), Err(ParseError::Truncated));
        prop_assert_eq!(Ipv6::parse(&bytes[..39], 70), Err(ParseError::Truncated));
    }

    #[test]
    fn tcp_survives_the_wire((segment, options) in tcp()) {
        let mut bytes = [0xaa; 64];
        let written = segment.emit(&options, &mut bytes);
        prop_assert_eq!(written, usize::from(segment.header_bytes));
        prop_assert_eq!(Tcp::parse(&bytes), Ok(segment.clone()));
        prop_assert_eq!(Tcp::parse(&bytes[..written]), Ok(segment));
        prop_assert_eq!(Tcp::parse(&bytes[..written - 1]), Err(ParseError::Truncated));
    }

    #[test]
    fn a_flipped_bit_in_an_ipv4_header_is_noticed(header in ipv4(0), bit in 0..160usize) {
        let mut bytes = [0; 20];
        header.emit(&mut bytes);
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(Ipv4::parse(&bytes, 1000, ChecksumState::Unknown).is_err());
    }
}

#[test]
fn hardware_addresses_say_what_they_are() {
    assert!(MacAddress::BROADCAST.is_multicast() && !MacAddress::BROADCAST.is_unicast());
    assert!(!MacAddress([0; 6]).is_unicast());
    let mac = MacAddress([2, 0, 0, 0xab, 0, 1]);
    assert!(mac.is_unicast());
    assert_eq!(mac.to_string(), "02:00:00:ab:00:01");
    let group = solicited_node("2001:db8::12:3456".parse().unwrap());
    assert_eq!(group, "ff02::1:ff12:3456".parse::<std::net::Ipv6Addr>().unwrap());
    assert_eq!(MacAddress::multicast(group), MacAddress([0x33, 0x33, 0xff, 0x12, 0x34, 0x56]));
}

#[test]
fn a_tag_with_id_zero_names_no_vlan() {
    let untagged = Ethernet {
        destination: MacAddress::BROADCAST,
        source: MacAddress([2, 0, 0, 0, 0, 1]),
        vlan: None,
        ether_type: EtherType::IPV4,
    };
    assert_eq!(untagged.vlan_id(), None);
    assert_eq!(Ethernet { vlan: Some(0xe000), ..untagged }.vlan_id(), None);
    assert_eq!(Ethernet { vlan: Some(0xe07b), ..untagged }.vlan_id(), Some(123));
}

#[test]
fn arp_about_anything_else_is_malformed() {
    let mut bytes = [0; 28];
    let arp = Arp {
        operation: ArpOperation::Reply,
        sender_mac: MacAddress([2; 6]),
        sender_address: Ipv4Addr::LOCALHOST,
        target_mac: MacAddress([4; 6]),
        target_address: Ipv4Addr::LOCALHOST,
    };
    arp.emit(&mut bytes);
    // Hardware, protocol, lengths, operation.
    for (at, value) in [(1, 6), (2, 9), (4, 8), (5, 16), (7, 3), (7, 0)] {
        let mut wrong = bytes;
        wrong[at] = value;
        assert_eq!(Arp::parse(&wrong), Err(ParseError::Malformed), "byte {at}");
    }
}

#[test]
fn ipv4_lengths_and_version_are_checked() {
    let mut bytes = [0; 40];
    Ipv4::new(Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST, protocol::TCP, 20).emit(&mut bytes);
    let parse = |at: usize, value: u8| {
        let mut wrong = bytes;
        wrong[at] = value;
        Ipv4::parse(&wrong, 40, ChecksumState::Good)
    };
    assert_eq!(parse(0, 0x65), Err(ParseError::Malformed));
    assert_eq!(parse(0, 0x44), Err(ParseError::Malformed));
    assert_eq!(parse(0, 0x4b), Err(ParseError::Truncated));
    assert_eq!(parse(3, 19), Err(ParseError::Malformed));
    assert_eq!(parse(3, 41), Err(ParseError::Truncated));
    // Options are skipped.
    let with_options = parse(0, 0x4a).unwrap();
    assert_eq!((with_options.header_bytes, with_options.payload_bytes), (40, 0));
}

#[test]
fn the_driver_may_know_the_ipv4_checksum() {
    let mut bytes = [0; 20];
    Ipv4::new(Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST, protocol::TCP, 0).emit(&mut bytes);
    assert_eq!(Ipv4::parse(&bytes, 20, ChecksumState::Bad), Err(ParseError::Checksum));
    bytes[Ipv4::CHECKSUM_OFFSET] ^= 1;
    assert_eq!(Ipv4::parse(&bytes, 20, ChecksumState::Unknown), Err(ParseError::Checksum));
    assert!(Ipv4::parse(&bytes, 20, ChecksumState::Good).is_ok());
}

#[test]
fn tcp_data_offset_is_checked() {
    let mut bytes = [0; 20];
    bytes[12] = 0x40;
    assert_eq!(Tcp::parse(&bytes), Err(ParseError::Malformed));
    bytes[12] = 0x60;
    assert_eq!(Tcp::parse(&bytes), Err(ParseError::Truncated));
    assert_eq!(Tcp::parse(&bytes[..19]), Err(ParseError::Truncated));
}

#[test]
fn options_of_a_syn_mean_nothing_elsewhere() {
    let mut options = OptionBytes::new();
    emit_syn(1460, true, Some(Timestamps { value: 1, echo: 2 }), Some(7), &mut options);
    let mut bytes = [0; 40];
    bytes[12] = 0xa0;
    bytes[13] = TcpFlags::ACK.0;
    bytes[20..].copy_from_slice(&options);
    let segment = Tcp::parse(&bytes).unwrap();
    let expected = TcpOptions { timestamps: Some(Timestamps { value: 1, echo: 2 }), ..TcpOptions::default() };
    assert_eq!(segment.options, expected);
    bytes[13] = TcpFlags::SYN.0;
    assert_eq!(Tcp::parse(&bytes).unwrap().options.window_scale, Some(7));
}
