//! What a stream has taken of its connection to read it without the lock.

use crate::sockets::pieces::Piece;
use std::collections::VecDeque;

/// So many pieces of packets may have been read before they are given back
/// together: each giving back takes the lock.
const READ_MOST: usize = 32;

/// Pieces being read, and pieces that were read.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// In order; the first may be read in part.
    pub(crate) pieces: VecDeque<Piece>,
    /// Read to the end and not given back yet.
    pub(crate) read: Vec<Piece>,
}

impl Reading {
    /// What is left of the piece that is next.
    pub(crate) fn front(&self) -> Option<Piece> {
        self.pieces.front().copied()
    }

    /// `count` bytes of the first piece were read, at most all. Whether it is
    /// time to give back what was read.
    #[must_use]
    pub(crate) fn advance(&mut self, count: usize) -> bool {
        let Some(front) = self.pieces.front_mut() else { return false };
        front.trim_front(count);
        if front.len() > 0 {
            return false;
        }
        let piece = *front;
        self.pieces.pop_front();
        self.read.push(piece);
        // A block is worth many pieces, and the engine may have few.
        self.pieces.is_empty() || self.read.len() >= READ_MOST || matches!(piece, Piece::Block(_))
    }
}
