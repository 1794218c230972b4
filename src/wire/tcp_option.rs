//! TCP options: MSS, window scale and timestamps (RFC 9293, 7323), SACK
//! (RFC 2018), and MPTCP's (RFC 8684), which have a file of their own.

use super::MptcpOptions;
use super::field::Fields;
use crate::base::SeqNumber;
use arrayvec::ArrayVec;

#[cfg(test)]
mod tests;

/// Option bytes on their way out, padded to a multiple of four by the emitter.
pub type OptionBytes = ArrayVec<u8, 40>;

/// SACK blocks: `[left, right)` each (RFC 2018 §3).
pub type SackBlocks = ArrayVec<(SeqNumber, SeqNumber), 4>;

/// The Timestamps option (RFC 7323 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamps {
    /// The sender's clock.
    pub value: u32,
    /// The receiver's clock, echoed.
    pub echo: u32,
}

/// All options of one segment that are understood here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TcpOptions {
    /// Maximum segment size; only on a SYN.
    pub mss: Option<u16>,
    /// Window scale shift, at most 14; only on a SYN.
    pub window_scale: Option<u8>,
    /// SACK permitted; only on a SYN.
    pub sack_permitted: bool,
    /// Timestamps.
    pub timestamps: Option<Timestamps>,
    /// SACK blocks.
    pub sack: SackBlocks,
    /// MPTCP's.
    pub mptcp: MptcpOptions,
}

mod kind {
    pub(super) const END: u8 = 0;
    /// One byte of filler between options and behind them.
    pub(in crate::wire) const NO_OPERATION: u8 = 1;
    pub(super) const MSS: u8 = 2;
    pub(super) const WINDOW_SCALE: u8 = 3;
    pub(super) const SACK_PERMITTED: u8 = 4;
    pub(super) const SACK: u8 = 5;
    pub(super) const TIMESTAMPS: u8 = 8;
    pub(in crate::wire) const MPTCP: u8 = 30;
}

pub(super) use kind::{MPTCP, NO_OPERATION};

/// The largest shift (RFC 7323 §2.3).
const MAX_WINDOW_SCALE: u8 = 14;

impl TcpOptions {
    /// Parses the bytes between the fixed header and the payload, once.
    ///
    /// Options that are unknown, or whose length is not that of their kind, are
    /// skipped. A length below 2 or beyond the header ends the options: what
    /// comes before counts, the rest is taken as absent (RFC 9293 §3.1 MUST-7).
    pub fn parse(bytes: &[u8]) -> Self {
        let mut options = Self::default();
        options.read(bytes);
        options
    }

    /// [`parse`](Self::parse) into options of which there are none yet.
    #[inline]
    pub(super) fn read(&mut self, mut bytes: &[u8]) {
        // Nearly every segment begins with these, aligned like this (RFC 7323 appendix A).
        if let Some((first, rest)) = bytes.split_first_chunk::<{ Timestamps::ENCODED_BYTES }>()
            && first.starts_with(&Timestamps::ALIGNED)
        {
            self.timestamps = Timestamps::parse(&first[Timestamps::ALIGNED.len()..]);
            bytes = rest;
        }
        while let [kind, rest @ ..] = bytes {
            match *kind {
                kind::END => break,
                NO_OPERATION => bytes = rest,
                kind => {
                    let length = rest.first().map_or(0, |&length| usize::from(length));
                    let Some(value) = bytes.get(2..length) else {
                        self.mptcp.malformed |= kind == MPTCP;
                        break;
                    };
                    self.parse_one(kind, value);
                    bytes = &bytes[length..];
                }
            }
        }
    }

