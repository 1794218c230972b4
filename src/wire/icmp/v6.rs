//! ICMP for IPv6 (RFC 4443). Its neighbour discovery is next door.

use super::{HEADER_BYTES, IcmpEcho, cut, neighbour};
use crate::wire::field::put;
use crate::wire::{MacAddress, ParseError, protocol, pseudo_header};
use std::net::Ipv6Addr;

/// An ICMPv6 message.
///
/// Neighbour and router messages count only if they came with a hop limit of
/// 255 (RFC 4861 §6.1, §7.1): the caller looks at the IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Icmpv6<'a> {
    /// Asks for a reply with the same contents.
    EchoRequest(IcmpEcho<'a>),
    /// Answers an echo request.
    EchoReply(IcmpEcho<'a>),
    /// A packet could not be delivered.
    Unreachable {
        /// Why.
        code: u8,
        /// The front of the packet.
        quote: &'a [u8],
    },
    /// A packet was too big for a link (RFC 8201).
    PacketTooBig {
        /// What the link takes.
        mtu: u32,
        /// The front of the packet.
        quote: &'a [u8],
    },
    /// A packet ran out of hops or of time for reassembly.
    TimeExceeded {
        /// 0: hops, 1: reassembly.
        code: u8,
        /// The front of the packet.
        quote: &'a [u8],
    },
    /// Is there a router?
    RouterSolicitation {
        /// The asker's hardware address.
        source_mac: Option<MacAddress>,
    },
    /// There is a router. Nothing but its existence is read: addresses and
    /// gateways are configured.
    RouterAdvertisement {
        /// For how long it is a default router; 0: not.
        lifetime_s: u16,
        /// The router's hardware address.
        source_mac: Option<MacAddress>,
    },
    /// Who has the target address?
    NeighbourSolicitation {
        /// The address asked for.
        target: Ipv6Addr,
        /// The asker's hardware address.
        source_mac: Option<MacAddress>,
    },
    /// Somebody has the target address.
    NeighbourAdvertisement {
        /// The address spoken of.
        target: Ipv6Addr,
        /// R: it is a router's.
        router: bool,
        /// S: answers a solicitation.
        solicited: bool,
        /// O: replaces what was known.
        overriding: bool,
        /// The hardware address of the target.
        target_mac: Option<MacAddress>,
    },
}

pub(super) mod kind {
    pub(super) const UNREACHABLE: u8 = 1;
    pub(super) const PACKET_TOO_BIG: u8 = 2;
    pub(super) const TIME_EXCEEDED: u8 = 3;
    pub(super) const ECHO_REQUEST: u8 = 128;
    pub(super) const ECHO_REPLY: u8 = 129;
    pub(in crate::wire::icmp) const ROUTER_SOLICITATION: u8 = 133;
    pub(in crate::wire::icmp) const ROUTER_ADVERTISEMENT: u8 = 134;
    pub(in crate::wire::icmp) const NEIGHBOUR_SOLICITATION: u8 = 135;
    pub(in crate::wire::icmp) const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
}

impl<'a> Icmpv6<'a> {
    /// Code of `Unreachable`: nobody listens on the port.
    pub const PORT_UNREACHABLE: u8 = 4;

    /// The hop limit with which neighbour discovery is sent and accepted.
    pub const NEIGHBOUR_HOP_LIMIT: u8 = 255;

    /// Quoted bytes at most: the error is no longer than the minimum MTU
    /// (RFC 4443 §2.4).
    pub const MAX_QUOTE_BYTES: usize = 1280 - 40 - HEADER_BYTES;

    /// Parses the message that is the whole of `bytes` and went from `source`
    /// to `destination`. `None`: a message that an endpoint need not know.
    ///
    /// # Errors
    /// [`ParseError::Truncated`] below 8 bytes, [`ParseError::Checksum`],
    /// [`ParseError::Malformed`] if it contradicts RFC 4443 or RFC 4861.
    pub fn parse(
        bytes: &'a [u8],
        source: Ipv6Addr,
        destination: Ipv6Addr,
    ) -> Result<Option<Self>, ParseError> {
        let (header, body) = bytes.split_first_chunk::<HEADER_BYTES>().ok_or(ParseError::Truncated)?;
        if checksum_of(bytes, source, destination) != 0 {
            return Err(ParseError::Checksum);
        }
        let &[kind, code, _, _, a, b, c, d] = header;
        let rest = [a, b, c, d];
        let message = match (kind, code) {
            (kind::ECHO_REQUEST, 0) => Self::EchoRequest(IcmpEcho::parse(rest, body)),
            (kind::ECHO_REPLY, 0) => Self::EchoReply(IcmpEcho::parse(rest, body)),
            (kind::ECHO_REQUEST | kind::ECHO_REPLY, _) => return Err(ParseError::Malformed),
            (kind::UNREACHABLE, code) => Self::Unreachable { code, quote: body },
            // RFC 4443 §3.2: the code is ignored.
            (kind::PACKET_TOO_BIG, _) => Self::PacketTooBig { mtu: u32::from_be_bytes(rest), quote: body },
            (kind::TIME_EXCEEDED, code) => Self::TimeExceeded { code, quote: body },
            (kind::ROUTER_SOLICITATION..=kind::NEIGHBOUR_ADVERTISEMENT, 0) => {
                neighbour::parse(kind, rest, body, source, destination).ok_or(ParseError::Malformed)?
            }
            (kind::ROUTER_SOLICITATION..=kind::NEIGHBOUR_ADVERTISEMENT, _) => {
                return Err(ParseError::Malformed);
            }
            _ => return Ok(None),
        };
        Ok(Some(message))
    }

    /// Bytes that [`emit`](Self::emit) writes.
    pub fn encoded_len(&self) -> usize {
        HEADER_BYTES + self.quote_or_data().map_or_else(|| neighbour::body(self).len(), <[u8]>::len)
    }

    /// Writes the message with its checksum to the front of `out`; returns the
    /// bytes written. A quote is cut to
    /// [`MAX_QUOTE_BYTES`](Self::MAX_QUOTE_BYTES).
    ///
    /// # Panics
    /// If `out` is shorter than [`encoded_len`](Self::encoded_len).
    pub fn emit(&self, source: Ipv6Addr, destination: Ipv6Addr, out: &mut [u8]) -> usize {
        let (kind, code, rest) = self.header();
        let header = put(out, &[&[kind, code, 0, 0], &rest]);
        let body = &mut out[header..];
        let written = header
            + match self.quote_or_data() {
                Some(bytes) => put(body, &[bytes]),
                None => put(body, &[&neighbour::body(self)]),
            };
        let checksum = checksum_of(&out[..written], source, destination);
        out[2..4].copy_from_slice(&checksum.to_be_bytes());
        written
    }

    /// Type, code, and the four bytes behind the checksum.
    fn header(&self) -> (u8, u8, [u8; 4]) {
        match self {
            Self::EchoRequest(echo) => (kind::ECHO_REQUEST, 0, echo.rest()),
            Self::EchoReply(echo) => (kind::ECHO_REPLY, 0, echo.rest()),
            Self::Unreachable { code, .. } => (kind::UNREACHABLE, *code, [0; 4]),
            Self::PacketTooBig { mtu, .. } => (kind::PACKET_TOO_BIG, 0, mtu.to_be_bytes()),
            Self::TimeExceeded { code, .. } => (kind::TIME_EXCEEDED, *code, [0; 4]),
            Self::RouterSolicitation { .. } => (kind::ROUTER_SOLICITATION, 0, [0; 4]),
            Self::RouterAdvertisement { lifetime_s, .. } => {
                (kind::ROUTER_ADVERTISEMENT, 0, u32::from(*lifetime_s).to_be_bytes())
            }
            Self::NeighbourSolicitation { .. } => (kind::NEIGHBOUR_SOLICITATION, 0, [0; 4]),
            Self::NeighbourAdvertisement { router, solicited, overriding, .. } => {
                (kind::NEIGHBOUR_ADVERTISEMENT, 0, neighbour::flags(*router, *solicited, *overriding))
            }
        }
    }

    /// The body of every message that is no neighbour discovery.
    fn quote_or_data(&self) -> Option<&'a [u8]> {
        match self {
            Self::EchoRequest(echo) | Self::EchoReply(echo) => Some(echo.data),
            Self::Unreachable { quote, .. }
            | Self::PacketTooBig { quote, .. }
            | Self::TimeExceeded { quote, .. } => Some(cut(quote, Self::MAX_QUOTE_BYTES)),
            Self::RouterSolicitation { .. }
            | Self::RouterAdvertisement { .. }
            | Self::NeighbourSolicitation { .. }
            | Self::NeighbourAdvertisement { .. } => None,
        }
    }
}

fn checksum_of(message: &[u8], source: Ipv6Addr, destination: Ipv6Addr) -> u16 {
    let mut checksum =
        pseudo_header(source.into(), destination.into(), protocol::ICMPV6, message.len() as u32);
    checksum.add(message);
    checksum.finish()
}
