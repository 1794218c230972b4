//! Data sequence mappings (RFC 8684 §3.3.1): what tags payload on the way out,
//! and the table that says where a subflow's bytes belong on the way in.

use crate::base::{DataSeqNumber, Packet, Queue, SeqNumber};
use crate::tcp;
use crate::wire::{MappingSignal, mapping_pseudo_header};

/// The longest mapping that is declared: one burst of up to 64 KB, so that the
/// options of its segments are identical and TSO, LRO and GRO can merge them.
pub(super) const MAPPING_BYTES_MAX: usize = 65_535;

/// Bytes held without a mapping that may still come. A mapping need not be in
/// the segment with its first byte, but is declared within a burst of it.
const UNMAPPED_BYTES_MAX: usize = 2 * MAPPING_BYTES_MAX;

/// What payload of a subflow stands for. TCP never mixes two in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    /// Bytes of a mapping.
    Mapped(Mapping),
    /// The first bytes after a fallback: an infinite mapping is declared.
    Infinite(Mapping),
    /// Plain TCP.
    Plain,
}

/// A mapping as declared by us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mapping {
    /// Where the data begins, as offset of our stream.
    pub(super) offset: u64,
    /// Where it lies in the subflow, relative to the initial sequence number.
    pub(super) subflow_offset: u32,
    /// How long it is; 0 is infinite.
    pub(super) length: u16,
    /// Its checksum, if agreed.
    pub(super) checksum: Option<u16>,
}

/// The DSS checksum (RFC 8684 §3.3.1): the TCP checksum over the data and a
/// pseudo-header with the 64-bit data sequence number, whatever was signalled.
/// `length` counts a DATA_FIN.
pub(super) fn data_checksum<'a, P: Packet + 'a>(
    sequence: DataSeqNumber,
    subflow_offset: u32,
    length: u16,
    data: impl Iterator<Item = &'a P>,
) -> u16 {
    let mut checksum = mapping_pseudo_header(sequence, subflow_offset, length);
    for piece in data {
        piece.for_each_piece(&mut |bytes| checksum.add(bytes));
    }
    checksum.finish()
}

/// Whether two checksums are the same number: 0x0000 and 0xffff are in ones'
/// complement.
const fn is_same_checksum(computed: u16, expected: u16) -> bool {
    computed == expected || (computed ^ expected == 0xffff && (computed == 0 || expected == 0))
}

/// Whether the checksum of a DATA_FIN without data, if there is one, is right:
/// it covers the pseudo-header alone (RFC 8684 §3.3.3).
pub(super) fn is_fin_genuine<P: Packet>(signal: &MappingSignal, sequence: DataSeqNumber) -> bool {
    let computed = || data_checksum(sequence, signal.subflow_offset, signal.length, std::iter::empty::<&P>());
    signal.checksum.is_none_or(|expected| is_same_checksum(computed(), expected))
}

/// A mapping as the peer declared it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ReceivedMapping {
    /// First byte in the subflow.
    pub(super) start: SeqNumber,
    /// The same, as the peer signalled it: the checksum covers this.
    pub(super) subflow_offset: u32,
    /// Where the data belongs in the stream.
    pub(super) offset: u64,
    /// The data sequence number of the first byte.
    pub(super) sequence: DataSeqNumber,
    /// Bytes of data: without a DATA_FIN.
    pub(super) data_bytes: u16,
    /// The length as signalled.
    pub(super) length: u16,
    /// The checksum as signalled.
    pub(super) checksum: Option<u16>,
}

impl ReceivedMapping {
    fn end(&self) -> SeqNumber {
        self.start + usize::from(self.data_bytes)
    }

    /// Whether `other` says the same of the same bytes. Its length may differ
    /// by a DATA_FIN: Linux adds one to a mapping of which a part has left.
    fn agrees_with(&self, other: &Self) -> bool {
        (self.start, self.offset, self.data_bytes) == (other.start, other.offset, other.data_bytes)
    }
}

/// What became of a mapping that a segment carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Declared {
    /// New, or a repetition.
    Taken,
    /// It contradicts an earlier one (RFC 8684 §3.3.1: never changed).
    Conflict,
    /// Too many are waiting for their data.
    Full,
}

/// The next step of bringing a subflow's bytes to the stream.
#[derive(Debug)]
pub(super) enum Step<P> {
    /// These bytes belong at this offset.
    Data { offset: u64, payload: P },
    /// Nothing to do until more arrives.
    Wait,
    /// Bytes without a mapping, and none can come for them any more.
    Unmapped,
    /// The data of the mapping that starts with this number was changed.
    BadChecksum(DataSeqNumber),
}

/// In-order bytes of one subflow on their way to the stream, and the mappings
/// that say where they go. Bytes of a mapping with a checksum wait until the
/// mapping is complete.
#[derive(Debug)]
pub(super) struct Incoming<P> {
    mappings: Queue<ReceivedMapping>,
    /// Whether the first mapping's checksum was found right.
    verified: bool,
    pending: Queue<tcp::Received<P>>,
    pending_bytes: u32,
    /// Sequence number after the last byte appended.
    end: Option<SeqNumber>,
}

impl<P: Packet> Incoming<P> {
    pub(super) const fn new() -> Self {
        Self { mappings: Queue::new(), verified: false, pending: Queue::new(), pending_bytes: 0, end: None }
    }

