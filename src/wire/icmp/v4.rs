//! ICMP for IPv4 (RFC 792, RFC 1122 §3.2.2).

use super::{HEADER_BYTES, IcmpEcho, cut};
use crate::wire::field::put;
use crate::wire::{Checksum, ParseError};

/// An ICMPv4 message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Icmpv4<'a> {
    /// Asks for a reply with the same contents.
    EchoRequest(IcmpEcho<'a>),
    /// Answers an echo request.
    EchoReply(IcmpEcho<'a>),
    /// A packet could not be delivered.
    Unreachable {
        /// Why: any but [`FRAGMENTATION_NEEDED`](Self::FRAGMENTATION_NEEDED).
        code: u8,
        /// The front of the packet.
        quote: &'a [u8],
    },
    /// A packet with DF was too big for a link (RFC 1191).
    FragmentationNeeded {
        /// What the link takes; 0 if an old router does not say.
        mtu: u16,
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
}

mod kind {
    pub(super) const ECHO_REPLY: u8 = 0;
    pub(super) const UNREACHABLE: u8 = 3;
    pub(super) const ECHO_REQUEST: u8 = 8;
    pub(super) const TIME_EXCEEDED: u8 = 11;
}

impl<'a> Icmpv4<'a> {
    /// Code of `Unreachable`: nobody speaks the protocol.
    pub const PROTOCOL_UNREACHABLE: u8 = 2;
    /// Code of `Unreachable`: nobody listens on the port.
    pub const PORT_UNREACHABLE: u8 = 3;
    /// The code that makes an unreachable a `FragmentationNeeded`.
    pub const FRAGMENTATION_NEEDED: u8 = 4;

    /// Quoted bytes at most: the error is 576 bytes long (RFC 1812 §4.3.2.3).
    pub const MAX_QUOTE_BYTES: usize = 576 - 20 - HEADER_BYTES;

    /// Parses the message that is the whole of `bytes`. `None`: a message that
    /// an endpoint need not know (RFC 1122 §3.2.2: discarded silently).
    ///
    /// # Errors
    /// [`ParseError::Truncated`] below 8 bytes, [`ParseError::Checksum`],
    /// [`ParseError::Malformed`] for an echo with a code other than 0.
    pub fn parse(bytes: &'a [u8]) -> Result<Option<Self>, ParseError> {
        let (header, body) = bytes.split_first_chunk::<HEADER_BYTES>().ok_or(ParseError::Truncated)?;
        let mut checksum = Checksum::new();
        checksum.add(bytes);
        if checksum.finish() != 0 {
            return Err(ParseError::Checksum);
        }
        let &[kind, code, _, _, a, b, c, d] = header;
        let message = match (kind, code) {
            (kind::ECHO_REQUEST, 0) => Self::EchoRequest(IcmpEcho::parse([a, b, c, d], body)),
            (kind::ECHO_REPLY, 0) => Self::EchoReply(IcmpEcho::parse([a, b, c, d], body)),
            (kind::ECHO_REQUEST | kind::ECHO_REPLY, _) => return Err(ParseError::Malformed),
            (kind::UNREACHABLE, Self::FRAGMENTATION_NEEDED) => {
                Self::FragmentationNeeded { mtu: u16::from_be_bytes([c, d]), quote: body }
            }
            (kind::UNREACHABLE, code) => Self::Unreachable { code, quote: body },
            (kind::TIME_EXCEEDED, code) => Self::TimeExceeded { code, quote: body },
            _ => return Ok(None),
        };
        Ok(Some(message))
    }

    /// Bytes that [`emit`](Self::emit) writes.
    pub fn encoded_len(&self) -> usize {
        HEADER_BYTES + self.body().len()
    }

    /// Writes the message with its checksum to the front of `out`; returns the
    /// bytes written. A quote is cut to
    /// [`MAX_QUOTE_BYTES`](Self::MAX_QUOTE_BYTES).
    ///
    /// # Panics
    /// If `out` is shorter than [`encoded_len`](Self::encoded_len).
    pub fn emit(&self, out: &mut [u8]) -> usize {
        let (kind, code, rest) = self.header();
        let written = put(out, &[&[kind, code, 0, 0], &rest, self.body()]);
        let mut checksum = Checksum::new();
        checksum.add(&out[..written]);
        out[2..4].copy_from_slice(&checksum.finish().to_be_bytes());
        written
    }

    /// Type, code, and the four bytes behind the checksum.
    fn header(&self) -> (u8, u8, [u8; 4]) {
        match self {
            Self::EchoRequest(echo) => (kind::ECHO_REQUEST, 0, echo.rest()),
            Self::EchoReply(echo) => (kind::ECHO_REPLY, 0, echo.rest()),
            Self::Unreachable { code, .. } => (kind::UNREACHABLE, *code, [0; 4]),
            Self::FragmentationNeeded { mtu, .. } => {
                (kind::UNREACHABLE, Self::FRAGMENTATION_NEEDED, u32::from(*mtu).to_be_bytes())
            }
            Self::TimeExceeded { code, .. } => (kind::TIME_EXCEEDED, *code, [0; 4]),
        }
    }

    fn body(&self) -> &'a [u8] {
        match self {
            Self::EchoRequest(echo) | Self::EchoReply(echo) => echo.data,
            Self::Unreachable { quote, .. }
            | Self::FragmentationNeeded { quote, .. }
            | Self::TimeExceeded { quote, .. } => cut(quote, Self::MAX_QUOTE_BYTES),
        }
    }
}
