//! The link of a TAP whose network device was moved to another namespace.
//!
//! net_tap asks for it by name in its own namespace, does not find it and says
//! that the link is down. The queue's file knows where the device is.

use std::fs::File;
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;

/// `TUNGETDEVNETNS` of linux/if_tun.h: the device's namespace, as a file.
const TUN_GET_NAMESPACE: libc::c_ulong = 0x54e3;
/// `TUNGETIFF`: the device's name and flags.
const TUN_GET_DEVICE: libc::c_ulong = 0x8004_54d2;

/// Asks for the state of a TAP's network device, wherever it is.
#[derive(Debug)]
pub(super) struct TapLink {
    /// A socket in the namespace with this inode.
    socket: Option<(u64, OwnedFd)>,
}

impl TapLink {
    pub(super) fn new() -> Self {
        Self { socket: None }
    }

    /// Whether the device behind the queue `fd` is up and running; `None` if
    /// it is in this namespace, where the driver knows, or cannot be asked.
    pub(super) fn elsewhere_up(&mut self, fd: RawFd) -> Option<bool> {
        let namespace = namespace_of(fd)?;
        let inode = namespace.metadata().ok()?.ino();
        let own = File::open("/proc/thread-self/ns/net").ok()?.metadata().ok()?.ino();
        if inode == own {
            self.socket = None;
            return None;
        }
        if self.socket.as_ref().is_none_or(|&(known, _)| known != inode) {
            self.socket = Some((inode, socket_in(namespace)?));
        }
        let (_, socket) = self.socket.as_ref()?;
        let flags = flags_of(socket, device_of(fd)?);
        // Gone meanwhile: not up.
        let wanted = (libc::IFF_UP | libc::IFF_RUNNING) as i16;
        Some(flags.is_some_and(|flags| flags & wanted == wanted))
    }
}

fn namespace_of(fd: RawFd) -> Option<File> {
    // SAFETY: the request takes no argument and returns a new descriptor.
    let namespace = unsafe { libc::ioctl(fd, TUN_GET_NAMESPACE) };
    // SAFETY: a descriptor that nobody else has.
    (namespace >= 0).then(|| unsafe { File::from_raw_fd(namespace) })
}

/// The device's present name, in a request to ask for its flags.
fn device_of(fd: RawFd) -> Option<libc::ifreq> {
    // SAFETY: all zeroes is a request without a name.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    // SAFETY: the kernel fills in a request of this type.
    (unsafe { libc::ioctl(fd, TUN_GET_DEVICE, &raw mut request) } == 0).then_some(request)
}

fn flags_of(socket: &OwnedFd, mut request: libc::ifreq) -> Option<i16> {
    // SAFETY: the kernel reads the name and fills in the flags.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS, &raw mut request) };
    // SAFETY: any bytes are flags; on success the kernel has written them.
    let flags = unsafe { request.ifr_ifru.ifru_flags };
    (result == 0).then_some(flags)
}

/// A socket belongs to the namespace it was made in, and a namespace to a
/// thread: a thread of its own goes there, makes the socket and ends.
fn socket_in(namespace: File) -> Option<OwnedFd> {
    let make = move || {
        // SAFETY: changes only this thread, which ends behind it.
        if unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) } != 0 {
            return None;
        }
        // SAFETY: creates a descriptor.
        let socket = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
        // SAFETY: a descriptor that nobody else has.
        (socket >= 0).then(|| unsafe { OwnedFd::from_raw_fd(socket) })
    };
    std::thread::Builder::new().spawn(make).ok()?.join().ok().flatten()
}
