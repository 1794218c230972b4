//! What a side sleeps on, and what wakes it: a stream socket that joins the two.
//!
//! A socket and not an eventfd, for three reasons. It can be sent to without
//! ever blocking, whatever the other side does to the file's flags, so that no
//! client can stop the engine. Nobody but its owner can take a ring away from
//! an end. And when a process dies its end closes, which is heard.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// One end of the doorbell line.
#[derive(Debug)]
pub struct Doorbell(OwnedFd);

/// What a look at the doorbell found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Nothing.
    Silence,
    /// It was rung, once or often.
    Rung,
    /// The other end is closed.
    Gone,
}

impl Doorbell {
    /// Both ends of a new line.
    ///
    /// # Errors
    /// If the system has no more sockets.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = UnixStream::pair()?;
        Ok((Self(one.into()), Self(other.into())))
    }

    /// Wakes the other side. Never blocks: if the line is full, the other side
    /// has something to hear already; if it is closed, nobody is left to wake.
    pub fn ring(&self) {
        let byte = 1_u8;
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        // SAFETY: an open descriptor and one byte that lives during the call.
        unsafe { libc::send(self.0.as_raw_fd(), (&raw const byte).cast(), 1, flags) };
    }

    /// Whether it was rung since the last look. Never blocks; what was rung is
    /// taken off the line, at least in part.
    pub fn hear(&self) -> Heard {
        let mut bytes = [0_u8; 256];
        // SAFETY: an open descriptor and a buffer of the length given.
        let count = unsafe {
            libc::recv(self.0.as_raw_fd(), bytes.as_mut_ptr().cast(), bytes.len(), libc::MSG_DONTWAIT)
        };
        match count {
            1.. => Heard::Rung,
            0 => Heard::Gone,
            _ => match io::Error::last_os_error().kind() {
                io::ErrorKind::WouldBlock => Heard::Silence,
                io::ErrorKind::Interrupted => Heard::Rung,
                _ => Heard::Gone,
            },
        }
    }

    /// Sleeps until it is rung, the other end closes, or `timeout` is over;
    /// `false` in the last case. Takes nothing off the line.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn wait(&self, timeout: Option<Duration>) -> io::Result<bool> {
        let timeout_ms = match timeout {
            None => -1,
            // Rounded up: a caller that waits for a time must not come early.
            Some(timeout) => i32::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX),
        };
        let mut poll = libc::pollfd { fd: self.0.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one pollfd that lives during the call.
        match unsafe { libc::poll(&raw mut poll, 1, timeout_ms) } {
            0 => Ok(false),
            1.. => Ok(true),
            _ => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => Ok(true),
                error => Err(error),
            },
        }
    }
}

impl From<OwnedFd> for Doorbell {
    /// One end of a connected stream socket that is used for nothing else.
    fn from(socket: OwnedFd) -> Self {
        Self(socket)
    }
}

impl AsRawFd for Doorbell {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl AsFd for Doorbell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_ring_is_heard_once_and_death_for_ever() {
        let (one, other) = Doorbell::pair().unwrap();
        assert_eq!(other.hear(), Heard::Silence);
        assert!(!other.wait(Some(Duration::ZERO)).unwrap());
        one.ring();
        one.ring();
        assert!(other.wait(None).unwrap());
        assert_eq!(other.hear(), Heard::Rung);
        assert_eq!(other.hear(), Heard::Silence);
        one.ring();
        drop(one);
        assert_eq!(other.hear(), Heard::Rung);
        assert_eq!(other.hear(), Heard::Gone);
        assert_eq!(other.hear(), Heard::Gone);
        other.ring();
    }

    #[test]
    fn ringing_never_blocks() {
        let (one, other) = Doorbell::pair().unwrap();
        // Far more than any socket buffer holds.
        for _ in 0..100_000 {
            one.ring();
        }
        assert_eq!(other.hear(), Heard::Rung);
    }
}
