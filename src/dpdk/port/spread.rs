//! How a port spreads received TCP segments over its queues: receive side
//! scaling with the Toeplitz hash.

use crate::base::{CoreIndex, Spread};
use crate::dpdk::{Errno, ffi};
use std::collections::HashMap;

/// How a port chooses the queue of a received TCP segment that is no fragment:
/// the Toeplitz hash with `key` over source address, destination address,
/// source port and destination port, as they lie in the segment, and then
/// `queues[hash % queues.len()]`. Everything else goes to `queues[0]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiveSpread {
    /// As much of the key as the 4-tuple of IPv6 uses.
    pub key: [u8; ReceiveSpread::KEY_BYTES],
    /// The queue of each entry of the redirection table: a power of two of
    /// entries.
    pub queues: Box<[u16]>,
}

impl ReceiveSpread {
    /// Bytes of a key: the 36 bytes of an IPv6 4-tuple and the 4 of a hash.
    pub const KEY_BYTES: usize = ffi::MPDK_HASH_KEY as usize;
    /// Entries of a table of our own.
    const ENTRIES: u16 = 128;

    /// Every queue alike.
    pub(super) fn even(key: [u8; Self::KEY_BYTES], queues: u16) -> Self {
        Self {
            key,
            queues: (0..Self::ENTRIES.max(queues.next_power_of_two())).map(|at| at % queues).collect(),
        }
    }

    /// The same, where each core has the queue of its number.
    pub fn over_cores(&self) -> Spread {
        Spread { key: self.key, table: self.queues.iter().map(|&queue| CoreIndex(queue as u8)).collect() }
    }
}

/// Bytes of the hash's input whose values often follow each other, and have to come to
/// different queues: the low ones of source address and both ports, of IPv4 and of IPv6.
const LOW_BYTES: [usize; 6] = [3, 9, 11, 15, 33, 35];
/// Bits of the smallest table that is ours or a NIC's usual one.
const INDEX_BITS: u32 = 7;
/// One key in some hundred spreads well. Without one the last is taken.
const DRAWS: u32 = 100_000;

/// A key that nobody else knows, so that strangers cannot choose the queue of
/// their flows. Many keys bring neighbouring ports to one queue: those are not taken.
pub(super) fn random_key() -> Result<[u8; ReceiveSpread::KEY_BYTES], Errno> {
    let mut key = draw()?;
    for _ in 0..DRAWS {
        if spreads_well(&key) {
            break;
        }
        key = draw()?;
    }
    Ok(key)
}

fn draw() -> Result<[u8; ReceiveSpread::KEY_BYTES], Errno> {
    let mut key = [0; ReceiveSpread::KEY_BYTES];
    let mut filled = 0;
    while filled < key.len() {
        match rustix::rand::getrandom(&mut key[filled..], rustix::rand::GetRandomFlags::empty()) {
            Ok(count) => filled += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(Errno::new(error.raw_os_error())),
        }
    }
    Ok(key)
}

/// Whether the lowest bits of each of [`LOW_BYTES`] lead to as many different entries
/// of a table as they have values.
fn spreads_well(key: &[u8; ReceiveSpread::KEY_BYTES]) -> bool {
    // The bit of the input at `at` adds the 32 bits of the key from there to the hash.
    let bit = |at: usize| key.get(at / 8).map_or(0, |byte| byte >> (7 - at % 8) & 1);
    let added = |at: usize| (0..32).fold(0_u32, |word, step| word << 1 | u32::from(bit(at + step)));
    LOW_BYTES.iter().all(|&byte| {
        let low_bits = |count: u32| (8 * byte + 8 - count as usize..8 * byte + 8).map(added);
        (1..=INDEX_BITS).all(|count| rank(low_bits(count)) == count)
    })
}

/// How many of the words' lowest [`INDEX_BITS`] are independent, as vectors of bits.
fn rank(words: impl Iterator<Item = u32>) -> u32 {
    let mut basis = [0_u32; INDEX_BITS as usize];
    let mut rank = 0;
    for word in words {
        let mut rest = word & ((1 << INDEX_BITS) - 1);
        while rest != 0 {
            let top = rest.ilog2() as usize;
            if basis[top] == 0 {
                basis[top] = rest;
                rank += 1;
                break;
            }
            rest ^= basis[top];
        }
    }
    rank
}

