//! Pools of packet buffers.

mod config;

use super::zone::{Zone, node_number};
use super::{Access, Eal, Errno, Error, Mbuf, ZoneExport, ffi, log};
pub use config::{PoolConfig, PoolKind};
use std::ffi::CString;
use std::ptr::NonNull;
use std::sync::Arc;

/// A pool of packet buffers. Clones are handles of the same.
///
/// A pool whose packets outlive its last handle is never freed: its memory
/// stays until the process ends, and the packets stay valid.
#[derive(Clone, Debug)]
pub struct Pool(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    pool: NonNull<ffi::rte_mempool>,
    config: PoolConfig,
    /// Given back after the pool. `None` once leaked on purpose.
    zone: Option<Zone>,
    eal: Eal,
}

// SAFETY: DPDK's pools are for several threads.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Pool {
    /// Makes a pool.
    ///
    /// # Errors
    /// If a value is impossible, the name is taken or memory lacks.
    pub fn new(eal: &Eal, config: &PoolConfig) -> Result<Self, Error> {
        config.check()?;
        config.check_node()?;
        let zone = match config.kind {
            PoolKind::Ordinary => None,
            PoolKind::Exported => {
                let len = config.buffers as usize * usize::from(config.stride());
                Some(Zone::reserve(eal, &format!("{}-payload", config.name), len, config.node)?)
            }
        };
        log::mark();
        let extents = zone.as_ref().map(Zone::extents).transpose();
        let pool = extents.and_then(|extents| create(config, extents.as_deref())).map_err(|errno| {
            Error::Memory {
                what: format!("pool {}", config.name),
                bytes: config.buffers as usize * usize::from(config.data_room()),
                errno,
                log: log::tail(),
            }
        })?;
        Ok(Self(Arc::new(Shared { pool, config: config.clone(), zone, eal: eal.clone() })))
    }

    /// A pool of `count` buffers of `bytes` each in memory that is there already
    /// and that nobody else uses. The caller keeps it until the pool is dropped.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub(super) fn over(
        eal: &Eal,
        name: &str,
        extents: &[ffi::mpdk_extent],
        bytes: u16,
        count: u32,
    ) -> Result<Self, Error> {
        // SAFETY: reads a constant.
        let payload_bytes = bytes - unsafe { ffi::mpdk_headroom() };
        let config = PoolConfig {
            name: name.into(),
            kind: PoolKind::Exported,
            buffers: count,
            payload_bytes,
            node: None,
        };
        log::mark();
        let pool = create(&config, Some(extents)).map_err(|errno| Error::Memory {
            what: format!("pool {name}"),
            bytes: count as usize * usize::from(bytes),
            errno,
            log: log::tail(),
        })?;
        Ok(Self(Arc::new(Shared { pool, config, zone: None, eal: eal.clone() })))
    }

    /// How large it is.
    pub fn config(&self) -> &PoolConfig {
        &self.0.config
    }

    /// Buffers that are free now. Counts through all threads' caches: not for
    /// every packet.
    pub fn available(&self) -> u32 {
        // SAFETY: the pool lives as long as `self`.
        unsafe { ffi::mpdk_pool_available(self.as_ptr()) }
    }

    /// Of these, the buffers that the calling thread keeps to itself: none
    /// unless it is [registered](Eal::register_thread).
    pub fn cached(&self) -> u32 {
        // SAFETY: the pool lives as long as `self`.
        unsafe { ffi::mpdk_pool_cached(self.as_ptr()) }
    }

    /// The payload's files for another process; `None` for an ordinary pool.
    ///
    /// # Errors
    /// If the files cannot be opened again.
    pub fn export(&self, access: Access) -> Result<Option<ZoneExport>, Error> {
        let stride = usize::from(self.0.config.stride());
        self.0.zone.as_ref().map(|zone| zone.export(stride, access)).transpose()
    }

    /// Where the payload of all its buffers lies in this process: the beginning and
    /// the bytes of a range that holds it, and other things of DPDK's too unless
    /// it is [exported](PoolKind::Exported).
    pub(super) fn memory(&self) -> Option<(usize, usize)> {
        if let Some(zone) = &self.0.zone {
            return Some((zone.address(), zone.len()));
        }
        let mut extent = ffi::mpdk_extent::default();
        // SAFETY: the pool lives as long as `self`; C fills the extent.
        let found = unsafe { ffi::mpdk_pool_memory(self.as_ptr(), &raw mut extent) };
        found.then_some((extent.address as usize, extent.len as usize))
    }

    /// Where in the exported zone these bytes of a packet lie; `None` if they
    /// do not.
    pub fn offset_of(&self, bytes: &[u8]) -> Option<usize> {
        let zone = self.0.zone.as_ref()?;
        let offset = (bytes.as_ptr() as usize).checked_sub(zone.address())?;
        (offset + bytes.len() <= zone.len()).then_some(offset)
    }

    /// A packet with a copy of `pieces`, each beginning a buffer of its own;
    /// `None` if buffers lack.
    pub fn packet(&self, pieces: &[&[u8]]) -> Option<Mbuf> {
        let (first, rest) = pieces.split_first()?;
        let packet = self.new_frame(&[piece(first)])?;
        for bytes in rest {
            let Some(tail) = self.new_frame(&[piece(bytes)]) else {
                // SAFETY: nobody else holds the half-built packet.
                unsafe { ffi::mpdk_mbuf_free(packet.as_ptr()) };
                return None;
            };
            // SAFETY: both are whole frames of which this holds the only reference.
            if unsafe { ffi::mpdk_frame_chain(packet.as_ptr(), tail.as_ptr()) } != 0 {
                // SAFETY: chaining failed, so both are still held here.
                unsafe { ffi::mpdk_mbuf_free_bulk([packet.as_ptr(), tail.as_ptr()].as_mut_ptr(), 2) };
                return None;
            }
        }
        // SAFETY: the frame is whole and its only reference goes over.
        Some(unsafe { Mbuf::from_frame(packet) })
    }

    /// A frame with a copy of `pieces`, filled buffer by buffer.
    pub(super) fn new_frame(&self, pieces: &[ffi::mpdk_piece]) -> Option<NonNull<ffi::rte_mbuf>> {
        // SAFETY: the pieces are valid slices, the pool lives.
        let frame = unsafe { ffi::mpdk_frame_new(self.as_ptr(), pieces.as_ptr(), pieces.len() as u32) };
        NonNull::new(frame)
    }

    pub(super) fn as_ptr(&self) -> *mut ffi::rte_mempool {
        self.0.pool.as_ptr()
    }
}

