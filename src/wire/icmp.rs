//! ICMP for both families: echo, errors, and neighbour discovery. Only what an
//! endpoint speaks or acts on has a representation.

mod neighbour;
#[cfg(test)]
mod tests;
mod v4;
mod v6;

pub use v4::Icmpv4;
pub use v6::Icmpv6;

use super::field::Fields;
use super::{Ipv4, Ipv6, protocol};
use crate::base::SeqNumber;
use std::net::IpAddr;

/// Bytes before the body of every message that has a representation here.
const HEADER_BYTES: usize = 8;

/// An echo request or reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpEcho<'a> {
    /// Tells the senders of requests apart.
    pub identifier: u16,
    /// Tells the requests of one sender apart.
    pub sequence: u16,
    /// Comes back as it is.
    pub data: &'a [u8],
}

impl<'a> IcmpEcho<'a> {
    fn parse(rest: [u8; 4], data: &'a [u8]) -> Self {
        let [a, b, c, d] = rest;
        Self { identifier: u16::from_be_bytes([a, b]), sequence: u16::from_be_bytes([c, d]), data }
    }

    fn rest(&self) -> [u8; 4] {
        let [a, b] = self.identifier.to_be_bytes();
        let [c, d] = self.sequence.to_be_bytes();
        [a, b, c, d]
    }
}

/// The TCP segment that an ICMP error quotes: one of ours, if it is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpQuote {
    /// Whence the segment came: our address.
    pub source: IpAddr,
    /// Where the segment went: the peer's address.
    pub destination: IpAddr,
    /// Our port.
    pub source_port: u16,
    /// The peer's port.
    pub destination_port: u16,
    /// The segment's sequence number, which a forger has to guess
    /// (RFC 5927 §4.1).
    pub sequence: SeqNumber,
}

impl IcmpQuote {
    /// Parses the quote of an ICMPv4 error: an IPv4 header and at least 8 bytes
    /// of TCP. `None` if it quotes anything else. Checksums are not looked at.
    pub fn parse_v4(quote: &[u8]) -> Option<Self> {
        let ip = Ipv4::parse_header(quote).ok()?;
        if ip.protocol != protocol::TCP || ip.fragment_offset != 0 {
            return None;
        }
        let segment = quote.get(usize::from(ip.header_bytes)..)?;
        Self::parse_segment(ip.source.into(), ip.destination.into(), segment)
    }

    /// Parses the quote of an ICMPv6 error. An extension header is not expected:
    /// our segments have none.
    pub fn parse_v6(quote: &[u8]) -> Option<Self> {
        let ip = Ipv6::parse_header(quote).ok()?;
        if ip.protocol != protocol::TCP {
            return None;
        }
        let segment = quote.get(Ipv6::HEADER_BYTES..)?;
        Self::parse_segment(ip.source.into(), ip.destination.into(), segment)
    }

    fn parse_segment(source: IpAddr, destination: IpAddr, segment: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(segment);
        Some(Self {
            source,
            destination,
            source_port: fields.u16()?,
            destination_port: fields.u16()?,
            sequence: SeqNumber(fields.u32()?),
        })
    }
}

/// The front of a quoted packet that fits.
fn cut(quote: &[u8], most_bytes: usize) -> &[u8] {
    &quote[..quote.len().min(most_bytes)]
}
