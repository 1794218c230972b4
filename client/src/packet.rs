//! Packets that are read in place, as values: where their pieces lie, and which
//! of them are given back.

use crate::layout::{PACKET_PIECES, PIECE_OFFSET_BITS, RELEASED_TICKETS};

/// A run of bytes in packet memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketRange {
    /// Where, from the beginning of packet memory.
    pub offset: u64,
    /// How many bytes.
    pub len: u32,
}

impl PacketRange {
    /// The longest run.
    pub const BYTES_MOST: u32 = u16::MAX as u32;

    /// Whether it can be said in a descriptor.
    pub const fn fits(self) -> bool {
        self.offset >> PIECE_OFFSET_BITS == 0 && self.len > 0 && self.len <= Self::BYTES_MOST
    }

    const fn pack(self) -> u64 {
        self.offset | (self.len as u64) << PIECE_OFFSET_BITS
    }

    const fn unpack(packed: u64) -> Self {
        Self { offset: packed & ((1 << PIECE_OFFSET_BITS) - 1), len: (packed >> PIECE_OFFSET_BITS) as u32 }
    }
}

/// As many pieces of a packet as one descriptor names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pieces([u64; PACKET_PIECES]);

impl Pieces {
    /// The first of `ranges`, as many as there is room for.
    ///
    /// # Panics
    /// If one does not [fit](PacketRange::fits).
    pub fn of(ranges: &[PacketRange]) -> Self {
        let mut pieces = Self::default();
        for (piece, range) in pieces.0.iter_mut().zip(ranges) {
            assert!(range.fits(), "{range:?} in a descriptor");
            *piece = range.pack();
        }
        pieces
    }

    /// The pieces, in order.
    pub fn iter(&self) -> impl Iterator<Item = PacketRange> + '_ {
        self.0.iter().map(|&piece| PacketRange::unpack(piece)).take_while(|range| range.len > 0)
    }

    pub(crate) fn to_body(self) -> [u32; 10] {
        let mut body = [0; 10];
        for (pair, piece) in body.as_chunks_mut::<2>().0.iter_mut().zip(self.0) {
            *pair = [piece as u32, (piece >> 32) as u32];
        }
        body
    }

    pub(crate) fn from_body(body: &[u32; 10]) -> Self {
        let mut pieces = Self::default();
        for (piece, pair) in pieces.0.iter_mut().zip(body.as_chunks::<2>().0) {
            *piece = u64::from(pair[0]) | u64::from(pair[1]) << 32;
        }
        pieces
    }
}

/// As many tickets as one descriptor gives back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tickets([u32; RELEASED_TICKETS]);

impl Tickets {
    /// Adds a ticket, which is not 0; `false` if there is no room.
    #[must_use]
    pub fn push(&mut self, ticket: u32) -> bool {
        debug_assert_ne!(ticket, 0, "no ticket");
        let free = self.0.iter_mut().find(|place| **place == 0);
        free.map(|place| *place = ticket).is_some()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.0[0] == 0
    }

    /// The tickets, in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().copied().take_while(|&ticket| ticket != 0)
    }

    pub(crate) const fn to_body(self) -> [u32; 10] {
        self.0
    }

    pub(crate) const fn from_body(body: &[u32; 10]) -> Self {
        Self(*body)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_packed_and_nothing_else() {
        let range = |offset, len| PacketRange { offset, len };
        assert!(range(0, 1).fits() && range((1 << 48) - 1, 65535).fits());
        assert!(!range(1 << 48, 1).fits() && !range(0, 0).fits() && !range(0, 65536).fits());
        let ranges: Vec<_> = (0..7).map(|at| range(at << 40, 65535 - at as u32)).collect();
        let pieces = Pieces::of(&ranges);
        assert_eq!(pieces.iter().collect::<Vec<_>>(), ranges[..PACKET_PIECES]);
        assert_eq!(Pieces::of(&ranges[..2]).iter().count(), 2);
        assert_eq!(Pieces::default().iter().count(), 0);
    }

    #[test]
    fn tickets_are_kept_until_there_is_no_room() {
        let mut tickets = Tickets::default();
        assert!(tickets.is_empty());
        for ticket in 1..=RELEASED_TICKETS as u32 {
            assert!(tickets.push(ticket));
        }
        assert!(!tickets.push(99));
        assert_eq!(tickets.iter().sum::<u32>(), 55);
    }
}
