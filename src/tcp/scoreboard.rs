//! What is in flight, segment by segment: the scoreboard of RFC 6675 with the
//! time at which each was sent.

use crate::base::{Blank, Instant, RangeSet};
use std::collections::VecDeque;

/// Segments above a hole that make it a loss (RFC 5681 §3.2, RFC 6675 §2).
pub(super) const DUPLICATE_THRESHOLD: usize = 3;

/// What became of a segment as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    InFlight,
    /// The peer has it but may still drop it (RFC 2018 §8).
    Sacked,
    /// To be sent again.
    Lost,
    /// Sent again and on its way.
    Resent,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    start: u64,
    end: u64,
    /// Payload bytes of the segments it was cut into.
    segment_bytes: u32,
    sent_at: Instant,
    fate: Fate,
    /// Whether it was ever sent again: its RTT is ambiguous (Karn).
    ambiguous: bool,
}

impl Sent {
    const fn bytes(&self) -> u64 {
        self.end - self.start
    }
}

/// What a cumulative acknowledgement took off the board.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Released {
    /// Bytes that were not known to be delivered before.
    pub(super) delivered_bytes: u64,
    /// When the newest of them was sent, if that measures a round trip.
    pub(super) sent_at: Option<Instant>,
}

/// Records in order of their offsets, without gaps. Each event costs as much
/// as it changes, and the logarithm of the length.
#[derive(Debug, Default)]
pub(super) struct Scoreboard {
    records: VecDeque<Sent>,
    sacked: RangeSet,
    flight_bytes: u64,
    lost_bytes: u64,
    /// Below, every hole is marked as lost already.
    judged_to: u64,
    /// No record below is lost.
    lost_from: u64,
}

impl Blank for Scoreboard {
    const BLANK: &'static Self = &Self {
        records: VecDeque::new(),
        sacked: RangeSet::new(),
        flight_bytes: 0,
        lost_bytes: 0,
        judged_to: 0,
        lost_from: 0,
    };
}

impl Scoreboard {
    /// Bytes believed to be in the network (`pipe`, RFC 6675 §4).
    pub(super) const fn flight_bytes(&self) -> u64 {
        self.flight_bytes
    }

    /// Bytes to be sent again.
    pub(super) const fn lost_bytes(&self) -> u64 {
        self.lost_bytes
    }

    /// Whether nothing is in flight: what was is of no use any more.
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// `[start, end)` leaves for the first time, in segments of `segment_bytes`.
    pub(super) fn sent(&mut self, start: u64, end: u64, segment_bytes: usize, now: Instant) {
        let record = Sent {
            start,
            end,
            segment_bytes: (segment_bytes as u32).max(1),
            sent_at: now,
            fate: Fate::InFlight,
            ambiguous: false,
        };
        self.flight_bytes += record.bytes();
        self.records.push_back(record);
    }

    /// Everything below `to` is acknowledged for good.
    pub(super) fn acknowledge(&mut self, to: u64) -> Released {
        let mut released = Released::default();
        let mut ambiguous = false;
        while let Some(&record) = self.records.front() {
            if record.start >= to {
                break;
            }
            let part = Sent { end: record.end.min(to), ..record };
            self.uncount(&part);
            if record.fate != Fate::Sacked {
                released.delivered_bytes += part.bytes();
                ambiguous |= record.ambiguous;
                released.sent_at = Some(record.sent_at);
            }
            if record.end > to {
                self.records[0].start = to;
                break;
            }
            self.records.pop_front();
        }
        if !self.sacked.is_empty() {
            self.sacked.remove_below(to);
        }
        if ambiguous {
            released.sent_at = None;
        }
        released
    }

    /// The peer has `[start, end)`. Returns the bytes that is news for. What
    /// covers a segment only in part is not taken: records never get smaller
    /// than segments, whatever a peer sends.
    pub(super) fn sack(&mut self, start: u64, end: u64) -> u64 {
        let mut news = 0;
        let mut at = start;
        while at < end {
            let gap_end = match self.sacked.next_after(at) {
                Some((from, to)) if from <= at => {
                    at = to;
                    continue;
                }
                Some((from, _)) => from.min(end),
                None => end,
            };
            news += self.sack_gap(at, gap_end);
            at = gap_end;
        }
        news
    }

    fn sack_gap(&mut self, start: u64, end: u64) -> u64 {
        let mut news = 0;
        let mut index = self.position(start);
        while let Some(&record) = self.records.get(index) {
            if record.start >= end {
                break;
            }
            let (from, to) = whole_segments(&record, start, end);
            if from < to {
                index = self.isolate(index, from, to);
                self.set_fate(index, Fate::Sacked);
                self.sacked.insert(from, to);
                news += to - from;
            }
            index += 1;
        }
        news
    }

    /// Makes `[from, to)` of the record at `index` a record of its own, and
    /// returns its index.
    fn isolate(&mut self, index: usize, from: u64, to: u64) -> usize {
        let at = if self.split(index, from) { index + 1 } else { index };
        self.split(at, to);
        at
    }

    /// Cuts a record in two at `at`; `false`: `at` is no offset inside it.
    fn split(&mut self, index: usize, at: u64) -> bool {
        let record = &mut self.records[index];
        if at <= record.start || at >= record.end {
            return false;
        }
        let rest = Sent { start: at, ..*record };
        record.end = at;
        self.records.insert(index + 1, rest);
        true
    }

