//! Packet memory, held by reference. The core never asks where bytes live:
//! in DPDK mbufs, in a client's transmit arena, or on the heap in simulation.

use crate::base::PortIndex;
use std::fmt;
use std::rc::Rc;

/// A run of bytes held by reference: a window on memory that stays where it
/// is. Trimming moves the window; sharing adds a reference. Dropping the last
/// reference gives the memory back to its owner.
///
/// The bytes may lie in several pieces (an mbuf chain); protocol headers lie in
/// the first. No method copies payload, except the two that say so.
pub trait Packet: Sized + fmt::Debug {
    /// Bytes in the window, over all pieces.
    fn len(&self) -> usize;

    /// Whether the window is empty.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Buffers that the packet holds, whatever its window: what runs short when
    /// packets are kept.
    fn buffers(&self) -> usize {
        1
    }

    /// The first contiguous piece of the window.
    fn head(&self) -> &[u8];

    /// Calls `visit` with each contiguous piece in order, none of them empty.
    fn for_each_piece(&self, visit: &mut dyn FnMut(&[u8]));

    /// Another reference to the same bytes. No allocation.
    #[must_use]
    fn share(&self) -> Self;

    /// Drops `count` bytes at the front.
    ///
    /// # Panics
    /// If the window is shorter: the caller has checked lengths.
    fn trim_front(&mut self, count: usize);

    /// Keeps the first `len` bytes; does nothing if the window is shorter.
    fn truncate(&mut self, len: usize);

    /// Joins `tail` behind this window, if the two can be held as one without
    /// copying and nobody else holds either.
    ///
    /// # Errors
    /// `tail` itself; nothing has changed.
    fn append(&mut self, tail: Self) -> Result<(), Self> {
        Err(tail)
    }

    /// A second window on `range` of this one.
    ///
    /// # Panics
    /// If the range reaches beyond the window.
    #[must_use]
    fn slice(&self, offset: usize, len: usize) -> Self {
        let mut part = self.share();
        part.trim_front(offset);
        assert!(len <= part.len(), "slice of {len} bytes at {offset} in {} bytes", self.len());
        part.truncate(len);
        part
    }

    /// Splits off the first `at` bytes; `self` keeps the rest.
    ///
    /// # Panics
    /// If the window is shorter than `at`.
    #[must_use]
    fn split_front(&mut self, at: usize) -> Self {
        let front = self.slice(0, at);
        self.trim_front(at);
        front
    }

    /// Copies as many bytes as fit into `to`, from `offset` on; returns how many.
    fn copy_to(&self, offset: usize, to: &mut [u8]) -> usize {
        let mut skip = offset;
        let mut filled = 0;
        self.for_each_piece(&mut |piece| {
            let start = skip.min(piece.len());
            skip -= start;
            let take = (piece.len() - start).min(to.len() - filled);
            to[filled..filled + take].copy_from_slice(&piece[start..start + take]);
            filled += take;
        });
        filled
    }
}

/// What the driver says of a received frame.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReceiveMeta {
    /// The IPv4 header checksum.
    pub ip_checksum: ChecksumState,
    /// The TCP or UDP checksum.
    pub l4_checksum: ChecksumState,
    /// The VLAN tag if the driver stripped one.
    pub vlan: Option<u16>,
}

/// What the driver knows of a checksum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChecksumState {
    /// Not looked at: software verifies.
    #[default]
    Unknown,
    /// Verified, or known never to have left this machine's memory.
    Good,
    /// Verified and wrong.
    Bad,
}

/// What a frame wants the driver to do on the way out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TransmitOffload {
    /// Fill in the IPv4 header checksum (the field is zero).
    pub ip_checksum: bool,
    /// Fill in the TCP checksum (the field holds the pseudo-header's sum).
    pub tcp_checksum: bool,
    /// Cut into segments of this many payload bytes; 0 does not cut.
    pub segment_bytes: u16,
    /// Bytes of Ethernet and VLAN header.
    pub l2_bytes: u8,
    /// Bytes of IP header.
    pub l3_bytes: u8,
    /// Bytes of TCP header with options.
    pub l4_bytes: u8,
    /// Whether the network layer is IPv6.
    pub ipv6: bool,
}

/// A frame on its way out: header bytes of our own, payload by reference.
#[derive(Debug)]
pub struct TransmitFrame<'a, P> {
    /// Where it leaves.
    pub port: PortIndex,
    /// Ethernet to TCP header, complete.
    pub header: &'a [u8],
    /// What follows it; the driver takes references or copies.
    pub payload: Payload<'a, P>,
    /// What the driver shall fill in.
    pub offload: TransmitOffload,
}

/// A run of bytes over several packets, of which the first and the last may
/// count in part: a window, so that nothing is shared just to be shown.
#[derive(Debug)]
pub struct Payload<'a, P> {
    pieces: &'a [P],
    /// Bytes of the pieces before the run.
    skip: usize,
    bytes: usize,
}

impl<P> Clone for Payload<'_, P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for Payload<'_, P> {}

impl<'a, P> Payload<'a, P> {
    /// No bytes.
    pub const EMPTY: Self = Self { pieces: &[], skip: 0, bytes: 0 };
}

impl<'a, P: Packet> Payload<'a, P> {
    /// All bytes of `pieces`.
    pub fn whole(pieces: &'a [P]) -> Self {
        Self { pieces, skip: 0, bytes: pieces.iter().map(Packet::len).sum() }
    }

