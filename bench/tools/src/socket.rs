//! Sockets of the kernel, as MPTCP or as TCP. The standard library opens TCP
//! only; from there on it takes any stream.

use std::io;
use std::net::{SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// What the kernel speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Mptcp,
    Tcp,
}

impl Protocol {
    /// From its name on the command line.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "mptcp" => Some(Self::Mptcp),
            "tcp" => Some(Self::Tcp),
            _ => None,
        }
    }

    fn number(self) -> libc::c_int {
        match self {
            Self::Mptcp => libc::IPPROTO_MPTCP,
            Self::Tcp => libc::IPPROTO_TCP,
        }
    }
}

/// A listener; says so on standard output, where the one that connects is
/// waited for.
pub fn listen(address: SocketAddrV4, protocol: Protocol) -> io::Result<TcpListener> {
    let socket = open(protocol)?;
    let fd = socket.as_raw_fd();
    let on: libc::c_int = 1;
    // SAFETY: the option's value is an int that outlives the call.
    check(unsafe {
        libc::setsockopt(
            fd,
            libc::SOL_SOCKET,
            libc::SO_REUSEADDR,
            (&raw const on).cast(),
            size_of_val(&on) as libc::socklen_t,
        )
    })?;
    let raw = raw_address(address);
    // SAFETY: a sockaddr_in of its own size, which outlives the call.
    check(unsafe { libc::bind(fd, (&raw const raw).cast(), size_of_val(&raw) as libc::socklen_t) })?;
    // SAFETY: no memory is passed.
    check(unsafe { libc::listen(fd, 4096) })?;
    println!("listening");
    Ok(socket.into())
}

/// A connected stream.
pub fn connect(address: SocketAddrV4, protocol: Protocol) -> io::Result<TcpStream> {
    let socket = open(protocol)?;
    let raw = raw_address(address);
    // SAFETY: a sockaddr_in of its own size, which outlives the call.
    check(unsafe {
        libc::connect(socket.as_raw_fd(), (&raw const raw).cast(), size_of_val(&raw) as libc::socklen_t)
    })?;
    Ok(socket.into())
}

fn open(protocol: Protocol) -> io::Result<OwnedFd> {
    // SAFETY: no memory is passed.
    let fd =
        unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, protocol.number()) };
    check(fd)?;
    // SAFETY: the kernel has just made this descriptor, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn raw_address(address: SocketAddrV4) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: address.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from(*address.ip()).to_be() },
        sin_zero: [0; 8],
    }
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
