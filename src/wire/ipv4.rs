//! The IPv4 header (RFC 791).

use super::field::{Fields, put};
use super::{Checksum, ParseError};
use crate::base::ChecksumState;
use std::net::Ipv4Addr;

/// An IPv4 header. The payload is the `payload_bytes` that follow
/// `header_bytes`; what comes after them is padding of the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv4 {
    /// Source address.
    pub source: Ipv4Addr,
    /// Destination address.
    pub destination: Ipv4Addr,
    /// What the payload is: see [`protocol`](super::protocol).
    pub protocol: u8,
    /// Hops left.
    pub time_to_live: u8,
    /// Differentiated services in the upper six bits (RFC 2474), ECN in the
    /// lower two (RFC 3168).
    pub traffic_class: u8,
    /// Identification: tells the fragments of packets apart.
    pub identification: u16,
    /// DF: routers must not fragment.
    pub dont_fragment: bool,
    /// MF: not the last fragment.
    pub more_fragments: bool,
    /// Where the fragment belongs, in units of 8 bytes.
    pub fragment_offset: u16,
    /// Bytes of header with options, which are skipped: 20 to 60.
    pub header_bytes: u8,
    /// Bytes of payload.
    pub payload_bytes: u16,
}

const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;
const FRAGMENT_OFFSET: u16 = 0x1fff;

impl Ipv4 {
    /// Bytes of header without options.
    pub const HEADER_BYTES: usize = 20;

    /// Where the checksum lies in the header.
    pub const CHECKSUM_OFFSET: usize = 10;

    /// The header of a whole packet of ours: DF set, 64 hops. RFC 6864 §4.1: the
    /// identification of a packet that is never fragmented has no meaning.
    pub const fn new(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, payload_bytes: u16) -> Self {
        Self {
            source,
            destination,
            protocol,
            time_to_live: 64,
            traffic_class: 0,
            identification: 0,
            dont_fragment: true,
            more_fragments: false,
            fragment_offset: 0,
            header_bytes: Self::HEADER_BYTES as u8,
            payload_bytes,
        }
    }

    /// Whether the payload is only a part of the packet's.
    pub const fn is_fragment(&self) -> bool {
        self.more_fragments || self.fragment_offset != 0
    }

    /// Parses the header at the front of `bytes`, which are the contiguous
    /// front of `packet_bytes` bytes. The header checksum is verified unless
    /// the driver knows it.
    ///
    /// # Errors
    /// [`ParseError::Truncated`] if the bytes end inside the header or the
    /// packet before its total length, [`ParseError::Malformed`] if version or
    /// lengths make no sense, [`ParseError::Checksum`].
    pub fn parse(bytes: &[u8], packet_bytes: usize, checksum: ChecksumState) -> Result<Self, ParseError> {
        let header = Self::parse_header(bytes)?;
        let valid = match checksum {
            ChecksumState::Good => true,
            ChecksumState::Bad => false,
            ChecksumState::Unknown => checksum_of(&bytes[..usize::from(header.header_bytes)]) == 0,
        };
        if !valid {
            return Err(ParseError::Checksum);
        }
        if usize::from(header.header_bytes) + usize::from(header.payload_bytes) > packet_bytes {
            return Err(ParseError::Truncated);
        }
        Ok(header)
    }

    /// Parses the header alone: the payload may have been cut off, as in the
    /// quote of an ICMP error.
    pub(super) fn parse_header(bytes: &[u8]) -> Result<Self, ParseError> {
        let fixed = bytes.first_chunk::<{ Self::HEADER_BYTES }>().ok_or(ParseError::Truncated)?;
        let header_bytes = (fixed[0] & 0x0f) * 4;
        if fixed[0] >> 4 != 4 || usize::from(header_bytes) < Self::HEADER_BYTES {
            return Err(ParseError::Malformed);
        }
        if bytes.len() < usize::from(header_bytes) {
            return Err(ParseError::Truncated);
        }
        Self::parse_fields(header_bytes, &mut Fields::new(fixed)).ok_or(ParseError::Malformed)
    }

    fn parse_fields(header_bytes: u8, fields: &mut Fields<'_>) -> Option<Self> {
        let [_, traffic_class] = fields.array()?;
        let payload_bytes = fields.u16()?.checked_sub(u16::from(header_bytes))?;
        let identification = fields.u16()?;
        let fragment = fields.u16()?;
        let [time_to_live, protocol] = fields.array()?;
        let _checksum = fields.u16()?;
        Some(Self {
            source: fields.array::<4>()?.into(),
            destination: fields.array::<4>()?.into(),
            protocol,
            time_to_live,
            traffic_class,
            identification,
            dont_fragment: fragment & DONT_FRAGMENT != 0,
            more_fragments: fragment & MORE_FRAGMENTS != 0,
            fragment_offset: fragment & FRAGMENT_OFFSET,
            header_bytes,
            payload_bytes,
        })
    }

    /// Writes a header without options and with its checksum to the front of
    /// `out`; returns the bytes written, 20. `self.header_bytes` is not looked
    /// at.
    ///
    /// # Panics
    /// If `out` is too short or header and payload are more than 65535 bytes.
    pub fn emit(&self, out: &mut [u8]) -> usize {
        let total_bytes =
            self.payload_bytes.checked_add(Self::HEADER_BYTES as u16).expect("a packet of 64 KiB at most");
        let written = put(
            out,
            &[
                &[0x45, self.traffic_class],
                &total_bytes.to_be_bytes(),
                &self.identification.to_be_bytes(),
                &self.fragment_field().to_be_bytes(),
                &[self.time_to_live, self.protocol, 0, 0],
                &self.source.octets(),
                &self.destination.octets(),
            ],
        );
        let checksum = checksum_of(&out[..written]).to_be_bytes();
        out[Self::CHECKSUM_OFFSET..][..2].copy_from_slice(&checksum);
        written
    }

    const fn fragment_field(&self) -> u16 {
        let dont = if self.dont_fragment { DONT_FRAGMENT } else { 0 };
        let more = if self.more_fragments { MORE_FRAGMENTS } else { 0 };
        dont | more | self.fragment_offset & FRAGMENT_OFFSET
    }
}

fn checksum_of(header: &[u8]) -> u16 {
    let mut checksum = Checksum::new();
    checksum.add(header);
    checksum.finish()
}