    /// Remembers a mapping. `initial`: the peer's first data byte has this
    /// number; `limit`: mappings kept at most.
    pub(super) fn declare(&mut self, mapping: ReceivedMapping, initial: SeqNumber, limit: usize) -> Declared {
        let first = self.first(initial);
        if mapping.data_bytes == 0 || !mapping.end().after(first) {
            return Declared::Taken;
        }
        // The common cases: repeated on the next segment of a burst, or new at the end.
        match self.mappings.back() {
            Some(last) if last.agrees_with(&mapping) => return Declared::Taken,
            Some(last) if last.end().after(mapping.start) => return self.declare_inside(mapping, limit),
            _ => {}
        }
        if self.mappings.len() >= limit {
            return Declared::Full;
        }
        self.mappings.push_back(mapping);
        Declared::Taken
    }

    fn declare_inside(&mut self, mapping: ReceivedMapping, limit: usize) -> Declared {
        let at = self.mappings.partition_point(|known| known.start.before(mapping.start));
        if self.mappings.get(at).is_some_and(|known| known.agrees_with(&mapping)) {
            return Declared::Taken;
        }
        let overlaps_previous = at > 0 && self.mappings[at - 1].end().after(mapping.start);
        let overlaps_next = self.mappings.get(at).is_some_and(|next| mapping.end().after(next.start));
        if overlaps_previous || overlaps_next {
            return Declared::Conflict;
        }
        if self.mappings.len() >= limit {
            return Declared::Full;
        }
        self.mappings.insert(at, mapping);
        Declared::Taken
    }

    /// The first byte that was not brought to the stream; `initial`: the peer's
    /// first data byte has this number.
    pub(super) fn first(&self, initial: SeqNumber) -> SeqNumber {
        self.end.unwrap_or(initial) - self.pending_bytes as usize
    }

    /// Appends bytes that the subflow put in order.
    pub(super) fn append(&mut self, received: tcp::Received<P>) {
        self.pending_bytes += received.payload.len() as u32;
        self.end = Some(received.sequence + received.payload.len());
        self.pending.push_back(received);
    }

    /// Whether bytes wait, for whatever.
    pub(super) fn is_waiting(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Whether bytes wait and no mapping is known at all.
    pub(super) fn is_unmapped(&self) -> bool {
        !self.pending.is_empty() && self.mappings.is_empty()
    }

    /// The next step. Call again after `Data`.
    pub(super) fn step(&mut self) -> Step<P> {
        let Some(front) = self.pending.front() else { return Step::Wait };
        let sequence = front.sequence;
        while self.mappings.front().is_some_and(|mapping| !mapping.end().after(sequence)) {
            self.mappings.pop_front();
            self.verified = false;
        }
        let Some(&mapping) = self.mappings.front() else {
            return if self.pending_bytes as usize > UNMAPPED_BYTES_MAX {
                Step::Unmapped
            } else {
                Step::Wait
            };
        };
        if mapping.start.after(sequence) {
            return Step::Unmapped;
        }
        if let Some(expected) = mapping.checksum.filter(|_| !self.verified) {
            match self.verify(&mapping, sequence, expected) {
                None => return Step::Wait,
                Some(false) => return Step::BadChecksum(mapping.sequence),
                Some(true) => self.verified = true,
            }
        }
        let into_mapping = sequence.bytes_since(mapping.start);
        self.take(usize::from(mapping.data_bytes) - into_mapping, mapping.offset + into_mapping as u64)
    }

    /// Whether the data of a mapping is what it was; `None` until all of it is
    /// there.
    fn verify(&self, mapping: &ReceivedMapping, first: SeqNumber, expected: u16) -> Option<bool> {
        let data_bytes = usize::from(mapping.data_bytes);
        if (self.pending_bytes as usize) < data_bytes {
            return None;
        }
        if first != mapping.start {
            return Some(false);
        }
        let mut left = data_bytes;
        let pieces: Vec<P> = self
            .pending
            .iter()
            .map_while(|received| {
                let take = left.min(received.payload.len());
                left -= take;
                (take > 0).then(|| received.payload.slice(0, take))
            })
            .collect();
        let computed = data_checksum(mapping.sequence, mapping.subflow_offset, mapping.length, pieces.iter());
        Some(is_same_checksum(computed, expected))
    }

    fn take(&mut self, room: usize, offset: u64) -> Step<P> {
        let Some(front) = self.pending.front_mut() else { return Step::Wait };
        let take = room.min(front.payload.len());
        self.pending_bytes -= take as u32;
        if take < front.payload.len() {
            front.sequence += take;
            return Step::Data { offset, payload: front.payload.split_front(take) };
        }
        match self.pending.pop_front() {
            Some(received) => Step::Data { offset, payload: received.payload },
            None => Step::Wait,
        }
    }

    /// Drops so many of the bytes that wait; `false`: there are not so many.
    pub(super) fn skip(&mut self, mut bytes: usize) -> bool {
        if bytes > self.pending_bytes as usize {
            return false;
        }
        while bytes > 0 {
            let Step::Data { payload, .. } = self.take(bytes, 0) else { return false };
            bytes -= payload.len();
        }
        true
    }

    /// Nothing comes for a while: a mapping whose bytes all came is of no use any
    /// more, and no memory is kept for the next.
    pub(super) fn rest(&mut self) {
        while self.pending.is_empty()
            && let (Some(mapping), Some(end)) = (self.mappings.front(), self.end)
            && !mapping.end().after(end)
        {
            self.mappings.pop_front();
            self.verified = false;
        }
        self.mappings.rest();
        self.pending.rest();
    }

    /// Everything that waits, in order, whatever was mapped: after a fallback.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = P> + '_ {
        self.mappings.clear();
        self.pending_bytes = 0;
        self.pending.drain().map(|received| received.payload)
    }
}

#[cfg(test)]
mod tests;