    /// At most `bytes` of `self`, and the rest.
    #[must_use]
    pub fn split(self, bytes: usize) -> (Self, Self) {
        let bytes = bytes.min(self.bytes);
        let front = Self { bytes, ..self };
        let mut rest = Self { skip: self.skip + bytes, bytes: self.bytes - bytes, ..self };
        while let Some((first, others)) = rest.pieces.split_first()
            && rest.skip >= first.len()
        {
            rest.skip -= first.len();
            rest.pieces = others;
        }
        (front, rest)
    }

    /// Bytes of the run.
    pub const fn len(&self) -> usize {
        self.bytes
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Calls `visit` with each packet that has bytes in the run, where they begin
    /// in it, and how many.
    pub fn for_each_packet(&self, mut visit: impl FnMut(&'a P, usize, usize)) {
        let (mut skip, mut left) = (self.skip, self.bytes);
        for piece in self.pieces {
            let take = piece.len().saturating_sub(skip).min(left);
            if take > 0 {
                visit(piece, skip, take);
            }
            left -= take;
            if left == 0 {
                return;
            }
            skip = 0;
        }
    }

    /// Calls `visit` with the bytes in order, in contiguous runs.
    pub fn for_each_piece(&self, mut visit: impl FnMut(&[u8])) {
        self.for_each_packet(|packet, offset, bytes| {
            let (mut skip, mut left) = (offset, bytes);
            packet.for_each_piece(&mut |piece| {
                let start = skip.min(piece.len());
                let take = (piece.len() - start).min(left);
                if take > 0 {
                    visit(&piece[start..start + take]);
                }
                skip -= start;
                left -= take;
            });
        });
    }
}

/// Takes frames on their way out: the transmit side of all ports of one core.
pub trait FrameSink<P> {
    /// How many more frames `port` takes now.
    fn room(&self, port: PortIndex) -> usize;

    /// Takes a frame. A frame sent without [`room`](Self::room) is dropped and
    /// counted by the sink: to the protocol it is a loss like any other.
    fn send(&mut self, frame: TransmitFrame<'_, P>);
}

/// Packet memory on the heap, for simulation and tests.
#[derive(Clone)]
pub struct HeapPacket {
    bytes: Rc<[u8]>,
    start: usize,
    end: usize,
}

impl HeapPacket {
    /// A packet with a copy of `bytes`.
    pub fn new(bytes: &[u8]) -> Self {
        Self { bytes: Rc::from(bytes), start: 0, end: bytes.len() }
    }

    /// The window's bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }
}

impl Packet for HeapPacket {
    fn len(&self) -> usize {
        self.end - self.start
    }

    fn head(&self) -> &[u8] {
        self.as_slice()
    }

    fn for_each_piece(&self, visit: &mut dyn FnMut(&[u8])) {
        if !self.is_empty() {
            visit(self.as_slice());
        }
    }

    fn share(&self) -> Self {
        self.clone()
    }

    fn trim_front(&mut self, count: usize) {
        assert!(count <= self.len(), "trim {count} of {} bytes", self.len());
        self.start += count;
    }

    fn truncate(&mut self, len: usize) {
        self.end = self.end.min(self.start + len);
    }

    /// On the heap the two are copied: there bytes are cheap.
    fn append(&mut self, tail: Self) -> Result<(), Self> {
        *self = Self::new(&[self.as_slice(), tail.as_slice()].concat());
        Ok(())
    }
}

impl fmt::Debug for HeapPacket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HeapPacket({} bytes)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_share_the_bytes() {
        let mut packet = HeapPacket::new(b"0123456789");
        let middle = packet.slice(2, 5);
        let front = packet.split_front(4);
        assert_eq!(middle.as_slice(), b"23456");
        assert_eq!(front.as_slice(), b"0123");
        assert_eq!(packet.as_slice(), b"456789");
        packet.truncate(100);
        packet.truncate(2);
        assert_eq!(packet.as_slice(), b"45");
    }

    #[test]
    fn copies_from_an_offset() {
        let packet = HeapPacket::new(b"0123456789");
        let mut to = [0; 4];
        assert_eq!(packet.copy_to(3, &mut to), 4);
        assert_eq!(&to, b"3456");
        assert_eq!(packet.copy_to(8, &mut to), 2);
        assert_eq!(&to[..2], b"89");
        assert_eq!(packet.copy_to(11, &mut to), 0);
    }

    #[test]
    fn a_payload_is_cut_without_touching_its_packets() {
        let pieces = [b"0123".as_slice(), b"", b"45", b"6789ab"].map(HeapPacket::new);
        let bytes = |payload: Payload<'_, HeapPacket>| {
            let mut all = Vec::new();
            payload.for_each_piece(|piece| all.extend_from_slice(piece));
            assert_eq!(all.len(), payload.len());
            String::from_utf8(all).unwrap()
        };
        let whole = Payload::whole(&pieces);
        for first in 0..=13 {
            let (front, rest) = whole.split(first);
            assert_eq!(bytes(front) + &bytes(rest), "0123456789ab");
            let (middle, end) = rest.split(3);
            assert_eq!(bytes(middle), "0123456789ab"[first.min(12)..(first + 3).min(12)]);
            assert_eq!(bytes(end), "0123456789ab"[(first + 3).min(12)..]);
        }
        assert!(Payload::<HeapPacket>::EMPTY.is_empty());
    }

    #[test]
    #[should_panic(expected = "slice of 3 bytes")]
    fn a_slice_beyond_the_window_is_refused() {
        let _ = HeapPacket::new(b"0123").slice(2, 3);
    }
}
