//! The sending half of the stream: what was written and is not yet
//! acknowledged at data level (RFC 8684 §3.3.2, §3.3.5, §3.3.6).

use crate::base::{DataSeqNumber, Instant, OnDemand, Packet, Queue, RangeSet};

/// How far the end of our stream got (RFC 8684 §3.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DataFin {
    /// The application may write.
    Open,
    /// It is done; data waits to be mapped before the DATA_FIN can leave.
    Wanted,
    /// DATA_FIN leaves or has left, and is sent again until acknowledged.
    Sent,
    /// The peer has it all.
    Acknowledged,
}

/// The sending half. Offsets count our bytes from 0.
#[derive(Debug)]
pub(super) struct Sender<P> {
    /// The data sequence number of offset 0.
    base: DataSeqNumber,
    /// Written and not yet data-acknowledged, contiguous.
    chunks: Queue<(u64, P)>,
    /// First offset that is not data-acknowledged.
    unacknowledged: u64,
    /// First offset never mapped to a subflow.
    next: u64,
    /// End of what was written.
    end: u64,
    /// Right edge of the peer's window.
    window_edge: u64,
    /// Mapped before and lost with, or held up on, its subflow.
    reinject: OnDemand<RangeSet>,
    /// Everything below was, or may have been, on more than one subflow or on
    /// one that is gone: bytes in flight are contiguous only beyond it.
    scattered_below: u64,
    pub(super) fin: DataFin,
    /// The DATA_FIN waits for an ACK that has room for it.
    pub(super) fin_due: bool,
    /// Something may be handed to a subflow.
    pub(super) push_wanted: bool,
    /// The application used up `send_capacity`.
    pub(super) writer_waits: bool,
    /// When the head of the stream, or the DATA_FIN, is sent again (§3.3.6).
    pub(super) deadline: Option<Instant>,
    /// How often in a row that happened.
    pub(super) timeouts: u32,
}

impl<P: Packet> Sender<P> {
    pub(super) fn new(initial: DataSeqNumber) -> Self {
        Self {
            base: initial + 1,
            chunks: Queue::new(),
            unacknowledged: 0,
            next: 0,
            end: 0,
            window_edge: 0,
            reinject: OnDemand::default(),
            scattered_below: 0,
            fin: DataFin::Open,
            fin_due: false,
            push_wanted: false,
            writer_waits: false,
            deadline: None,
            timeouts: 0,
        }
    }

    /// The data sequence number of an offset.
    pub(super) fn sequence_of(&self, offset: u64) -> DataSeqNumber {
        self.base + offset as usize
    }

    /// The number of the DATA_FIN.
    pub(super) fn fin_sequence(&self) -> DataSeqNumber {
        self.sequence_of(self.end)
    }

    /// The oldest number that is not acknowledged: promotes short Data ACKs.
    pub(super) fn unacknowledged_sequence(&self) -> DataSeqNumber {
        self.sequence_of(self.unacknowledged)
    }

    /// Appends to the stream.
    pub(super) fn write(&mut self, payload: P) {
        let bytes = payload.len() as u64;
        if bytes > 0 {
            self.chunks.push_back((self.end, payload));
            self.end += bytes;
        }
    }

    /// Bytes written and not yet acknowledged.
    pub(super) const fn buffered(&self) -> u64 {
        self.end - self.unacknowledged
    }

    /// Offset of the first byte not acknowledged.
    pub(super) const fn unacknowledged(&self) -> u64 {
        self.unacknowledged
    }

    /// Whether bytes are mapped and not yet acknowledged.
    pub(super) const fn is_outstanding(&self) -> bool {
        self.unacknowledged < self.next
    }

    /// Whether all that was written has been mapped to a subflow.
    pub(super) const fn is_all_mapped(&self) -> bool {
        self.next == self.end
    }

    /// The range never mapped: `limit_by_window` asks for the part inside the
    /// peer's window.
    pub(super) fn unmapped(&self, limit_by_window: bool) -> (u64, u64) {
        let end = if limit_by_window { self.end.min(self.window_edge) } else { self.end };
        (self.next, end.max(self.next))
    }

    /// The first range at or after `offset` to send again.
    pub(super) fn reinjection_after(&self, offset: u64) -> Option<(u64, u64)> {
        self.reinject.next_after(offset).map(|(start, end)| (start.max(offset), end))
    }

