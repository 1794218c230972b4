//! Pairs of addresses between which joins were tried, and what came of it
//! (RFC 8684 §3.4.1, §3.6, §3.9.3); and how many joins may still fail (§5).

use crate::base::{FourTuple, PackedTuple};
use std::net::{IpAddr, SocketAddr};

/// Pairs that are remembered. Beyond them nothing new is tried.
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
#[derive(Debug)]
pub(super) struct Attempts {
    /// As many as there are, [`PAIRS_MAX`] at most.
    pairs: Vec<Pair>,
    failures_left: u8,
    /// Grows whenever a pair may have got a chance.
    revision: u32,
}

/// An address of ours, without port, and one of the peer's.
#[derive(Clone, Copy, Debug)]
struct Pair {
    ends: PackedTuple,
    fate: Fate,
}

fn ends(local: IpAddr, remote: SocketAddr) -> PackedTuple {
    FourTuple { local: SocketAddr::new(local, 0), remote }.into()
}

impl Pair {
    fn local(&self) -> IpAddr {
        FourTuple::from(self.ends).local.ip()
    }

    fn remote(&self) -> SocketAddr {
        FourTuple::from(self.ends).remote
    }
}

impl Attempts {
    pub(super) fn new() -> Self {
        Self { pairs: Vec::new(), failures_left: FAILURES_MAX, revision: 0 }
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
    pub(super) fn is_tried(&self, local: IpAddr, remote: SocketAddr) -> bool {
        let ends = ends(local, remote);
        self.pairs.iter().any(|pair| pair.ends == ends)
    }

    /// Remembers a pair as tried; `false` if there is no room for it.
    pub(super) fn remember(&mut self, local: IpAddr, remote: SocketAddr) -> bool {
        self.is_tried(local, remote) || self.push(Pair { ends: ends(local, remote), fate: Fate::Tried })
    }

    /// An idle connection keeps its pairs, and no room for more.
    fn push(&mut self, pair: Pair) -> bool {
        let has_room = !self.is_full();
        if has_room {
            self.pairs.reserve_exact(1);
            self.pairs.push(pair);
        }
        has_room
    }

    /// A pair came to something worse. Only what is barred outlives the address.
    pub(super) fn note(&mut self, local: IpAddr, remote: SocketAddr, fate: Fate) {
        self.revise();
        let ends = ends(local, remote);
        if let Some(pair) = self.pairs.iter_mut().find(|pair| pair.ends == ends) {
            pair.fate = pair.fate.max(fate);
        } else if fate == Fate::Barred {
            if self.is_full()
                && let Some(mildest) = self.pairs.iter().position(|pair| pair.fate != Fate::Barred)
            {
                self.pairs.swap_remove(mildest);
            }
            // Full of barred pairs: nothing is tried any more.
            self.push(Pair { ends, fate });
        }
    }

    /// The peer announced the address anew, or removed it (§3.4.1, §3.9.3).
    pub(super) fn forget_remote(&mut self, remote: SocketAddr) {
        self.revise();
        self.pairs.retain(|pair| pair.remote() != remote || pair.fate == Fate::Barred);
    }

    /// Addresses of ours have their link again: what nobody answered was the
    /// link's fault, and no peer can bring this about.
    pub(super) fn forget_local(&mut self, has_link: impl Fn(IpAddr) -> bool) {
        self.revise();
        self.pairs.retain(|pair| !has_link(pair.local()) || pair.fate >= Fate::Refused);
        self.failures_left = FAILURES_MAX;
    }

    /// No subflow is left: pairs that worked once get another chance.
    pub(super) fn forget_dead(&mut self) {
        self.revise();
        self.pairs.retain(|pair| pair.fate != Fate::Tried);
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
