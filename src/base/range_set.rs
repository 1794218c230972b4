//! A set of half-open ranges over a sequence space, sorted and disjoint.

use super::Blank;

/// Ranges `[start, end)` of offsets. Callers map sequence numbers to offsets
/// from a base that never lies behind (a `u64` that counts bytes does not
/// wrap in the life of a connection).
///
/// Ranges that touch are joined. Lookups are binary searches; insertion moves
/// the tail, which is short: a set holds one range per hole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RangeSet {
    ranges: Vec<(u64, u64)>,
}

impl Blank for RangeSet {
    const BLANK: &'static Self = &Self::new();
}

impl RangeSet {
    /// An empty set.
    pub const fn new() -> Self {
        Self { ranges: Vec::new() }
    }

    /// Whether nothing is in the set.
    pub const fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// How many disjoint ranges there are.
    pub const fn len(&self) -> usize {
        self.ranges.len()
    }

    /// The ranges in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (u64, u64)> + '_ {
        self.ranges.iter().copied()
    }

    /// The first range.
    pub fn first(&self) -> Option<(u64, u64)> {
        self.ranges.first().copied()
    }

    /// How many offsets are in the set.
    pub fn total(&self) -> u64 {
        self.iter().map(|(start, end)| end - start).sum()
    }

    /// Adds `[start, end)`; returns how many offsets were new.
    pub fn insert(&mut self, start: u64, end: u64) -> u64 {
        if start >= end {
            return 0;
        }
        // The ranges that overlap or touch the new one.
        let from = self.ranges.partition_point(|range| range.1 < start);
        let to = self.ranges.partition_point(|range| range.0 <= end);
        if from == to {
            self.ranges.insert(from, (start, end));
            return end - start;
        }
        let joined = (start.min(self.ranges[from].0), end.max(self.ranges[to - 1].1));
        let before: u64 = self.ranges[from..to].iter().map(|range| range.1 - range.0).sum();
        self.ranges[from] = joined;
        self.ranges.drain(from + 1..to);
        joined.1 - joined.0 - before
    }

    /// Takes `[start, end)` out.
    pub fn remove(&mut self, start: u64, end: u64) {
        if start >= end {
            return;
        }
        let from = self.ranges.partition_point(|range| range.1 <= start);
        let to = self.ranges.partition_point(|range| range.0 < end);
        if from == to {
            return;
        }
        let left = (self.ranges[from].0, start);
        let right = (end, self.ranges[to - 1].1);
        let kept = [left, right].into_iter().filter(|range| range.0 < range.1);
        self.ranges.splice(from..to, kept);
    }

    /// Takes everything below `end` out.
    pub fn remove_below(&mut self, end: u64) {
        self.remove(0, end);
    }

    /// Whether every offset of `[start, end)` is in the set.
    pub fn covers(&self, start: u64, end: u64) -> bool {
        start >= end || self.containing(start).is_some_and(|range| range.1 >= end)
    }

    /// The range that contains `at`.
    pub fn containing(&self, at: u64) -> Option<(u64, u64)> {
        let index = self.ranges.partition_point(|range| range.1 <= at);
        self.ranges.get(index).copied().filter(|range| range.0 <= at)
    }

    /// The first range that ends after `at`.
    pub fn next_after(&self, at: u64) -> Option<(u64, u64)> {
        let index = self.ranges.partition_point(|range| range.1 <= at);
        self.ranges.get(index).copied()
    }

    /// Takes everything out.
    pub fn clear(&mut self) {
        self.ranges.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SPACE: usize = 64;

    fn model_ranges(model: &[bool; SPACE]) -> Vec<(u64, u64)> {
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        for at in (0..SPACE as u64).filter(|&at| model[at as usize]) {
            match ranges.last_mut() {
                Some(range) if range.1 == at => range.1 = at + 1,
                _ => ranges.push((at, at + 1)),
            }
        }
        ranges
    }

    proptest! {
        #[test]
        fn agrees_with_a_byte_array(
            steps in prop::collection::vec((any::<bool>(), 0..SPACE as u64, 0..SPACE as u64), 1..40)
        ) {
            let mut set = RangeSet::new();
            let mut model = [false; SPACE];
            for (insert, start, end) in steps {
                let touched = start as usize..(end as usize).max(start as usize);
                if insert {
                    let new = touched.clone().filter(|&at| !model[at]).count() as u64;
                    prop_assert_eq!(set.insert(start, end), new);
                } else {
                    set.remove(start, end);
                }
                model[touched].fill(insert);
                prop_assert_eq!(set.iter().collect::<Vec<_>>(), model_ranges(&model));
                for at in 0..SPACE as u64 {
                    prop_assert_eq!(set.containing(at).is_some(), model[at as usize]);
                }
                let covered = model[start as usize..(end as usize).max(start as usize)].iter().all(|&byte| byte);
                prop_assert_eq!(set.covers(start, end), covered);
            }
        }
    }
}
