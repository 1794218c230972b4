//! The transmit arena as the engine sees it: who still needs which block.

use crate::base::Packet;
use crate::shm::request::Violation;
use mpdk_client::layout::PIECE_ALIGNMENT;
use mpdk_client::{Arena, BlockRange, Region};
use std::cell::{Cell, RefCell};
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
}

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
        Ok(ArenaSlice { table: Rc::clone(self), block, start: offset, end: offset + len })
    }

    /// Calls `report` with each block that nobody needs any more, and where its
    /// last piece ended.
    pub(super) fn report_idle(&self, mut report: impl FnMut(u32, u32)) {
        for block in self.idle.borrow_mut().drain(..) {
            let state = &self.blocks[block as usize];
            state.listed.set(false);
            // Another piece may have been taken since it was listed.
            if state.references.get() == 0 {
                report(block, state.end.get());
            }
        }
    }

    /// Whether there is something to report.
    pub(super) fn has_idle(&self) -> bool {
        !self.idle.borrow().is_empty()
    }
}

impl fmt::Debug for TransmitTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TransmitTable({} blocks)", self.blocks.len())
    }
}

/// A window on a block of a client's transmit arena. When the last window on a
/// block is dropped, the client gets the block back at the next flush.
///
/// The client can still write there. If it does, the bytes that leave are
/// garbage, and only its own stream is spoilt: nothing looks into payload.
pub struct ArenaSlice {
    table: Rc<TransmitTable>,
    block: u32,
    start: u32,
    end: u32,
}

impl ArenaSlice {
    /// Which block of the arena.
    pub fn block(&self) -> u32 {
        self.block
    }

    fn state(&self) -> &Block {
        &self.table.blocks[self.block as usize]
    }
}

impl Packet for ArenaSlice {
    fn len(&self) -> usize {
        (self.end - self.start) as usize
    }

    fn head(&self) -> &[u8] {
        let range = BlockRange { block: self.block, offset: self.start, len: self.end - self.start };
        // SAFETY: the client has handed the piece over for reading, and the
        // engine never fills the transmit arena.
        unsafe { self.table.region.bytes(Arena::Transmit, range) }
    }

    fn for_each_piece(&self, visit: &mut dyn FnMut(&[u8])) {
        if !self.is_empty() {
            visit(self.head());
        }
    }

    fn share(&self) -> Self {
        self.state().references.update(|references| references + 1);
        Self { table: Rc::clone(&self.table), ..*self }
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

impl Drop for ArenaSlice {
    fn drop(&mut self) {
        let state = self.state();
        state.references.update(|references| references - 1);
        if state.references.get() == 0 && !state.listed.replace(true) {
            self.table.idle.borrow_mut().push(self.block);
        }
    }
}

impl fmt::Debug for ArenaSlice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ArenaSlice(block {}, {}..{})", self.block, self.start, self.end)
    }
}
