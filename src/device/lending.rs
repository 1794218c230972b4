//! Memory that devices and clients have in common: what clients write there is
//! sent by reference, and what arrives there can be read in place.

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

/// Memory of the devices, for regions that are shared with clients.
pub trait ClientMemory<P>: Debug + Send + Sync {
    /// At least `len` bytes on pages of their own, or `None`: there are not so
    /// many left, and the region lies elsewhere.
    fn reserve(&self, len: usize) -> Option<LentMemory>;

    /// The `count` blocks of `block_bytes` each that begin at `address`, which
    /// lies in memory that [`reserve`](Self::reserve) gave. `None` if the devices
    /// do not see each block in one piece: it is sent by copy.
    fn blocks(&self, address: usize, block_bytes: u32, count: u32) -> Option<Box<dyn LentBlocks<P>>>;

    /// Where received packets lie: their bytes, and perhaps other things between
    /// them. `None` if that is no one range, or not to be read by clients.
    fn packets(&self) -> Option<LentMemory> {
        None
    }
}

/// A part of the devices' memory.
#[derive(Clone, Debug)]
pub struct LentMemory {
    /// Where it begins.
    pub address: usize,
    /// How many bytes.
    pub len: usize,
    /// Keeps it in place, and gives it back when the last clone is dropped.
    pub owner: Arc<dyn Any + Send + Sync>,
}

/// Blocks of a client's memory as the devices' packets.
pub trait LentBlocks<P>: Debug {
    /// A block, whole. Every window on it, and every frame on its way that refers
    /// to it, holds it.
    ///
    /// # Panics
    /// If there is no such block.
    fn packet(&self, block: u32) -> P;

    /// Whether nothing holds the block any more: no window, and no device that
    /// may still read it.
    ///
    /// # Panics
    /// If there is no such block.
    fn is_free(&self, block: u32) -> bool;
}
