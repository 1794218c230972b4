//! Flow rules of a port whose queues are made in software: the core that polls keeps
//! them, and is told by a ring.

use super::flow::Ends;
use crate::base::{CoreIndex, FourTuple};
use crate::ring::{Bell, Consumer, Producer, ring};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Changes that the core which polls has not seen yet.
const CHANGES: usize = 1024;

/// What becomes of a flow.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    /// It goes to this core.
    Add(Ends, CoreIndex),
    /// It goes where the hash says.
    Remove(Ends),
}

/// The way to the core that polls, for control threads.
#[derive(Clone, Debug)]
pub(in crate::dpdk) struct RuleBook(Arc<Book>);

#[derive(Debug)]
struct Book {
    /// Of control threads only: the other end has no lock.
    changes: Mutex<Producer<Change>>,
    bell: Arc<Bell>,
}

/// A flow goes to a core as long as this lives.
#[derive(Debug)]
pub(in crate::dpdk) struct SoftwareRule {
    book: RuleBook,
    ends: Ends,
}

impl RuleBook {
    pub(super) fn new(bell: Arc<Bell>) -> (Self, Consumer<Change>) {
        let (changes, taken) = ring(CHANGES);
        (Self(Arc::new(Book { changes: Mutex::new(changes), bell })), taken)
    }

    /// Brings a flow to a core; `None`: there is no such flow, or the core that polls
    /// does not listen.
    pub(in crate::dpdk) fn steer(&self, flow: &FourTuple, core: CoreIndex) -> Option<SoftwareRule> {
        let ends = Ends::of_tuple(flow)?;
        self.tell(Change::Add(ends, core)).then(|| SoftwareRule { book: self.clone(), ends })
    }

    fn tell(&self, change: Change) -> bool {
        let is_told = {
            let mut changes = self.lock();
            // Room for the end of every rule is not promised: one that stays sends its
            // flow to a core that hands it over.
            let is_told = changes.push(change).is_ok();
            changes.publish();
            is_told
        };
        self.0.bell.ring_if_asleep();
        is_told
    }

    fn lock(&self) -> MutexGuard<'_, Producer<Change>> {
        self.0.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for SoftwareRule {
    fn drop(&mut self) {
        self.book.tell(Change::Remove(self.ends));
    }
}
