//! Sleeping until one of many descriptors is readable.

use crate::base::Duration;
use std::os::fd::RawFd;

/// A list of descriptors to sleep on, kept so that sleeping does not allocate.
#[derive(Debug, Default)]
pub(super) struct PollSet(Vec<libc::pollfd>);

impl PollSet {
    /// Begins a new list.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn add(&mut self, fd: RawFd) {
        self.0.push(libc::pollfd { fd, events: libc::POLLIN, revents: 0 });
    }

    /// Sleeps until one is readable, hung up or broken, or `timeout` is over;
    /// for ever without one. Signals and refusals of the system end it too: the
    /// caller looks for work in any case.
    pub(super) fn wait(&mut self, timeout: Option<Duration>) {
        let timeout = timeout.map(|timeout| libc::timespec {
            tv_sec: (timeout.as_nanos() / 1_000_000_000) as libc::time_t,
            tv_nsec: (timeout.as_nanos() % 1_000_000_000) as libc::c_long,
        });
        let timeout = timeout.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        // SAFETY: the list and the time live during the call, and the length is
        // the list's; a descriptor that is closed is reported, not touched.
        unsafe { libc::ppoll(self.0.as_mut_ptr(), self.0.len() as libc::nfds_t, timeout, std::ptr::null()) };
    }
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
        let (mut one, other) = UnixStream::pair().unwrap();
        let mut set = PollSet::default();
        set.add(other.as_raw_fd());
        let begin = Instant::now();
        set.wait(Some(Duration::from_millis(5)));
        assert!(begin.elapsed().as_millis() >= 5);
        one.write_all(&[1]).unwrap();
        // Would sleep for ever if the byte did not wake.
        set.wait(None);
        set.clear();
        set.wait(Some(Duration::ZERO));
    }
}
