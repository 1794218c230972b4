//! A bounded ring with one producer and one consumer, in memory that the two
//! do not trust each other with. Each side keeps its own index and a copy of
//! the other's last one in private memory; what it reads from shared memory is
//! checked against them, so that a peer which lies is found out and nothing is
//! ever read or written outside the ring.
//!
//! The atomics and their partners:
//! - `tail`: the producer's store (Release, in [`Producer::publish`]) with the
//!   consumer's load (Acquire, in `Consumer::fetch`): entries are filled before
//!   they are seen.
//! - `head`: the consumer's store (Release, in [`Consumer::pop`]) with the
//!   producer's load (Acquire, in [`Producer::room`]): entries are copied out
//!   before they are filled again.

use crate::message::Words;
use std::sync::atomic::{AtomicU32, Ordering};

/// An atomic word of shared memory. The models put loom's in its place.
pub trait SharedWord {
    /// Reads it.
    fn load(&self, order: Ordering) -> u32;
    /// Writes it.
    fn store(&self, value: u32, order: Ordering);
    /// Writes it and gives what it was.
    fn swap(&self, value: u32, order: Ordering) -> u32;
}

impl SharedWord for AtomicU32 {
    fn load(&self, order: Ordering) -> u32 {
        Self::load(self, order)
    }
    fn store(&self, value: u32, order: Ordering) {
        Self::store(self, value, order);
    }
    fn swap(&self, value: u32, order: Ordering) -> u32 {
        Self::swap(self, value, order)
    }
}

/// Where a ring lies.
pub trait RingMemory {
    /// The type of its indices.
    type Word: SharedWord;

    /// How many entries it has: a power of two.
    fn entries(&self) -> u32;
    /// The consumer's index.
    fn head(&self) -> &Self::Word;
    /// The producer's index.
    fn tail(&self) -> &Self::Word;
    /// Copies entry `place` out, `place < entries()`.
    fn read(&self, place: u32) -> Words;
    /// Fills entry `place`, `place < entries()`.
    fn write(&self, place: u32, words: &Words);
}

/// The other side stored an index that it cannot have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("ring index {found} of the other side is not between {from} and {to}")]
pub struct Corrupt {
    /// What was read.
    pub found: u32,
    /// What it was before: an index never goes back.
    pub from: u32,
    /// What it can be at most.
    pub to: u32,
}

impl Corrupt {
    /// `found` if it lies between `from` and `to`, with wrap-around.
    fn check(found: u32, from: u32, to: u32) -> Result<u32, Self> {
        if found.wrapping_sub(from) <= to.wrapping_sub(from) {
            Ok(found)
        } else {
            Err(Self { found, from, to })
        }
    }
}

/// The side that puts entries in.
#[derive(Debug)]
pub struct Producer<M> {
    memory: M,
    /// Entries filled, published or not. Only we know.
    tail: u32,
    /// The consumer's index when we last looked.
    head: u32,
}

impl<M: RingMemory> Producer<M> {
    /// The producer of the ring in `memory`, which has no other.
    ///
    /// # Errors
    /// If the indices in `memory` contradict its size.
    pub fn new(memory: M) -> Result<Self, Corrupt> {
        // Relaxed: `tail` is ours. Acquire: as in `room`.
        let tail = memory.tail().load(Ordering::Relaxed);
        let head = memory.head().load(Ordering::Acquire);
        let head = Corrupt::check(head, tail.wrapping_sub(memory.entries()), tail)?;
        Ok(Self { memory, tail, head })
    }

    /// How many more entries fit. Looks at the consumer's index only if the
    /// copy of it says none.
    ///
    /// # Errors
    /// If the consumer's index is impossible.
    pub fn room(&mut self) -> Result<u32, Corrupt> {
        let entries = self.memory.entries();
        if self.tail.wrapping_sub(self.head) == entries {
            // Pairs with the store in `Consumer::pop`: what it copied out is
            // copied before we fill that place again.
            let head = self.memory.head().load(Ordering::Acquire);
            self.head = Corrupt::check(head, self.head, self.tail)?;
        }
        Ok(entries - self.tail.wrapping_sub(self.head))
    }

    /// Puts an entry in, not yet seen by the consumer; `false` if there is no
    /// room.
    ///
    /// # Errors
    /// If the consumer's index is impossible.
    pub fn push(&mut self, words: &Words) -> Result<bool, Corrupt> {
        if self.room()? == 0 {
            return Ok(false);
        }
        self.memory.write(self.tail & (self.memory.entries() - 1), words);
        self.tail = self.tail.wrapping_add(1);
        Ok(true)
    }

    /// Lets the consumer see everything put in so far.
    pub fn publish(&mut self) {
        // Pairs with the load in `Consumer::fetch`.
        self.memory.tail().store(self.tail, Ordering::Release);
    }
}

/// The side that takes entries out.
#[derive(Debug)]
pub struct Consumer<M> {
    memory: M,
    /// Entries taken. Only we know.
    head: u32,
    /// The producer's index when we last looked.
    tail: u32,
}

impl<M: RingMemory> Consumer<M> {
    /// The consumer of the ring in `memory`, which has no other.
    ///
    /// # Errors
    /// If the indices in `memory` contradict its size.
    pub fn new(memory: M) -> Result<Self, Corrupt> {
        // Relaxed: `head` is ours. Acquire: as in `fetch`.
        let head = memory.head().load(Ordering::Relaxed);
        let tail = memory.tail().load(Ordering::Acquire);
        let tail = Corrupt::check(tail, head, head.wrapping_add(memory.entries()))?;
        Ok(Self { memory, head, tail })
    }

    /// Takes up to `batch.len()` entries out; returns how many.
    ///
    /// # Errors
    /// If the producer's index is impossible.
    pub fn pop(&mut self, batch: &mut [Words]) -> Result<usize, Corrupt> {
        let count = (self.fetch(batch.len())? as usize).min(batch.len());
        if count == 0 {
            return Ok(0);
        }
        let mask = self.memory.entries() - 1;
        for words in &mut batch[..count] {
            *words = self.memory.read(self.head & mask);
            self.head = self.head.wrapping_add(1);
        }
        // Pairs with the load in `Producer::room`.
        self.memory.head().store(self.head, Ordering::Release);
        Ok(count)
    }

    /// Whether nothing is there to take.
    ///
    /// # Errors
    /// If the producer's index is impossible.
    pub fn is_empty(&mut self) -> Result<bool, Corrupt> {
        Ok(self.fetch(1)? == 0)
    }

    /// How many entries are there; looks at the producer's index if the copy
    /// of it says fewer than `wanted`.
    fn fetch(&mut self, wanted: usize) -> Result<u32, Corrupt> {
        if (self.tail.wrapping_sub(self.head) as usize) < wanted {
            // Pairs with the store in `Producer::publish`: the entries are
            // filled before we read them.
            let tail = self.memory.tail().load(Ordering::Acquire);
            let most = self.head.wrapping_add(self.memory.entries());
            self.tail = Corrupt::check(tail, self.tail, most)?;
        }
        Ok(self.tail.wrapping_sub(self.head))
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
