//! The file descriptors that DPDK opens behind our back.
//!
//! Drivers open theirs without close-on-exec: a program started by this
//! process would inherit them, and a TAP lives as long as anybody holds it.
//! And net_af_packet does not say which sockets it waits on.

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::RawFd;

/// The descriptors that were open at a time.
#[derive(Clone, Debug)]
pub(super) struct Snapshot(BTreeSet<RawFd>);

impl Snapshot {
    pub(super) fn take() -> Self {
        Self(open_descriptors())
    }

    /// Marks the descriptors opened since, so that programs started by this
    /// process do not inherit them.
    pub(super) fn close_new_on_exec(&self) {
        for fd in self.new_descriptors() {
            // SAFETY: concerns only what programs started later inherit; a
            // descriptor closed meanwhile is an error without consequence.
            unsafe {
                let flags = libc::fcntl(fd, libc::F_GETFD);
                if flags >= 0 && flags & libc::FD_CLOEXEC == 0 {
                    libc::fcntl(fd, libc::F_SETFD, flags | libc::FD_CLOEXEC);
                }
            }
        }
    }

    /// The packet sockets opened since, in the order of their opening.
    pub(super) fn new_packet_sockets(&self) -> Vec<RawFd> {
        self.new_descriptors().filter(|&fd| is_packet_socket(fd)).collect()
    }

    fn new_descriptors(&self) -> impl Iterator<Item = RawFd> {
        open_descriptors().into_iter().filter(|fd| !self.0.contains(fd))
    }
}

fn open_descriptors() -> BTreeSet<RawFd> {
    let Ok(entries) = fs::read_dir("/proc/self/fd") else { return BTreeSet::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn is_packet_socket(fd: RawFd) -> bool {
    let mut domain: libc::c_int = 0;
    let mut len = size_of_val(&domain) as libc::socklen_t;
    // SAFETY: room for one integer; other descriptors return an error.
    let result = unsafe {
        libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_DOMAIN, (&raw mut domain).cast(), &raw mut len)
    };
    result == 0 && domain == libc::AF_PACKET
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::fd::{AsRawFd, FromRawFd};

    #[test]
    fn new_descriptors_are_not_inherited() {
        let before = Snapshot::take();
        // SAFETY: creates a descriptor, without close-on-exec, for this file.
        let file = unsafe { File::from_raw_fd(libc::dup(File::open("/dev/null").unwrap().as_raw_fd())) };
        // SAFETY: asks for flags.
        let flags = || unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETFD) };
        assert_eq!(flags() & libc::FD_CLOEXEC, 0);
        before.close_new_on_exec();
        assert_eq!(flags() & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
        assert!(before.new_packet_sockets().is_empty());
    }
}
