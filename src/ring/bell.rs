//! Waking a thread that sleeps on a descriptor.

use super::Sleeping;
use rustix::event::{EventfdFlags, eventfd};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

/// Wakes one thread, from any other. The thread sleeps on [`fd`](Self::fd), which
/// is readable from a ring of the bell until the thread has heard it.
#[derive(Debug)]
pub struct Bell {
    sleeping: Sleeping,
    fd: OwnedFd,
}

impl Bell {
    /// # Errors
    /// If the system gives no eventfd.
    pub fn new() -> io::Result<Self> {
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { sleeping: Sleeping::default(), fd })
    }

    /// What the thread sleeps on.
    pub fn fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// The thread is about to sleep. It looks into its rings once more.
    pub fn announce_sleep(&self) {
        self.sleeping.announce();
    }

    /// The thread does not sleep any more.
    pub fn cancel_sleep(&self) {
        self.sleeping.cancel();
    }

    /// After publishing to a ring of the thread's: wakes it if it sleeps.
    pub fn ring_if_asleep(&self) {
        if self.sleeping.must_wake() {
            self.ring();
        }
    }

    /// Wakes the thread now, or keeps it from sleeping next time.
    pub fn ring(&self) {
        // A counter at its limit is readable all the same.
        let _ = rustix::io::write(&self.fd, &1_u64.to_ne_bytes());
    }

    /// Ends the readiness of [`fd`](Self::fd).
    pub fn hear(&self) {
        // Nothing to read is the usual case.
        let _ = rustix::io::read(&self.fd, &mut [0; 8]);
    }

    /// Whether it rang and nobody has heard it.
    pub fn has_rung(&self) -> bool {
        let mut fds = [rustix::event::PollFd::new(&self.fd, rustix::event::PollFlags::IN)];
        rustix::event::poll(&mut fds, Some(&rustix::time::Timespec::default())).is_ok_and(|ready| ready > 0)
    }
}
