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

/// A key that nobody else knows, so that strangers cannot choose the queue of
/// their flows.
pub(super) fn random_key() -> Result<[u8; ReceiveSpread::KEY_BYTES], Errno> {
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

    #[test]
    fn even_tables_serve_every_queue_alike() {
        assert!(is_even(&[0, 1, 2, 0], 3));
        assert!(is_even(&[1, 0, 1, 0], 2));
        assert!(!is_even(&[0, 0, 0, 0], 2));
        assert!(!is_even(&[0, 0, 0, 1], 2));
        assert!(!is_even(&[0, 1, 2, 3], 2), "queues that are not there");
    }

    #[test]
    fn keys_differ() {
        assert_ne!(random_key().unwrap(), random_key().unwrap());
    }
}
