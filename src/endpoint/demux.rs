//! Which subflow a segment belongs to: by 4-tuple, and joins by token.

use super::keyed_hash::{KeyedHash, KeyedMap};
use crate::base::{ConnectionId, FourTuple, SubflowId, Token};
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, SocketAddr};

/// A subflow of a connection of this endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) connection: ConnectionId,
    pub(super) subflow: SubflowId,
}

/// A 4-tuple as it is hashed: one run of bytes. IPv4 addresses are written as
/// IPv4-mapped ones, which are no address of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct TupleKey([u8; 36]);

/// The tables.
#[derive(Debug)]
pub(super) struct Demux {
    tuples: KeyedMap<TupleKey, Owner>,
    tokens: KeyedMap<u32, ConnectionId>,
}

impl TupleKey {
    fn new(tuple: &FourTuple) -> Self {
        let mut key = [0; 36];
        let (addresses, ports) = key.split_at_mut(32);
        let (local, remote) = addresses.split_at_mut(16);
        local.copy_from_slice(&octets(tuple.local));
        remote.copy_from_slice(&octets(tuple.remote));
        ports[..2].copy_from_slice(&tuple.local.port().to_be_bytes());
        ports[2..].copy_from_slice(&tuple.remote.port().to_be_bytes());
        Self(key)
    }
}

fn octets(address: SocketAddr) -> [u8; 16] {
    match address.ip() {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

impl Hash for TupleKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(&self.0);
    }
}

impl Demux {
    pub(super) fn new(hash: KeyedHash) -> Self {
        Self { tuples: KeyedMap::with_hasher(hash.clone()), tokens: KeyedMap::with_hasher(hash) }
    }

    /// Whose 4-tuple it is.
    pub(super) fn owner(&self, tuple: &FourTuple) -> Option<Owner> {
        self.tuples.get(&TupleKey::new(tuple)).copied()
    }

    /// Whether nobody has the 4-tuple.
    pub(super) fn is_free(&self, tuple: &FourTuple) -> bool {
        self.owner(tuple).is_none()
    }

    /// Notes the owner of a free 4-tuple.
    pub(super) fn insert(&mut self, tuple: &FourTuple, owner: Owner) {
        self.tuples.insert(TupleKey::new(tuple), owner);
    }

    /// Frees a 4-tuple, if it still is `owner`'s.
    pub(super) fn remove(&mut self, tuple: &FourTuple, owner: Owner) {
        let key = TupleKey::new(tuple);
        if self.tuples.get(&key) == Some(&owner) {
            self.tuples.remove(&key);
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
        for (index, tuple) in tuples.iter().enumerate() {
            assert!(demux.is_free(tuple));
            demux.insert(tuple, owner(index as u32));
        }
        for (index, tuple) in tuples.iter().enumerate() {
            assert_eq!(demux.owner(tuple), Some(owner(index as u32)));
        }
        demux.remove(&tuples[0], owner(3));
        assert!(!demux.is_free(&tuples[0]), "only the owner frees a tuple");
        demux.remove(&tuples[0], owner(0));
        assert!(demux.is_free(&tuples[0]));
    }
}
