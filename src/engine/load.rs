//! How busy a loop is that never rests.

use crate::base::{Duration, Instant};
use std::ops::Add;

/// What a loop has done with its time since it began. A loop that polls takes a
/// whole core whether there is work or not: this tells the two apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Turns of the loop.
    pub turns: u64,
    /// Turns that found something to do.
    pub busy_turns: u64,
    /// How long those took.
    pub busy: Duration,
}

impl Load {
    /// A turn took from `began` to `ended`.
    pub(super) fn note(&mut self, began: Instant, ended: Instant, was_busy: bool) {
        self.turns += 1;
        if was_busy {
            self.busy_turns += 1;
            self.busy += ended.since(began);
        }
    }
}

impl Add for Load {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            turns: self.turns + other.turns,
            busy_turns: self.busy_turns + other.busy_turns,
            busy: self.busy + other.busy,
        }
    }
}