/// What the driver of a started port that was asked to hash says of it; `None`
/// if it does not say, or does not hash TCP over both IPv4 and IPv6. Where it
/// forgot the key or serves not all queues evenly it is told again.
pub(super) fn agree(id: u16, key: &[u8; ReceiveSpread::KEY_BYTES], queues: u16) -> Option<ReceiveSpread> {
    let found = ask(id)?;
    if found.key != *key {
        // SAFETY: the port is started; the key is copied.
        log_refusal("the key", unsafe { ffi::mpdk_port_set_hash_key(id, key.as_ptr()) });
    }
    if !is_even(entries(&found)?, queues) {
        // SAFETY: the port is started and has so many queues.
        log_refusal("the redirection table", unsafe { ffi::mpdk_port_set_even_spread(id, queues) });
    }
    let found = ask(id)?;
    let table = entries(&found)?;
    // Zeroes are what a driver leaves that does not tell its key.
    let known = found.tcp_ipv4 && found.tcp_ipv6 && found.key.iter().any(|&byte| byte != 0);
    let valid = table.iter().all(|&queue| queue < queues);
    (known && valid).then(|| ReceiveSpread { key: found.key, queues: table.into() })
}

fn ask(id: u16) -> Option<Box<ffi::mpdk_spread>> {
    let mut spread = Box::<ffi::mpdk_spread>::default();
    // SAFETY: the port is started; room for one description.
    Errno::check(unsafe { ffi::mpdk_port_spread(id, &raw mut *spread) }).ok()?;
    Some(spread)
}

fn entries(spread: &ffi::mpdk_spread) -> Option<&[u16]> {
    spread.queues.get(..spread.entries as usize)
}

fn log_refusal(what: &str, result: i32) {
    if let Err(errno) = Errno::check(result) {
        tracing::warn!(%errno, "the driver does not take {what} of its receive hash");
    }
}

/// Whether every queue has as many entries as the others, or one less.
fn is_even(table: &[u16], queues: u16) -> bool {
    let mut counts: HashMap<u16, usize> = HashMap::new();
    table.iter().for_each(|&queue| *counts.entry(queue).or_default() += 1);
    let share = table.len() / usize::from(queues);
    (0..queues).all(|queue| counts.get(&queue).is_some_and(|&count| count == share || count == share + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::FourTuple;
    use std::collections::HashSet;

    #[test]
    fn even_tables_serve_every_queue_alike() {
        assert!(is_even(&[0, 1, 2, 0], 3));
        assert!(is_even(&[1, 0, 1, 0], 2));
        assert!(!is_even(&[0, 0, 0, 0], 2));
        assert!(!is_even(&[0, 0, 0, 1], 2));
        assert!(!is_even(&[0, 1, 2, 3], 2), "queues that are not there");
    }

    #[test]
    fn neighbours_come_to_different_entries() {
        for _ in 0..20 {
            let spread = ReceiveSpread::even(random_key().unwrap(), 128).over_cores();
            for v6 in [false, true] {
                let end = |port| -> std::net::SocketAddr {
                    if v6 { ([7; 16], port).into() } else { ([10, 0, 0, 1], port).into() }
                };
                let (by_remote, by_local): (HashSet<_>, HashSet<_>) = (0..128)
                    .map(|step| {
                        let remote = FourTuple { local: end(80), remote: end(40_960 + step) };
                        let local = FourTuple { local: end(40_960 + step), remote: end(80) };
                        (spread.core(&remote), spread.core(&local))
                    })
                    .unzip();
                assert_eq!((by_remote.len(), by_local.len()), (128, 128));
            }
        }
    }

    #[test]
    fn keys_without_a_pattern_are_few_and_bad_ones_are_known() {
        assert!(!spreads_well(&[0; ReceiveSpread::KEY_BYTES]));
        assert!(!spreads_well(&[0xff; ReceiveSpread::KEY_BYTES]));
        assert!(!spreads_well(&[0x55; ReceiveSpread::KEY_BYTES]), "each bit as the second before");
        assert_eq!(rank([1, 2, 3, 0x80].into_iter()), 2);
    }

    #[test]
    fn keys_differ() {
        assert_ne!(random_key().unwrap(), random_key().unwrap());
    }
}
