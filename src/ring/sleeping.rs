//! Whether a thread sleeps that takes values out of rings.

use super::cell::{AtomicBool, fence};
use crossbeam::utils::CachePadded;
use std::sync::atomic::Ordering;

/// Says to everybody who puts values into a thread's rings whether the thread has
/// to be woken. Waking itself, by a descriptor, is the caller's.
///
/// A thread that is about to sleep calls [`announce`](Self::announce), looks into
/// all of its rings, and sleeps only if they are empty. Who has published values
/// calls [`must_wake`](Self::must_wake). Each stores first and loads then, with a
/// fence between (SeqCst, which orders the two pairs): at least one of them sees
/// what the other did, so that no value waits for a thread that sleeps.
#[derive(Debug)]
pub struct Sleeping(CachePadded<AtomicBool>);

impl Default for Sleeping {
    fn default() -> Self {
        Self(CachePadded::new(AtomicBool::new(false)))
    }
}

impl Sleeping {
    /// The thread is about to sleep. It looks into its rings once more.
    pub fn announce(&self) {
        self.0.store(true, Ordering::Relaxed);
        // Pairs with the fence in `must_wake`.
        fence(Ordering::SeqCst);
    }

    /// The thread does not sleep any more.
    pub fn cancel(&self) {
        // Late is harmless: the thread is woken once too often.
        self.0.store(false, Ordering::Relaxed);
    }

    /// After publishing: whether the thread has to be woken. Says so to one of
    /// those who ask.
    pub fn must_wake(&self) -> bool {
        // Pairs with the fence in `announce`.
        fence(Ordering::SeqCst);
        // A load first: the line stays with the readers while nobody sleeps.
        self.0.load(Ordering::Relaxed) && self.0.swap(false, Ordering::Relaxed)
    }
}
