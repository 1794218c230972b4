//! The file descriptors that DPDK opens behind our back.
//!
//! Drivers open theirs without close-on-exec: a program started by this
//! process would inherit them, and a TAP lives as long as anybody holds it.
//! And net_af_packet does not say which sockets it waits on.

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::RawFd;
use std::path::PathBuf;

/// The descriptors that were open at a time, each with what it was open on: a
/// number that was given back is used again.
#[derive(Clone, Debug)]
pub(super) struct Snapshot(BTreeSet<(RawFd, PathBuf)>);

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
        open_descriptors().into_iter().filter(|open| !self.0.contains(open)).map(|(fd, _)| fd)
    }
}

fn open_descriptors() -> BTreeSet<(RawFd, PathBuf)> {
    let Ok(entries) = fs::read_dir("/proc/self/fd") else { return BTreeSet::new() };
    let open = |entry: fs::DirEntry| {
        let fd = entry.file_name().to_str()?.parse().ok()?;
        // The one that this list is read from is gone when it is used.
        let target = fs::read_link(entry.path()).ok().filter(|target| !target.ends_with("fd"))?;
        Some((fd, target))
    };
    entries.flatten().filter_map(open).collect()
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
    fn a_number_used_again_is_new() {
        let open = || std::os::unix::net::UnixDatagram::unbound().unwrap();
        let socket = open();
        let (fd, before) = (socket.as_raw_fd(), Snapshot::take());
        drop(socket);
        // Other tests open descriptors too: until one gets the number.
        let sockets: Vec<_> = (0..64).map(|_| open()).collect();
        if sockets.iter().any(|socket| socket.as_raw_fd() == fd) {
            assert!(before.new_descriptors().any(|new| new == fd));
        }
        let news: Vec<_> = before.new_descriptors().collect();
        assert!(sockets.iter().all(|socket| news.contains(&socket.as_raw_fd())));
    }

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
