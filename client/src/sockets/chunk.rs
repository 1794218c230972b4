//! Received bytes without a copy.

use crate::sockets::context::Context;
use crate::sockets::pieces::Piece;
use std::fmt;
use std::ops::Deref;

/// Received bytes where they lie, in packet memory or in a block. They go back
/// to the engine when it is dropped, in any thread, and stay as they are until
/// then, whatever becomes of their connection.
///
/// Chunks that are kept take from what can be received: the window of their
/// connection, and the buffers or blocks of all of the context's.
pub struct Chunk {
    context: Context,
    piece: Piece,
}

impl Chunk {
    /// Of a piece that the engine has lent and that nobody else gives back.
    pub(crate) const fn new(context: Context, piece: Piece) -> Self {
        Self { context, piece }
    }

    /// Whether the bytes lie where they arrived.
    pub const fn is_in_place(&self) -> bool {
        matches!(self.piece, Piece::Packet { .. })
    }
}

impl Deref for Chunk {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the piece is given back by `drop`, and by nothing else.
        #[expect(unsafe_code, reason = "payload is read in place")]
        unsafe {
            self.context.bytes(self.piece)
        }
    }
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chunk({} bytes, in place: {})", self.piece.len(), self.is_in_place())
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        self.context.with(|state| state.give_back(self.piece));
    }
}
