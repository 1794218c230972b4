//! What was read from the pages.

use super::Skipped;
use crate::base::CoreIndex;
use std::collections::HashMap;

/// What the cores of an endpoint had counted, each at one moment of its own.
#[derive(Debug, Default)]
pub struct Statistics {
    /// Every core that lives, in order.
    pub cores: Vec<CoreStatistics>,
    /// The pages that are left out.
    pub skipped: Vec<Skipped>,
}

/// One core's counters, all of one publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoreStatistics {
    /// The core.
    pub core: CoreIndex,
    /// The CPU that it published on.
    pub cpu: Option<u32>,
    /// Its process, in the process namespace of that.
    pub process: u32,
    /// When its page was made, on CLOCK_MONOTONIC.
    pub started_ns: u64,
    /// When it published this, on CLOCK_MONOTONIC; 0 if it never did.
    pub published_ns: u64,
    /// Names and values, in the order of its page.
    pub counters: Vec<(String, u64)>,
}

impl Statistics {
    /// Each counter of any core with the sum of all cores, in the order in which
    /// they first come.
    pub fn sum(&self) -> Vec<(String, u64)> {
        let mut sums: Vec<(String, u64)> = Vec::new();
        let mut places = HashMap::new();
        for (name, value) in self.cores.iter().flat_map(|core| &core.counters) {
            let place = *places.entry(name.as_str()).or_insert_with(|| {
                sums.push((name.clone(), 0));
                sums.len() - 1
            });
            sums[place].1 = sums[place].1.wrapping_add(*value);
        }
        sums
    }
}
