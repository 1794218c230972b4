//! The kernel's MPTCP by its socket calls: no program needed.

use super::namespace::Namespace;
use std::io;
use std::mem;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

const IPPROTO_MPTCP: i32 = 262;
const SOL_MPTCP: i32 = 284;
const MPTCP_INFO: i32 = 1;

/// What the kernel says of a connection (`struct mptcp_info`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MptcpInfo {
    /// Subflows beside the first.
    pub subflows: u8,
    /// Addresses announced.
    pub add_addr_signal: u8,
    /// Addresses of the peer accepted.
    pub add_addr_accepted: u8,
    /// Plain TCP.
    pub fallback: bool,
    /// The token.
    pub token: u32,
}

/// Listens for MPTCP in a namespace. The kernel accepts a join only where a
/// listener exists: at an unspecified address for joins at any.
pub fn kernel_mptcp_listener(namespace: &Namespace, address: SocketAddr) -> io::Result<TcpListener> {
    namespace.enter(|| {
        let socket = mptcp_socket(address.ip())?;
        set_option(&socket, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
        bind(&socket, address)?;
        // SAFETY: the descriptor is a socket of ours.
        check(unsafe { libc::listen(socket.as_raw_fd(), 128) })?;
        Ok(TcpListener::from(socket))
    })
}

/// Connects by MPTCP from a namespace; `local`: from this address instead of
/// the one that routing chooses.
pub fn kernel_mptcp_connect(
    namespace: &Namespace,
    local: Option<IpAddr>,
    remote: SocketAddr,
) -> io::Result<TcpStream> {
    namespace.enter(|| connect(local, remote))
}

/// So many connections, all of which stay. Some are opened at a time: on a busy
/// machine each waits for its turn.
pub fn kernel_mptcp_connections(
    namespace: &Namespace,
    remote: SocketAddr,
    count: usize,
) -> io::Result<Vec<TcpStream>> {
    const AT_A_TIME: usize = 16;
    let open = |part: usize| -> io::Result<Vec<_>> {
        (part..count).step_by(AT_A_TIME).map(|_| connect(None, remote)).collect()
    };
    // Threads are in the namespace of the one that starts them.
    let opened = namespace.enter(|| {
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..AT_A_TIME).map(|part| scope.spawn(move || open(part))).collect();
            threads.into_iter().map(|it| it.join().expect("no panic")).collect::<io::Result<Vec<_>>>()
        })
    });
    Ok(opened?.into_iter().flatten().collect())
}

fn connect(local: Option<IpAddr>, remote: SocketAddr) -> io::Result<TcpStream> {
    let socket = mptcp_socket(remote.ip())?;
    if let Some(local) = local {
        bind(&socket, SocketAddr::new(local, 0))?;
    }
    let (storage, length) = raw_address(remote);
    // SAFETY: the address lies in `storage`, `length` bytes of it.
    check(unsafe { libc::connect(socket.as_raw_fd(), (&raw const storage).cast(), length) })?;
    Ok(TcpStream::from(socket))
}

/// What the kernel says of a connection. An error after a fallback that came
/// with the first SYN: the socket is one of TCP then.
pub fn mptcp_info(stream: &TcpStream) -> io::Result<MptcpInfo> {
    let mut bytes = [0u8; 128];
    let mut length = libc::socklen_t::try_from(bytes.len()).expect("a small number");
    // SAFETY: the kernel writes `length` bytes at most.
    check(unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            SOL_MPTCP,
            MPTCP_INFO,
            bytes.as_mut_ptr().cast(),
            &raw mut length,
        )
    })?;
    let word = |at: usize| u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    Ok(MptcpInfo {
        subflows: bytes[0],
        add_addr_signal: bytes[1],
        add_addr_accepted: bytes[2],
        fallback: word(8) & 1 != 0,
        token: word(12),
    })
}

fn mptcp_socket(family_of: IpAddr) -> io::Result<OwnedFd> {
    let family = if family_of.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    // SAFETY: no memory is involved.
    let fd = check(unsafe { libc::socket(family, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, IPPROTO_MPTCP) })?;
    // SAFETY: a new descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn set_option(socket: &OwnedFd, level: i32, option: i32, value: i32) -> io::Result<()> {
    let length = libc::socklen_t::try_from(size_of::<i32>()).expect("a small number");
    // SAFETY: the value is an int and outlives the call.
    check(unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const value).cast(), length) })?;
    Ok(())
}

fn bind(socket: &OwnedFd, address: SocketAddr) -> io::Result<()> {
    let (storage, length) = raw_address(address);
    // SAFETY: the address lies in `storage`, `length` bytes of it.
    check(unsafe { libc::bind(socket.as_raw_fd(), (&raw const storage).cast(), length) })?;
    Ok(())
}

fn raw_address(address: SocketAddr) -> (libc::sockaddr_storage, libc::socklen_t) {
    // SAFETY: all zeros are a valid address of no family.
    let mut storage: libc::sockaddr_storage = unsafe { mem::zeroed() };
    let length = match address {
        SocketAddr::V4(v4) => {
            let raw = libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: v4.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(v4.ip().octets()) },
                sin_zero: [0; 8],
            };
            // SAFETY: the storage is large enough and aligned for every address.
            unsafe { (&raw mut storage).cast::<libc::sockaddr_in>().write(raw) };
            size_of::<libc::sockaddr_in>()
        }
        SocketAddr::V6(v6) => {
            let raw = libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: v6.port().to_be(),
                sin6_flowinfo: v6.flowinfo(),
                sin6_addr: libc::in6_addr { s6_addr: v6.ip().octets() },
                sin6_scope_id: v6.scope_id(),
            };
            // SAFETY: the storage is large enough and aligned for every address.
            unsafe { (&raw mut storage).cast::<libc::sockaddr_in6>().write(raw) };
            size_of::<libc::sockaddr_in6>()
        }
    };
    (storage, libc::socklen_t::try_from(length).expect("a small number"))
}

fn check(result: i32) -> io::Result<i32> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
