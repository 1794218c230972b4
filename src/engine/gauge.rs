//! How much received data is held, so that readers who rest cannot use up the
//! buffers that everybody's frames are received into.

use std::cell::Cell;
use std::rc::Rc;

/// What is held of one kind of memory, in frames or in bytes.
#[derive(Debug, Default)]
pub(super) struct Gauge(Rc<Cell<usize>>);

/// A part of what a [`Gauge`] measures, until it is dropped. A clone counts
/// again: two windows on one buffer are taken for two, which errs on the safe
/// side.
#[derive(Debug)]
pub struct Share {
    gauge: Rc<Cell<usize>>,
    amount: usize,
}

impl Gauge {
    pub(super) fn held(&self) -> usize {
        self.0.get()
    }

    pub(super) fn add(&self, amount: usize) -> Share {
        Share::new(&self.0, amount)
    }
}

impl Share {
    /// Takes over what another one counts of the same gauge.
    pub(super) fn absorb(&mut self, mut other: Self) {
        debug_assert!(Rc::ptr_eq(&self.gauge, &other.gauge), "two gauges");
        self.amount += std::mem::take(&mut other.amount);
    }

    fn new(gauge: &Rc<Cell<usize>>, amount: usize) -> Self {
        gauge.update(|held| held + amount);
        Self { gauge: Rc::clone(gauge), amount }
    }
}

impl Clone for Share {
    fn clone(&self) -> Self {
        Self::new(&self.gauge, self.amount)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.gauge.update(|held| held - self.amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_counts_until_the_last_is_dropped() {
        let gauge = Gauge::default();
        let first = gauge.add(3);
        let second = first.clone();
        let third = gauge.add(1);
        assert_eq!(gauge.held(), 7);
        drop(first);
        assert_eq!(gauge.held(), 4);
        drop((second, third));
        assert_eq!(gauge.held(), 0);
    }
}
