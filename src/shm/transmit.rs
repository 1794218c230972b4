//! The transmit arena as the engine sees it: who still needs which block.

use crate::base::Packet;
use crate::shm::request::Violation;
use mpdk_client::layout::PIECE_ALIGNMENT;
use mpdk_client::{Arena, BlockRange, Region};
use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

/// What the engine knows of each transmit block. It lives as long as any slice,
/// and keeps the region alive: slices stay valid when the client is gone.
pub(super) struct TransmitTable {
    region: Arc<Region>,
    blocks: Box<[Block]>,
    /// Blocks whose last reference was dropped since the last report, each at
    /// most once: never more than there are blocks.
    idle: RefCell<Vec<u32>>,
    /// Whether no device reads a block any more.
    is_read: OnceCell<IsRead>,
}

/// Whether no device reads a block any more.
struct IsRead(Box<dyn Fn(u32) -> bool>);

#[derive(Default)]
struct Block {
    /// How many slices there are.
    references: Cell<u32>,
    /// Where the last piece that was taken ends.
    end: Cell<u32>,
    /// Whether it is in `idle`.
    listed: Cell<bool>,
}

impl TransmitTable {
    pub(super) fn new(region: Arc<Region>) -> Rc<Self> {
        let count = region.blocks(Arena::Transmit) as usize;
        Rc::new(Self {
            region,
            blocks: (0..count).map(|_| Block::default()).collect(),
            idle: RefCell::new(Vec::with_capacity(count)),
            is_read: OnceCell::new(),
        })
    }

    /// Takes a piece that the client has sent. Pieces of a block in use must
    /// start beyond each other, aligned: so the slices that one client can
    /// make are bounded by its arena.
    pub(super) fn take(self: &Rc<Self>, range: BlockRange) -> Result<ArenaSlice, Violation> {
        let BlockRange { block, offset, len } = range;
        let aligned = offset.is_multiple_of(PIECE_ALIGNMENT);
        if len == 0 || !aligned || !self.region.contains(Arena::Transmit, range) {
            return Err(Violation::SendRange { block, offset, len });
        }
        let state = &self.blocks[block as usize];
        if state.references.get() > 0 && offset < state.end.get() {
            return Err(Violation::SendOverlap { block, offset, end: state.end.get() });
        }
        state.references.update(|references| references + 1);
        state.end.set(offset + len);
        let hold = BlockHold { table: Rc::clone(self), block };
        Ok(ArenaSlice { hold, start: offset, end: offset + len })
    }

    /// Devices read the blocks in place: each goes back only once `is_read` says
    /// that they are done with it. To be said once.
    pub(super) fn wait_for_devices(&self, is_read: Box<dyn Fn(u32) -> bool>) {
        let first = self.is_read.set(IsRead(is_read)).is_ok();
        debug_assert!(first, "said twice");
    }

    fn is_read(&self, block: u32) -> bool {
        self.is_read.get().is_none_or(|is_read| is_read.0(block))
    }

    /// Calls `report` with each block that nobody needs any more, and where its
    /// last piece ended. One that a device may still read waits.
    pub(super) fn report_idle(&self, mut report: impl FnMut(u32, u32)) {
        self.idle.borrow_mut().retain(|&block| {
            let state = &self.blocks[block as usize];
            // Another piece may have been taken since it was listed.
            let is_idle = state.references.get() == 0;
            if is_idle && !self.is_read(block) {
                return true;
            }
            state.listed.set(false);
            if is_idle {
                report(block, state.end.get());
            }
            false
        });
    }

    /// Whether there is something to report.
    pub(super) fn has_reportable(&self) -> bool {
        self.idle.borrow().iter().any(|&block| self.is_read(block))
    }

    /// Whether blocks wait until devices are done with them.
    pub(super) fn is_waiting(&self) -> bool {
        !self.idle.borrow().is_empty()
    }
}

impl fmt::Debug for TransmitTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TransmitTable({} blocks)", self.blocks.len())
    }
}

/// Keeps a block of a client's transmit arena from going back to the client.
pub struct BlockHold {
    table: Rc<TransmitTable>,
    block: u32,
}

impl BlockHold {
    fn state(&self) -> &Block {
        &self.table.blocks[self.block as usize]
    }
}

impl Clone for BlockHold {
    fn clone(&self) -> Self {
        self.state().references.update(|references| references + 1);
        Self { table: Rc::clone(&self.table), block: self.block }
    }
}

impl Drop for BlockHold {
    fn drop(&mut self) {
        let state = self.state();
        state.references.update(|references| references - 1);
        if state.references.get() == 0 && !state.listed.replace(true) {
            self.table.idle.borrow_mut().push(self.block);
        }
    }
}

impl fmt::Debug for BlockHold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlockHold(block {})", self.block)
    }
}

/// A window on a block of a client's transmit arena. When the last window on a
/// block is dropped, the client gets the block back at the next flush.
///
/// The client can still write there. If it does, the bytes that leave are
/// garbage, and only its own stream is spoilt: nothing looks into payload.
#[derive(Debug)]
pub struct ArenaSlice {
    hold: BlockHold,
    start: u32,
    end: u32,
}

impl ArenaSlice {
    /// Where it lies in the arena.
    pub fn range(&self) -> BlockRange {
        BlockRange { block: self.hold.block, offset: self.start, len: self.end - self.start }
    }

    /// What keeps its block, without the window.
    pub fn into_hold(self) -> BlockHold {
        self.hold
    }
}

impl Packet for ArenaSlice {
    fn len(&self) -> usize {
        (self.end - self.start) as usize
    }

    fn head(&self) -> &[u8] {
        // SAFETY: the client has handed the piece over for reading, and the
        // engine never fills the transmit arena.
        unsafe { self.hold.table.region.bytes(Arena::Transmit, self.range()) }
    }

    fn for_each_piece(&self, visit: &mut dyn FnMut(&[u8])) {
        if !self.is_empty() {
            visit(self.head());
        }
    }

    fn share(&self) -> Self {
        Self { hold: self.hold.clone(), ..*self }
    }

    fn trim_front(&mut self, count: usize) {
        assert!(count <= self.len(), "trim {count} of {} bytes", self.len());
        self.start += count as u32;
    }

    fn truncate(&mut self, len: usize) {
        if len < self.len() {
            self.end = self.start + len as u32;
        }
    }
}
