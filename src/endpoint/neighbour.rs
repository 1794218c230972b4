//! Who has which Ethernet address on one port's link: the neighbour cache of
//! RFC 4861 §7.3, for ARP as well as for neighbour discovery.
//!
//! The cache sends nothing. It says which solicitations it wants sent, and
//! hands back the frames that waited.

use super::keyed_hash::{KeyedHash, KeyedMap};
use super::output::QueuedFrame;
use crate::base::{Duration, Instant, Slab};
use crate::wire::MacAddress;
use std::collections::VecDeque;
use std::net::IpAddr;

mod learn;
#[cfg(test)]
mod tests;

pub(super) use learn::Evidence;

/// REACHABLE_TIME (RFC 4861 §10).
const REACHABLE_TIME: Duration = Duration::from_secs(30);
/// RETRANS_TIMER of the questions to a neighbour that was known.
const RETRANSMIT_TIME: Duration = Duration::from_secs(1);
/// MAX_UNICAST_SOLICIT.
const UNICAST_SOLICITATIONS: u8 = 3;
/// What each question to everybody waits for its answer: RETRANS_TIMER is 50 ms,
/// and grows (RFC 7048 §3). A wire that comes up at both ends loses the first
/// questions, and answers within microseconds then; a neighbour that is asleep
/// has as long as MAX_MULTICAST_SOLICIT questions of a second each give it.
const MULTICAST_INTERVALS: [Duration; 5] = [
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(750),
    Duration::from_secs(1),
    Duration::from_secs(1),
];
/// How long a neighbour that did not answer is not asked again.
const FAILED_TIME: Duration = Duration::from_secs(1);
/// How often a full table is searched for an entry to give up.
const EVICTION_INTERVAL: Duration = Duration::from_millis(10);

/// An entry of the cache; an old key finds nothing.
pub(super) type NeighbourKey = (u32, u32);

/// The way to a next hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lookup {
    /// Its Ethernet address.
    Found(MacAddress),
    /// It was asked for: park the frame.
    Wait(NeighbourKey),
    /// It did not answer a moment ago.
    Unreachable,
    /// The table has no room to ask for it.
    Full,
}

/// A question to send: who has `address`?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Solicitation {
    pub(super) address: IpAddr,
    /// The source of the packet that prompted it (RFC 4861 §7.2.2).
    pub(super) source: IpAddr,
    /// Asked directly when only its presence is in doubt.
    pub(super) unicast: Option<MacAddress>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Asked by broadcast or multicast.
    Incomplete { sent: u8, again_at: Instant },
    /// Confirmed.
    Reachable { mac: MacAddress, until: Instant },
    /// Known, but not confirmed of late.
    Stale { mac: MacAddress },
    /// Known and in use, asked directly.
    Probe { mac: MacAddress, sent: u8, again_at: Instant },
    /// Did not answer.
    Failed { until: Instant },
}

#[derive(Debug)]
struct Neighbour<P> {
    address: IpAddr,
    state: State,
    source: IpAddr,
    used_at: Instant,
    /// Frames that wait, oldest first.
    parked: VecDeque<QueuedFrame<P>>,
}

/// The neighbour cache of one port.
#[derive(Debug)]
pub(super) struct NeighbourTable<P> {
    neighbours: Slab<Neighbour<P>>,
    by_address: KeyedMap<IpAddr, NeighbourKey>,
    /// Those that wait for an answer.
    asking: Vec<NeighbourKey>,
    /// The earliest `again_at` of those.
    next_deadline: Option<Instant>,
    wanted: VecDeque<Solicitation>,
    frames_per_neighbour: usize,
    /// Frames that wait, over all neighbours.
    parked: usize,
    parked_most: usize,
    evicted_at: Option<Instant>,
}

impl<P> NeighbourTable<P> {
    /// A table for at most `limit` neighbours. At most `frames_per_neighbour`
    /// frames wait for one of them, and `parked_most` for all together.
    pub(super) fn new(
        limit: usize,
        frames_per_neighbour: usize,
        parked_most: usize,
        hash: KeyedHash,
    ) -> Self {
        Self {
            neighbours: Slab::new(limit),
            by_address: KeyedMap::with_hasher(hash),
            asking: Vec::new(),
            next_deadline: None,
            wanted: VecDeque::new(),
            frames_per_neighbour,
            parked: 0,
            parked_most,
            evicted_at: None,
        }
    }

