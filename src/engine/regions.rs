//! Regions and packet memory as the engine and a client of this process see them.

use crate::device::LentMemory;
use crate::shm::{InPlace, PacketView, Region, RegionConfig, RegionError};
use std::any::Any;
use std::ptr::{self, NonNull};
use std::sync::Arc;

/// A new region, twice: in the devices' memory, where both sides see it at the
/// same place; or in memory of its own, mapped as another process would.
///
/// # Errors
/// If a size is not allowed or the system refuses.
pub(super) fn pair(config: &RegionConfig, lent: Option<LentMemory>) -> Result<(Region, Region), RegionError> {
    let place =
        |lent: LentMemory| Some((NonNull::new(ptr::with_exposed_provenance_mut(lent.address))?, lent));
    let Some((memory, LentMemory { len, owner, .. })) = lent.and_then(place) else {
        let region = Region::create(config)?;
        let again = region.map_again()?;
        return Ok((region, again));
    };
    // SAFETY: the memory was just reserved, and `owner` keeps it; besides the two
    // regions only the ports use it, and they read what was handed to them.
    let region = unsafe { Region::create_in(memory, len, Box::new(Arc::clone(&owner)), config) }?;
    // SAFETY: as above.
    let again = unsafe { Region::attach_in(memory, len, Box::new(owner)) }?;
    Ok((region, again))
}

/// The memory that packets arrive in, for a client that may hold so many of its
/// buffers, and for the slot that serves it.
pub(super) fn packets(memory: LentMemory, buffers: u32) -> (PacketView, InPlace) {
    let (address, bytes) = (memory.address, memory.len);
    let owner: Arc<dyn Any + Send + Sync> = Arc::new(memory);
    let allowed = InPlace { address, bytes, buffers, reader: Arc::downgrade(&owner) };
    // SAFETY: `owner` keeps the memory. What a ticket names is kept by
    // `LentPackets` until the ticket is back, or until `owner` is dropped; a
    // device writes only into buffers that nobody holds. An engine that ends lets
    // go of its packets, and its ports receive nothing any more.
    let view = unsafe { PacketView::new(address, bytes, buffers, Box::new(owner)) };
    (view, allowed)
}
