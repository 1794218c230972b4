use super::*;
use crate::wire::{MacAddress, ParseError, Tcp, TcpFlags, TcpOptions, solicited_node};
use etherparse as theirs;
use proptest::option::of;
use proptest::prelude::*;
use std::net::{Ipv4Addr, Ipv6Addr};

const LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

fn bytes_of_v4(message: &Icmpv4<'_>) -> Vec<u8> {
    let mut bytes = vec![0xaa; message.encoded_len()];
    assert_eq!(message.emit(&mut bytes), bytes.len());
    bytes
}

fn bytes_of_v6(message: &Icmpv6<'_>, source: Ipv6Addr, destination: Ipv6Addr) -> Vec<u8> {
    let mut bytes = vec![0xaa; message.encoded_len()];
    assert_eq!(message.emit(source, destination, &mut bytes), bytes.len());
    bytes
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..100)
}

fn mac() -> impl Strategy<Value = Option<MacAddress>> {
    of(any::<[u8; 6]>().prop_map(MacAddress))
}

fn unicast() -> impl Strategy<Value = Ipv6Addr> {
    any::<Ipv6Addr>().prop_filter("unicast", |address| !address.is_multicast() && !address.is_unspecified())
}

fn v4<'a>(form: u8, numbers: (u16, u16), body: &'a [u8]) -> Icmpv4<'a> {
    let echo = IcmpEcho { identifier: numbers.0, sequence: numbers.1, data: body };
    let code = (numbers.0 % 16) as u8;
    match form {
        0 => Icmpv4::EchoRequest(echo),
        1 => Icmpv4::EchoReply(echo),
        2 if code != Icmpv4::FRAGMENTATION_NEEDED => Icmpv4::Unreachable { code, quote: body },
        2 | 3 => Icmpv4::FragmentationNeeded { mtu: numbers.1, quote: body },
        _ => Icmpv4::TimeExceeded { code: code % 2, quote: body },
    }
}

fn v6<'a>(form: u8, numbers: (u16, u16), body: &'a [u8]) -> Icmpv6<'a> {
    let echo = IcmpEcho { identifier: numbers.0, sequence: numbers.1, data: body };
    match form {
        0 => Icmpv6::EchoRequest(echo),
        1 => Icmpv6::EchoReply(echo),
        2 => Icmpv6::Unreachable { code: (numbers.0 % 7) as u8, quote: body },
        3 => Icmpv6::PacketTooBig { mtu: u32::from(numbers.0) << 16 | u32::from(numbers.1), quote: body },
        _ => Icmpv6::TimeExceeded { code: (numbers.0 % 2) as u8, quote: body },
    }
}

fn neighbour_message() -> impl Strategy<Value = Icmpv6<'static>> {
    prop_oneof![
        mac().prop_map(|source_mac| Icmpv6::RouterSolicitation { source_mac }),
        (any::<u16>(), mac())
            .prop_map(|(lifetime_s, source_mac)| Icmpv6::RouterAdvertisement { lifetime_s, source_mac }),
        (unicast(), mac())
            .prop_map(|(target, source_mac)| Icmpv6::NeighbourSolicitation { target, source_mac }),
        (unicast(), any::<(bool, bool, bool)>(), mac()).prop_map(
            |(target, (router, solicited, overriding), target_mac)| Icmpv6::NeighbourAdvertisement {
                target,
                router,
                solicited,
                overriding,
                target_mac,
            }
        ),
    ]
}

