//! What is derived from the keys (RFC 8684 §3.1, §3.2, §3.4.1): token,
//! initial data sequence number, and the HMACs that keep strangers out.

use crate::base::{AddressId, Blank, DataSeqNumber, Key, OnDemand, Token};
use crate::wire::AddAddress;
use arrayvec::ArrayVec;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::net::IpAddr;

/// A key and what its SHA-256 says, which is computed once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashedKey {
    pub(super) key: Key,
    pub(super) token: Token,
    pub(super) initial_data_sequence: DataSeqNumber,
}

impl HashedKey {
    /// Of a connection that will never speak MPTCP.
    pub const UNUSED: Self = Self { key: Key(0), token: Token(0), initial_data_sequence: DataSeqNumber(0) };

    /// The token is the most significant 32 bits (RFC 8684 §3.2), the initial
    /// data sequence number of the key's owner the least significant 64 (§3.1).
    pub fn of(key: Key) -> Self {
        let digest = Sha256::digest(key.0.to_be_bytes());
        let number = |bytes: &[u8]| bytes.iter().fold(0, |number, &byte| number << 8 | u64::from(byte));
        Self {
            key,
            token: Token(number(&digest[..4]) as u32),
            initial_data_sequence: DataSeqNumber(number(&digest[24..])),
        }
    }

    /// Names the connection of the key's owner. The endpoint checks that it is
    /// unique.
    pub const fn token(&self) -> Token {
        self.token
    }
}

/// HMAC-SHA256 with one connection's keys, in both orders: the sender's is
/// followed by the receiver's. Half of the work follows from the keys alone, and
/// is kept while the connection is busy.
#[derive(Default)]
pub(super) struct Macs(OnDemand<Keyed>);

/// Which sender, and what follows from the keys.
#[derive(Default)]
struct Keyed(ArrayVec<(Key, Hmac<Sha256>), 2>);

impl Blank for Keyed {
    const BLANK: &'static Self = &Self(ArrayVec::new_const());
}

impl std::fmt::Debug for Macs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Macs(..)")
    }
}

impl Macs {
    fn of(&mut self, sender: Key, receiver: Key, message: &[&[u8]]) -> [u8; 32] {
        let known = self.0.0.iter().find(|(of, _)| *of == sender).map(|(_, mac)| mac.clone());
        let mut mac = known.unwrap_or_else(|| {
            let mac = keyed(sender, receiver);
            // A connection has two keys: both orders find room.
            let _ = self.0.0.try_push((sender, mac.clone()));
            mac
        });
        message.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().into()
    }

    /// Keeps nothing.
    pub(super) fn rest(&mut self) {
        self.0.discard();
    }

    /// The HMAC of a join: of the sender's nonce followed by the receiver's
    /// (RFC 8684 §3.2).
    pub(super) fn join(
        &mut self,
        (sender, receiver): (Key, Key),
        sender_nonce: u32,
        receiver_nonce: u32,
    ) -> [u8; 32] {
        self.of(sender, receiver, &[&sender_nonce.to_be_bytes(), &receiver_nonce.to_be_bytes()])
    }

    /// The rightmost 64 bits of an ADD_ADDR's HMAC: of id, address and port
    /// (0 if there is none), RFC 8684 §3.4.1.
    pub(super) fn add_address(
        &mut self,
        (sender, receiver): (Key, Key),
        id: AddressId,
        address: IpAddr,
        port: Option<u16>,
    ) -> u64 {
        let port = port.unwrap_or(0).to_be_bytes();
        let digest = match address {
            IpAddr::V4(v4) => self.of(sender, receiver, &[&[id.0], &v4.octets(), &port]),
            IpAddr::V6(v6) => self.of(sender, receiver, &[&[id.0], &v6.octets(), &port]),
        };
        digest[24..].iter().fold(0, |number, &byte| number << 8 | u64::from(byte))
    }

    /// Whether an ADD_ADDR's HMAC is right, in constant time.
    pub(super) fn is_genuine(&mut self, keys: (Key, Key), option: &AddAddress) -> bool {
        let Some(hmac) = option.hmac else { return false };
        let expected = self.add_address(keys, option.address_id, option.address, option.port);
        equal(&hmac.to_be_bytes(), &expected.to_be_bytes())
    }
}

fn keyed(sender: Key, receiver: Key) -> Hmac<Sha256> {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&sender.0.to_be_bytes());
    key[8..].copy_from_slice(&receiver.0.to_be_bytes());
    // HMAC takes a key of any length (RFC 2104 §2): 16 bytes never fail.
    <Hmac<Sha256> as KeyInit>::new_from_slice(&key).expect("HMAC takes any key length")
}

/// The leftmost 64 bits: for a SYN/ACK.
pub(super) fn leftmost_64(hmac: &[u8; 32]) -> u64 {
    hmac[..8].iter().fold(0, |number, &byte| number << 8 | u64::from(byte))
}

/// The leftmost 160 bits: for the third ACK.
pub(super) fn leftmost_160(hmac: &[u8; 32]) -> [u8; 20] {
    let mut left = [0; 20];
    left.copy_from_slice(&hmac[..20]);
    left
}

/// Comparison in constant time: how long it takes tells a stranger nothing.
pub(super) fn equal(left: &[u8], right: &[u8]) -> bool {
    use subtle::ConstantTimeEq;
    left.ct_eq(right).into()
}

#[cfg(test)]
mod tests;
