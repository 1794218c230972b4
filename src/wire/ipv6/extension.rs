//! Extension headers (RFC 8200 §4): recognised, checked as far as a receiver
//! must, and skipped.

use crate::wire::ParseError;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const DESTINATION: u8 = 60;

/// One byte of padding, the only option without a length.
const PAD_1: u8 = 0;

/// Bytes of extension headers at most: more is no packet that anybody needs,
/// and would cost time to look through.
const MAX_BYTES: usize = 256;

/// Where the upper layer begins.
pub(super) struct Upper {
    pub(super) protocol: u8,
    pub(super) skipped_bytes: u16,
    pub(super) fragment: bool,
}

/// Skips the extension headers at the front of `payload`, the first of which is
/// `first`.
pub(super) fn skip(first: u8, payload: &[u8]) -> Result<Upper, ParseError> {
    let mut protocol = first;
    let mut at = 0;
    let mut fragment = false;
    while !fragment && is_extension(protocol) {
        // RFC 8200 §4.1: hop-by-hop options come first or not at all.
        if protocol == HOP_BY_HOP && at != 0 {
            return Err(ParseError::Malformed);
        }
        let header = header_of(protocol, &payload[at..])?;
        fragment = check(protocol, header)?;
        protocol = header[0];
        at += header.len();
        if at > MAX_BYTES {
            return Err(ParseError::Malformed);
        }
    }
    Ok(Upper { protocol, skipped_bytes: at as u16, fragment })
}

const fn is_extension(protocol: u8) -> bool {
    matches!(protocol, HOP_BY_HOP | ROUTING | FRAGMENT | DESTINATION)
}

/// The extension header at the front of `bytes`, at least 8 bytes.
fn header_of(protocol: u8, bytes: &[u8]) -> Result<&[u8], ParseError> {
    let &[_, length, ..] = bytes else { return Err(ParseError::Truncated) };
    let length_bytes = if protocol == FRAGMENT { 8 } else { (usize::from(length) + 1) * 8 };
    bytes.get(..length_bytes).ok_or(ParseError::Truncated)
}

/// Checks an extension header; returns whether what follows is a fragment.
fn check(protocol: u8, header: &[u8]) -> Result<bool, ParseError> {
    match protocol {
        FRAGMENT => Ok(is_part(header)),
        // RFC 8200 §4.4: with segments left, the packet is for somebody else.
        ROUTING if header[3] != 0 => Err(ParseError::Malformed),
        ROUTING => Ok(false),
        _ => check_options(&header[2..]).map(|()| false),
    }
}

/// A fragment that is the whole packet is none (RFC 6946).
fn is_part(header: &[u8]) -> bool {
    let offset_and_more = u16::from_be_bytes([header[2], header[3]]) & !0x0006;
    offset_and_more != 0
}

/// RFC 8200 §4.2: a packet with an unknown option is discarded, unless the
/// option's upper two bits are zero.
fn check_options(mut options: &[u8]) -> Result<(), ParseError> {
    while let Some((&kind, rest)) = options.split_first() {
        if kind == PAD_1 {
            options = rest;
            continue;
        }
        let end = rest.first().map(|&length| 1 + usize::from(length));
        let after = end.and_then(|end| rest.get(end..)).ok_or(ParseError::Malformed)?;
        if kind >> 6 != 0 {
            return Err(ParseError::Malformed);
        }
        options = after;
    }
    Ok(())
}