proptest! {
    #[test]
    fn icmpv4_survives_the_wire(form in 0..5u8, numbers: (u16, u16), body in body()) {
        let message = v4(form, numbers, &body);
        let bytes = bytes_of_v4(&message);
        prop_assert_eq!(Icmpv4::parse(&bytes), Ok(Some(message)));
    }

    #[test]
    fn icmpv6_survives_the_wire(form in 0..5u8, numbers: (u16, u16), body in body(), ends: (Ipv6Addr, Ipv6Addr)) {
        let message = v6(form, numbers, &body);
        let bytes = bytes_of_v6(&message, ends.0, ends.1);
        prop_assert_eq!(Icmpv6::parse(&bytes, ends.0, ends.1), Ok(Some(message)));
    }

    #[test]
    fn neighbour_discovery_survives_the_wire(message in neighbour_message(), destination in unicast()) {
        let bytes = bytes_of_v6(&message, LINK_LOCAL, destination);
        prop_assert_eq!(Icmpv6::parse(&bytes, LINK_LOCAL, destination), Ok(Some(message)));
    }

    #[test]
    fn a_flipped_bit_is_noticed(form in 0..5u8, numbers: (u16, u16), body in body(), at in any::<prop::sample::Index>()) {
        let mut four = bytes_of_v4(&v4(form, numbers, &body));
        let bit = at.index(four.len() * 8);
        four[bit / 8] ^= 1 << (bit % 8);
        prop_assert_eq!(Icmpv4::parse(&four), Err(ParseError::Checksum));
        let mut six = bytes_of_v6(&v6(form, numbers, &body), LINK_LOCAL, ALL_NODES);
        six[bit / 8] ^= 1 << (bit % 8);
        prop_assert_eq!(Icmpv6::parse(&six, LINK_LOCAL, ALL_NODES), Err(ParseError::Checksum));
    }

    #[test]
    fn an_independent_crate_agrees_on_icmpv4(form in 0..5u8, numbers: (u16, u16), body in body()) {
        let message = v4(form, numbers, &body);
        let theirs = theirs::Icmpv4Header::with_checksum(their_v4(&message), &body);
        let bytes = bytes_of_v4(&message);
        let built = [&theirs.to_bytes()[..], &body].concat();
        prop_assert_eq!(&bytes, &built);
        prop_assert_eq!(Icmpv4::parse(&built), Ok(Some(message)));
        let (parsed, rest) = theirs::Icmpv4Header::from_slice(&bytes).unwrap();
        prop_assert_eq!(parsed, theirs);
        prop_assert_eq!(rest, &body[..]);
    }

    #[test]
    fn an_independent_crate_agrees_on_icmpv6(form in 0..5u8, numbers: (u16, u16), body in body(), ends: (Ipv6Addr, Ipv6Addr)) {
        let message = v6(form, numbers, &body);
        agree_on_v6(&message, &body, ends.0, ends.1)?;
    }

    #[test]
    fn an_independent_crate_agrees_on_neighbour_discovery(message in neighbour_message(), destination in unicast()) {
        let body = neighbour::body(&message);
        agree_on_v6(&message, &body, LINK_LOCAL, destination)?;
        read_by_the_other_side(&message, &bytes_of_v6(&message, LINK_LOCAL, destination));
    }
}

fn their_echo(echo: &IcmpEcho<'_>) -> theirs::IcmpEchoHeader {
    theirs::IcmpEchoHeader { id: echo.identifier, seq: echo.sequence }
}

fn their_v4(message: &Icmpv4<'_>) -> theirs::Icmpv4Type {
    use theirs::Icmpv4Type::{DestinationUnreachable, EchoReply, EchoRequest, TimeExceeded};
    use theirs::icmpv4::{DestUnreachableHeader, TimeExceededCode};
    match message {
        Icmpv4::EchoRequest(echo) => EchoRequest(their_echo(echo)),
        Icmpv4::EchoReply(echo) => EchoReply(their_echo(echo)),
        Icmpv4::Unreachable { code, .. } => {
            DestinationUnreachable(DestUnreachableHeader::from_values(*code, 0).unwrap())
        }
        Icmpv4::FragmentationNeeded { mtu, .. } => {
            DestinationUnreachable(DestUnreachableHeader::FragmentationNeeded { next_hop_mtu: *mtu })
        }
        Icmpv4::TimeExceeded { code, .. } => TimeExceeded(TimeExceededCode::from_u8(*code).unwrap()),
    }
}

fn their_v6(message: &Icmpv6<'_>) -> theirs::Icmpv6Type {
    use theirs::Icmpv6Type as Theirs;
    use theirs::icmpv6::{
        DestUnreachableCode, NeighborAdvertisementHeader, RouterAdvertisementHeader, TimeExceededCode,
    };
    match *message {
        Icmpv6::EchoRequest(echo) => Theirs::EchoRequest(their_echo(&echo)),
        Icmpv6::EchoReply(echo) => Theirs::EchoReply(their_echo(&echo)),
        Icmpv6::Unreachable { code, .. } => {
            Theirs::DestinationUnreachable(DestUnreachableCode::from_u8(code).unwrap())
        }
        Icmpv6::PacketTooBig { mtu, .. } => Theirs::PacketTooBig { mtu },
        Icmpv6::TimeExceeded { code, .. } => Theirs::TimeExceeded(TimeExceededCode::from_u8(code).unwrap()),
        Icmpv6::RouterSolicitation { .. } => Theirs::RouterSolicitation,
        Icmpv6::RouterAdvertisement { lifetime_s, .. } => {
            Theirs::RouterAdvertisement(RouterAdvertisementHeader {
                cur_hop_limit: 0,
                managed_address_config: false,
                other_config: false,
                router_lifetime: lifetime_s,
            })
        }
        Icmpv6::NeighbourSolicitation { .. } => Theirs::NeighborSolicitation,
        Icmpv6::NeighbourAdvertisement { router, solicited, overriding, .. } => {
            Theirs::NeighborAdvertisement(NeighborAdvertisementHeader {
                router,
                solicited,
                r#override: overriding,
            })
        }
    }
}

