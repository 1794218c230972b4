//! The words every other room uses: time as integers, sequence numbers,
//! identifiers, packet memory by reference, and the one list of outcomes.

mod ids;
mod on_demand;
mod outcome;
mod packet;
mod queue;
mod random;
mod range_set;
mod seq;
mod slab;
mod spread;
mod time;
mod toeplitz;

pub use ids::{
    AddressId, ConnectionId, CoreIndex, FourTuple, Key, ListenerId, PackedSocket, PackedTuple, PortIndex,
    PortSet, SubflowId, Token,
};
pub use on_demand::{Blank, OnDemand};
pub use outcome::{Counters, Outcome};
pub use packet::{
    ChecksumState, FrameSink, HeapPacket, Packet, Payload, ReceiveMeta, TransmitFrame, TransmitOffload,
};
pub use queue::Queue;
pub use random::Random;
pub use range_set::RangeSet;
pub use seq::{DataSeqNumber, SeqNumber};
pub use slab::Slab;
pub use spread::{SPREAD_KEY_BYTES, Spread, Spreader};
pub use time::{Duration, Instant};

/// What every handler of the pure core is given: the time, randomness and
/// where to count. Handlers read nothing else of the world.
#[derive(Debug)]
pub struct Context<'a> {
    /// One reading of the clock per loop iteration.
    pub now: Instant,
    /// Keys, nonces, initial sequence numbers, jitter.
    pub random: &'a mut Random,
    /// Every drop and event is counted here, once.
    pub counters: &'a mut Counters,
}

impl Context<'_> {
    /// Counts one `outcome`.
    pub fn count(&mut self, outcome: Outcome) {
        self.counters.add(outcome, 1);
    }

    /// The same context for a callee, borrowed for less long.
    pub fn reborrow(&mut self) -> Context<'_> {
        Context { now: self.now, random: self.random, counters: self.counters }
    }
}
