//! Echo requests (RFC 792) by the kernel of a network namespace.

use super::frames::checksum;
use std::io::ErrorKind;
use std::net::UdpSocket;
use std::os::fd::FromRawFd;
use std::time::{Duration, Instant};

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
        Self(socket)
    }

    /// Sends an echo request and waits for its reply.
    ///
    /// # Panics
    /// If none comes within ten seconds.
    pub fn round_trip(&self, sequence: u16, payload: &[u8]) {
        assert!(self.round_trip_within(sequence, payload, Duration::from_secs(10)), "an echo reply");
    }

    /// The same; `false` if no reply comes in time.
    pub fn round_trip_within(&self, sequence: u16, payload: &[u8], patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        let request = self.send(sequence, payload);
        let mut reply = [0; 2048];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            self.0.set_read_timeout(Some(left)).unwrap();
            let len = match self.0.recv(&mut reply) {
                Ok(len) => len,
                Err(error) => match error.kind() {
                    // A signal for a TAP of this process: they interrupt any thread.
                    ErrorKind::Interrupted | ErrorKind::WouldBlock => continue,
                    _ => panic!("{error}"),
                },
            };
            // The kernel puts the IPv4 header in front.
            let icmp = &reply[20..len];
            if icmp[0] == 0 && icmp[4..] == request[4..] {
                return true;
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
