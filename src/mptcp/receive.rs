//! The receiving half of the stream: data-level reassembly by reference and
//! the shared receive window (RFC 8684 §3.3.1, §3.3.4, §3.3.5).

use crate::base::{DataSeqNumber, Packet, Queue};

/// What became of received data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placed {
    /// It moved the stream forward.
    InOrder,
    /// It waits for data before it.
    OutOfOrder,
    /// All of it was there already (the first copy wins, RFC 8684 §3.3.1).
    Duplicate,
    /// It lies outside the window and was dropped: not acknowledged.
    OutOfWindow,
    /// Too many pieces wait out of order; dropped, not acknowledged.
    Full,
    /// Too many pieces wait to be read; dropped, not acknowledged.
    Unread,
}

/// Beyond every offset.
const NO_FIN: u64 = u64::MAX;

/// The receiving half. Offsets count the peer's bytes from 0.
#[derive(Debug)]
pub(super) struct Receiver<P> {
    /// The data sequence number of offset 0.
    base: DataSeqNumber,
    /// First offset that is missing.
    next: u64,
    /// Right edge of the window as announced; never moves left.
    edge: u64,
    /// The edge in the last segment that left.
    announced_edge: u64,
    buffer_bytes: u64,
    /// In order, not yet read.
    unread: Queue<P>,
    /// In order and not yet consumed: unread, or read and still held.
    held_bytes: u64,
    /// Sorted by offset, disjoint, all after `next`.
    out_of_order: Queue<(u64, P)>,
    /// Offset of the DATA_FIN, or [`NO_FIN`].
    fin: u64,
}

impl<P: Packet> Receiver<P> {
    pub(super) fn new(buffer_bytes: usize) -> Self {
        let buffer_bytes = buffer_bytes as u64;
        Self {
            base: DataSeqNumber(0),
            next: 0,
            edge: buffer_bytes,
            announced_edge: buffer_bytes,
            buffer_bytes,
            unread: Queue::new(),
            held_bytes: 0,
            out_of_order: Queue::new(),
            fin: NO_FIN,
        }
    }

    /// Pieces that may wait out of order, and to be read: small ones hold more
    /// memory than the window counts.
    fn pieces_limit(&self) -> usize {
        (self.buffer_bytes / 512).max(256) as usize
    }

    /// The peer's initial data sequence number is known: its first byte is the
    /// next one (RFC 8684 §3.1: the SYN takes one number).
    pub(super) fn set_initial(&mut self, initial: DataSeqNumber) {
        self.base = initial + 1;
    }

    /// The 64-bit number nearest to what is expected, for a short signal.
    pub(super) fn expected(&self) -> DataSeqNumber {
        self.base + self.next as usize
    }

    /// The data sequence number of an offset.
    pub(super) fn sequence_of(&self, offset: u64) -> DataSeqNumber {
        self.base + offset as usize
    }

    /// The offset of a data sequence number; wraps around for numbers before
    /// the first, which then lie outside any window.
    pub(super) fn offset_of(&self, sequence: DataSeqNumber) -> u64 {
        sequence.0.wrapping_sub(self.base.0)
    }

    /// The Data ACK: everything before it was received, a DATA_FIN counted.
    pub(super) fn acknowledgement(&self) -> DataSeqNumber {
        self.base + self.next as usize + usize::from(self.is_finished())
    }

    /// Bytes of window to announce; moves the right edge.
    pub(super) fn window(&mut self) -> u32 {
        let free = self.buffer_bytes.saturating_sub(self.held_bytes);
        self.edge = self.edge.max(self.next + free);
        u32::try_from(self.edge - self.next).unwrap_or(u32::MAX)
    }

    /// A segment with the window left.
    pub(super) const fn announced(&mut self) {
        self.announced_edge = self.edge;
    }

    /// Whether the window opened enough that the peer should hear of it: by an
    /// eighth of the buffer, or out of a window too small for two segments
    /// (RFC 9293 §3.8.6.2.2).
    pub(super) fn wants_update(&self, segment_bytes: usize) -> bool {
        let edge = self.edge.max(self.next + self.buffer_bytes.saturating_sub(self.held_bytes));
        let opened = edge - self.announced_edge;
        let left = self.announced_edge.saturating_sub(self.next);
        let two_segments = 2 * segment_bytes as u64;
        opened >= self.buffer_bytes / 8
            || (left < two_segments && opened >= two_segments.min(self.buffer_bytes / 2))
    }

    /// Puts data in its place.
    pub(super) fn place(&mut self, offset: u64, mut payload: P) -> Placed {
        let end = offset.wrapping_add(payload.len() as u64);
        let edge = self.acceptable_edge();
        if offset > edge || end > edge || end < offset {
            return self.place_beyond(offset, payload);
        }
        if end <= self.next {
            return Placed::Duplicate;
        }
        if offset > self.next {
            return self.insert(offset, payload);
        }
        if self.unread.len() >= self.pieces_limit() {
            return Placed::Unread;
        }
        payload.trim_front((self.next - offset) as usize);
        self.append_missing(payload);
        Placed::InOrder
    }

