//! DPDK's memory for regions that are shared with clients, its blocks as
//! packets, and where received packets lie.

use super::zone::{Zone, extents_of};
use super::{Eal, Mbuf, Pool, ffi};
use crate::base::Packet;
use crate::device::{self, LentMemory};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Zones of DPDK's memory, one for each client's region: what clients write
/// there, ports send by reference. And the pool that ports receive into.
#[derive(Debug)]
pub struct ClientMemory {
    eal: Eal,
    receive: Pool,
    /// Makes names unique.
    made: AtomicU32,
}

impl ClientMemory {
    /// No zone yet; the ports receive into `receive`.
    pub fn new(eal: &Eal, receive: &Pool) -> Self {
        Self { eal: eal.clone(), receive: receive.clone(), made: AtomicU32::new(0) }
    }

    fn next_name(&self, what: &str) -> String {
        format!("{what}{}", self.made.fetch_add(1, Ordering::Relaxed))
    }
}

impl device::ClientMemory<Mbuf> for ClientMemory {
    fn reserve(&self, len: usize) -> Option<LentMemory> {
        let zone = Zone::reserve(&self.eal, &self.next_name("region"), len, self.receive.config().node);
        let zone =
            zone.inspect_err(|error| tracing::warn!(%error, "a client's bytes will be copied")).ok()?;
        let (address, len) = (zone.address(), zone.len());
        Some(LentMemory { address, len, owner: Arc::new(zone) })
    }

    fn blocks(
        &self,
        address: usize,
        block_bytes: u32,
        count: u32,
    ) -> Option<Box<dyn device::LentBlocks<Mbuf>>> {
        let extents = extents_of(address, block_bytes as usize * count as usize).ok()?;
        let name = self.next_name("blocks");
        let made = Pool::over(&self.eal, &name, &extents, u16::try_from(block_bytes).ok()?, count);
        let pool =
            made.inspect_err(|error| tracing::warn!(%error, "a client's bytes will be copied")).ok()?;
        Some(Box::new(Blocks::fill(pool, address, block_bytes, count)?))
    }

    fn packets(&self) -> Option<LentMemory> {
        let (address, len) = self.receive.memory()?;
        Some(LentMemory { address, len, owner: Arc::new(self.receive.clone()) })
    }
}

/// Each block as a packet that never goes back to its pool while this lives.
#[derive(Debug)]
struct Blocks {
    packets: Box<[Mbuf]>,
    /// Given back after its buffers.
    _pool: Pool,
}

impl Blocks {
    /// Takes every buffer out of the pool; `None` if one is not where a block is,
    /// because the memory's pages are not contiguous for devices.
    fn fill(pool: Pool, address: usize, block_bytes: u32, count: u32) -> Option<Self> {
        let mut packets: Vec<Mbuf> = (0..count).map_while(|_| pool.whole_buffer()).collect();
        packets.sort_by_key(|packet| packet.head().as_ptr() as usize);
        let starts = (address..).step_by(block_bytes as usize);
        let in_place = packets.iter().zip(starts).all(|(packet, start)| {
            packet.head().as_ptr() as usize == start && packet.len() == block_bytes as usize
        });
        let is_whole = in_place && packets.len() == count as usize;
        is_whole.then(|| Self { packets: packets.into(), _pool: pool })
    }
}

impl device::LentBlocks<Mbuf> for Blocks {
    fn packet(&self, block: u32) -> Mbuf {
        self.packets[block as usize].share()
    }

    fn is_free(&self, block: u32) -> bool {
        self.packets[block as usize].is_exclusive()
    }
}

impl Pool {
    /// A buffer with all its bytes as the packet's.
    fn whole_buffer(&self) -> Option<Mbuf> {
        // SAFETY: the pool lives as long as `self`.
        let buffer = std::ptr::NonNull::new(unsafe { ffi::mpdk_mbuf_whole(self.as_ptr()) })?;
        // SAFETY: a frame of one buffer, just taken, whose only reference goes over.
        Some(unsafe { Mbuf::from_frame(buffer) })
    }
}
