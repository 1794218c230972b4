//! Frames on their way, by the time they arrive.

use crate::base::Instant;
use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};

/// A frame that arrives at `due`.
#[derive(Debug)]
pub(super) struct Flying<P> {
    pub(super) packet: P,
    pub(super) bytes: u32,
    due: Instant,
    /// Tells apart those that are due at once.
    number: u64,
}

/// Everything on its way. Those that keep their order lie in a queue, which
/// costs nothing; only those to be reordered are sorted.
#[derive(Debug)]
pub(super) struct Flight<P> {
    ordered: VecDeque<Flying<P>>,
    late: BinaryHeap<Flying<P>>,
    /// When the last in order arrives: nobody behind it comes earlier.
    last_due: Instant,
    number: u64,
}

impl<P> Flight<P> {
    pub(super) fn new() -> Self {
        Self { ordered: VecDeque::new(), late: BinaryHeap::new(), last_due: Instant::ZERO, number: 0 }
    }

    /// A frame that arrives at `due`, but not before those in front of it.
    pub(super) fn push(&mut self, due: Instant, packet: P, bytes: u32) {
        let due = due.max(self.last_due);
        self.last_due = due;
        let number = self.count();
        self.ordered.push_back(Flying { packet, bytes, due, number });
    }

    /// A frame that others may pass.
    pub(super) fn push_late(&mut self, due: Instant, packet: P, bytes: u32) {
        let number = self.count();
        self.late.push(Flying { packet, bytes, due, number });
    }

    fn count(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    /// When the next one arrives.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let (ordered, late) = (self.ordered.front(), self.late.peek());
        [ordered, late].into_iter().flatten().map(|flying| flying.due).min()
    }

    /// The next one, if it has arrived.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Flying<P>> {
        let late_first = match (self.ordered.front(), self.late.peek()) {
            (Some(ordered), Some(late)) => (late.due, late.number) < (ordered.due, ordered.number),
            (ordered, _) => ordered.is_none(),
        };
        if late_first {
            self.late.peek().filter(|flying| flying.due <= now)?;
            self.late.pop()
        } else {
            self.ordered.front().filter(|flying| flying.due <= now)?;
            self.ordered.pop_front()
        }
    }

    /// Takes one out, whenever it would arrive.
    pub(super) fn discard(&mut self) -> Option<Flying<P>> {
        let next = self.ordered.pop_front().or_else(|| self.late.pop());
        if next.is_none() {
            self.last_due = Instant::ZERO;
        }
        next
    }
}

impl<P> PartialEq for Flying<P> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<P> Eq for Flying<P> {}

impl<P> PartialOrd for Flying<P> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The heap gives the greatest first: that is the earliest.
impl<P> Ord for Flying<P> {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.due, other.number).cmp(&(self.due, self.number))
    }
}
