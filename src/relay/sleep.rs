//! Sleeping until one of many descriptors is readable.

use crate::base::Duration;
use std::os::fd::RawFd;

/// A list of descriptors to sleep on, kept so that sleeping does not allocate.
#[derive(Debug, Default)]
pub(super) struct Sleeper(Vec<libc::pollfd>);

impl Sleeper {
    /// Begins a new list.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn add(&mut self, fd: RawFd) {
        self.0.push(libc::pollfd { fd, events: libc::POLLIN, revents: 0 });
    }

    /// Sleeps until one is readable, hung up or broken, or `timeout` is over.
    /// Signals and refusals of the system end it too: the caller looks for work
    /// in any case.
    pub(super) fn sleep(&mut self, timeout: Duration) {
        let timeout = libc::timespec {
            tv_sec: (timeout.as_nanos() / 1_000_000_000) as libc::time_t,
            tv_nsec: (timeout.as_nanos() % 1_000_000_000) as libc::c_long,
        };
        let (list, len) = (self.0.as_mut_ptr(), self.0.len() as libc::nfds_t);
        // SAFETY: the list and the time live during the call, and the length is
        // the list's; a descriptor that is closed is reported, not touched.
        unsafe { libc::ppoll(list, len, &raw const timeout, std::ptr::null()) };
    }
}

/// Lets this thread's sleeps end when they should: by default the system may
/// make them 50 us longer.
pub(super) fn sleep_precisely() {
    let nanoseconds: libc::c_ulong = 1;
    // SAFETY: changes a number of this thread's. Without it sleeps are longer.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, nanoseconds) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;
    use std::time::Instant;

    #[test]
    fn wakes_by_a_descriptor_and_by_time() {
        sleep_precisely();
        let (mut one, other) = UnixStream::pair().unwrap();
        let mut sleeper = Sleeper::default();
        sleeper.add(other.as_raw_fd());
        let begin = Instant::now();
        sleeper.sleep(Duration::from_millis(5));
        assert!(begin.elapsed().as_millis() >= 5);
        one.write_all(&[1]).unwrap();
        let begin = Instant::now();
        sleeper.sleep(Duration::from_secs(600));
        assert!(begin.elapsed().as_secs() < 300);
    }
}
