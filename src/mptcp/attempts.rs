//! Pairs of addresses between which joins were tried, and what came of it
//! (RFC 8684 §3.4.1, §3.6, §3.9.3); and how many joins may still fail (§5).

use crate::base::{AddressId, PackedSocket};

/// Pairs that are remembered besides the first. Beyond them nothing new is tried.
const PAIRS_MAX: usize = 64;

/// Joins of a connection that may fail. A peer that announces the addresses of
/// others makes us send this many SYNs to them, and no more.
const FAILURES_MAX: u8 = 32;

/// What became of a pair, from the mildest to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fate {
    /// A subflow was asked for, is there, or was there.
    Tried,
    /// The join failed: nobody answered.
    Unanswered,
    /// The join failed: it was refused, or answered wrongly.
    Refused,
    /// The peer says that the pair will never do (MP_TCPRST without T).
    Barred,
}

/// The pairs that are not tried again, each until something changes that
/// gives it another chance.
///
/// An address of ours is named by its id: 0 for the first subflow's (§3.2).
#[derive(Debug)]
pub(super) struct Attempts {
    /// As many as there are, [`PAIRS_MAX`] at most.
    pairs: Box<[Pair]>,
    /// Grows whenever a pair may have got a chance.
    revision: u32,
    /// The first subflow's pair, which every connection has: the peer's end of
    /// it, and what became of it.
    initial_remote: PackedSocket,
    initial_fate: Option<Fate>,
    failures_left: u8,
}

/// An address of ours, without port, and one of the peer's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair {
    remote: PackedSocket,
    local: AddressId,
    fate: Fate,
}

impl Pair {
    fn lies_between(&self, local: AddressId, remote: PackedSocket) -> bool {
        self.local == local && self.remote == remote
    }
}

impl Attempts {
    /// `tried`: whether the pair of the first subflow counts as tried.
    pub(super) fn new(initial_remote: PackedSocket, tried: bool) -> Self {
        Self {
            pairs: Box::default(),
            revision: 0,
            initial_remote,
            initial_fate: tried.then_some(Fate::Tried),
            failures_left: FAILURES_MAX,
        }
    }

    /// The peer's end of the first subflow.
    pub(super) const fn initial_remote(&self) -> PackedSocket {
        self.initial_remote
    }

    fn is_initial(&self, local: AddressId, remote: PackedSocket) -> bool {
        local == AddressId(0) && remote == self.initial_remote
    }

    /// Something changed that may give a pair a chance.
    pub(super) const fn revise(&mut self) {
        self.revision = self.revision.wrapping_add(1);
    }

    /// Changes whenever a pair may have got a chance.
    pub(super) const fn revision(&self) -> u32 {
        self.revision
    }

    /// Whether a pair must not be tried now.
    pub(super) fn is_tried(&self, local: AddressId, remote: PackedSocket) -> bool {
        if self.is_initial(local, remote) {
            return self.initial_fate.is_some();
        }
        self.pairs.iter().any(|pair| pair.lies_between(local, remote))
    }

    /// Remembers a pair as tried; `false` if there is no room for it.
    pub(super) fn remember(&mut self, local: AddressId, remote: PackedSocket) -> bool {
        self.is_tried(local, remote) || self.push(Pair { remote, local, fate: Fate::Tried })
    }

    /// An idle connection keeps its pairs, and no room for more.
    fn push(&mut self, pair: Pair) -> bool {
        if self.is_initial(pair.local, pair.remote) {
            self.initial_fate = Some(pair.fate);
            return true;
        }
        let has_room = !self.is_full();
        if has_room {
            let mut pairs = std::mem::take(&mut self.pairs).into_vec();
            pairs.reserve_exact(1);
            pairs.push(pair);
            self.pairs = pairs.into_boxed_slice();
        }
        has_room
    }

    fn fate_mut(&mut self, local: AddressId, remote: PackedSocket) -> Option<&mut Fate> {
        if self.is_initial(local, remote) {
            return self.initial_fate.as_mut();
        }
        let pair = self.pairs.iter_mut().find(|pair| pair.lies_between(local, remote))?;
        Some(&mut pair.fate)
    }

    /// A pair came to something worse. Only what is barred outlives the address.
    pub(super) fn note(&mut self, local: AddressId, remote: PackedSocket, fate: Fate) {
        self.revise();
        if let Some(known) = self.fate_mut(local, remote) {
            *known = (*known).max(fate);
        } else if fate == Fate::Barred {
            let barred = Pair { remote, local, fate };
            let mildest = self.pairs.iter().position(|pair| pair.fate != Fate::Barred);
            match mildest.filter(|_| self.is_full()) {
                Some(mildest) => self.pairs[mildest] = barred,
                // Full of barred pairs: nothing is tried any more.
                None => _ = self.push(barred),
            }
        }
    }

    /// The pairs that do not satisfy `keep` get another chance.
    fn retain(&mut self, keep: impl Fn(&Pair) -> bool) {
        self.revise();
        let initial = |fate| Pair { remote: self.initial_remote, local: AddressId(0), fate };
        self.initial_fate = self.initial_fate.filter(|&fate| keep(&initial(fate)));
        if !self.pairs.iter().all(&keep) {
            let mut pairs = std::mem::take(&mut self.pairs).into_vec();
            pairs.retain(keep);
            self.pairs = pairs.into_boxed_slice();
        }
    }

    /// The peer announced the address anew, or removed it (§3.4.1, §3.9.3).
    pub(super) fn forget_remote(&mut self, remote: PackedSocket) {
        self.retain(|pair| pair.remote != remote || pair.fate == Fate::Barred);
    }

    /// Addresses of ours have their link again: what nobody answered was the
    /// link's fault, and no peer can bring this about.
    pub(super) fn forget_local(&mut self, has_link: impl Fn(AddressId) -> bool) {
        self.retain(|pair| !has_link(pair.local) || pair.fate >= Fate::Refused);
        self.failures_left = FAILURES_MAX;
    }

    /// No subflow is left: pairs that worked once get another chance.
    pub(super) fn forget_dead(&mut self) {
        self.retain(|pair| pair.fate != Fate::Tried);
    }

    /// Whether no join may be tried any more.
    pub(super) const fn is_spent(&self) -> bool {
        self.failures_left == 0
    }

    /// Whether no further pair can be remembered.
    pub(super) const fn is_full(&self) -> bool {
        self.pairs.len() >= PAIRS_MAX
    }

    /// A SYN is about to leave. It counts as failed until it has succeeded.
    pub(super) const fn spend(&mut self) {
        self.failures_left = self.failures_left.saturating_sub(1);
    }

    /// A join succeeded: it cost nothing, and makes up for one that failed.
    pub(super) fn succeeded(&mut self) {
        if self.is_spent() {
            self.revise();
        }
        self.failures_left = (self.failures_left + 2).min(FAILURES_MAX);
    }
}