    fn parse_one(&mut self, kind: u8, value: &[u8]) {
        match (kind, value) {
            (kind::TIMESTAMPS, value) if value.len() == 8 => self.timestamps = Timestamps::parse(value),
            (MPTCP, value) => self.mptcp.parse_one(value),
            (kind::SACK, value) => self.parse_sack(value),
            (kind::MSS, &[high, low]) => self.mss = Some(u16::from_be_bytes([high, low])),
            // RFC 7323 §2.3: a larger shift counts as 14.
            (kind::WINDOW_SCALE, &[shift]) => self.window_scale = Some(shift.min(MAX_WINDOW_SCALE)),
            (kind::SACK_PERMITTED, []) => self.sack_permitted = true,
            _ => {}
        }
    }

    fn parse_sack(&mut self, value: &[u8]) {
        let whole = value.len().is_multiple_of(8);
        if !whole {
            return;
        }
        self.sack.clear();
        let mut fields = Fields::new(value);
        while let (Some(left), Some(right)) = (fields.u32(), fields.u32()) {
            // Forty bytes of options hold no more than four blocks.
            let _ = self.sack.try_push((SeqNumber(left), SeqNumber(right)));
        }
    }

    /// Forgets what means nothing without SYN.
    pub(super) fn drop_handshake_options(&mut self) {
        self.mss = None;
        self.window_scale = None;
        self.sack_permitted = false;
    }
}

impl Timestamps {
    /// Bytes that [`emit`](Self::emit) appends.
    pub const ENCODED_BYTES: usize = 12;

    /// Kind and length behind two NOPs.
    const ALIGNED: [u8; 4] = [NO_OPERATION, NO_OPERATION, kind::TIMESTAMPS, 10];

    fn parse(value: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(value);
        Some(Self { value: fields.u32()?, echo: fields.u32()? })
    }

    /// Appends two NOPs and the option; returns whether there was room.
    pub fn emit(&self, out: &mut OptionBytes) -> bool {
        let mut bytes = [0; Self::ENCODED_BYTES];
        bytes[..4].copy_from_slice(&Self::ALIGNED);
        bytes[4..8].copy_from_slice(&self.value.to_be_bytes());
        bytes[8..].copy_from_slice(&self.echo.to_be_bytes());
        out.try_extend_from_slice(&bytes).is_ok()
    }
}

/// Appends the options of a SYN or SYN/ACK in the order in which Linux sends
/// them, 4 to 20 bytes: MSS, SACK permitted, timestamps, NOP, window scale.
/// Without timestamps, two NOPs pad SACK permitted, and without SACK permitted
/// they pad the timestamps. Returns whether there was room.
pub fn emit_syn(
    mss: u16,
    sack_permitted: bool,
    timestamps: Option<Timestamps>,
    window_scale: Option<u8>,
    out: &mut OptionBytes,
) -> bool {
    let mut syn = OptionBytes::new();
    let [high, low] = mss.to_be_bytes();
    syn.extend([kind::MSS, 4, high, low]);
    if let Some(timestamps) = timestamps {
        timestamps.emit(&mut syn);
        if sack_permitted {
            // In place of the two NOPs.
            syn[4..6].copy_from_slice(&[kind::SACK_PERMITTED, 2]);
        }
    } else if sack_permitted {
        syn.extend([NO_OPERATION, NO_OPERATION, kind::SACK_PERMITTED, 2]);
    }
    if let Some(shift) = window_scale {
        syn.extend([NO_OPERATION, kind::WINDOW_SCALE, 3, shift.min(MAX_WINDOW_SCALE)]);
    }
    out.try_extend_from_slice(&syn).is_ok()
}

/// Appends two NOPs and a SACK option with as many of the first `blocks` as
/// fit, at most four. Returns how many; with none, nothing is appended.
pub fn emit_sack(blocks: &[(SeqNumber, SeqNumber)], out: &mut OptionBytes) -> usize {
    let count = blocks.len().min(4).min(out.remaining_capacity().saturating_sub(4) / 8);
    if count == 0 {
        return 0;
    }
    out.extend([NO_OPERATION, NO_OPERATION, kind::SACK, 2 + 8 * count as u8]);
    for (left, right) in &blocks[..count] {
        out.extend(left.0.to_be_bytes());
        out.extend(right.0.to_be_bytes());
    }
    count
}
