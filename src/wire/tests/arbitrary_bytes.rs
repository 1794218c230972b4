//! No bytes do any harm, and whatever is accepted lies within them.

use super::generate::{arp, ethernet, ipv4, ipv6, tcp};
use crate::base::ChecksumState;
use crate::wire::*;
use proptest::prelude::*;
use proptest::sample::Index;
use std::net::Ipv6Addr;

/// Parses `bytes` as everything.
fn parse_all(bytes: &[u8]) {
    if let Ok(header) = Ethernet::parse(bytes) {
        assert!(header.header_bytes() <= bytes.len());
    }
    if Arp::parse(bytes).is_ok() {
        assert!(Arp::BYTES <= bytes.len());
    }
    for checksum in [ChecksumState::Good, ChecksumState::Unknown, ChecksumState::Bad] {
        if let Ok(header) = Ipv4::parse(bytes, bytes.len(), checksum) {
            assert!(usize::from(header.header_bytes) + usize::from(header.payload_bytes) <= bytes.len());
        }
    }
    if let Ok(header) = Ipv6::parse(bytes, bytes.len()) {
        assert!(usize::from(header.header_bytes) + usize::from(header.payload_bytes) <= bytes.len());
    }
    if let Ok(segment) = Tcp::parse(bytes) {
        assert!(usize::from(segment.header_bytes) <= bytes.len());
    }
    let _ = IcmpQuote::parse_v4(bytes);
    let _ = IcmpQuote::parse_v6(bytes);
    parse_icmp(bytes);
}

/// Parses `bytes` as ICMP, with a checksum that lets them in.
fn parse_icmp(bytes: &[u8]) {
    let mut bytes = bytes.to_vec();
    let address = Ipv6Addr::LOCALHOST;
    if bytes.len() < 8 {
        assert_eq!(Icmpv4::parse(&bytes), Err(ParseError::Truncated));
        assert_eq!(Icmpv6::parse(&bytes, address, address), Err(ParseError::Truncated));
        return;
    }
    bytes[2..4].fill(0);
    let mut checksum = Checksum::new();
    checksum.add(&bytes);
    let mut six = pseudo_header(address.into(), address.into(), protocol::ICMPV6, bytes.len() as u32);
    six.combine(checksum);
    bytes[2..4].copy_from_slice(&checksum.finish().to_be_bytes());
    assert_ne!(Icmpv4::parse(&bytes), Err(ParseError::Checksum));
    bytes[2..4].copy_from_slice(&six.finish().to_be_bytes());
    assert_ne!(Icmpv6::parse(&bytes, address, address), Err(ParseError::Checksum));
}

/// A valid header of any kind, with bytes behind it.
fn valid() -> impl Strategy<Value = Vec<u8>> {
    fn emitted(emit: impl FnOnce(&mut [u8]) -> usize) -> Vec<u8> {
        let mut bytes = vec![0; 120];
        emit(&mut bytes);
        bytes
    }
    prop_oneof![
        ethernet().prop_map(|header| emitted(|out| header.emit(out))),
        arp().prop_map(|packet| emitted(|out| packet.emit(out))),
        ipv4(60).prop_map(|header| emitted(|out| header.emit(out))),
        ipv6(60).prop_map(|header| emitted(|out| header.emit(out))),
        tcp().prop_map(|(segment, options)| emitted(|out| segment.emit(&options, out))),
    ]
}

proptest! {
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        parse_all(&bytes);
    }

    #[test]
    fn changed_and_cut_packets(
        mut bytes in valid(),
        changes in prop::collection::vec((any::<Index>(), any::<u8>()), 0..6),
        end in any::<Index>(),
    ) {
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes.truncate(end.index(bytes.len() + 1));
        parse_all(&bytes);
    }

    #[test]
    fn any_extension_headers(
        first in prop_oneof![Just(0u8), Just(43), Just(44), Just(60)],
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), 0..3u8, Just(43), Just(44), Just(60)], 0..600),
    ) {
        let mut packet = vec![0; 40];
        let header = Ipv6 {
            protocol: first,
            ..Ipv6::new(Ipv6Addr::LOCALHOST, Ipv6Addr::LOCALHOST, 0, bytes.len() as u16)
        };
        header.emit(&mut packet);
        packet.extend(bytes);
        parse_all(&packet);
    }

    #[test]
    fn any_icmp_body(
        kind in prop_oneof![any::<u8>(), 0..12u8, 128..138u8],
        code in 0..8u8,
        body in prop::collection::vec(prop_oneof![any::<u8>(), 0..3u8], 4..120),
    ) {
        parse_icmp(&[&[kind, code, 0, 0], &body[..]].concat());
    }
}
