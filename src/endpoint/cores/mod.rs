//! One core's host among several that share ports and addresses.
//!
//! A connection belongs to one core. Most of its frames come to that core's
//! queues, because local ports and keys are drawn until they do. For the others
//! there are claims: the owner says to the core whose queue they come to that
//! they are its own, and gets them from there. What a core learns of neighbours
//! and routers it tells the others: each has tables of its own, and reads them
//! without asking anybody.
//!
//! Messages are handed to the cores before the frames that answer what was
//! sent after them: a core that takes in its messages before it sorts, and
//! looks twice at frames which nobody knows, with its messages in between,
//! misses no claim.

mod message;
mod sort;

use super::demux::{Owner, TupleHash};
use super::{Endpoint, Steering};
use crate::base::{CoreIndex, FourTuple, PackedTuple, Packet, PortIndex, Token};
use hashbrown::HashTable;
pub use message::{CoreMessage, Sighting};
use sort::Ends;
pub use sort::Sorted;
use std::collections::VecDeque;

/// What a core wishes of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowWish {
    /// That it brings a flow's segments here by itself: many of them came to another
    /// core.
    Bring {
        /// The port that receives them.
        port: PortIndex,
        /// The flow.
        tuple: FourTuple,
    },
    /// No more: the flow is over.
    Release {
        /// The port.
        port: PortIndex,
        /// The flow.
        tuple: FourTuple,
    },
}

/// What a host that has others beside it knows of them.
#[derive(Debug)]
pub(super) struct Cores {
    pub(super) steering: Steering,
    /// Ends whose segments come here and belong elsewhere.
    claims: HashTable<Claim>,
    /// Ends of ours whose segments come to others.
    claimed: HashTable<Claimed>,
    claims_most: usize,
    outgoing: VecDeque<(CoreIndex, CoreMessage)>,
    wishes: VecDeque<FlowWish>,
    /// Where the last segment of a subflow belonged, until a claim comes or goes.
    last: Option<Last>,
    /// Who handed over the frames at hand.
    pub(super) from: Option<CoreIndex>,
}

/// A segment and where it belongs: those of a burst mostly follow each other.
#[derive(Debug)]
struct Last {
    port: PortIndex,
    ends: Ends,
    sorted: Sorted,
}

#[derive(Debug)]
struct Claim {
    hash: TupleHash,
    tuple: PackedTuple,
    owner: CoreIndex,
}

#[derive(Debug)]
struct Claimed {
    hash: TupleHash,
    tuple: PackedTuple,
    /// To whom they come; `None`: nobody knows, everybody was told.
    at: Option<CoreIndex>,
    /// The port that they come by.
    port: PortIndex,
    /// Frames that were handed over so far.
    taken_over: u64,
}

/// So many frames of a flow that came to another core are worth a rule of the port.
const MANY_FRAMES: u64 = 64;

impl Cores {
    pub(super) fn new(steering: Steering, claims_most: usize) -> Self {
        Self {
            steering,
            claims: HashTable::new(),
            claimed: HashTable::new(),
            claims_most,
            outgoing: VecDeque::new(),
            wishes: VecDeque::new(),
            last: None,
            from: None,
        }
    }

    fn tell(&mut self, core: Option<CoreIndex>, message: CoreMessage) {
        let this = self.steering.core;
        match core {
            Some(core) => self.outgoing.push_back((core, message)),
            None => {
                let others = (0..self.steering.cores).map(CoreIndex).filter(|&other| other != this);
                self.outgoing.extend(others.map(|other| (other, message)));
            }
        }
    }

    fn claim_of(&self, hash: TupleHash, tuple: &FourTuple) -> Option<CoreIndex> {
        if self.claims.is_empty() {
            return None;
        }
        let tuple = PackedTuple::from(*tuple);
        self.claims
            .find(hash.spread(), |claim| claim.hash == hash && claim.tuple == tuple)
            .map(|claim| claim.owner)
    }

    /// Takes in a claim; `false`: there are too many.
    fn claim(&mut self, hash: TupleHash, tuple: PackedTuple, owner: CoreIndex) -> bool {
        self.disclaim(hash, tuple, None);
        if self.claims.len() >= self.claims_most {
            return false;
        }
        self.claims.insert_unique(hash.spread(), Claim { hash, tuple, owner }, |claim| claim.hash.spread());
        true
    }

    /// Ends a claim, if it is `owner`'s or `owner` is nobody.
    fn disclaim(&mut self, hash: TupleHash, tuple: PackedTuple, owner: Option<CoreIndex>) {
        self.last = None;
        let is_it = |claim: &Claim| {
            claim.hash == hash && claim.tuple == tuple && owner.is_none_or(|owner| owner == claim.owner)
        };
        if let Ok(claim) = self.claims.find_entry(hash.spread(), is_it) {
            claim.remove();
        }
    }
}

