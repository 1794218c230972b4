//! Identifiers and keys, each its own type so that none is taken for another.

use std::fmt;
use std::net::SocketAddr;

/// Which NIC port of the endpoint: the index in configuration order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortIndex(pub u8);

/// A set of ports, at most 64.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortSet(u64);

/// A subflow of one connection: a slot that is used again after it closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubflowId(pub u8);

/// An address of either side, unique per sender and connection
/// (RFC 8684 §3.4.1). The initial subflow's addresses have 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressId(pub u8);

/// A connection of one endpoint. A slot is used again with another
/// generation, so that an old id never names a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionId {
    /// The slot.
    pub index: u32,
    /// How often the slot was used before.
    pub generation: u32,
}

/// A listener of one endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ListenerId(pub u32);

/// A key exchanged in MP_CAPABLE (RFC 8684 §3.1): the secret of one side.
/// `Debug` does not print it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key(pub u64);

/// Names a connection in MP_JOIN: the most significant 32 bits of SHA-256 of
/// the receiver's key (RFC 8684 §3.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token(pub u32);

/// Both ends of a subflow, seen from this endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FourTuple {
    /// Our address and port.
    pub local: SocketAddr,
    /// The peer's address and port.
    pub remote: SocketAddr,
}

impl PortSet {
    /// No port.
    pub const EMPTY: Self = Self(0);
    /// Every port there can be.
    pub const ALL: Self = Self(u64::MAX);

    /// Adds a port.
    pub const fn insert(&mut self, port: PortIndex) {
        self.0 |= 1 << (port.0 & 63);
    }

    /// Takes a port out.
    pub const fn remove(&mut self, port: PortIndex) {
        self.0 &= !(1 << (port.0 & 63));
    }

    /// Whether the port is in the set.
    pub const fn contains(self, port: PortIndex) -> bool {
        self.0 & (1 << (port.0 & 63)) != 0
    }

    /// Whether no port is in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({:08x})", self.0)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl fmt::Display for FourTuple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} <-> {}", self.local, self.remote)
    }
}
