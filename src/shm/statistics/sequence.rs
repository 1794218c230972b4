//! The sequence lock of a page: the one writer never waits, and a reader that
//! met a publication notices, and reads again.
//!
//! The number is odd while values are written. The values themselves are
//! Relaxed; four orderings make an even number that stayed the same mean that
//! all values are of one publication (Boehm, "Can Seqlocks Get Along With
//! Programming Language Memory Models?", MSPC 2012):
//!
//! - `publish`'s fence (Release) with `read`'s second fence (Acquire): a reader
//!   that saw any value of a publication sees its odd number, or a later one, in
//!   the second look. Without, the values could be seen before the odd number.
//! - `publish`'s last store (Release) with `read`'s first fence (Acquire): a
//!   reader that saw the even number sees every value of that publication.
//!   Without, it could see the number and older values.
//!
//! `tests/statistics_models.rs` has loom models, which fail without any of the
//! four.
//!
//! A reader may look by system calls (`pread`) instead of loads: a fence orders
//! everything that the processor does on the thread's behalf before it against
//! everything after, the kernel's copying too.

#[cfg(loom)]
use loom::sync::atomic::fence;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{self, Acquire, Relaxed, Release};
#[cfg(not(loom))]
use std::sync::atomic::fence;

/// The sequence number's place: the machine's, or loom's in the models.
pub trait SequenceWord {
    /// Its value, as of some time (Relaxed).
    fn look(&self) -> u64;
    /// Stores a value.
    fn set(&self, value: u64, order: Ordering);
}

impl SequenceWord for AtomicU64 {
    fn look(&self) -> u64 {
        self.load(Relaxed)
    }

    fn set(&self, value: u64, order: Ordering) {
        self.store(value, order);
    }
}

#[cfg(loom)]
impl SequenceWord for loom::sync::atomic::AtomicU64 {
    fn look(&self) -> u64 {
        self.load(Relaxed)
    }

    fn set(&self, value: u64, order: Ordering) {
        self.store(value, order);
    }
}

/// Makes everything that `write` stores (Relaxed is enough) one publication. For
/// the one writer of `sequence`.
pub fn publish(sequence: &impl SequenceWord, write: impl FnOnce()) {
    let odd = sequence.look() | 1;
    sequence.set(odd, Relaxed);
    // Pairs with the second fence in `read`: no value is seen before the odd number.
    fence(Release);
    write();
    // Pairs with the first fence in `read`: the values are there before the even number.
    sequence.set(odd.wrapping_add(1), Release);
}

/// Lets `values` look at everything that `publish` writes (Relaxed is enough).
/// Whether all it saw is of one publication: if not, what it saw means nothing.
///
/// # Errors
/// Those of `sequence`, which looks at the number, and of `values`.
pub fn read<E>(
    mut sequence: impl FnMut() -> Result<u64, E>,
    values: impl FnOnce() -> Result<(), E>,
) -> Result<bool, E> {
    let before = sequence()?;
    if before & 1 == 1 {
        return Ok(false);
    }
    // Pairs with the last store in `publish`.
    fence(Acquire);
    values()?;
    // Pairs with the fence in `publish`.
    fence(Acquire);
    Ok(sequence()? == before)
}
