//! What the ring is made of: the machine's, or loom's in its models.

#[cfg(loom)]
pub(super) use loom::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, fence},
};
use std::mem::MaybeUninit;
#[cfg(not(loom))]
pub(super) use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, fence},
};

#[cfg(loom)]
use loom::cell::UnsafeCell;

/// A place for a value, which two threads take turns with.
pub(super) struct Slot<T>(UnsafeCell<MaybeUninit<T>>);

// SAFETY: the value goes from one thread to the other through `put` and `take`,
// whose callers see to it that they never meet.
unsafe impl<T: Send> Sync for Slot<T> {}

impl<T> Slot<T> {
    pub(super) fn empty() -> Self {
        Self(UnsafeCell::new(MaybeUninit::uninit()))
    }

    /// # Safety
    /// The slot is empty, and nobody else uses it.
    pub(super) unsafe fn put(&self, value: T) {
        // SAFETY: nobody else uses it.
        self.0.with_mut(|place| unsafe { (*place).write(value) });
    }

    /// # Safety
    /// The slot has a value, and nobody else uses it. It is empty then.
    pub(super) unsafe fn take(&self) -> T {
        // SAFETY: nobody else uses it, and it has a value.
        self.0.with_mut(|place| unsafe { (*place).assume_init_read() })
    }
}

/// The standard cell with the way in that loom's has.
#[cfg(not(loom))]
struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(not(loom))]
impl<T> UnsafeCell<T> {
    const fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    fn with_mut<R>(&self, act: impl FnOnce(*mut T) -> R) -> R {
        act(self.0.get())
    }
}