    /// Finds the way to `address` for a packet from `source`. `cached` is the
    /// caller's memory of the entry, which saves the search.
    pub(super) fn lookup(
        &mut self,
        now: Instant,
        cached: &mut Option<NeighbourKey>,
        address: IpAddr,
        source: IpAddr,
    ) -> Lookup {
        let key = match self.find(cached, address) {
            Some(key) => key,
            None => {
                let state = State::Incomplete { sent: 0, again_at: now };
                let Some(key) = self.insert(now, address, source, state) else { return Lookup::Full };
                self.ask(now, key);
                key
            }
        };
        *cached = Some(key);
        self.use_entry(now, key, source)
    }

    /// Where the neighbour of a key is, if that is certain.
    pub(super) fn reachable(&mut self, now: Instant, key: NeighbourKey) -> Option<MacAddress> {
        let neighbour = self.neighbours.get_mut(key.0, key.1)?;
        neighbour.used_at = now;
        match neighbour.state {
            State::Reachable { mac, until } if until > now => Some(mac),
            _ => None,
        }
    }

    /// Keeps a frame until the neighbour answers. Gives back what has to go
    /// when too many wait: the oldest that waits for the same neighbour.
    pub(super) fn park(&mut self, key: NeighbourKey, frame: QueuedFrame<P>) -> Option<QueuedFrame<P>> {
        let Some(neighbour) = self.neighbours.get_mut(key.0, key.1) else { return Some(frame) };
        neighbour.parked.push_back(frame);
        self.parked += 1;
        // RFC 4861 §7.2.2: when the queue overflows, the new arrival replaces the oldest.
        if neighbour.parked.len() > self.frames_per_neighbour || self.parked > self.parked_most {
            self.parked -= 1;
            return neighbour.parked.pop_front();
        }
        None
    }

    /// A solicitation to send.
    pub(super) fn take_solicitation(&mut self) -> Option<Solicitation> {
        self.wanted.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    pub(super) const fn poll_deadline(&self) -> Option<Instant> {
        self.next_deadline
    }

    /// Asks again, or gives up: the frames that waited are appended to `lost`.
    pub(super) fn handle_timeout(&mut self, now: Instant, lost: &mut Vec<QueuedFrame<P>>) {
        if self.next_deadline.is_none_or(|deadline| deadline > now) {
            return;
        }
        for at in (0..self.asking.len()).rev() {
            let key = self.asking[at];
            let Some(neighbour) = self.neighbours.get_mut(key.0, key.1) else { continue };
            match neighbour.state {
                State::Incomplete { sent, again_at }
                    if again_at <= now && usize::from(sent) >= MULTICAST_INTERVALS.len() =>
                {
                    neighbour.state = State::Failed { until: now + FAILED_TIME };
                    self.parked -= neighbour.parked.len();
                    lost.extend(neighbour.parked.drain(..));
                }
                // It may have moved: forget the Ethernet address, ask everybody.
                State::Probe { sent, again_at, .. } if again_at <= now && sent >= UNICAST_SOLICITATIONS => {
                    neighbour.state = State::Incomplete { sent: 0, again_at: now };
                    self.ask(now, key);
                }
                State::Incomplete { again_at, .. } | State::Probe { again_at, .. } if again_at <= now => {
                    self.ask(now, key);
                }
                _ => {}
            }
        }
        self.forget_answered();
    }

    /// The link is gone. What is known is in doubt when it comes back; who was
    /// not found is asked anew then, by whoever needs it. What waited is lost:
    /// returns how many frames that were.
    pub(super) fn handle_link_down(&mut self) -> usize {
        let neighbours = &mut self.neighbours;
        self.by_address.retain(|_, key| {
            let Some(neighbour) = neighbours.get_mut(key.0, key.1) else { return false };
            let mac = neighbour.state.mac();
            match mac {
                Some(mac) => neighbour.state = State::Stale { mac },
                None => drop(neighbours.remove(key.0, key.1)),
            }
            mac.is_some()
        });
        self.asking.clear();
        self.next_deadline = None;
        self.wanted.clear();
        std::mem::take(&mut self.parked)
    }

    /// Whether nobody is being asked.
    pub(super) fn is_quiet(&self) -> bool {
        self.wanted.is_empty()
    }

    /// Every neighbour and its Ethernet address, where known.
    pub(super) fn iter(&self) -> impl Iterator<Item = (IpAddr, Option<MacAddress>)> + '_ {
        self.neighbours.iter().map(|(_, neighbour)| (neighbour.address, neighbour.state.mac()))
    }

