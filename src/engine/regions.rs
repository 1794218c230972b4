//! Regions as the engine and a client of this process see them.

use crate::device::LentMemory;
use crate::shm::{Region, RegionConfig, RegionError};
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