fn agree_on_v6(
    message: &Icmpv6<'_>,
    body: &[u8],
    source: Ipv6Addr,
    destination: Ipv6Addr,
) -> Result<(), TestCaseError> {
    let theirs =
        theirs::Icmpv6Header::with_checksum(their_v6(message), source.octets(), destination.octets(), body)
            .unwrap();
    let bytes = bytes_of_v6(message, source, destination);
    let built = [&theirs.to_bytes()[..], body].concat();
    prop_assert_eq!(&bytes, &built);
    prop_assert_eq!(Icmpv6::parse(&built, source, destination), Ok(Some(*message)));
    let parsed = theirs::Icmpv6Slice::from_slice(&bytes).unwrap();
    prop_assert_eq!(parsed.header(), theirs);
    prop_assert!(parsed.is_checksum_valid(source.octets(), destination.octets()));
    Ok(())
}

/// The other side finds target and hardware address where we put them.
fn read_by_the_other_side(message: &Icmpv6<'_>, bytes: &[u8]) {
    use theirs::icmpv6::Icmpv6PayloadSlice as Theirs;
    let slice = theirs::Icmpv6Slice::from_slice(bytes).unwrap();
    let (target, options) = match slice.payload_slice().unwrap() {
        Theirs::RouterSolicitation(payload) => (None, payload.options()),
        Theirs::RouterAdvertisement(payload) => (None, payload.options()),
        Theirs::NeighborSolicitation(payload) => (Some(payload.target_address()), payload.options()),
        Theirs::NeighborAdvertisement(payload) => (Some(payload.target_address()), payload.options()),
        other => panic!("{other:?}"),
    };
    let (our_target, mac, kind) = match *message {
        Icmpv6::NeighbourSolicitation { target, source_mac } => (Some(target), source_mac, 1),
        Icmpv6::NeighbourAdvertisement { target, target_mac, .. } => (Some(target), target_mac, 2),
        Icmpv6::RouterSolicitation { source_mac } | Icmpv6::RouterAdvertisement { source_mac, .. } => {
            (None, source_mac, 1)
        }
        _ => panic!("{message:?}"),
    };
    assert_eq!(target, our_target);
    let found: Vec<_> = theirs::icmpv6::NdpOptionsIterator::from_slice(options)
        .map(|option| option.unwrap().as_bytes())
        .collect();
    let expected = mac.map(|mac| [&[kind, 1], &mac.0[..]].concat());
    assert_eq!(found, expected.iter().map(Vec::as_slice).collect::<Vec<_>>());
}

fn segment_bytes() -> Vec<u8> {
    let segment = Tcp {
        source_port: 443,
        destination_port: 50_000,
        sequence: SeqNumber(0x0102_0304),
        acknowledgement: SeqNumber(7),
        flags: TcpFlags::ACK,
        window: 100,
        urgent: 0,
        options: TcpOptions::default(),
        header_bytes: 20,
    };
    let mut bytes = vec![0; 20];
    segment.emit(&[], &mut bytes);
    bytes
}

fn quoted_v4(header: &Ipv4) -> Vec<u8> {
    let mut bytes = vec![0; 20];
    header.emit(&mut bytes);
    bytes.extend(segment_bytes());
    bytes
}

#[test]
fn a_quote_of_ipv4_names_the_segment() {
    let (source, destination) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
    // The packet was longer than what is quoted.
    let header = Ipv4::new(source, destination, protocol::TCP, 1480);
    let bytes = quoted_v4(&header);
    let expected = IcmpQuote {
        source: source.into(),
        destination: destination.into(),
        source_port: 443,
        destination_port: 50_000,
        sequence: SeqNumber(0x0102_0304),
    };
    assert_eq!(IcmpQuote::parse_v4(&bytes), Some(expected));
    assert_eq!(IcmpQuote::parse_v4(&bytes[..28]), Some(expected));
    assert_eq!(IcmpQuote::parse_v4(&bytes[..27]), None);
    assert_eq!(IcmpQuote::parse_v4(&bytes[..19]), None);
    assert_eq!(IcmpQuote::parse_v6(&bytes), None);
    assert_eq!(IcmpQuote::parse_v4(&quoted_v4(&Ipv4 { protocol: protocol::UDP, ..header })), None);
    assert_eq!(IcmpQuote::parse_v4(&quoted_v4(&Ipv4 { fragment_offset: 1, ..header })), None);
    let first_fragment = quoted_v4(&Ipv4 { more_fragments: true, dont_fragment: false, ..header });
    assert_eq!(IcmpQuote::parse_v4(&first_fragment), Some(expected));
}

