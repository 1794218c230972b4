//! Which subflow a segment belongs to: by 4-tuple, and joins by token.

use super::keyed_hash::{KeyedHash, KeyedMap};
use crate::base::{ConnectionId, FourTuple, SubflowId, Token};
use hashbrown::HashTable;
use std::hash::{BuildHasher, Hasher};
use std::net::IpAddr;

/// A subflow of a connection of this endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) connection: ConnectionId,
    pub(super) subflow: SubflowId,
}

/// A 4-tuple's owner and half of its hash: the 4-tuple itself is in the headers
/// that the owner's segments begin with, and need not be kept twice.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    hash: TupleHash,
    owner: Owner,
}

/// Half of a 4-tuple's hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TupleHash(u32);

impl TupleHash {
    /// The hash for a table, which looks at the highest and the lowest bits.
    pub(super) fn spread(self) -> u64 {
        u64::from(self.0) << 32 | u64::from(self.0)
    }
}

/// The tables.
#[derive(Debug)]
pub(super) struct Demux {
    hash: KeyedHash,
    tuples: HashTable<Entry>,
    tokens: KeyedMap<u32, ConnectionId>,
}

impl Demux {
    pub(super) fn new(hash: KeyedHash) -> Self {
        Self { tuples: HashTable::new(), tokens: KeyedMap::with_hasher(hash.clone()), hash }
    }

    /// The hash by which a 4-tuple is found.
    pub(super) fn hash(&self, tuple: &FourTuple) -> TupleHash {
        let mut hasher = self.hash.build_hasher();
        match (tuple.local.ip(), tuple.remote.ip()) {
            (IpAddr::V4(local), IpAddr::V4(remote)) => {
                hasher.write_u64(u64::from(local.to_bits()) << 32 | u64::from(remote.to_bits()));
            }
            (local, remote) => {
                hasher.write(&octets(local));
                hasher.write(&octets(remote));
            }
        }
        hasher.write_u32(u32::from(tuple.local.port()) << 16 | u32::from(tuple.remote.port()));
        TupleHash(hasher.finish() as u32)
    }

    /// Whose 4-tuple of this hash it is. `has` tells whether an owner has it.
    pub(super) fn owner(&self, hash: TupleHash, has: impl Fn(Owner) -> bool) -> Option<Owner> {
        let found = self.tuples.find(hash.spread(), |entry| entry.hash == hash && has(entry.owner));
        found.map(|entry| entry.owner)
    }

    /// Notes the owner of a free 4-tuple.
    pub(super) fn insert(&mut self, tuple: &FourTuple, owner: Owner) {
        let entry = Entry { hash: self.hash(tuple), owner };
        self.tuples.insert_unique(entry.hash.spread(), entry, |entry| entry.hash.spread());
    }

    /// Frees a 4-tuple, if it still is `owner`'s.
    pub(super) fn remove(&mut self, tuple: &FourTuple, owner: Owner) {
        let hash = self.hash(tuple);
        let is_it = |entry: &Entry| entry.hash == hash && entry.owner == owner;
        if let Ok(entry) = self.tuples.find_entry(hash.spread(), is_it) {
            entry.remove();
        }
    }

    /// The connection of a token.
    pub(super) fn by_token(&self, token: Token) -> Option<ConnectionId> {
        self.tokens.get(&token.0).copied()
    }

    /// Notes the connection of a token nobody has.
    pub(super) fn insert_token(&mut self, token: Token, connection: ConnectionId) {
        self.tokens.insert(token.0, connection);
    }

    /// Frees a token.
    pub(super) fn remove_token(&mut self, token: Token) {
        self.tokens.remove(&token.0);
    }
}

fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Random;

    fn tuple(local: &str, remote: &str) -> FourTuple {
        FourTuple { local: local.parse().unwrap(), remote: remote.parse().unwrap() }
    }

    #[test]
    fn each_tuple_has_one_owner() {
        let mut demux = Demux::new(KeyedHash::new(&mut Random::from_number(1)));
        let owner =
            |index| Owner { connection: ConnectionId { index, generation: 0 }, subflow: SubflowId(0) };
        let tuples = [
            tuple("10.0.0.1:80", "10.0.0.2:1000"),
            tuple("10.0.0.2:80", "10.0.0.1:1000"),
            tuple("10.0.0.1:1000", "10.0.0.2:80"),
            tuple("[2001:db8::1]:80", "[2001:db8::2]:1000"),
        ];
        let has = |wanted: &FourTuple| {
            let wanted = *wanted;
            move |owner: Owner| tuples[owner.connection.index as usize] == wanted
        };
        for (index, tuple) in tuples.iter().enumerate() {
            assert_eq!(demux.owner(demux.hash(tuple), has(tuple)), None);
            demux.insert(tuple, owner(index as u32));
        }
        for (index, tuple) in tuples.iter().enumerate() {
            assert_eq!(demux.owner(demux.hash(tuple), has(tuple)), Some(owner(index as u32)));
            assert_eq!(demux.owner(demux.hash(tuple), |_| false), None, "a hash is no proof");
        }
        demux.remove(&tuples[0], owner(3));
        assert!(
            demux.owner(demux.hash(&tuples[0]), has(&tuples[0])).is_some(),
            "only the owner frees a tuple"
        );
        demux.remove(&tuples[0], owner(0));
        assert_eq!(demux.owner(demux.hash(&tuples[0]), has(&tuples[0])), None);
    }
}
