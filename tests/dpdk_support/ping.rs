//! Echo requests (RFC 792) by the kernel of a network namespace.

use super::frames::checksum;
use std::net::UdpSocket;
use std::os::fd::FromRawFd;
use std::time::Duration;

/// A raw ICMP socket, in the namespace of the thread that makes it.
#[derive(Debug)]
pub struct Ping(UdpSocket);

impl Ping {
    pub fn new(to: [u8; 4]) -> Self {
        // SAFETY: creates a descriptor.
        let fd =
            unsafe { libc::socket(libc::AF_INET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::IPPROTO_ICMP) };
        assert!(fd >= 0, "{}", std::io::Error::last_os_error());
        // SAFETY: a descriptor that nobody else has; connecting, sending and
        // receiving are the same calls for raw sockets.
        let socket = unsafe { UdpSocket::from_raw_fd(fd) };
        socket.connect((std::net::Ipv4Addr::from(to), 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Self(socket)
    }

    /// Sends an echo request and waits for its reply.
    ///
    /// # Panics
    /// If none comes within ten seconds.
    pub fn round_trip(&self, sequence: u16, payload: &[u8]) {
        let request = self.send(sequence, payload);
        let mut reply = [0; 2048];
        loop {
            let len = match self.0.recv(&mut reply) {
                // A signal for a TAP of this process: they interrupt any thread.
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                received => received.expect("an echo reply"),
            };
            // The kernel puts the IPv4 header in front.
            let icmp = &reply[20..len];
            if icmp[0] == 0 && icmp[4..] == request[4..] {
                return;
            }
        }
    }

    fn send(&self, sequence: u16, payload: &[u8]) -> Vec<u8> {
        let mut request = vec![8, 0, 0, 0, 0x6d, 0x70];
        request.extend_from_slice(&sequence.to_be_bytes());
        request.extend_from_slice(payload);
        let sum = checksum(&request);
        request[2..4].copy_from_slice(&sum);
        assert_eq!(self.0.send(&request).unwrap(), request.len());
        request
    }
}
