//! What the pure rooms are given: time, chance and counters.

use crate::base::{Context, Counters, Instant, Random};

/// One core's time, randomness and counters.
#[derive(Debug)]
pub(super) struct World {
    /// Read once per turn.
    pub(super) now: Instant,
    pub(super) random: Random,
    pub(super) counters: Counters,
}

impl World {
    pub(super) const fn new(now: Instant, random: Random) -> Self {
        Self { now, random, counters: Counters::new() }
    }

    pub(super) const fn cx(&mut self) -> Context<'_> {
        Context { now: self.now, random: &mut self.random, counters: &mut self.counters }
    }
}
