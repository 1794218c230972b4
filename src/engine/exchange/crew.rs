//! The cores of one endpoint, as they end.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Which cores still have connections to end. A core that has none goes on as
/// long as others do: frames of their connections come to its queues.
#[derive(Debug)]
pub(in crate::engine) struct Crew {
    busy: AtomicUsize,
}

impl Crew {
    pub(super) const fn new(cores: usize) -> Self {
        Self { busy: AtomicUsize::new(cores) }
    }

    /// One core's connections have ended: each core says so once.
    pub(in crate::engine) fn finish(&self) {
        // Only the number matters, and it may be seen late.
        self.busy.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether all cores' have.
    pub(in crate::engine) fn is_finished(&self) -> bool {
        self.busy.load(Ordering::Relaxed) == 0
    }
}