    fn find(&self, cached: &Option<NeighbourKey>, address: IpAddr) -> Option<NeighbourKey> {
        cached
            .filter(|key| self.neighbours.get(key.0, key.1).is_some_and(|found| found.address == address))
            .or_else(|| self.by_address.get(&address).copied())
    }

    fn use_entry(&mut self, now: Instant, key: NeighbourKey, source: IpAddr) -> Lookup {
        let Some(neighbour) = self.neighbours.get_mut(key.0, key.1) else { return Lookup::Full };
        neighbour.used_at = now;
        match neighbour.state {
            State::Reachable { mac, until } if until > now => Lookup::Found(mac),
            State::Probe { mac, .. } => Lookup::Found(mac),
            State::Reachable { mac, .. } | State::Stale { mac } => {
                // In use again: confirm that it is still there (RFC 4861 §7.3.2;
                // the DELAY state is left out, a probe per 30 s costs nothing).
                neighbour.source = source;
                neighbour.state = State::Probe { mac, sent: 0, again_at: now };
                self.ask(now, key);
                Lookup::Found(mac)
            }
            State::Incomplete { .. } => Lookup::Wait(key),
            State::Failed { until } if until > now => Lookup::Unreachable,
            State::Failed { .. } => {
                neighbour.source = source;
                neighbour.state = State::Incomplete { sent: 0, again_at: now };
                self.ask(now, key);
                Lookup::Wait(key)
            }
        }
    }

    /// Wants one more solicitation for an entry in INCOMPLETE or PROBE.
    fn ask(&mut self, now: Instant, key: NeighbourKey) {
        let Some(neighbour) = self.neighbours.get_mut(key.0, key.1) else { return };
        let again_at = match &mut neighbour.state {
            State::Incomplete { sent, again_at } => {
                *again_at =
                    now + MULTICAST_INTERVALS.get(usize::from(*sent)).map_or(RETRANSMIT_TIME, |&at| at);
                *sent += 1;
                *again_at
            }
            State::Probe { sent, again_at, .. } => {
                *again_at = now + RETRANSMIT_TIME;
                *sent += 1;
                *again_at
            }
            _ => return,
        };
        self.wanted.push_back(Solicitation {
            address: neighbour.address,
            source: neighbour.source,
            unicast: neighbour.state.mac(),
        });
        if !self.asking.contains(&key) {
            self.asking.push(key);
        }
        self.next_deadline = Some(self.next_deadline.map_or(again_at, |deadline| deadline.min(again_at)));
    }

    /// Keeps in `asking` who has not answered, and the earliest deadline.
    fn forget_answered(&mut self) {
        let neighbours = &self.neighbours;
        let waits_until = |key: &NeighbourKey| neighbours.get(key.0, key.1)?.state.again_at();
        self.asking.retain(|key| waits_until(key).is_some());
        self.next_deadline = self.asking.iter().filter_map(waits_until).min();
    }

    fn insert(
        &mut self,
        now: Instant,
        address: IpAddr,
        source: IpAddr,
        state: State,
    ) -> Option<NeighbourKey> {
        if self.neighbours.is_full() {
            self.evict(now);
        }
        let parked = VecDeque::new();
        let neighbour = Neighbour { address, state, source, used_at: now, parked };
        let key = self.neighbours.insert(neighbour).ok()?;
        self.by_address.insert(address, key);
        Some(key)
    }

    /// Gives up the entry that was not used for longest, unless it is asked for.
    fn evict(&mut self, now: Instant) {
        if self.evicted_at.is_some_and(|at| now.since(at) < EVICTION_INTERVAL) {
            return;
        }
        self.evicted_at = Some(now);
        let idle = self.neighbours.iter().filter(|(_, neighbour)| neighbour.state.again_at().is_none());
        let oldest = idle.min_by_key(|(_, neighbour)| neighbour.used_at).map(|(key, _)| key);
        if let Some(neighbour) = oldest.and_then(|key| self.neighbours.remove(key.0, key.1)) {
            self.by_address.remove(&neighbour.address);
        }
    }
}

impl State {
    const fn mac(&self) -> Option<MacAddress> {
        match *self {
            Self::Reachable { mac, .. } | Self::Stale { mac } | Self::Probe { mac, .. } => Some(mac),
            Self::Incomplete { .. } | Self::Failed { .. } => None,
        }
    }

    /// When the next solicitation is due, if one is.
    const fn again_at(&self) -> Option<Instant> {
        match *self {
            Self::Incomplete { again_at, .. } | Self::Probe { again_at, .. } => Some(again_at),
            _ => None,
        }
    }
}
