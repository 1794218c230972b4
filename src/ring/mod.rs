//! A bounded ring between two threads: one puts values in, the other takes
//! them out, and neither ever waits for a lock.
//!
//! Each side keeps its own index and a copy of the other's last one to itself,
//! and looks at the other's only when the copy says that the ring is full or
//! empty. Values are shown in batches: a batch of any size costs two transfers
//! of a cache line for the indices, and one for every line of values. The two
//! indices lie on lines of their own, which no slot shares.
//!
//! The atomics and their partners:
//! - `tail`: [`Producer::publish`]'s store (Release) with the consumer's load
//!   (Acquire, in [`Consumer::pop`]): values are there before they are seen.
//! - `head`: [`Consumer::release`]'s store (Release) with the producer's load
//!   (Acquire, in [`Producer::room`]): values are out before their slots are
//!   filled again.
//! - `is_one_sided`: the store (Release) of a side that is dropped with the load
//!   (Acquire) in `is_abandoned`: what it did before is seen.
//!
//! `tests/ring_models.rs` has a loom model of each.

mod bell;
mod cell;
mod sleeping;
#[cfg(all(test, not(loom)))]
mod tests;

pub use bell::Bell;
use cell::{Arc, AtomicBool, AtomicUsize, Slot};
use crossbeam::utils::CachePadded;
pub use sleeping::Sleeping;
use std::fmt;
use std::sync::atomic::Ordering;

/// A new, empty ring.
///
/// # Panics
/// If `capacity` is no power of two.
pub fn ring<T: Send>(capacity: usize) -> (Producer<T>, Consumer<T>) {
    assert!(capacity.is_power_of_two(), "a ring of {capacity}: not a power of two");
    let shared = Arc::new(Shared {
        slots: (0..capacity).map(|_| Slot::empty()).collect(),
        head: CachePadded::new(AtomicUsize::new(0)),
        tail: CachePadded::new(AtomicUsize::new(0)),
        is_one_sided: AtomicBool::new(false),
    });
    let producer = Producer { shared: Arc::clone(&shared), tail: 0, published: 0, head: 0 };
    (producer, Consumer { shared, head: 0, released: 0, tail: 0 })
}

struct Shared<T> {
    slots: Box<[Slot<T>]>,
    /// Values taken out and released since the start: the consumer's.
    head: CachePadded<AtomicUsize>,
    /// Values put in and published since the start: the producer's.
    tail: CachePadded<AtomicUsize>,
    /// One side is gone.
    is_one_sided: AtomicBool,
}

impl<T> Shared<T> {
    fn slot(&self, index: usize) -> &Slot<T> {
        &self.slots[index & (self.slots.len() - 1)]
    }
}

/// The side that puts values in.
pub struct Producer<T> {
    shared: Arc<Shared<T>>,
    /// Values put in.
    tail: usize,
    /// Values that the consumer was shown.
    published: usize,
    /// The consumer's index when we last looked.
    head: usize,
}

/// The side that takes values out.
pub struct Consumer<T> {
    shared: Arc<Shared<T>>,
    /// Values taken out.
    head: usize,
    /// Values whose slots the producer was given back.
    released: usize,
    /// The producer's index when we last looked.
    tail: usize,
}

impl<T: Send> Producer<T> {
    /// How many values fit. Looks at the consumer's index only if the copy of it
    /// says none.
    pub fn room(&mut self) -> usize {
        let capacity = self.shared.slots.len();
        if self.tail.wrapping_sub(self.head) == capacity {
            // Pairs with the store in `Consumer::release`.
            self.head = self.shared.head.load(Ordering::Acquire);
        }
        capacity - self.tail.wrapping_sub(self.head)
    }

    /// Puts a value in, which the consumer does not see before
    /// [`publish`](Self::publish).
    ///
    /// # Errors
    /// The value itself, if there is no room.
    pub fn push(&mut self, value: T) -> Result<(), T> {
        if self.room() == 0 {
            return Err(value);
        }
        // SAFETY: the slot is empty, and the consumer does not look at it before
        // `tail` says so: `room` saw that its last value is out.
        unsafe { self.shared.slot(self.tail).put(value) };
        self.tail = self.tail.wrapping_add(1);
        Ok(())
    }

    /// Shows the consumer everything that was put in. Returns whether that was
    /// anything.
    pub fn publish(&mut self) -> bool {
        let is_new = self.tail != self.published;
        if is_new {
            // Pairs with the load in `Consumer::pop`.
            self.shared.tail.store(self.tail, Ordering::Release);
            self.published = self.tail;
        }
        is_new
    }

    /// Whether nobody takes anything out any more.
    pub fn is_abandoned(&self) -> bool {
        // Pairs with the stores in `drop`.
        self.shared.is_one_sided.load(Ordering::Acquire)
    }
}

impl<T: Send> Consumer<T> {
    /// Takes a value out. Its slot is the producer's again after
    /// [`release`](Self::release).
    pub fn pop(&mut self) -> Option<T> {
        if self.is_empty() {
            return None;
        }
        // SAFETY: `tail` says that the slot has a value, which is put there
        // before; only this side takes it, and once, because `head` moves on.
        let value = unsafe { self.shared.slot(self.head).take() };
        self.head = self.head.wrapping_add(1);
        Some(value)
    }

    /// Whether there is nothing to take. Looks at the producer's index only if
    /// the copy of it says so.
    pub fn is_empty(&mut self) -> bool {
        if self.head == self.tail {
            // Pairs with the store in `Producer::publish`.
            self.tail = self.shared.tail.load(Ordering::Acquire);
        }
        self.head == self.tail
    }

    /// Gives back the slots of everything that was taken out: once per batch.
    pub fn release(&mut self) {
        if self.head != self.released {
            // Pairs with the load in `Producer::room`.
            self.shared.head.store(self.head, Ordering::Release);
            self.released = self.head;
        }
    }

    /// Whether nobody puts anything in any more: what there is, is the rest.
    pub fn is_abandoned(&self) -> bool {
        // Pairs with the stores in `drop`.
        self.shared.is_one_sided.load(Ordering::Acquire)
    }
}

impl<T> Drop for Producer<T> {
    fn drop(&mut self) {
        // What was put in belongs to the consumer, or goes with the ring.
        self.shared.tail.store(self.tail, Ordering::Release);
        // Pairs with the load in `is_abandoned`: the consumer that hears of the end sees all that came before.
        self.shared.is_one_sided.store(true, Ordering::Release);
    }
}

impl<T> Drop for Consumer<T> {
    fn drop(&mut self) {
        self.shared.head.store(self.head, Ordering::Release);
        self.shared.is_one_sided.store(true, Ordering::Release);
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        // Both sides are gone, and `Arc` ordered their last stores before this.
        let (mut head, tail) = (self.head.load(Ordering::Relaxed), self.tail.load(Ordering::Relaxed));
        while head != tail {
            // SAFETY: between the two every slot has a value, which nobody else
            // takes any more.
            drop(unsafe { self.slot(head).take() });
            head = head.wrapping_add(1);
        }
    }
}

impl<T> fmt::Debug for Producer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").field("tail", &self.tail).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Consumer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").field("head", &self.head).finish_non_exhaustive()
    }
}