impl<P: Packet> Endpoint<P> {
    /// Whether a join of this token is another core's.
    pub(super) fn is_others_token(&self, token: Token) -> bool {
        self.cores.as_ref().is_some_and(|cores| !cores.steering.owns_token(token))
    }

    /// Whether another core has the 4-tuple, as far as that is known here.
    pub(super) fn is_claimed(&self, hash: TupleHash, tuple: &FourTuple) -> bool {
        self.cores.as_ref().is_some_and(|cores| cores.claim_of(hash, tuple).is_some())
    }

    /// How many 4-tuples' segments come here and belong elsewhere, or the other way
    /// round.
    pub fn claim_count(&self) -> usize {
        self.cores.as_ref().map_or(0, |cores| cores.claims.len() + cores.claimed.len())
    }

    /// Whether what is to be said once per host is this core's to say.
    pub(super) fn is_first_core(&self) -> bool {
        self.cores.as_ref().is_none_or(|cores| cores.steering.core == CoreIndex(0))
    }

    /// The next wish of this core for a port.
    pub fn poll_flow_wish(&mut self) -> Option<FlowWish> {
        self.cores.as_mut()?.wishes.pop_front()
    }

    /// The frames taken in until the next call were handed over by `from`.
    pub fn receive_for(&mut self, from: Option<CoreIndex>) {
        if let Some(cores) = &mut self.cores {
            cores.from = from;
        }
    }

    /// A 4-tuple is ours from now on: whoever gets its segments hears of it. Where
    /// nobody knows how a port spreads frames, the next may come to another core
    /// than the first.
    pub(super) fn claim_tuple(&mut self, port: PortIndex, tuple: &FourTuple) {
        let Some(cores) = &mut self.cores else { return };
        let told = cores.steering.core_of_segment(port, tuple);
        let known = told.filter(|&core| cores.from.is_none_or(|from| from == core));
        if known == Some(cores.steering.core) {
            return;
        }
        let (hash, packed) = (self.demux.hash(tuple), PackedTuple::from(*tuple));
        let claimed = Claimed { hash, tuple: packed, at: known, port, taken_over: 0 };
        cores.claimed.insert_unique(hash.spread(), claimed, |claimed| claimed.hash.spread());
        cores.tell(known, CoreMessage::Claim(packed));
    }

    /// Counts frames of a subflow, if another core handed them over.
    #[cold]
    #[inline(never)]
    pub(super) fn note_taken_over(&mut self, owner: Owner, frames: u64) {
        if self.cores.as_ref().is_none_or(|cores| cores.from.is_none()) {
            return;
        }
        let Some(slot) = self.slot_mut(owner.connection) else { return };
        let Some(tuple) = slot.way(owner.subflow).map(|way| way.header.tuple()) else { return };
        let (hash, packed) = (self.demux.hash(&tuple), PackedTuple::from(tuple));
        let Some(cores) = &mut self.cores else { return };
        let is_it = |claimed: &Claimed| claimed.hash == hash && claimed.tuple == packed;
        if let Some(claimed) = cores.claimed.find_mut(hash.spread(), is_it) {
            let was_few = claimed.taken_over < MANY_FRAMES;
            claimed.taken_over += frames;
            if was_few && claimed.taken_over >= MANY_FRAMES {
                cores.wishes.push_back(FlowWish::Bring { port: claimed.port, tuple });
            }
        }
    }

    /// Frames with this 4-tuple that another core has handed over.
    pub(super) fn taken_over(&self, tuple: &FourTuple) -> u64 {
        let Some(cores) = self.cores.as_ref().filter(|cores| !cores.claimed.is_empty()) else { return 0 };
        let (hash, packed) = (self.demux.hash(tuple), PackedTuple::from(*tuple));
        let is_it = |claimed: &Claimed| claimed.hash == hash && claimed.tuple == packed;
        cores.claimed.find(hash.spread(), is_it).map_or(0, |claimed| claimed.taken_over)
    }

    /// A 4-tuple is free again.
    pub(super) fn disclaim_tuple(&mut self, tuple: &FourTuple) {
        let Some(cores) = &mut self.cores else { return };
        if cores.claimed.is_empty() {
            return;
        }
        let (hash, packed) = (self.demux.hash(tuple), PackedTuple::from(*tuple));
        let is_it = |claimed: &Claimed| claimed.hash == hash && claimed.tuple == packed;
        if let Ok(found) = cores.claimed.find_entry(hash.spread(), is_it) {
            let (claimed, _) = found.remove();
            if claimed.taken_over >= MANY_FRAMES {
                cores.wishes.push_back(FlowWish::Release { port: claimed.port, tuple: *tuple });
            }
            cores.tell(claimed.at, CoreMessage::Disclaim(packed));
        }
    }
}
