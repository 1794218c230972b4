//! Queue pairs in software, for a port that has fewer queues than it is to serve
//! cores: one core polls the port's only queue and spreads what comes by its hash,
//! as a NIC with more queues does; the others reach the port through rings.

mod flow;
mod rules;

use super::frame::Built;
use super::pending::Pending;
use crate::base::{CoreIndex, ReceiveMeta, Spread, Spreader};
use crate::device::HandOver;
use crate::dpdk::{HandedOver, Mbuf};
use crate::ring::{Bell, Consumer, Producer, ring};
use flow::ends_of;
use hashbrown::HashMap;
use rules::Change;
pub(in crate::dpdk) use rules::{RuleBook, SoftwareRule};
use std::io;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Received frames that wait for a core. What comes beyond is lost, as in a NIC.
const RECEIVE_FRAMES: usize = 512;
/// Frames that wait to be sent by the core that polls.
const TRANSMIT_FRAMES: usize = 256;

type Received = (HandedOver, ReceiveMeta);

/// How a queue of a port is reached.
#[derive(Debug)]
pub(in crate::dpdk) enum Side {
    /// The driver has it.
    Own,
    /// The driver's only one, which serves the others.
    Hub(Box<Hub>),
    /// By the core that polls.
    Branch(Branch),
}

/// What all queues of such a port share.
#[derive(Debug)]
struct Junction {
    /// Somebody waits for what sent frames hold.
    reclaims: AtomicBool,
}

/// The end of the core that polls the port.
#[derive(Debug)]
pub(in crate::dpdk) struct Hub {
    own: CoreIndex,
    spreader: Spreader,
    /// By core; none for its own.
    lines: Vec<Option<Line>>,
    bell: Arc<Bell>,
    junction: Arc<Junction>,
    /// Where the last frame of a flow went.
    last: Option<(flow::Ends, CoreIndex)>,
    /// Flows that go elsewhere than the hash says.
    rules: HashMap<flow::Ends, CoreIndex>,
    changes: Consumer<Change>,
    /// Frames wait in a line that the driver has no room for.
    is_crowded: bool,
    /// Frames that a core had no room for.
    missed: u64,
}

/// What leads to one core.
#[derive(Debug)]
struct Line {
    received: Producer<Received>,
    sent: Consumer<Built>,
    bell: Arc<Bell>,
}

/// The end of a core that does not poll.
#[derive(Debug)]
pub(in crate::dpdk) struct Branch {
    received: Consumer<Received>,
    sent: Producer<Built>,
    bell: Arc<Bell>,
    hub: Arc<Bell>,
    junction: Arc<Junction>,
}

/// The sides of as many queues as there are cores, of which `polling` polls the
/// port, and how it is told of flows that go elsewhere than `spread` says.
///
/// # Errors
/// If the system gives no descriptors.
pub(in crate::dpdk) fn sides(
    spread: &Spread,
    cores: u8,
    polling: CoreIndex,
) -> io::Result<(Vec<Side>, RuleBook)> {
    let bell = Arc::new(Bell::new()?);
    let junction = Arc::new(Junction { reclaims: AtomicBool::new(false) });
    let (mut lines, mut sides) = (Vec::new(), Vec::new());
    for core in (0..cores).map(CoreIndex) {
        if core == polling {
            lines.push(None);
            // Its place, until the lines are known.
            sides.push(Side::Own);
            continue;
        }
        let (received, receiver) = ring(RECEIVE_FRAMES);
        let (sender, sent) = ring(TRANSMIT_FRAMES);
        let own = Arc::new(Bell::new()?);
        lines.push(Some(Line { received, sent, bell: Arc::clone(&own) }));
        let (hub, junction) = (Arc::clone(&bell), Arc::clone(&junction));
        sides.push(Side::Branch(Branch { received: receiver, sent: sender, bell: own, hub, junction }));
    }
    let (book, changes) = RuleBook::new(Arc::clone(&bell));
    let hub = Hub {
        own: polling,
        spreader: Spreader::new(spread),
        lines,
        bell,
        junction,
        last: None,
        rules: HashMap::new(),
        changes,
        is_crowded: false,
        missed: 0,
    };
    sides[usize::from(polling.0)] = Side::Hub(Box::new(hub));
    Ok((sides, book))
}

impl Side {
    /// What wakes the thread that polls for others, besides the port.
    pub(in crate::dpdk) fn bell_fd(&self) -> Option<RawFd> {
        if let Self::Hub(hub) = self { Some(hub.bell.fd()) } else { None }
    }
}

