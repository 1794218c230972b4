//! What becomes of each frame.

use crate::base::Random;

/// How often each fault comes, in frames per million, and at most one per frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultRates {
    /// Frames lost.
    pub drop_ppm: u32,
    /// Frames delivered twice.
    pub duplicate_ppm: u32,
    /// Frames with one bit inverted.
    pub corrupt_ppm: u32,
    /// Frames held back until others have passed.
    pub reorder_ppm: u32,
    /// How many frames may pass one that is held back.
    pub reorder_frames: u32,
}

/// How often each fault came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultCounts {
    /// Frames lost.
    pub dropped: u64,
    /// Frames delivered twice.
    pub duplicated: u64,
    /// Frames with one bit inverted.
    pub corrupted: u64,
    /// Frames held back.
    pub reordered: u64,
}

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Pass,
    Drop,
    Duplicate,
    Corrupt,
    /// Held back until so many others have passed.
    Hold(u32),
}

/// The rates of one direction and what came of them.
#[derive(Debug)]
pub(super) struct Dice {
    rates: FaultRates,
    counts: FaultCounts,
}

impl Dice {
    pub(super) fn new(rates: FaultRates) -> Self {
        Self { rates, counts: FaultCounts::default() }
    }

    pub(super) fn counts(&self) -> FaultCounts {
        self.counts
    }

    pub(super) fn count_drop(&mut self) {
        self.counts.dropped += 1;
    }

    /// Decides the next frame's fate and counts it.
    pub(super) fn roll(&mut self, random: &mut Random) -> Fate {
        let rates = self.rates;
        let mut at = random.below(1_000_000);
        let mut hits = |ppm: u32| {
            let hit = at < u64::from(ppm);
            at = at.saturating_sub(u64::from(ppm));
            hit
        };
        if hits(rates.drop_ppm) {
            self.counts.dropped += 1;
            Fate::Drop
        } else if hits(rates.duplicate_ppm) {
            self.counts.duplicated += 1;
            Fate::Duplicate
        } else if hits(rates.corrupt_ppm) {
            self.counts.corrupted += 1;
            Fate::Corrupt
        } else if hits(rates.reorder_ppm) {
            self.counts.reordered += 1;
            Fate::Hold(1 + random.below(u64::from(rates.reorder_frames)) as u32)
        } else {
            Fate::Pass
        }
    }
}