    /// No data lies beyond the window, or behind the DATA_FIN.
    fn acceptable_edge(&self) -> u64 {
        self.fin.min(self.edge)
    }

    /// Appends what is missing of data that is next: the first copy wins (§3.3.1).
    fn append_missing(&mut self, mut payload: P) {
        while let Some(gap) = self.out_of_order.front().map(|(known, _)| (known - self.next) as usize) {
            if payload.len() <= gap {
                break;
            }
            let start = self.next;
            let missing = payload.split_front(gap);
            self.append(missing);
            self.join_out_of_order();
            let known = (self.next - start) as usize - gap;
            if known >= payload.len() {
                return;
            }
            payload.trim_front(known);
        }
        self.append(payload);
        self.join_out_of_order();
    }

    /// What of the data lies inside the window, if any.
    fn place_beyond(&mut self, offset: u64, mut payload: P) -> Placed {
        let edge = self.acceptable_edge();
        if offset >= edge || (edge - offset) > payload.len() as u64 {
            return Placed::OutOfWindow;
        }
        payload.truncate((edge - offset) as usize);
        self.place(offset, payload)
    }

    /// Appends bytes that are next: plain TCP, or after the mapping said so.
    pub(super) fn append(&mut self, payload: P) {
        let bytes = payload.len() as u64;
        self.next += bytes;
        self.held_bytes += bytes;
        self.unread.push_back(payload);
    }

    fn join_out_of_order(&mut self) {
        while let Some((offset, _)) = self.out_of_order.front() {
            if *offset > self.next {
                return;
            }
            let Some((offset, mut payload)) = self.out_of_order.pop_front() else { return };
            let known = (self.next - offset) as usize;
            if known < payload.len() {
                payload.trim_front(known);
                self.append(payload);
            }
        }
    }

    /// Keeps data for later; only what is missing of it.
    fn insert(&mut self, mut offset: u64, mut payload: P) -> Placed {
        if self.out_of_order.len() >= self.pieces_limit() {
            return Placed::Full;
        }
        let mut at = self.out_of_order.partition_point(|(known, _)| *known <= offset);
        if at > 0 {
            let (known, piece) = &self.out_of_order[at - 1];
            let known_end = known + piece.len() as u64;
            if known_end >= offset + payload.len() as u64 {
                return Placed::Duplicate;
            }
            if known_end > offset {
                payload.trim_front((known_end - offset) as usize);
                offset = known_end;
            }
        }
        // What is there already cuts the new data into pieces.
        while let Some((known, piece)) = self.out_of_order.get(at) {
            let (known, known_end) = (*known, *known + piece.len() as u64);
            let end = offset + payload.len() as u64;
            if known >= end {
                break;
            }
            if known > offset {
                self.out_of_order.insert(at, (offset, payload.slice(0, (known - offset) as usize)));
                at += 1;
            }
            if known_end >= end {
                return Placed::OutOfOrder;
            }
            payload.trim_front((known_end - offset) as usize);
            offset = known_end;
            at += 1;
        }
        self.out_of_order.insert(at, (offset, payload));
        Placed::OutOfOrder
    }

    /// The peer's DATA_FIN has this offset. A second one that differs is
    /// ignored: the first signal holds.
    pub(super) fn set_fin(&mut self, offset: u64) {
        if self.fin == NO_FIN && offset >= self.next && offset <= self.edge.saturating_add(1) {
            self.fin = offset;
        }
    }

    /// A DATA_FIN that was not reached means nothing any more: plain TCP ends by FIN.
    pub(super) fn forget_fin(&mut self) {
        if !self.is_finished() {
            self.fin = NO_FIN;
        }
    }

    /// Whether everything up to the DATA_FIN was received.
    pub(super) fn is_finished(&self) -> bool {
        self.fin == self.next
    }

    /// The next bytes in order.
    pub(super) fn read(&mut self) -> Option<P> {
        self.unread.pop_front()
    }

    /// Whether there is anything to read.
    pub(super) fn is_readable(&self) -> bool {
        !self.unread.is_empty()
    }

    /// The application is done with bytes that it read.
    pub(super) const fn consumed(&mut self, bytes: usize) {
        self.held_bytes = self.held_bytes.saturating_sub(bytes as u64);
    }

    /// Offset of the next missing byte.
    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    /// Whether data waits out of order: then the bytes in flight towards us
    /// are not contiguous.
    pub(super) fn has_gap(&self) -> bool {
        !self.out_of_order.is_empty()
    }

    /// Nothing comes for a while: no memory is kept for it.
    pub(super) fn rest(&mut self) {
        self.unread.rest();
        self.out_of_order.rest();
    }

    /// Lets go of everything: nobody reads any more.
    pub(super) fn clear(&mut self) {
        self.unread.clear();
        self.out_of_order.clear();
        self.held_bytes = 0;
    }
}

#[cfg(test)]
mod tests;
