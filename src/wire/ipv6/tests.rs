use super::*;
use crate::wire::protocol;

/// A packet whose payload, the extension headers in it, is `payload`.
fn parse(first: u8, payload: &[u8]) -> Result<Ipv6, ParseError> {
    let header = Ipv6 {
        protocol: first,
        ..Ipv6::new(Ipv6Addr::LOCALHOST, Ipv6Addr::LOCALHOST, 0, payload.len() as u16)
    };
    let mut bytes = vec![0; Ipv6::HEADER_BYTES];
    header.emit(&mut bytes);
    bytes.extend(payload);
    Ipv6::parse(&bytes, bytes.len())
}

#[test]
fn the_version_is_checked() {
    let mut bytes = [0; 40];
    bytes[0] = 0x45;
    assert_eq!(Ipv6::parse(&bytes, 40), Err(ParseError::Malformed));
}

#[test]
fn a_routing_header_with_segments_left_is_for_somebody_else() {
    assert_eq!(parse(43, &[6, 0, 4, 1, 0, 0, 0, 0]), Err(ParseError::Malformed));
    assert_eq!(parse(43, &[6, 0, 4, 0, 0, 0, 0, 0]).unwrap().protocol, protocol::TCP);
}

#[test]
fn unknown_options_are_skipped_only_if_their_type_says_so() {
    // Router alert, and an option with upper bits zero; then the other three.
    for skipped in [5, 0x3e] {
        assert!(parse(0, &[6, 0, skipped, 2, 0, 0, 0, 0]).is_ok(), "option {skipped:#x}");
    }
    for discarded in [0x45, 0x85, 0xc2] {
        assert_eq!(
            parse(60, &[6, 0, discarded, 4, 0, 0, 0, 0]),
            Err(ParseError::Malformed),
            "option {discarded:#x}"
        );
    }
    // An option that reaches beyond its header.
    assert_eq!(parse(60, &[6, 0, 1, 5, 0, 0, 0, 0]), Err(ParseError::Malformed));
    assert_eq!(parse(60, &[6, 0, 0, 0, 0, 0, 0, 1]), Err(ParseError::Malformed));
}

#[test]
fn hop_by_hop_options_come_first_or_not_at_all() {
    let first = [0, 0, 1, 4, 0, 0, 0, 0];
    let second = [6, 0, 1, 4, 0, 0, 0, 0];
    assert_eq!(parse(60, &[first, second].concat()), Err(ParseError::Malformed));
    assert_eq!(parse(0, &second).unwrap().protocol, protocol::TCP);
}

#[test]
fn extension_headers_have_a_limit() {
    let chain = |count: usize| {
        let mut bytes = [60, 0, 1, 4, 0, 0, 0, 0].repeat(count - 1);
        bytes.extend([6, 0, 1, 4, 0, 0, 0, 0]);
        parse(60, &bytes)
    };
    assert_eq!(chain(32).unwrap().header_bytes, 40 + 256);
    assert_eq!(chain(33), Err(ParseError::Malformed));
}

#[test]
fn extension_headers_lie_within_the_payload() {
    assert_eq!(parse(60, &[6]), Err(ParseError::Truncated));
    assert_eq!(parse(60, &[6, 1, 1, 4, 0, 0, 0, 0]), Err(ParseError::Truncated));
    assert_eq!(parse(44, &[6, 0, 0, 0]), Err(ParseError::Truncated));
}