    /// Marks mapped bytes to be sent again; returns how many are newly marked.
    pub(super) fn reinject(&mut self, start: u64, end: u64) -> u64 {
        let start = start.max(self.unacknowledged);
        let end = end.min(self.next);
        self.scattered_below = self.scattered_below.max(end);
        self.reinject.insert(start, end)
    }

    /// A range was mapped to a subflow.
    pub(super) fn mapped(&mut self, start: u64, end: u64) {
        if !self.reinject.is_empty() {
            self.reinject.remove(start, end);
        }
        self.next = self.next.max(end);
    }

    /// Bytes up to the last one mapped are no longer on one subflow in order.
    pub(super) fn scatter(&mut self) {
        self.scattered_below = self.next;
    }

    /// Whether what is in flight lies contiguously on one subflow.
    pub(super) const fn is_contiguous(&self) -> bool {
        self.unacknowledged >= self.scattered_below
    }

    /// Calls `visit` with the pieces of a range that was written and is not
    /// yet acknowledged, by reference.
    pub(super) fn for_each_slice(&self, start: u64, end: u64, mut visit: impl FnMut(P)) {
        let first = match self.chunks.back() {
            // What is new lies there if it was written at once.
            Some((offset, _)) if *offset <= start => self.chunks.len() - 1,
            _ => self.chunks.partition_point(|(offset, payload)| offset + payload.len() as u64 <= start),
        };
        for (offset, payload) in self.chunks.range(first..) {
            if *offset >= end {
                return;
            }
            let from = start.max(*offset) - offset;
            let to = end.min(offset + payload.len() as u64) - offset;
            visit(payload.slice(from as usize, (to - from) as usize));
        }
    }

    /// A Data ACK. `None` if it acknowledges what was never sent; else whether
    /// it is new.
    pub(super) fn acknowledge(&mut self, acknowledgement: DataSeqNumber) -> Option<bool> {
        let offset = acknowledgement.0.wrapping_sub(self.base.0);
        let fin_sent = matches!(self.fin, DataFin::Sent | DataFin::Acknowledged);
        let furthest = if fin_sent { self.end + 1 } else { self.next };
        if offset > furthest {
            // A number before the base is old, not invalid: the peer had
            // nothing yet.
            return (acknowledgement.before(self.base)).then_some(false);
        }
        if fin_sent && offset == self.end + 1 && self.fin == DataFin::Sent {
            self.fin = DataFin::Acknowledged;
            self.release(self.end);
            // Nothing comes any more, and the peer's end may be far.
            self.chunks.discard();
            return Some(true);
        }
        if offset <= self.unacknowledged {
            return Some(false);
        }
        self.release(offset.min(self.end));
        Some(true)
    }

    /// Lets go of everything before `offset`.
    pub(super) fn release(&mut self, offset: u64) {
        if offset <= self.unacknowledged {
            return;
        }
        self.unacknowledged = offset;
        self.next = self.next.max(offset);
        if !self.reinject.is_empty() {
            self.reinject.remove_below(offset);
        }
        while self.chunks.front().is_some_and(|(start, payload)| start + payload.len() as u64 <= offset) {
            self.chunks.pop_front();
        }
    }

    /// The peer's window, relative to its Data ACK; the edge never moves left
    /// (RFC 8684 §3.3.5: the largest recent window).
    pub(super) fn set_window(&mut self, acknowledgement: DataSeqNumber, window_bytes: usize) {
        let offset = acknowledgement.0.wrapping_sub(self.base.0);
        if offset <= self.end + 1 {
            self.window_edge = self.window_edge.max(offset + window_bytes as u64);
        }
    }

    /// Nothing is written for a while: no memory is kept for it.
    pub(super) fn rest(&mut self) {
        self.chunks.rest();
        if self.reinject.is_empty() {
            self.reinject.discard();
        }
    }

    /// Lets go of everything: nothing more is sent.
    pub(super) fn clear(&mut self) {
        self.chunks.clear();
        self.reinject.discard();
        self.next = self.end;
        self.unacknowledged = self.end;
        self.deadline = None;
    }
}

#[cfg(test)]
mod tests;
