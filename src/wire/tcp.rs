//! The TCP header (RFC 9293 §3.1).

use super::{ParseError, TcpOptions};
use crate::base::SeqNumber;

/// The control bits of a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// No more data from sender.
    pub const FIN: Self = Self(0x01);
    /// Synchronise sequence numbers.
    pub const SYN: Self = Self(0x02);
    /// Reset the connection.
    pub const RST: Self = Self(0x04);
    /// Push.
    pub const PSH: Self = Self(0x08);
    /// The acknowledgement field is significant.
    pub const ACK: Self = Self(0x10);
    /// The urgent pointer is significant.
    pub const URG: Self = Self(0x20);
    /// ECN echo (RFC 3168).
    pub const ECE: Self = Self(0x40);
    /// Congestion window reduced (RFC 3168).
    pub const CWR: Self = Self(0x80);

    /// Whether every bit of `other` is set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any bit of `other` is set.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Both sets of bits.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those of `self` that are not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// A parsed TCP header. The payload is what follows `header_bytes`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tcp {
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// Sequence number of the first byte (or of the SYN).
    pub sequence: SeqNumber,
    /// Acknowledgement number; meaningless without ACK.
    pub acknowledgement: SeqNumber,
    /// Control bits.
    pub flags: TcpFlags,
    /// Window field, not scaled.
    pub window: u16,
    /// Urgent pointer; meaningless without URG.
    pub urgent: u16,
    /// Options, TCP's and MPTCP's.
    pub options: TcpOptions,
    /// Bytes of header with options.
    pub header_bytes: u8,
}

impl Tcp {
    /// Bytes of header without options.
    pub const HEADER_BYTES: usize = 20;

    /// Where the checksum lies in the header.
    pub const CHECKSUM_OFFSET: usize = 16;

    /// Parses the header at the front of `bytes`, which may end with the header
    /// or go on with payload. The checksum is not looked at: the payload may
    /// lie elsewhere, and hardware may have verified it.
    ///
    /// Options that only a SYN may carry are dropped from any other segment
    /// (RFC 9293 §3.2, RFC 7323 §2.2, RFC 2018 §2).
    ///
    /// # Errors
    /// [`ParseError::Truncated`] if the bytes end inside the header,
    /// [`ParseError::Malformed`] if the data offset is below 5.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let mut segment = Self::default();
        segment.read(bytes).map(|()| segment)
    }

    /// [`parse`](Self::parse) into a header that is all zero: options are long, and
    /// are moved nowhere. After an error, what is in it means nothing.
    ///
    /// # Errors
    /// As `parse`.
    #[inline]
    pub fn read(&mut self, bytes: &[u8]) -> Result<(), ParseError> {
        let fixed = bytes.first_chunk::<{ Self::HEADER_BYTES }>().ok_or(ParseError::Truncated)?;
        let header_bytes = usize::from(fixed[12] >> 4) * 4;
        if header_bytes < Self::HEADER_BYTES {
            return Err(ParseError::Malformed);
        }
        let options = bytes.get(Self::HEADER_BYTES..header_bytes).ok_or(ParseError::Truncated)?;
        let &[a, b, c, d, e, f, g, h, i, j, k, l, _, flags, m, n, _, _, o, p] = fixed;
        self.source_port = u16::from_be_bytes([a, b]);
        self.destination_port = u16::from_be_bytes([c, d]);
        self.sequence = SeqNumber(u32::from_be_bytes([e, f, g, h]));
        self.acknowledgement = SeqNumber(u32::from_be_bytes([i, j, k, l]));
        self.flags = TcpFlags(flags);
        self.window = u16::from_be_bytes([m, n]);
        self.urgent = u16::from_be_bytes([o, p]);
        self.header_bytes = header_bytes as u8;
        self.options.read(options);
        if !self.flags.contains(TcpFlags::SYN) {
            self.options.drop_handshake_options();
        }
        Ok(())
    }

    /// Writes the header, then `options`, which are encoded already and a
    /// multiple of 4 bytes, into `out`. Returns the bytes written. The checksum
    /// field is zero; `self.options` and `self.header_bytes` are not looked at.
    ///
    /// # Panics
    /// If `options` is longer than 40 bytes or no multiple of 4, or if `out`
    /// is too short.
    pub fn emit(&self, options: &[u8], out: &mut [u8]) -> usize {
        assert!(options.len() <= 40 && options.len().is_multiple_of(4), "{} bytes of options", options.len());
        let header_bytes = Self::HEADER_BYTES + options.len();
        let out = &mut out[..header_bytes];
        out[0..2].copy_from_slice(&self.source_port.to_be_bytes());
        out[2..4].copy_from_slice(&self.destination_port.to_be_bytes());
        out[4..8].copy_from_slice(&self.sequence.0.to_be_bytes());
        out[8..12].copy_from_slice(&self.acknowledgement.0.to_be_bytes());
        out[12] = (header_bytes as u8 / 4) << 4;
        out[13] = self.flags.0;
        out[14..16].copy_from_slice(&self.window.to_be_bytes());
        out[16..18].fill(0);
        out[18..20].copy_from_slice(&self.urgent.to_be_bytes());
        out[Self::HEADER_BYTES..].copy_from_slice(options);
        header_bytes
    }
}
