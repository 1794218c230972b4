//! Super-segments cut into frames, for ports that do not cut (software TSO).
//!
//! TCP and MPTCP work on segments of up to 64 KB, whatever the port: one
//! mapping, one look at the windows, one set of options for a whole burst.

use crate::base::{Packet, Payload, SeqNumber};
use crate::tcp::OutgoingSegment;
use crate::wire::TcpFlags;

/// Frames of one super-segment at most, where the port does not cut: as many as
/// a driver takes in a burst.
pub(super) const CUTS_MOST: usize = 44;

/// What one frame carries of a segment.
#[derive(Debug)]
pub(super) struct Cut<'a, P> {
    pub(super) sequence: SeqNumber,
    pub(super) flags: TcpFlags,
    pub(super) payload: Payload<'a, P>,
}

/// The frames of a segment, in order.
#[derive(Debug)]
pub(super) struct Cuts<'a, P> {
    sequence: SeqNumber,
    flags: TcpFlags,
    /// Payload bytes of each but the last.
    bytes: usize,
    /// `None` once the last was given.
    rest: Option<Payload<'a, P>>,
}

impl<'a, P: Packet> Cuts<'a, P> {
    /// Cuts `segment` where it says; `port_cuts`: into one frame.
    pub(super) fn new(segment: &'a OutgoingSegment<P>, port_cuts: bool) -> Self {
        let bytes = match segment.segment_bytes {
            0 => usize::MAX,
            _ if port_cuts => usize::MAX,
            bytes => bytes.into(),
        };
        Self {
            sequence: segment.sequence,
            flags: segment.flags,
            bytes,
            rest: Some(Payload::whole(&segment.payload)),
        }
    }
}

impl<'a, P: Packet> Iterator for Cuts<'a, P> {
    type Item = Cut<'a, P>;

    fn next(&mut self) -> Option<Cut<'a, P>> {
        let (payload, rest) = self.rest.take()?.split(self.bytes);
        let sequence = self.sequence;
        self.sequence = sequence + payload.len();
        // PSH and FIN belong to the last byte.
        let last = rest.is_empty();
        let flags = if last { self.flags } else { self.flags.without(TcpFlags::PSH.with(TcpFlags::FIN)) };
        self.rest = (!last).then_some(rest);
        Some(Cut { sequence, flags, payload })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::HeapPacket;

    fn segment(pieces: &[usize], segment_bytes: u16) -> OutgoingSegment<HeapPacket> {
        let mut segment = OutgoingSegment::new();
        segment.sequence = SeqNumber(u32::MAX - 1);
        segment.flags = TcpFlags::ACK.with(TcpFlags::PSH);
        segment.segment_bytes = segment_bytes;
        segment.payload_bytes = pieces.iter().sum();
        let all: Vec<u8> = (0..segment.payload_bytes).map(|at| at as u8).collect();
        let mut at = 0;
        for &piece in pieces {
            segment.payload.push(HeapPacket::new(&all[at..at + piece]));
            at += piece;
        }
        segment
    }

    fn cuts(segment: &OutgoingSegment<HeapPacket>, port_cuts: bool) -> Vec<(u32, TcpFlags, Vec<u8>)> {
        let describe = |cut: Cut<'_, HeapPacket>| {
            let mut bytes = Vec::new();
            cut.payload.for_each_piece(|piece| bytes.extend_from_slice(piece));
            (cut.sequence.0, cut.flags, bytes)
        };
        Cuts::new(segment, port_cuts).map(describe).collect()
    }

    #[test]
    fn frames_follow_each_other_and_only_the_last_pushes() {
        let whole = segment(&[5, 3, 2], 4);
        let pushed = whole.flags;
        let expected = [
            (u32::MAX - 1, TcpFlags::ACK, vec![0, 1, 2, 3]),
            (2, TcpFlags::ACK, vec![4, 5, 6, 7]),
            (6, pushed, vec![8, 9]),
        ];
        assert_eq!(cuts(&whole, false), expected);
        assert_eq!(cuts(&whole, true), [(u32::MAX - 1, pushed, (0..10).collect())]);
    }

    #[test]
    fn a_segment_without_payload_is_one_frame() {
        assert_eq!(cuts(&segment(&[], 0), false).len(), 1);
        assert_eq!(cuts(&segment(&[8], 4), false).len(), 2);
    }
}
