//! Which SACK blocks the receiver sends (RFC 2018 §4, RFC 2883).

use crate::base::{Blank, RangeSet};
use arrayvec::ArrayVec;

/// Blocks that are remembered by recency.
const REMEMBERED: usize = 16;

/// Blocks of one ACK, `[start, end)` each.
pub(super) type Blocks = ArrayVec<(u64, u64), 4>;

#[derive(Clone, Copy, Debug)]
struct Block {
    start: u64,
    end: u64,
    /// Whether an ACK carried it since it last grew.
    reported: bool,
}

/// The blocks of the reassembly queue, the most recently changed first.
///
/// A burst of segments may open more holes than one ACK can report. The peer's
/// loss recovery learns of a hole only from the block above it, so each block
/// that changed is due in some ACK, in the order in which they changed: as if
/// every segment had been answered on its own.
#[derive(Debug, Default)]
pub(super) struct SackReport {
    recent: ArrayVec<Block, REMEMBERED>,
    duplicate: Option<(u64, u64)>,
}

impl Blank for SackReport {
    const BLANK: &'static Self = &Self { recent: ArrayVec::new_const(), duplicate: None };
}

impl SackReport {
    /// A segment in `range`, which is all that is contiguous with it, arrived.
    pub(super) fn changed(&mut self, range: (u64, u64)) {
        self.recent.retain(|block| block.start < range.0 || block.end > range.1);
        if self.recent.is_full() {
            self.recent.pop();
        }
        self.recent.insert(0, Block { start: range.0, end: range.1, reported: false });
    }

    /// These bytes came a second time (RFC 2883): reported once.
    pub(super) const fn duplicated(&mut self, range: (u64, u64)) {
        self.duplicate = Some(range);
    }

    /// The reassembly queue lost something from its front or its end.
    pub(super) fn follow(&mut self, ranges: &RangeSet) {
        for block in &mut self.recent {
            match ranges.containing(block.start) {
                Some((start, end)) => (block.start, block.end) = (start, end),
                None => block.end = block.start,
            }
        }
        self.recent.retain(|block| block.start < block.end);
    }

    /// Whether there is something that no ACK has carried yet.
    pub(super) fn is_due(&self) -> bool {
        self.duplicate.is_some() || self.recent.iter().any(|block| !block.reported)
    }

    /// Whether an ACK should leave room for a block.
    pub(super) fn is_waiting(&self) -> bool {
        self.duplicate.is_some() || !self.recent.is_empty()
    }

    /// Takes at most `room` blocks for one ACK. With no room at all, nothing
    /// stays due: an ACK that cannot say it must not be sent for ever.
    pub(super) fn take(&mut self, room: usize) -> Blocks {
        let mut blocks = Blocks::new();
        if room == 0 {
            self.recent.iter_mut().for_each(|block| block.reported = true);
            self.duplicate = None;
            return blocks;
        }
        let room = room.min(blocks.capacity());
        // RFC 2883 §4: the duplicate comes first.
        blocks.extend(self.duplicate.take());
        let fresh = self.recent.iter().filter(|block| !block.reported).count();
        let skipped = fresh.saturating_sub(room - blocks.len());
        for block in self.recent.iter_mut().filter(|block| !block.reported).skip(skipped) {
            block.reported = true;
            blocks.push((block.start, block.end));
        }
        self.repeat(&mut blocks, room);
        blocks
    }

    /// What room is left repeats what was reported before, against lost ACKs.
    fn repeat(&self, blocks: &mut Blocks, room: usize) {
        for block in self.recent.iter().filter(|block| block.reported) {
            let range = (block.start, block.end);
            if blocks.len() >= room {
                break;
            }
            if !blocks.contains(&range) {
                blocks.push(range);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_recent_block_is_the_first() {
        let mut report = SackReport::default();
        report.changed((10, 20));
        report.changed((30, 40));
        report.changed((10, 25));
        assert_eq!(report.take(3)[..], [(10, 25), (30, 40)]);
        assert!(!report.is_due());
        report.changed((50, 60));
        assert_eq!(report.take(2)[..], [(50, 60), (10, 25)]);
    }

    #[test]
    fn every_block_of_a_burst_is_reported_in_its_turn() {
        let mut report = SackReport::default();
        for at in [10, 30, 50, 70, 90] {
            report.changed((at, at + 10));
        }
        assert_eq!(report.take(2)[..], [(30, 40), (10, 20)]);
        assert_eq!(report.take(2)[..], [(70, 80), (50, 60)]);
        assert!(report.is_due());
        assert_eq!(report.take(2)[0], (90, 100));
        assert!(!report.is_due());
    }

    #[test]
    fn a_duplicate_comes_first_and_once() {
        let mut report = SackReport::default();
        report.changed((30, 40));
        report.duplicated((1, 5));
        assert_eq!(report.take(1)[..], [(1, 5)]);
        assert!(report.is_due());
        assert_eq!(report.take(1)[..], [(30, 40)]);
        assert!(!report.is_due());
    }

    #[test]
    fn blocks_follow_the_queue() {
        let mut report = SackReport::default();
        let mut ranges = RangeSet::new();
        for range in [(10, 20), (30, 40)] {
            ranges.insert(range.0, range.1);
            report.changed(range);
        }
        ranges.remove(35, 40);
        ranges.remove_below(25);
        report.follow(&ranges);
        assert_eq!(report.take(4)[..], [(30, 35)]);
    }

    #[test]
    fn without_room_nothing_stays_due() {
        let mut report = SackReport::default();
        report.changed((10, 20));
        report.duplicated((1, 2));
        assert!(report.take(0).is_empty());
        assert!(!report.is_due());
    }
}
