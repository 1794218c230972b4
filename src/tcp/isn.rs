//! Initial sequence numbers (RFC 6528).

use crate::base::{FourTuple, Instant, SeqNumber};
use siphasher::sip::SipHasher24;
use std::hash::Hasher;
use std::net::{IpAddr, SocketAddr};

/// Nanoseconds per tick of the clock (RFC 9293 §3.4.1: about 4 us).
const TICK_NS: u64 = 4_000;

/// The initial sequence number of RFC 6528: a 4-us clock plus a keyed hash
/// (SipHash-2-4) of the 4-tuple.
pub fn initial_sequence(secret: &[u8; 16], tuple: &FourTuple, now: Instant) -> SeqNumber {
    let mut hasher = SipHasher24::new_with_key(secret);
    write_address(&mut hasher, tuple.local);
    write_address(&mut hasher, tuple.remote);
    let clock = (now.as_nanos() / TICK_NS) as u32;
    SeqNumber(clock.wrapping_add(hasher.finish() as u32))
}

fn write_address(hasher: &mut SipHasher24, address: SocketAddr) {
    match address.ip() {
        IpAddr::V4(ip) => hasher.write(&ip.octets()),
        IpAddr::V6(ip) => hasher.write(&ip.octets()),
    }
    hasher.write(&address.port().to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Duration;

    fn tuple(local_port: u16) -> FourTuple {
        FourTuple {
            local: SocketAddr::from(([10, 0, 0, 1], local_port)),
            remote: SocketAddr::from(([10, 0, 0, 2], 80)),
        }
    }

    #[test]
    fn grows_with_the_clock_for_one_tuple() {
        let start = Instant::from_nanos(123);
        let first = initial_sequence(&[7; 16], &tuple(1), start);
        let later = initial_sequence(&[7; 16], &tuple(1), start + Duration::from_millis(4));
        assert_eq!(later.bytes_since(first), 1_000);
    }

    #[test]
    fn differs_by_tuple_and_secret() {
        let now = Instant::from_nanos(123);
        let first = initial_sequence(&[7; 16], &tuple(1), now);
        assert_ne!(first, initial_sequence(&[7; 16], &tuple(2), now));
        assert_ne!(first, initial_sequence(&[8; 16], &tuple(1), now));
    }
}