impl Hub {
    /// Brings a received frame to its core; gives it back if that is this one.
    pub(super) fn spread(&mut self, frame: Mbuf, meta: ReceiveMeta) -> Option<(Mbuf, ReceiveMeta)> {
        let core = self.core_of(&frame);
        let Some(Some(line)) = self.lines.get_mut(usize::from(core.0)) else { return Some((frame, meta)) };
        // A frame that just came is nobody else's.
        let is_sent = line.received.room() > 0
            && frame.hand_over().is_ok_and(|it| line.received.push((it, meta)).is_ok());
        self.missed += u64::from(!is_sent);
        None
    }

    fn core_of(&mut self, frame: &Mbuf) -> CoreIndex {
        use crate::base::Packet;
        let Some(ends) = ends_of(frame.head()) else { return self.own };
        if let Some((last, core)) = self.last
            && last == ends
        {
            return core;
        }
        let ruled = if self.rules.is_empty() { None } else { self.rules.get(&ends).copied() };
        let core = ruled.unwrap_or_else(|| self.spreader.core(ends.addresses(), ends.ports()));
        self.last = Some((ends, core));
        core
    }

    /// Takes in what the port was told since the last time.
    pub(super) fn take_rules(&mut self) {
        while let Some(change) = self.changes.pop() {
            self.last = None;
            match change {
                Change::Add(ends, core) => {
                    self.rules.insert(ends, core);
                }
                Change::Remove(ends) => {
                    self.rules.remove(&ends);
                }
            }
        }
        self.changes.release();
    }

    /// Shows the other cores what came for them.
    pub(super) fn publish(&mut self) {
        for line in self.lines.iter_mut().flatten() {
            if line.received.publish() {
                line.bell.ring_if_asleep();
            }
        }
    }

    /// Takes what the other cores send, as far as there is room. Returns whether
    /// they want to have back what is sent.
    pub(super) fn gather(&mut self, pending: &mut Pending) -> bool {
        self.is_crowded = false;
        for line in self.lines.iter_mut().flatten() {
            while pending.room() > 0
                && let Some(built) = line.sent.pop()
            {
                pending.push(built);
            }
            line.sent.release();
            self.is_crowded |= !line.sent.is_empty();
        }
        // A load first: the line stays with the readers.
        self.junction.reclaims.load(Ordering::Relaxed)
            && self.junction.reclaims.swap(false, Ordering::Relaxed)
    }

    /// Whether the other cores' frames have to be let in front.
    pub(super) const fn is_crowded(&self) -> bool {
        self.is_crowded
    }

    /// About to sleep. `true`: there is something to send.
    pub(super) fn announce_sleep(&mut self) -> bool {
        self.bell.announce_sleep();
        self.lines.iter_mut().flatten().any(|line| !line.sent.is_empty())
    }

    pub(super) fn cancel_sleep(&self) {
        self.bell.cancel_sleep();
        self.bell.hear();
    }

    pub(super) const fn missed(&self) -> u64 {
        self.missed
    }
}

impl Branch {
    /// The next received frame.
    pub(super) fn receive(&mut self) -> Option<(Mbuf, ReceiveMeta)> {
        self.received.pop().map(|(frame, meta)| (Mbuf::take_over(frame), meta))
    }

    /// Everything of a burst was received.
    pub(super) fn release(&mut self) {
        self.received.release();
    }

    /// Hands frames to the core that polls, as far as it has room.
    pub(super) fn flush(&mut self, pending: &mut Pending) {
        let room = self.sent.room();
        for built in pending.take_front(room) {
            // There is room; a frame without would be given back.
            drop(self.sent.push(built));
        }
        if self.sent.publish() {
            self.hub.ring_if_asleep();
        }
    }

    /// Asks for what sent frames hold.
    pub(super) fn reclaim(&self) {
        self.junction.reclaims.store(true, Ordering::Relaxed);
        self.hub.ring_if_asleep();
    }

    /// About to sleep. `true`: frames have come.
    pub(super) fn announce_sleep(&mut self) -> bool {
        self.bell.announce_sleep();
        !self.received.is_empty()
    }

    pub(super) fn cancel_sleep(&self) {
        self.bell.cancel_sleep();
        self.bell.hear();
    }

    pub(super) fn fd(&self) -> RawFd {
        self.bell.fd()
    }
}
