//! How a port spreads the segments that it receives over the queues of several
//! cores.

use super::toeplitz::{self, Rows};
use super::{CoreIndex, FourTuple};
use std::fmt;

/// Bytes of a NIC's hash key, as far as it is used.
pub use super::toeplitz::KEY_BYTES as SPREAD_KEY_BYTES;

/// How a port chooses the queue of a received TCP segment: its hash's low bits
/// choose from a table.
#[derive(Clone)]
pub struct Spread {
    /// The key of the Toeplitz hash.
    pub key: [u8; SPREAD_KEY_BYTES],
    /// The core of each entry; as many as a power of two.
    pub table: Box<[CoreIndex]>,
}

impl Spread {
    /// The core whose queue a segment from the remote end comes to.
    pub fn core(&self, tuple: &FourTuple) -> Option<CoreIndex> {
        let hash = toeplitz::hash(&self.key, tuple) as usize;
        self.table.get(hash & self.table.len().wrapping_sub(1)).copied()
    }
}

impl fmt::Debug for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The key lets strangers choose queues.
        f.debug_struct("Spread").field("table", &self.table.len()).finish_non_exhaustive()
    }
}

/// A [`Spread`] made ready for every frame.
pub struct Spreader {
    rows: Box<Rows>,
    table: Box<[CoreIndex]>,
}

impl Spreader {
    /// # Panics
    /// If the table has not as many entries as a power of two.
    pub fn new(spread: &Spread) -> Self {
        assert!(spread.table.len().is_power_of_two(), "a table of {}", spread.table.len());
        Self { rows: Rows::new(&spread.key), table: spread.table.clone() }
    }

    /// The core whose queue a segment comes to: by its source and destination
    /// address, and its source and destination port, as they lie in the packet.
    pub fn core(&self, addresses: &[u8], ports: &[u8]) -> CoreIndex {
        let hash = self.rows.hash(addresses.iter().chain(ports)) as usize;
        self.table[hash & (self.table.len() - 1)]
    }
}

impl fmt::Debug for Spreader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spreader").field("table", &self.table.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Random;

    fn spread(random: &mut Random) -> Spread {
        let key = std::array::from_fn(|_| random.next_u64() as u8);
        Spread { key, table: (0..128).map(|entry| CoreIndex(entry % 5)).collect() }
    }

    #[test]
    fn both_ways_to_the_core_are_one() {
        let mut random = Random::from_number(3);
        for _ in 0..1000 {
            let spread = spread(&mut random);
            let spreader = Spreader::new(&spread);
            let bytes: [u8; 36] = std::array::from_fn(|_| random.next_u64() as u8);
            let ports = [bytes[32], bytes[33], bytes[34], bytes[35]];
            let (source, destination): ([u8; 16], [u8; 16]) =
                (bytes[..16].try_into().unwrap(), bytes[16..32].try_into().unwrap());
            let port = |at: usize| u16::from_be_bytes([ports[at], ports[at + 1]]);
            let six = FourTuple { remote: (source, port(0)).into(), local: (destination, port(2)).into() };
            assert_eq!(spread.core(&six), Some(spreader.core(&bytes[..32], &ports)));
            let (source, destination): ([u8; 4], [u8; 4]) =
                (bytes[..4].try_into().unwrap(), bytes[4..8].try_into().unwrap());
            let four = FourTuple { remote: (source, port(0)).into(), local: (destination, port(2)).into() };
            assert_eq!(spread.core(&four), Some(spreader.core(&bytes[..8], &ports)));
        }
    }

    #[test]
    fn an_empty_table_has_no_core() {
        let tuple =
            FourTuple { local: "10.0.0.1:80".parse().unwrap(), remote: "10.0.0.2:1000".parse().unwrap() };
        let empty = Spread { key: [1; SPREAD_KEY_BYTES], table: Box::new([]) };
        assert_eq!(empty.core(&tuple), None);
    }
}
