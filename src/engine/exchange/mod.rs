//! What goes between the cores of one endpoint: messages of their hosts, and
//! received frames that belong to another core.
//!
//! Each ordered pair of cores has two rings, one for messages and one for
//! frames, so that a flood of frames holds up no message. When a ring is full,
//! messages wait with their sender, which hands nothing to its ports until they
//! have left: what they say has to be heard before an answer comes. Frames are
//! dropped and counted, as a NIC drops those that it has no descriptor for.

mod crew;
mod peer;

use super::signal::Signal;
use super::start::Arrival;
use crate::base::{CoreIndex, PortIndex, ReceiveMeta};
use crate::device::HandOver;
use crate::endpoint::CoreMessage;
pub(super) use crew::Crew;
use peer::Peer;
use std::ops::Add;
use std::sync::Arc;

/// Frames that one turn takes over from one core.
const FRAMES_PER_TURN: usize = 64;

/// A received frame on its way to its connection's core.
#[derive(Debug)]
pub(super) struct Parcel<F> {
    pub(super) port: PortIndex,
    pub(super) frame: F,
    pub(super) meta: ReceiveMeta,
}

/// Frames of one port that went to another core than they came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HandOvers {
    /// Received here, handed to others.
    pub given: u64,
    /// Received by others, taken over here.
    pub taken: u64,
    /// Received here and dropped: the ring to the other core was full.
    pub dropped: u64,
}

impl Add for HandOvers {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            given: self.given + other.given,
            taken: self.taken + other.taken,
            dropped: self.dropped + other.dropped,
        }
    }
}

/// One core's ends of the rings between it and the others.
#[derive(Debug)]
pub(super) struct Exchange<P: HandOver> {
    core: CoreIndex,
    /// In order, without this one.
    peers: Box<[Peer<P>]>,
    /// Something was put into a ring that nobody was shown.
    has_news: bool,
    /// Messages wait for room.
    has_waiting: bool,
    signal: Arc<Signal<Arrival>>,
    pub(super) crew: Arc<Crew>,
    /// By port.
    counts: Vec<HandOvers>,
}

/// The rings between as many cores as there are signals: what each core has of
/// them, in order.
pub(super) fn mesh<P: HandOver>(signals: &[Arc<Signal<Arrival>>]) -> Vec<Exchange<P>> {
    let crew = Arc::new(Crew::new(signals.len()));
    let mut peers: Vec<Vec<Peer<P>>> = signals.iter().map(|_| Vec::new()).collect();
    for left in 0..signals.len() {
        for right in left + 1..signals.len() {
            let core = |index: usize| (CoreIndex(index as u8), Arc::clone(&signals[index]));
            let (to_left, to_right) = peer::pair(core(left), core(right));
            peers[right].push(to_left);
            peers[left].push(to_right);
        }
    }
    let with_core = peers.into_iter().zip(signals).enumerate();
    let exchanges = with_core.map(|(core, (peers, signal))| Exchange {
        core: CoreIndex(core as u8),
        peers: peers.into(),
        has_news: false,
        has_waiting: false,
        signal: Arc::clone(signal),
        crew: Arc::clone(&crew),
        counts: Vec::new(),
    });
    exchanges.collect()
}

impl<P: HandOver> Exchange<P> {
    /// Calls `hear` with every message that the others have sent. Returns how
    /// many there were.
    pub(super) fn take_messages(&mut self, mut hear: impl FnMut(CoreIndex, CoreMessage)) -> usize {
        self.peers.iter_mut().map(|peer| peer.take_messages(&mut hear)).sum()
    }

    /// Calls `take` with the frames that the others have handed over, as many as
    /// one turn takes. Returns how many there were.
    pub(super) fn take_frames(&mut self, mut take: impl FnMut(CoreIndex, Parcel<P>)) -> usize {
        let Self { peers, counts, .. } = self;
        let take_one = |peer: &mut Peer<P>| {
            peer.take_frames(FRAMES_PER_TURN, |from, parcel| {
                count_of(counts, parcel.port).taken += 1;
                take(from, parcel);
            })
        };
        peers.iter_mut().map(take_one).sum()
    }

    /// Hands a received frame to the core that it belongs to, which sees it after
    /// [`publish`](Self::publish). `false`: it was dropped.
    pub(super) fn hand_over(&mut self, to: CoreIndex, port: PortIndex, frame: P, meta: ReceiveMeta) -> bool {
        let is_given = self.peer(to).is_some_and(|peer| peer.hand_over(port, frame, meta));
        self.has_news = true;
        let count = count_of(&mut self.counts, port);
        *if is_given { &mut count.given } else { &mut count.dropped } += 1;
        is_given
    }

    /// Another core.
    fn peer(&mut self, core: CoreIndex) -> Option<&mut Peer<P>> {
        let index = usize::from(core.0) - usize::from(core > self.core);
        self.peers.get_mut(index).filter(|peer| peer.core == core)
    }

    /// Sends messages for as long as `next` has some. `false`: some have to wait.
    pub(super) fn tell(&mut self, mut next: impl FnMut() -> Option<(CoreIndex, CoreMessage)>) -> bool {
        while let Some((to, message)) = next() {
            self.has_news = true;
            let waits = self.peer(to).is_some_and(|peer| !peer.tell(message));
            self.has_waiting |= waits;
        }
        if self.has_waiting {
            self.has_news = true;
            // Every one has its chance, also behind one that has none.
            self.has_waiting = self.peers.iter_mut().fold(false, |waits, peer| !peer.settle() | waits);
        }
        !self.has_waiting
    }

    /// Shows the others what they were sent, and wakes those that sleep.
    pub(super) fn publish(&mut self) {
        if std::mem::take(&mut self.has_news) {
            self.peers.iter_mut().for_each(Peer::publish);
        }
    }

    /// This core is about to sleep. `false`: there is something for it.
    pub(super) fn prepare_sleep(&mut self) -> bool {
        self.signal.bell.announce_sleep();
        self.peers.iter_mut().all(Peer::is_quiet)
    }

    /// It does not sleep any more.
    pub(super) fn cancel_sleep(&self) {
        self.signal.bell.cancel_sleep();
    }

    /// What went to and fro, by port as far as there was anything.
    pub(super) fn counts(&self) -> &[HandOvers] {
        &self.counts
    }
}

fn count_of(counts: &mut Vec<HandOvers>, port: PortIndex) -> &mut HandOvers {
    let index = usize::from(port.0);
    if counts.len() <= index {
        counts.resize_with(index + 1, HandOvers::default);
    }
    &mut counts[index]
}

#[cfg(test)]
mod tests;
