//! Line-rate source and sink: programs inside the engine that measure it.
//!
//! The passive side ([`Sink`]) answers whatever the active side asks for in the
//! first bytes of a connection ([`Wish`]). The active side drives one figure:
//! bytes per second ([`Source`]), round trips ([`RoundTrips`]), connections per
//! second ([`Connects`]) or what idle connections cost ([`Idlers`]). It warms
//! up, measures a number of runs of equal length, and sends a [`Measured`] for
//! each.

mod connects;
mod idlers;
mod phases;
mod round_trips;
mod sink;
mod source;
#[cfg(test)]
mod tests;
mod wish;

pub use connects::Connects;
pub use idlers::Idlers;
pub use phases::{LinkBytes, Measured, News, Plan, Value};
pub use round_trips::{Exchange, RoundTrips};
pub use sink::Sink;
pub use source::Source;
pub use wish::Wish;

use crate::base::Packet;
use crate::engine::Bytes;
use std::net::SocketAddr;

/// What the active programs have in common.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where the passive side listens.
    pub address: SocketAddr,
    /// How many ports from that of `address` on it listens at.
    pub ports: u16,
    /// Connections at once.
    pub connections: usize,
}

/// The same address `number` ports further.
const fn later_port(address: SocketAddr, number: u16) -> SocketAddr {
    let mut address = address;
    address.set_port(address.port().wrapping_add(number));
    address
}

/// Payload to send, over and over, by reference.
#[derive(Debug)]
pub struct Pattern<D>(Vec<D>);

impl<D: Packet> Pattern<D> {
    /// From packets that stay in the devices' memory.
    ///
    /// # Panics
    /// If there is none, or an empty one.
    pub fn new(packets: Vec<D>) -> Self {
        assert!(!packets.is_empty() && packets.iter().all(|packet| !packet.is_empty()), "an empty pattern");
        Self(packets)
    }

    /// At most `bytes` of the packet number `turn`.
    fn piece(&self, turn: usize, bytes: usize) -> Bytes<D> {
        let packet = &self.0[turn % self.0.len()];
        Bytes::Resident(packet.slice(0, bytes.min(packet.len())))
    }

    /// A packet with `bytes` at its front, which `packet` has room for.
    fn first(&self, bytes: usize) -> Bytes<D> {
        self.piece(0, bytes)
    }
}
