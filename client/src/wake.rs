//! Who may sleep and who must ring: the handshake that loses no wake-up.
//!
//! The sleeper stores its `sleeping` word and then looks at the rings; the
//! other side stores a ring's index and then looks at the word. Each has a
//! SeqCst fence between its store and its look, so at least one of them sees
//! the other's store: the sleeper stays awake, or the other rings. Release and
//! Acquire would allow both to see nothing.
//!
//! The word itself is Relaxed on both sides: it orders nothing else, and what
//! it is about is ordered by the rings' indices.

use crate::ring::SharedWord;
use std::sync::atomic::Ordering;

#[cfg(loom)]
use loom::sync::atomic::fence;
#[cfg(not(loom))]
use std::sync::atomic::fence;

/// Says in our `sleeping` word that any of `events` shall wake us. Look for
/// work after it: if there is some, take it back by [`cancel_sleep`], else
/// sleep on the doorbell.
pub fn announce_sleep(sleeping: &impl SharedWord, events: u32) {
    // A swap, as is every other change of a word that both sides write: each
    // value then has one that it replaced, and a model can tell which is newer.
    sleeping.swap(events, Ordering::Relaxed);
    // Pairs with the fence in `must_ring`.
    fence(Ordering::SeqCst);
}

/// Says that we are awake. The doorbell may ring once more.
pub fn cancel_sleep(sleeping: &impl SharedWord) {
    sleeping.swap(0, Ordering::Relaxed);
}

/// Whether the other side sleeps and wants to hear of `events`, which have
/// just happened. If so its word is cleared, and the caller rings: once for
/// each sleep.
#[must_use]
pub fn must_ring(sleeping: &impl SharedWord, events: u32) -> bool {
    // Pairs with the fence in `announce_sleep`.
    fence(Ordering::SeqCst);
    sleeping.load(Ordering::Relaxed) & events != 0 && sleeping.swap(0, Ordering::Relaxed) != 0
}
