//! The IPv6 header (RFC 8200). Extension headers are skipped.

mod extension;
#[cfg(test)]
mod tests;

use super::ParseError;
use super::field::{Fields, put};
use std::net::Ipv6Addr;

/// An IPv6 header. The payload is the `payload_bytes` that follow
/// `header_bytes`; what comes after them is padding of the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv6 {
    /// Source address.
    pub source: Ipv6Addr,
    /// Destination address.
    pub destination: Ipv6Addr,
    /// What the payload is, behind all extension headers: see
    /// [`protocol`](super::protocol).
    pub protocol: u8,
    /// Hops left.
    pub hop_limit: u8,
    /// Differentiated services in the upper six bits (RFC 2474), ECN in the
    /// lower two (RFC 3168).
    pub traffic_class: u8,
    /// Flow label, 20 bits (RFC 6437).
    pub flow_label: u32,
    /// Whether the payload is only a part of the packet's.
    pub fragment: bool,
    /// Bytes of header with extension headers: 40 and more.
    pub header_bytes: u16,
    /// Bytes of payload behind the extension headers.
    pub payload_bytes: u16,
}

const FLOW_LABEL: u32 = 0x000f_ffff;

impl Ipv6 {
    /// Bytes of header without extension headers.
    pub const HEADER_BYTES: usize = 40;

    /// The header of a packet of ours: 64 hops, no flow label.
    pub const fn new(source: Ipv6Addr, destination: Ipv6Addr, protocol: u8, payload_bytes: u16) -> Self {
        Self {
            source,
            destination,
            protocol,
            hop_limit: 64,
            traffic_class: 0,
            flow_label: 0,
            fragment: false,
            header_bytes: Self::HEADER_BYTES as u16,
            payload_bytes,
        }
    }

    /// Parses the header at the front of `bytes`, which are the contiguous
    /// front of `packet_bytes` bytes, and skips extension headers.
    ///
    /// # Errors
    /// [`ParseError::Truncated`] if the bytes end inside the headers or the
    /// packet before its payload, [`ParseError::Malformed`] if the version is
    /// wrong or an extension header is one with which RFC 8200 §4 has the packet
    /// discarded, or if there are too many of them.
    pub fn parse(bytes: &[u8], packet_bytes: usize) -> Result<Self, ParseError> {
        let mut header = Self::parse_header(bytes)?;
        let payload_bytes = usize::from(header.payload_bytes);
        if Self::HEADER_BYTES + payload_bytes > packet_bytes {
            return Err(ParseError::Truncated);
        }
        let contiguous = &bytes[Self::HEADER_BYTES..];
        let contiguous = &contiguous[..contiguous.len().min(payload_bytes)];
        let upper = extension::skip(header.protocol, contiguous)?;
        header.protocol = upper.protocol;
        header.fragment = upper.fragment;
        header.header_bytes += upper.skipped_bytes;
        header.payload_bytes -= upper.skipped_bytes;
        Ok(header)
    }

    /// Parses the fixed header alone: `protocol` may be an extension header's,
    /// and the payload may have been cut off, as in the quote of an ICMP error.
    pub(super) fn parse_header(bytes: &[u8]) -> Result<Self, ParseError> {
        let fixed = bytes.first_chunk::<{ Self::HEADER_BYTES }>().ok_or(ParseError::Truncated)?;
        Self::parse_fields(&mut Fields::new(fixed)).ok_or(ParseError::Malformed)
    }

    fn parse_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let first = fields.u32()?;
        if first >> 28 != 6 {
            return None;
        }
        let payload_bytes = fields.u16()?;
        let [protocol, hop_limit] = fields.array()?;
        Some(Self {
            source: fields.array::<16>()?.into(),
            destination: fields.array::<16>()?.into(),
            protocol,
            hop_limit,
            traffic_class: (first >> 20) as u8,
            flow_label: first & FLOW_LABEL,
            fragment: false,
            header_bytes: Self::HEADER_BYTES as u16,
            payload_bytes,
        })
    }

    /// Writes a header without extension headers to the front of `out`; returns
    /// the bytes written, 40. `self.header_bytes` and `self.fragment` are not
    /// looked at.
    ///
    /// # Panics
    /// If `out` is too short.
    pub fn emit(&self, out: &mut [u8]) -> usize {
        let first = 6 << 28 | u32::from(self.traffic_class) << 20 | self.flow_label & FLOW_LABEL;
        put(
            out,
            &[
                &first.to_be_bytes(),
                &self.payload_bytes.to_be_bytes(),
                &[self.protocol, self.hop_limit],
                &self.source.octets(),
                &self.destination.octets(),
            ],
        )
    }
}

/// The group that listens for questions about `address` (RFC 4291 §2.7.1).
pub const fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = address.octets();
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | a as u16, (b as u16) << 8 | c as u16)
}