#[test]
fn a_quote_of_ipv6_names_the_segment() {
    let mut bytes = vec![0; 40];
    Ipv6::new(LINK_LOCAL, Ipv6Addr::LOCALHOST, protocol::TCP, 1440).emit(&mut bytes);
    bytes.extend(segment_bytes());
    let quote = IcmpQuote::parse_v6(&bytes[..48]).unwrap();
    assert_eq!((quote.source, quote.destination), (LINK_LOCAL.into(), Ipv6Addr::LOCALHOST.into()));
    assert_eq!((quote.source_port, quote.destination_port), (443, 50_000));
    assert_eq!(quote.sequence, SeqNumber(0x0102_0304));
    assert_eq!(IcmpQuote::parse_v6(&bytes[..47]), None);
    assert_eq!(IcmpQuote::parse_v4(&bytes), None);
    bytes[6] = protocol::UDP;
    assert_eq!(IcmpQuote::parse_v6(&bytes), None);
}

#[test]
fn a_long_quote_is_cut() {
    let packet: Vec<u8> = (0..=255).cycle().take(3000).collect();
    let four = bytes_of_v4(&Icmpv4::Unreachable { code: Icmpv4::PORT_UNREACHABLE, quote: &packet });
    assert_eq!(four.len() + Ipv4::HEADER_BYTES, 576);
    let six = Icmpv6::Unreachable { code: Icmpv6::PORT_UNREACHABLE, quote: &packet };
    let six = bytes_of_v6(&six, LINK_LOCAL, LINK_LOCAL);
    assert_eq!(six.len() + Ipv6::HEADER_BYTES, 1280);
    let Ok(Some(Icmpv6::Unreachable { quote, .. })) = Icmpv6::parse(&six, LINK_LOCAL, LINK_LOCAL) else {
        panic!("not an unreachable");
    };
    assert_eq!(quote, &packet[..quote.len()]);
    // What an echo request carried comes back whole.
    let echo = Icmpv4::EchoReply(IcmpEcho { identifier: 1, sequence: 2, data: &packet });
    assert_eq!(echo.encoded_len(), 3008);
}

/// A message with its checksum filled in.
fn message_v6(kind: u8, code: u8, rest: &[u8], source: Ipv6Addr, destination: Ipv6Addr) -> Vec<u8> {
    let mut bytes = [&[kind, code, 0, 0], rest].concat();
    let mut checksum =
        crate::wire::pseudo_header(source.into(), destination.into(), protocol::ICMPV6, bytes.len() as u32);
    checksum.add(&bytes);
    bytes[2..4].copy_from_slice(&checksum.finish().to_be_bytes());
    bytes
}

fn solicitation(target: Ipv6Addr, options: &[u8]) -> Vec<u8> {
    [&[0; 4], &target.octets()[..], options].concat()
}

#[test]
fn neighbour_solicitations_are_checked() {
    let target = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 9);
    let group = solicited_node(target);
    let parse = |code: u8, rest: &[u8], source: Ipv6Addr, destination: Ipv6Addr| {
        let bytes = message_v6(135, code, rest, source, destination);
        Icmpv6::parse(&bytes, source, destination).map(|message| message.map(|_| ()))
    };
    let malformed = Err(ParseError::Malformed);
    let mac = [1, 1, 2, 0, 0, 0, 0, 1];
    assert_eq!(parse(0, &solicitation(target, &mac), LINK_LOCAL, group), Ok(Some(())));
    assert_eq!(parse(1, &solicitation(target, &mac), LINK_LOCAL, group), malformed);
    assert_eq!(parse(0, &solicitation(ALL_NODES, &mac), LINK_LOCAL, group), malformed);
    assert_eq!(parse(0, &solicitation(target, &[1, 0, 2, 0, 0, 0, 0, 1]), LINK_LOCAL, group), malformed);
    assert_eq!(parse(0, &solicitation(target, &[1, 2, 2, 0, 0, 0, 0, 1]), LINK_LOCAL, group), malformed);
    assert_eq!(parse(0, &solicitation(target, &[1]), LINK_LOCAL, group), malformed);
    assert_eq!(parse(0, &solicitation(target, &[])[..19], LINK_LOCAL, group), malformed);
    // Duplicate address detection: no source, no option, only to the group.
    let none = Ipv6Addr::UNSPECIFIED;
    assert_eq!(parse(0, &solicitation(target, &[]), none, group), Ok(Some(())));
    assert_eq!(parse(0, &solicitation(target, &mac), none, group), malformed);
    assert_eq!(parse(0, &solicitation(target, &[]), none, target), malformed);
}

