//! Hashing with a secret: strangers choose 4-tuples and neighbour addresses,
//! and must not be able to choose which of them collide.

use crate::base::Random;
use siphasher::sip::SipHasher13;
use std::hash::BuildHasher;

/// SipHash-1-3 under a key of this endpoint.
#[derive(Clone, Debug)]
pub(super) struct KeyedHash(u64, u64);

impl KeyedHash {
    /// A key nobody else knows.
    pub(super) fn new(random: &mut Random) -> Self {
        Self(random.next_u64(), random.next_u64())
    }
}

impl BuildHasher for KeyedHash {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.0, self.1)
    }
}

/// A table whose keys strangers choose.
pub(super) type KeyedMap<K, V> = hashbrown::HashMap<K, V, KeyedHash>;
