//! What can go wrong between this process and DPDK.

use super::AddressError;
use std::fmt;
use std::io;

/// An error number of DPDK or the operating system.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Errno(i32);

/// DPDK's own error numbers, which the operating system has no text for
/// (rte_errno.h).
const SECONDARY: i32 = 1001;
const NO_CONFIG: i32 = 1002;

impl Errno {
    /// From a function's result: 0 and above is success, below is a negative
    /// error number.
    pub(super) const fn check(result: i32) -> Result<i32, Self> {
        if result < 0 { Err(Self(-result)) } else { Ok(result) }
    }

    /// The operating system's last error in this thread.
    pub(super) fn last() -> Self {
        Self(io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO))
    }

    /// An error number that this room chose itself.
    pub(super) const fn new(number: i32) -> Self {
        Self(number)
    }

    /// The number, as in `errno(3)`.
    pub const fn number(self) -> i32 {
        self.0
    }
}

impl From<&io::Error> for Errno {
    fn from(error: &io::Error) -> Self {
        Self(error.raw_os_error().unwrap_or(libc::EIO))
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            SECONDARY => f.write_str("not possible in a secondary process"),
            NO_CONFIG => f.write_str("DPDK's configuration is missing"),
            number => write!(f, "{}", io::Error::from_raw_os_error(number)),
        }
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Errno({}: {self})", self.0)
    }
}

/// Why DPDK did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A process starts DPDK once, and not again after it has ended.
    #[error("DPDK was already started in this process: it starts once")]
    AlreadyStarted,
    /// A value of the configuration is impossible.
    #[error("{key}: {reason}")]
    Config {
        /// Which value.
        key: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A device's address makes no sense.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// DPDK did not start.
    #[error("starting DPDK: {errno}{log}")]
    Start {
        /// What it returned.
        errno: Errno,
        /// What it logged.
        log: LogTail,
    },
    /// Memory for packets could not be had.
    #[error("{what} of {bytes} bytes: {errno}; is memory_mb large enough?{log}")]
    Memory {
        /// What it was for.
        what: String,
        /// How much.
        bytes: usize,
        /// What DPDK returned.
        errno: Errno,
        /// What it logged.
        log: LogTail,
    },
    /// Memory cannot be shared with other processes.
    #[error("exporting packet memory: {0}")]
    Export(Errno),
    /// Something about a port failed.
    #[error("port {port}: {action}: {errno}{log}")]
    Port {
        /// The device's name.
        port: String,
        /// What was being done.
        action: &'static str,
        /// What DPDK returned.
        errno: Errno,
        /// What it logged.
        log: LogTail,
    },
    /// The configuration asks for what the port does not do.
    #[error("port {port}: {reason}")]
    Unsupported {
        /// The device's name.
        port: String,
        /// What it does not do.
        reason: String,
    },
    /// The Unix socket of a port is in use by another process.
    #[error("port {port}: {path} is in use: another process listens there")]
    SocketInUse {
        /// The device's name.
        port: String,
        /// The socket.
        path: String,
    },
    /// A port cannot be closed while its queues are held.
    #[error("port {port}: {queues} of its queues are still in use")]
    QueuesInUse {
        /// The device's name.
        port: String,
        /// How many.
        queues: usize,
    },
    /// An engine thread could not be made known to DPDK.
    #[error("registering a thread with DPDK: {0}")]
    Thread(Errno),
}

/// The last lines of DPDK's log: usually they say why.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct LogTail(pub(super) Vec<String>);

impl fmt::Display for LogTail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

impl fmt::Debug for LogTail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_become_errors_with_texts() {
        assert_eq!(Errno::check(3), Ok(3));
        let error = Errno::check(-libc::ENODEV).unwrap_err();
        assert_eq!(error.number(), libc::ENODEV);
        assert!(error.to_string().contains("No such device"), "{error}");
        assert!(Errno(NO_CONFIG).to_string().contains("configuration"));
        let log = LogTail(vec!["EAL: no memory".into()]);
        let text = Error::Start { errno: error, log }.to_string();
        assert!(text.contains("No such device") && text.contains("EAL: no memory"), "{text}");
    }
}
