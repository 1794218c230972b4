//! Identifiers and keys, each its own type so that none is taken for another.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Which NIC port of the endpoint: the index in configuration order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortIndex(pub u8);

/// Which core's engine, of several that share ports and addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CoreIndex(pub u8);

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

/// An address and a port as they are kept: half as long. IPv4 addresses are
/// written as IPv4-mapped ones, which are no address of a host; scopes and flow
/// labels are not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackedSocket {
    address: [u8; 16],
    port: u16,
}

/// A 4-tuple as it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackedTuple {
    local: PackedSocket,
    remote: PackedSocket,
}

fn packed(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

fn unpacked(address: [u8; 16]) -> IpAddr {
    let address = Ipv6Addr::from(address);
    address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4)
}

impl PackedSocket {
    /// Whether both are ports of one address.
    pub fn shares_address(&self, other: &Self) -> bool {
        self.address == other.address
    }
}

impl From<SocketAddr> for PackedSocket {
    fn from(socket: SocketAddr) -> Self {
        Self { address: packed(socket.ip()), port: socket.port() }
    }
}

impl From<PackedSocket> for SocketAddr {
    fn from(socket: PackedSocket) -> Self {
        Self::new(unpacked(socket.address), socket.port)
    }
}

impl From<FourTuple> for PackedTuple {
    fn from(tuple: FourTuple) -> Self {
        Self { local: tuple.local.into(), remote: tuple.remote.into() }
    }
}

impl From<PackedTuple> for FourTuple {
    fn from(tuple: PackedTuple) -> Self {
        Self { local: tuple.local.into(), remote: tuple.remote.into() }
    }
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

    /// Whether every port of the set is in `other` too.
    pub const fn is_within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_tuple_is_the_same_tuple() {
        for (local, remote) in [("10.0.0.1:80", "192.0.2.9:1000"), ("[2001:db8::1]:80", "[2001:db8::2]:1000")]
        {
            let tuple = FourTuple { local: local.parse().unwrap(), remote: remote.parse().unwrap() };
            assert_eq!(FourTuple::from(PackedTuple::from(tuple)), tuple);
        }
        assert_eq!((size_of::<PackedSocket>(), size_of::<PackedTuple>()), (18, 36));
    }
}