/// The bytes as C sees them, valid while they are borrowed.
pub(super) fn piece(bytes: &[u8]) -> ffi::mpdk_piece {
    ffi::mpdk_piece { data: bytes.as_ptr(), len: bytes.len() as u32 }
}

/// With the payload in `extents`, or next to the headers.
fn create(
    config: &PoolConfig,
    extents: Option<&[ffi::mpdk_extent]>,
) -> Result<NonNull<ffi::rte_mempool>, Errno> {
    let name = CString::new(config.name.as_str()).map_err(|_| Errno::new(libc::EINVAL))?;
    let mut errno = 0;
    let (count, cache, room) = (config.buffers, config.cache(), config.data_room());
    let node = node_number(config.node);
    // SAFETY: DPDK runs; the name and the extents live through the calls and
    // are copied; the extents are EAL memory that nobody else uses.
    let pool = unsafe {
        match extents {
            None => ffi::mpdk_pool_ordinary(name.as_ptr(), count, cache, room, node, &raw mut errno),
            Some(extents) => {
                let (from, len) = (extents.as_ptr(), extents.len() as u32);
                let stride = config.stride();
                ffi::mpdk_pool_pinned(
                    name.as_ptr(),
                    count,
                    cache,
                    room,
                    stride,
                    node,
                    from,
                    len,
                    &raw mut errno,
                )
            }
        }
    };
    NonNull::new(pool).ok_or_else(|| Errno::check(errno).err().unwrap_or_else(Errno::last))
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: the pool still lives.
        let out = self.config.buffers - unsafe { ffi::mpdk_pool_available(self.pool.as_ptr()) };
        if out > 0 {
            tracing::warn!(pool = self.config.name, packets = out, "packets outlive their pool: it is kept");
            std::mem::forget(self.zone.take());
            self.eal.run_for_ever();
            return;
        }
        // SAFETY: every buffer is back and this was the last handle: nobody
        // can reach the pool any more.
        unsafe { ffi::mpdk_pool_free(self.pool.as_ptr()) };
    }
}
