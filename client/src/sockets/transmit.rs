//! The transmit blocks as the client sees them: which are free, and which
//! connection holds which until the engine needs them no more.

use crate::layout::PIECE_ALIGNMENT;
use crate::message::{BlockRange, ConnectionHandle};

/// A connection may take another block while it holds fewer than this many
/// times the free ones: one alone gets most of the arena, and many share it
/// without any of them being told.
const SHARE_OF_FREE: u32 = 4;

/// What a connection has of the transmit arena.
#[derive(Debug, Default)]
pub(crate) struct TransmitShare {
    /// Blocks that it holds.
    held: u32,
    /// The block that its next bytes may go into, and where.
    open: Option<(u32, u32)>,
}

/// Room in a block, reserved for one piece. The connection's next call must be
/// `sent` with it.
#[derive(Debug)]
pub(crate) struct Reserved {
    pub(crate) block: u32,
    pub(crate) offset: u32,
    pub(crate) room: u32,
}

/// Why there is no room now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoRoom {
    /// The connection has its share: one of its own blocks must come back.
    Share,
    /// No block is free: any must come back.
    Empty,
}

/// A block that the engine cannot have meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnknownBlock(pub(crate) u32);

#[derive(Debug)]
pub(crate) struct TransmitBlocks {
    free: Vec<u32>,
    blocks: Box<[Block]>,
    block_bytes: u32,
}

#[derive(Clone, Debug, Default)]
struct Block {
    owner: Option<ConnectionHandle>,
    /// Where the last piece that was sent ends.
    end: u32,
    /// A piece is being filled: the block cannot be given back meanwhile.
    filling: bool,
}

impl TransmitBlocks {
    pub(crate) fn new(count: u32, block_bytes: u32) -> Self {
        Self {
            // The lowest on top: the last one given back is taken first, while
            // it is still in a cache.
            free: (0..count).rev().collect(),
            blocks: vec![Block::default(); count as usize].into(),
            block_bytes,
        }
    }

    pub(crate) fn free(&self) -> usize {
        self.free.len()
    }

    /// Room for the connection's next bytes: what is left of its last block, or
    /// another block.
    pub(crate) fn reserve(
        &mut self,
        connection: ConnectionHandle,
        share: &mut TransmitShare,
    ) -> Result<Reserved, NoRoom> {
        let (block, offset) = match share.open.take() {
            Some(open) => open,
            None => (self.take_block(connection, share)?, 0),
        };
        self.blocks[block as usize].filling = true;
        Ok(Reserved { block, offset, room: self.block_bytes - offset })
    }

    fn take_block(&mut self, connection: ConnectionHandle, share: &mut TransmitShare) -> Result<u32, NoRoom> {
        if share.held > 0 && share.held as usize >= SHARE_OF_FREE as usize * self.free.len() {
            return Err(NoRoom::Share);
        }
        let block = self.free.pop().ok_or(NoRoom::Empty)?;
        self.blocks[block as usize] = Block { owner: Some(connection), end: 0, filling: false };
        share.held += 1;
        Ok(block)
    }

    /// `len` bytes of the reserved room were filled: the piece to send.
    pub(crate) fn sent(&mut self, share: &mut TransmitShare, reserved: &Reserved, len: u32) -> BlockRange {
        let Reserved { block, offset, .. } = *reserved;
        let state = &mut self.blocks[block as usize];
        state.filling = false;
        state.end = offset + len;
        let next = state.end.next_multiple_of(PIECE_ALIGNMENT);
        share.open = Some((block, next)).filter(|_| next < self.block_bytes);
        BlockRange { block, offset, len }
    }

    /// The engine needs nothing of the block up to `end`. Returns who held the
    /// block if it is free now; `share_of` finds that connection's share.
    pub(crate) fn done<'a>(
        &mut self,
        block: u32,
        end: u32,
        share_of: impl FnOnce(ConnectionHandle) -> Option<&'a mut TransmitShare>,
    ) -> Result<Option<ConnectionHandle>, UnknownBlock> {
        let state = self.blocks.get_mut(block as usize).ok_or(UnknownBlock(block))?;
        let owner = state.owner.ok_or(UnknownBlock(block))?;
        // More was sent from it meanwhile: the engine will say so again.
        if state.end != end || state.filling {
            return Ok(None);
        }
        *state = Block::default();
        self.free.push(block);
        if let Some(share) = share_of(owner) {
            share.held -= 1;
            share.open = share.open.filter(|&(open, _)| open != block);
        }
        Ok(Some(owner))
    }
}

#[cfg(test)]
mod tests;