#[test]
fn neighbour_advertisements_are_checked() {
    let target = LINK_LOCAL;
    let advertisement =
        |flags: u8, options: &[u8]| [&[flags, 0, 0, 0], &target.octets()[..], options].concat();
    let parse = |rest: &[u8], destination: Ipv6Addr| {
        let bytes = message_v6(136, 0, rest, LINK_LOCAL, destination);
        Icmpv6::parse(&bytes, LINK_LOCAL, destination).map(|message| format!("{message:?}"))
    };
    assert_eq!(parse(&advertisement(0x40, &[]), ALL_NODES), Err(ParseError::Malformed));
    // An unknown option, then one of a length that is not Ethernet's, then the address.
    let options = [&[99, 1, 0, 0, 0, 0, 0, 0][..], &[2, 2], &[7; 14], &[2, 1, 2, 0, 0, 0, 0, 5]].concat();
    let expected = Icmpv6::NeighbourAdvertisement {
        target,
        router: true,
        solicited: false,
        overriding: true,
        target_mac: Some(MacAddress([2, 0, 0, 0, 0, 5])),
    };
    // The reserved bits behind the flags do not count.
    assert_eq!(parse(&advertisement(0xbf, &options), ALL_NODES), Ok(format!("{:?}", Some(expected))));
}

#[test]
fn router_messages_are_checked() {
    let body = [64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0, 5, 1, 0, 0, 0, 0, 5, 220];
    let parse = |kind: u8, rest: &[u8], source: Ipv6Addr| {
        let bytes = message_v6(kind, 0, rest, source, ALL_NODES);
        Icmpv6::parse(&bytes, source, ALL_NODES).map(|message| format!("{message:?}"))
    };
    let expected = Icmpv6::RouterAdvertisement { lifetime_s: 1800, source_mac: None };
    assert_eq!(parse(134, &body, LINK_LOCAL), Ok(format!("{:?}", Some(expected))));
    assert_eq!(parse(134, &body, Ipv6Addr::LOCALHOST), Err(ParseError::Malformed));
    assert_eq!(parse(134, &body[..11], LINK_LOCAL), Err(ParseError::Malformed));
    let with_mac = [0, 0, 0, 0, 1, 1, 2, 0, 0, 0, 0, 1];
    assert!(parse(133, &with_mac, LINK_LOCAL).is_ok());
    assert_eq!(parse(133, &with_mac, Ipv6Addr::UNSPECIFIED), Err(ParseError::Malformed));
}

#[test]
fn messages_of_no_concern_are_none() {
    // ICMPv4 redirect, timestamp; ICMPv6 parameter problem, MLD report, redirect.
    for kind in [5, 13] {
        let mut bytes = [kind, 0, 0, 0, 1, 2, 3, 4];
        let mut checksum = crate::wire::Checksum::new();
        checksum.add(&bytes);
        bytes[2..4].copy_from_slice(&checksum.finish().to_be_bytes());
        assert_eq!(Icmpv4::parse(&bytes), Ok(None));
    }
    for kind in [4, 137, 143] {
        let bytes = message_v6(kind, 0, &[1, 2, 3, 4], LINK_LOCAL, LINK_LOCAL);
        assert_eq!(Icmpv6::parse(&bytes, LINK_LOCAL, LINK_LOCAL), Ok(None));
    }
}

#[test]
fn an_echo_with_a_code_is_malformed() {
    let mut bytes = bytes_of_v4(&v4(0, (1, 2), &[]));
    bytes[1] = 1;
    bytes[3] -= 1;
    assert_eq!(Icmpv4::parse(&bytes), Err(ParseError::Malformed));
    let bytes = message_v6(128, 1, &[0; 4], LINK_LOCAL, LINK_LOCAL);
    assert_eq!(Icmpv6::parse(&bytes, LINK_LOCAL, LINK_LOCAL), Err(ParseError::Malformed));
    assert_eq!(Icmpv6::parse(&bytes[..7], LINK_LOCAL, LINK_LOCAL), Err(ParseError::Truncated));
}
