//! Pieces of received bytes, in blocks and in place, and which packets of the
//! engine's are still being read.

use crate::message::BlockRange;
use crate::packet::{PacketRange, Pieces, Tickets};
use crate::view::PacketView;
use std::sync::Arc;

/// A contiguous run of received bytes that the engine has lent us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Copied into the receive arena.
    Block(BlockRange),
    /// Where it arrived.
    Packet { ticket: u32, range: PacketRange },
}

impl Piece {
    pub(crate) const fn len(&self) -> usize {
        match self {
            Self::Block(range) => range.len as usize,
            Self::Packet { range, .. } => range.len as usize,
        }
    }

    /// Whether both are pieces of one packet. A ticket stands for no other packet
    /// before all of its pieces are given back.
    pub(crate) fn shares_packet(&self, other: Self) -> bool {
        match (*self, other) {
            (Self::Packet { ticket, .. }, Self::Packet { ticket: other, .. }) => ticket == other,
            _ => false,
        }
    }

    /// Drops `count` bytes at the front, at most all of them.
    pub(crate) const fn trim_front(&mut self, count: usize) {
        let count = if count < self.len() { count } else { self.len() };
        match self {
            Self::Block(range) => {
                range.offset += count as u32;
                range.len -= count as u32;
            }
            Self::Packet { range, .. } => {
                range.offset += count as u64;
                range.len -= count as u32;
            }
        }
    }
}

/// A packet that the engine cannot have meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnknownPacket(pub(crate) u32);

/// How much is left to read of each packet that is read in place.
#[derive(Debug)]
pub(crate) struct LentPackets {
    view: Option<Arc<PacketView>>,
    /// By ticket, from 1: pieces that were not given back yet, those that the
    /// engine has still to name counted.
    pieces: Box<[u32]>,
}

impl LentPackets {
    pub(crate) fn new(view: Option<Arc<PacketView>>) -> Self {
        let tickets = view.as_ref().map_or(0, |view| view.tickets() as usize);
        Self { view, pieces: vec![0; tickets].into() }
    }

    /// The engine has named pieces of a packet of which `left` pieces, these
    /// among them, were not named before.
    pub(crate) fn lend(&mut self, ticket: u32, left: u16, pieces: &Pieces) -> Result<(), UnknownPacket> {
        let unknown = UnknownPacket(ticket);
        let view = self.view.as_ref().ok_or(unknown)?;
        let named = pieces.iter().count() as u32;
        let is_readable = named > 0 && named <= u32::from(left) && pieces.iter().all(|it| view.contains(it));
        let known = place(&mut self.pieces, ticket).filter(|_| is_readable).ok_or(unknown)?;
        // A packet that is known already has pieces left at least for these.
        if *known == 0 {
            *known = left.into();
        } else if *known < left.into() {
            return Err(unknown);
        }
        Ok(())
    }

    /// So many pieces were read; whether the packet's last was among them.
    pub(crate) fn read(&mut self, ticket: u32, count: u32) -> bool {
        let Some(pieces) = place(&mut self.pieces, ticket).filter(|pieces| **pieces > 0) else {
            return false;
        };
        *pieces = pieces.saturating_sub(count);
        *pieces == 0
    }
}

fn place(pieces: &mut [u32], ticket: u32) -> Option<&mut u32> {
    pieces.get_mut((ticket as usize).checked_sub(1)?)
}

/// Tickets on their way back, gathered so that one descriptor takes many.
#[derive(Debug, Default)]
pub(crate) struct Returns(Tickets);

impl Returns {
    /// Adds a ticket; gives the tickets that have to be submitted first.
    #[must_use]
    pub(crate) fn add(&mut self, ticket: u32) -> Option<Tickets> {
        if self.0.push(ticket) {
            return None;
        }
        let full = std::mem::take(&mut self.0);
        let fits = self.0.push(ticket);
        debug_assert!(fits, "an empty list has room");
        Some(full)
    }

    /// Takes what there is.
    pub(crate) fn take(&mut self) -> Option<Tickets> {
        Some(std::mem::take(&mut self.0)).filter(|tickets| !tickets.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lent() -> LentPackets {
        // SAFETY: nothing is read.
        #[expect(unsafe_code, reason = "a view of nothing")]
        let view = unsafe { PacketView::new(4096, 10_000, 2, Box::new(())) };
        LentPackets::new(Some(Arc::new(view)))
    }

    fn pieces(count: u64) -> Pieces {
        Pieces::of(&(0..count).map(|at| PacketRange { offset: at * 100, len: 50 }).collect::<Vec<_>>())
    }

    #[test]
    fn a_packet_is_given_back_with_its_last_piece() {
        let mut lent = lent();
        lent.lend(2, 7, &pieces(5)).unwrap();
        assert!(!lent.read(2, 3) && !lent.read(2, 2), "two more are to be named");
        lent.lend(2, 2, &pieces(2)).unwrap();
        assert_eq!([lent.read(2, 1), lent.read(2, 1), lent.read(2, 1)], [false, true, false]);
        lent.lend(2, 1, &pieces(1)).unwrap();
        assert!(lent.read(2, 1));
    }

    #[test]
    fn what_an_engine_cannot_mean_is_refused() {
        let mut lent = lent();
        let outside = Pieces::of(&[PacketRange { offset: 9_999, len: 2 }]);
        for (ticket, left, pieces) in
            [(0, 1, pieces(1)), (3, 1, pieces(1)), (1, 1, pieces(2)), (1, 1, pieces(0)), (1, 1, outside)]
        {
            assert_eq!(lent.lend(ticket, left, &pieces), Err(UnknownPacket(ticket)));
        }
        lent.lend(1, 2, &pieces(1)).unwrap();
        assert_eq!(lent.lend(1, 3, &pieces(1)), Err(UnknownPacket(1)));
        assert_eq!(LentPackets::new(None).lend(1, 1, &pieces(1)), Err(UnknownPacket(1)));
    }

    #[test]
    fn a_piece_is_read_from_its_front() {
        let range = PacketRange { offset: 100, len: 10 };
        let mut piece = Piece::Packet { ticket: 1, range };
        piece.trim_front(4);
        assert_eq!(piece, Piece::Packet { ticket: 1, range: PacketRange { offset: 104, len: 6 } });
        let mut piece = Piece::Block(BlockRange { block: 3, offset: 0, len: 10 });
        piece.trim_front(99);
        assert_eq!((piece.len(), piece), (0, Piece::Block(BlockRange { block: 3, offset: 10, len: 0 })));
    }
}
