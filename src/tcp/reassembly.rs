//! Segments out of order, by reference (RFC 9293 §3.10.7.4, seventh check).

use crate::base::{Packet, RangeSet};
use std::collections::VecDeque;

/// What is there while nothing is held.
const NOTHING: &RangeSet = &RangeSet::new();

#[derive(Debug)]
struct Held<P> {
    start: u64,
    payload: P,
}

impl<P: Packet> Held<P> {
    fn end(&self) -> u64 {
        self.start + self.payload.len() as u64
    }
}

/// What became of a segment that was put in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Inserted {
    /// Bytes that were not there before and stay.
    pub(super) new_bytes: u64,
    /// The first range of it that was there already.
    pub(super) duplicate: Option<(u64, u64)>,
    /// Pieces dropped because the queue is full: of this segment, or of others
    /// that lie further away.
    pub(super) dropped: u64,
}

/// Pieces sorted by offset, disjoint, at most as many as `insert` allows: a stranger who sends
/// segments of one byte does not hold the packet pool. It takes no memory before
/// the first segment out of order.
#[derive(Debug)]
pub(super) struct Reassembly<P> {
    pieces: Option<Box<Pieces<P>>>,
}

#[derive(Debug)]
struct Pieces<P> {
    held: VecDeque<Held<P>>,
    ranges: RangeSet,
}

impl<P> Default for Pieces<P> {
    fn default() -> Self {
        Self { held: VecDeque::new(), ranges: RangeSet::new() }
    }
}

impl<P: Packet> Reassembly<P> {
    pub(super) const fn new() -> Self {
        Self { pieces: None }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.as_ref().is_none_or(|pieces| pieces.held.is_empty())
    }

    /// What is there, joined.
    pub(super) fn ranges(&self) -> &RangeSet {
        self.pieces.as_ref().map_or(NOTHING, |pieces| &pieces.ranges)
    }

    pub(super) fn clear(&mut self) {
        self.pieces = None;
    }

    /// Nothing came for a while: no memory is kept for it.
    pub(super) fn rest(&mut self) {
        if self.is_empty() {
            self.clear();
        }
    }

    /// The end of the furthest byte.
    pub(super) fn end(&self) -> Option<u64> {
        self.pieces.as_ref()?.held.back().map(Held::end)
    }

    /// Keeps what of `payload` is not there yet; what came first stays.
    pub(super) fn insert(&mut self, start: u64, payload: &P, limit: usize) -> Inserted {
        self.pieces.get_or_insert_default().insert(start, payload, limit)
    }

    /// The first piece, if it reaches beyond `next` and leaves no gap before it.
    pub(super) fn take_next(&mut self, next: u64) -> Option<P> {
        self.pieces.as_mut()?.take_next(next)
    }
}

impl<P: Packet> Pieces<P> {
    fn insert(&mut self, start: u64, payload: &P, limit: usize) -> Inserted {
        let end = start + payload.len() as u64;
        let mut inserted = Inserted::default();
        let mut at = start;
        while at < end {
            let gap_end = match self.ranges.next_after(at) {
                Some((from, to)) if from <= at => {
                    inserted.duplicate = inserted.duplicate.or(Some((at, to.min(end))));
                    at = to;
                    continue;
                }
                Some((from, _)) => from.min(end),
                None => end,
            };
            let piece = payload.slice((at - start) as usize, (gap_end - at) as usize);
            self.insert_piece(at, piece, limit, &mut inserted);
            at = gap_end;
        }
        inserted
    }

    fn insert_piece(&mut self, start: u64, payload: P, limit: usize, inserted: &mut Inserted) {
        if self.held.len() >= limit {
            inserted.dropped += 1;
            if self.held.back().is_none_or(|last| last.start < start) {
                return;
            }
            self.drop_furthest();
        }
        let bytes = payload.len() as u64;
        self.ranges.insert(start, start + bytes);
        inserted.new_bytes += bytes;
        let index = self.held.partition_point(|held| held.start < start);
        self.held.insert(index, Held { start, payload });
    }

    /// The furthest is what the peer sends again last.
    fn drop_furthest(&mut self) {
        if let Some(last) = self.held.pop_back() {
            self.ranges.remove(last.start, last.end());
        }
    }

    fn take_next(&mut self, next: u64) -> Option<P> {
        while let Some(first) = self.held.front() {
            if first.start > next {
                return None;
            }
            let mut first = self.held.pop_front()?;
            self.ranges.remove_below(first.end());
            let known = (next - first.start) as usize;
            if known < first.payload.len() {
                first.payload.trim_front(known);
                return Some(first.payload);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
