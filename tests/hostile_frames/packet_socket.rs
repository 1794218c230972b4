//! A packet socket on a network device: sends any frame, sees all others.

use crate::support::Namespace;
use std::io;
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

const ETH_P_ALL: u16 = 3;

/// Bound to one device.
#[derive(Debug)]
pub struct PacketSocket(OwnedFd);

impl PacketSocket {
    /// On `device` of `namespace`.
    pub fn open(namespace: &Namespace, device: &str) -> io::Result<Self> {
        namespace.enter(|| {
            let protocol = i32::from(ETH_P_ALL.to_be());
            // SAFETY: no memory is involved.
            let fd = check(unsafe {
                libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, protocol)
            })?;
            // SAFETY: a new descriptor that nobody else owns.
            let socket = Self(unsafe { OwnedFd::from_raw_fd(fd) });
            let name = std::ffi::CString::new(device)?;
            // SAFETY: the name ends with a zero.
            let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
            socket.bind(i32::try_from(index).map_err(io::Error::other)?)?;
            Ok(socket)
        })
    }

    fn bind(&self, index: i32) -> io::Result<()> {
        // SAFETY: all zeros are a valid address.
        let mut address: libc::sockaddr_ll = unsafe { mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = ETH_P_ALL.to_be();
        address.sll_ifindex = index;
        let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
        // SAFETY: the address is of this length.
        check(unsafe { libc::bind(self.0.as_raw_fd(), (&raw const address).cast(), length) as isize })?;
        Ok(())
    }

    /// Sends one frame: 14 bytes or more.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        // SAFETY: the kernel reads the frame's bytes.
        check(unsafe { libc::send(self.0.as_raw_fd(), frame.as_ptr().cast(), frame.len(), 0) })?;
        Ok(())
    }

    /// The next frame that passed the device and that this socket did not
    /// send; `None` if there is none for so long.
    pub fn receive(&self, patience: Duration) -> Option<Vec<u8>> {
        let mut poll = libc::pollfd { fd: self.0.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let timeout = i32::try_from(patience.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: one descriptor.
        if unsafe { libc::poll(&raw mut poll, 1, timeout) } != 1 {
            return None;
        }
        let mut frame = vec![0; 65_536];
        // SAFETY: the kernel writes at most so many bytes.
        let received = unsafe {
            libc::recv(self.0.as_raw_fd(), frame.as_mut_ptr().cast(), frame.len(), libc::MSG_DONTWAIT)
        };
        frame.truncate(usize::try_from(received).ok()?);
        Some(frame)
    }
}

fn check<T: Copy + TryInto<isize>>(result: T) -> io::Result<T> {
    match result.try_into() {
        Ok(number) if number < 0 => Err(io::Error::last_os_error()),
        _ => Ok(result),
    }
}
