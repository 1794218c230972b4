//! Received bytes without a copy.

use crate::sockets::core::CoreContext;
use crate::sockets::pieces::Piece;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Received bytes where they lie, in packet memory or in a block. They go back
/// to the engine when it is dropped, in any thread, and stay as they are until
/// then, whatever becomes of their connection. A packet goes back with the last
/// of its pieces.
///
/// Chunks that are kept take from what can be received: the window of their
/// connection, and the buffers or blocks of all of the context's.
pub struct Chunk {
    piece: Piece,
    lender: Arc<Lender>,
}

/// Gives back what some chunks are pieces of, when the last of them is dropped:
/// most do not need the context's lock then.
#[derive(Debug)]
struct Lender {
    context: CoreContext,
    /// One of the pieces.
    piece: Piece,
    /// How many chunks there were. Only the stream changes it, and the count of
    /// references orders that before the end.
    count: AtomicU32,
}

impl Drop for Lender {
    fn drop(&mut self) {
        self.context.with(|state| state.give_back(self.piece, *self.count.get_mut()));
    }
}

/// Makes chunks of a stream's pieces.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    /// Of the packet whose next piece comes next.
    open: Option<Arc<Lender>>,
}

impl Chunks {
    /// A chunk of a piece that the engine has lent and that nobody else gives
    /// back; `next` comes behind it.
    pub(crate) fn chunk(&mut self, context: &CoreContext, piece: Piece, next: Option<Piece>) -> Chunk {
        let open = self.open.take().filter(|open| open.piece.shares_packet(piece));
        let lender = open.unwrap_or_else(|| {
            Arc::new(Lender { context: context.clone(), piece, count: AtomicU32::new(0) })
        });
        lender.count.fetch_add(1, Ordering::Relaxed);
        if next.is_some_and(|next| next.shares_packet(piece)) {
            self.open = Some(Arc::clone(&lender));
        }
        Chunk { piece, lender }
    }

    /// What comes next is not read by chunks.
    pub(crate) fn close(&mut self) {
        self.open = None;
    }
}

impl Chunk {
    /// Whether the bytes lie where they arrived.
    pub const fn is_in_place(&self) -> bool {
        matches!(self.piece, Piece::Packet { .. })
    }
}

impl Deref for Chunk {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the piece is given back by `Lender`, when no chunk is left.
        #[expect(unsafe_code, reason = "payload is read in place")]
        unsafe {
            self.lender.context.bytes(self.piece)
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