    /// Marks as lost what is not SACKed with enough SACKed above it (`IsLost`,
    /// RFC 6675 §4): three separate ranges, or more than two segments of bytes.
    pub(super) fn judge(&mut self, segment_bytes: usize) {
        let enough = (DUPLICATE_THRESHOLD as u64 - 1) * segment_bytes as u64;
        let mut bytes = 0;
        let edge = self.sacked.iter().rev().enumerate().find_map(|(above, (start, end))| {
            bytes += end - start;
            (above + 1 >= DUPLICATE_THRESHOLD || bytes > enough).then_some(start)
        });
        let Some(edge) = edge else { return };
        let mut index = self.position(self.judged_to);
        while self.records.get(index).is_some_and(|record| record.start < edge) {
            if self.records[index].fate == Fate::InFlight {
                self.set_fate(index, Fate::Lost);
            }
            index += 1;
        }
        self.judged_to = self.judged_to.max(edge);
    }

    /// Marks the oldest segment as lost: what duplicate ACKs without SACK say.
    pub(super) fn judge_head(&mut self) {
        let Some(&head) = self.records.front() else { return };
        if head.fate == Fate::InFlight {
            self.split(0, head.start + u64::from(head.segment_bytes));
            self.set_fate(0, Fate::Lost);
        }
    }

    /// A timeout: nothing is in the network any more.
    pub(super) fn lose_all(&mut self) {
        for index in 0..self.records.len() {
            if self.records[index].fate != Fate::Sacked {
                self.set_fate(index, Fate::Lost);
            }
        }
    }

    /// Segments of more than `segment_bytes` were too long for the path.
    pub(super) fn lose_longer(&mut self, segment_bytes: usize) {
        for index in 0..self.records.len() {
            let record = self.records[index];
            let longest = record.bytes().min(u64::from(record.segment_bytes));
            if longest > segment_bytes as u64 && record.fate != Fate::Sacked {
                self.set_fate(index, Fate::Lost);
            }
        }
    }

    /// Nothing was lost after all: what was not sent again is still in flight.
    pub(super) fn find_lost(&mut self) {
        for index in 0..self.records.len() {
            if self.records[index].fate == Fate::Lost {
                self.set_fate(index, Fate::InFlight);
            }
        }
        self.judged_to = 0;
    }

    /// The peer dropped what it had SACKed (RFC 2018 §8): all of it is lost.
    pub(super) fn forget_sacks(&mut self) {
        for index in 0..self.records.len() {
            if self.records[index].fate == Fate::Sacked {
                self.set_fate(index, Fate::Lost);
            }
        }
        self.sacked.clear();
        self.judged_to = 0;
    }

    /// Whether the peer reported as received what it acknowledges not to have.
    pub(super) fn is_reneged(&self) -> bool {
        self.records.front().is_some_and(|record| record.fate == Fate::Sacked)
    }

    /// The first range to be sent again (`NextSeg` rule 1).
    pub(super) fn next_lost(&mut self) -> Option<(u64, u64)> {
        if self.lost_bytes == 0 {
            return None;
        }
        let from = self.position(self.lost_from);
        let record = self.records.range(from..).find(|record| record.fate == Fate::Lost)?;
        self.lost_from = record.start;
        Some((record.start, record.end))
    }

    /// A hole below the highest SACKed byte, not known to be lost (rule 3).
    pub(super) fn next_hole(&self) -> Option<(u64, u64)> {
        let (highest, _) = self.sacked.iter().next_back()?;
        let from = self.position(self.judged_to);
        let below = self.records.range(from..).take_while(|record| record.start < highest);
        below.filter(|record| record.fate == Fate::InFlight).map(|record| (record.start, record.end)).next()
    }

    /// The last segment in flight: the rescue retransmission (rule 4).
    pub(super) fn tail(&self) -> Option<(u64, u64)> {
        let record = self.records.iter().rev().find(|record| record.fate == Fate::InFlight)?;
        let last = record.bytes().min(u64::from(record.segment_bytes));
        Some((record.end - last, record.end))
    }

    /// Whether the record at `offset` is to be sent again.
    pub(super) fn is_lost_at(&self, offset: u64) -> bool {
        self.records.get(self.position(offset)).is_some_and(|record| record.fate == Fate::Lost)
    }

    /// `[start, end)`, within one record, leaves again.
    pub(super) fn resent(&mut self, start: u64, end: u64, segment_bytes: usize, now: Instant) {
        let index = self.position(start);
        if self.records.get(index).is_none_or(|record| start < record.start || end > record.end) {
            return;
        }
        let index = self.isolate(index, start, end);
        self.set_fate(index, Fate::Resent);
        let record = &mut self.records[index];
        record.sent_at = now;
        record.ambiguous = true;
        record.segment_bytes = (segment_bytes as u32).max(1);
    }

    /// Index of the first record that ends above `offset`.
    fn position(&self, offset: u64) -> usize {
        self.records.partition_point(|record| record.end <= offset)
    }

    fn set_fate(&mut self, index: usize, fate: Fate) {
        let record = self.records[index];
        self.uncount(&record);
        self.records[index].fate = fate;
        match fate {
            Fate::InFlight | Fate::Resent => self.flight_bytes += record.bytes(),
            Fate::Lost => {
                self.lost_bytes += record.bytes();
                self.lost_from = self.lost_from.min(record.start);
            }
            Fate::Sacked => {}
        }
    }

    fn uncount(&mut self, record: &Sent) {
        match record.fate {
            Fate::InFlight | Fate::Resent => self.flight_bytes -= record.bytes(),
            Fate::Lost => self.lost_bytes -= record.bytes(),
            Fate::Sacked => {}
        }
    }
}

/// The whole segments of `record` within `[start, end)`.
fn whole_segments(record: &Sent, start: u64, end: u64) -> (u64, u64) {
    let segment = u64::from(record.segment_bytes);
    let from = record.start + start.saturating_sub(record.start).div_ceil(segment) * segment;
    let to =
        if end >= record.end { record.end } else { record.start + (end - record.start) / segment * segment };
    (from, to)
}

#[cfg(test)]
mod tests;
