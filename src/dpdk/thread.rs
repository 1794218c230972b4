//! Threads known to DPDK.

use super::{Eal, Errno, Error, ffi};
use std::marker::PhantomData;

/// Makes the thread that created it known to DPDK until it is dropped.
#[derive(Debug)]
pub struct ThreadRegistration {
    ours: bool,
    _eal: Eal,
    /// It means this thread, so it stays in it.
    _thread: PhantomData<*const ()>,
}

impl ThreadRegistration {
    pub(super) fn new(eal: &Eal) -> Result<Self, Error> {
        // SAFETY: DPDK runs.
        let known = Errno::check(unsafe { ffi::mpdk_thread_register() }).map_err(Error::Thread)?;
        Ok(Self { ours: known == 0, _eal: eal.clone(), _thread: PhantomData })
    }
}

impl ThreadRegistration {
    /// The number that DPDK knows the thread by (its lcore id): unique among
    /// the threads that are known to it at the time.
    pub fn lcore(&self) -> u32 {
        // SAFETY: DPDK runs.
        u32::try_from(unsafe { ffi::mpdk_thread_lcore() }).unwrap_or(u32::MAX)
    }
}

impl Drop for ThreadRegistration {
    fn drop(&mut self) {
        if self.ours {
            // SAFETY: this thread registered itself; DPDK still runs.
            unsafe { ffi::mpdk_thread_unregister() };
        }
    }
}
