//! The 4-tuples in TIME_WAIT: what is kept of each, in the order in which they
//! end (RFC 9293 §3.6.1).

use super::Endpoint;
use super::demux::TupleHash;
use super::segment::Stranger;
use crate::base::{Context, Duration, FourTuple, Instant, Outcome, PackedTuple, Packet, SeqNumber, Slab};
use crate::mptcp::TimeWait;
use crate::tcp::TimeWaitReaction;
use hashbrown::HashTable;
use std::collections::VecDeque;

/// One of them. A connection of many a minute has to leave little behind: these
/// are 112 bytes, and 12 in the table.
#[derive(Debug)]
struct Entry {
    tuple: PackedTuple,
    hash: TupleHash,
    rest: TimeWait,
    ends_at: Instant,
}

type Key = (u32, u32);

/// All of them.
#[derive(Debug)]
pub(super) struct TimeWaits {
    entries: Slab<Entry>,
    table: HashTable<(TupleHash, Key)>,
    /// Each with the time at which to look whether it is over: one that began
    /// anew goes to the end then. Some may be gone.
    order: VecDeque<(Instant, Key)>,
    lasts: Duration,
}

impl TimeWaits {
    /// None yet. `most`: the oldest give way to those that come. `lasts`: each
    /// lasts at least as long.
    pub(super) const fn new(most: usize, lasts: Duration) -> Self {
        Self { entries: Slab::new(most), table: HashTable::new(), order: VecDeque::new(), lasts }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many are in the order, those that are gone counted.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.order.len()
    }

    /// Whether the 4-tuple is one of them.
    pub(super) fn contains(&self, hash: TupleHash, tuple: &FourTuple) -> bool {
        !self.entries.is_empty() && self.key(hash, tuple).is_some()
    }

    fn key(&self, hash: TupleHash, tuple: &FourTuple) -> Option<Key> {
        let tuple = PackedTuple::from(*tuple);
        let is_it = |(index, generation)| {
            self.entries.get(index, generation).is_some_and(|entry| entry.tuple == tuple)
        };
        self.table.find(hash.spread(), |&(other, key)| other == hash && is_it(key)).map(|&(_, key)| key)
    }

    /// Keeps what is left of the subflow that had the 4-tuple, if there is room.
    fn insert(&mut self, now: Instant, hash: TupleHash, tuple: PackedTuple, rest: TimeWait) {
        let ends_at = now + self.lasts;
        let Ok(key) = self.entries.insert(Entry { tuple, hash, rest, ends_at }) else { return };
        self.table.insert_unique(hash.spread(), (hash, key), |(hash, _)| hash.spread());
        self.order.push_back((ends_at, key));
    }

    /// Takes one out; gives back its ends.
    fn remove(&mut self, key: Key) -> Option<FourTuple> {
        let entry = self.entries.remove(key.0, key.1)?;
        if let Ok(found) = self.table.find_entry(entry.hash.spread(), |&(_, other)| other == key) {
            found.remove();
        }
        Some(entry.tuple.into())
    }

    /// Takes out the oldest and gives back its ends; `None`: there is none.
    fn remove_oldest(&mut self) -> Option<FourTuple> {
        while let Some((_, key)) = self.order.pop_front() {
            if let Some(tuple) = self.remove(key) {
                return Some(tuple);
            }
        }
        None
    }

    /// When to look at them again.
    pub(super) fn poll_deadline(&self) -> Option<Instant> {
        self.order.front().map(|&(at, _)| at)
    }

    /// Takes out the next that is over and gives back its ends.
    fn expire(&mut self, now: Instant) -> Option<FourTuple> {
        while let Some(&(at, key)) = self.order.front()
            && at <= now
        {
            self.order.pop_front();
            match self.entries.get(key.0, key.1).map(|entry| entry.ends_at) {
                Some(ends_at) if ends_at > now => self.order.push_back((ends_at, key)),
                Some(_) => return self.remove(key),
                None => {}
            }
        }
        None
    }

    /// Those that strangers took over stay in the order until their time comes:
    /// not without limit.
    fn tidy(&mut self) {
        const GONE_MOST: usize = 1_024;
        if self.order.len() > 2 * self.entries.len() + GONE_MOST {
            self.order.retain(|(_, (index, generation))| self.entries.get(*index, *generation).is_some());
        }
    }
}

/// What a segment for no subflow met.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Met {
    /// Nothing of its 4-tuple.
    Nothing,
    /// A TIME_WAIT, which has dealt with it.
    TimeWait,
    /// A TIME_WAIT, which is gone: its SYN is a new connection's, which begins
    /// beyond this.
    GaveWay(SeqNumber),
}

impl<P: Packet> Endpoint<P> {
    /// A subflow is gone, and its 4-tuple is in TIME_WAIT.
    pub(super) fn begin_time_wait(&mut self, cx: &mut Context<'_>, tuple: &FourTuple, rest: TimeWait) {
        if self.time_waits.entries.is_full() {
            self.end_oldest_time_wait(cx);
        }
        self.time_waits.insert(cx.now, self.demux.hash(tuple), (*tuple).into(), rest);
    }

    /// The oldest TIME_WAIT gives way to something; `false`: there is none.
    pub(super) fn end_oldest_time_wait(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(tuple) = self.time_waits.remove_oldest() else { return false };
        cx.count(Outcome::TcpTimeWaitOverflow);
        self.disclaim_tuple(&tuple);
        true
    }

    /// Forgets those that are over.
    pub(super) fn expire_time_waits(&mut self, now: Instant) {
        while let Some(tuple) = self.time_waits.expire(now) {
            self.disclaim_tuple(&tuple);
        }
    }

    /// Shows a segment of nobody's to the TIME_WAIT of its 4-tuple.
    pub(super) fn show_time_wait(&mut self, cx: &mut Context<'_>, stranger: &Stranger<'_>) -> Met {
        if self.time_waits.entries.is_empty() {
            return Met::Nothing;
        }
        let waits = &mut self.time_waits;
        let Some(key) = waits.key(self.demux.hash(&stranger.tuple), &stranger.tuple) else {
            return Met::Nothing;
        };
        let Some(entry) = waits.entries.get_mut(key.0, key.1) else { return Met::Nothing };
        match entry.rest.handle_segment(cx, stranger.segment, stranger.payload_bytes) {
            TimeWaitReaction::Ignored => {}
            TimeWaitReaction::Answer { restart } => {
                if restart {
                    entry.ends_at = cx.now + waits.lasts;
                }
                let (header, options) = entry.rest.acknowledgement(&stranger.tuple, cx.now);
                self.send_segment(cx, stranger.tuple, &header, &options);
            }
            TimeWaitReaction::GiveWay { after } => {
                waits.remove(key);
                waits.tidy();
                cx.count(Outcome::TcpTimeWaitReused);
                self.disclaim_tuple(&stranger.tuple);
                return Met::GaveWay(after);
            }
        }
        Met::TimeWait
    }
}
