//! Pools of packet buffers.

use super::zone::{Zone, node_number};
use super::{Access, DeviceAddress, Eal, Errno, Error, Mbuf, ZoneExport, ffi, log};
use std::ffi::CString;
use std::ptr::NonNull;
use std::sync::Arc;

/// Where a pool's payload lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolKind {
    /// In a zone of its own, which other processes can be given: buffers'
    /// headers, which a client could corrupt the engine with, lie elsewhere.
    Exported,
    /// Next to the headers, as net_af_xdp needs it. Cannot be exported.
    Ordinary,
}

/// How large a pool is.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// Unique in the process; at most 20 letters, digits, `-` and `_`.
    pub name: String,
    /// Where the payload lies.
    pub kind: PoolKind,
    /// How many buffers.
    pub buffers: u32,
    /// Bytes of frame that one buffer takes; longer frames take several.
    pub payload_bytes: u16,
    /// The NUMA node its memory lies on: that of its [port](super::Port::node);
    /// any if `None`. [Ordinary pages](super::MemoryMode::NoHuge) lie where the
    /// kernel puts them.
    pub node: Option<u32>,
}

impl PoolConfig {
    /// For receiving: buffers of 2048 bytes that take frames of a 1500 byte
    /// MTU whole.
    pub fn receive(name: &str, buffers: u32) -> Self {
        Self { name: name.into(), kind: PoolKind::Exported, buffers, payload_bytes: 1920, node: None }
    }

    /// What these devices need to receive into: net_af_packet and NICs, which
    /// know buffers of powers of two, ask for 2048 bytes and net_af_xdp for
    /// an ordinary pool.
    #[must_use]
    pub fn for_devices(mut self, devices: &[DeviceAddress]) -> Self {
        for device in devices {
            if matches!(device, DeviceAddress::Pci { .. }) || device.is_driver("net_af_packet") {
                self.payload_bytes = self.payload_bytes.max(2048);
            }
            if device.is_driver("net_af_xdp") {
                // It computes addresses from the header's, and would write
                // over it if the payload lay elsewhere.
                self.kind = PoolKind::Ordinary;
            }
        }
        self
    }

    /// For sending.
    pub fn transmit(name: &str, buffers: u32) -> Self {
        Self { name: name.into(), kind: PoolKind::Ordinary, buffers, payload_bytes: 2048, node: None }
    }

    fn check(&self) -> Result<(), Error> {
        let wrong = |key, reason| Err(Error::Config { key, reason });
        let name_fits = (1..=20).contains(&self.name.len());
        if !name_fits || !self.name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)) {
            return wrong("name", format!("{:?} is no name for a pool", self.name));
        }
        if !(64..=1 << 24).contains(&self.buffers) {
            return wrong("buffers", format!("{} is not between 64 and 2^24", self.buffers));
        }
        if !(256..=16 * 1024).contains(&self.payload_bytes) {
            return wrong("payload_bytes", format!("{} is not between 256 and 16384", self.payload_bytes));
        }
        Ok(())
    }

    /// DPDK itself would not mind on ordinary pages.
    fn check_node(&self) -> Result<(), Error> {
        // SAFETY: DPDK runs.
        if self.node.is_none_or(|node| unsafe { ffi::mpdk_has_node(node_number(Some(node))) }) {
            return Ok(());
        }
        let reason = format!("this machine has no NUMA node {}", self.node.unwrap_or_default());
        Err(Error::Config { key: "node", reason })
    }

    /// Bytes of a buffer with the room in front of the frame.
    fn data_room(&self) -> u16 {
        // SAFETY: reads a constant.
        self.payload_bytes + unsafe { ffi::mpdk_headroom() }
    }

    /// Bytes from one payload to the next: a power of two, so that an offset
    /// tells the buffer.
    fn stride(&self) -> u16 {
        self.data_room().next_power_of_two()
    }

    /// Buffers each thread keeps to itself, within what DPDK allows.
    fn cache(&self) -> u32 {
        (self.buffers / 8).min(256)
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_decide_how_their_buffers_are() {
        let plain = PoolConfig::receive("x", 64);
        let pool_of = |device: &str| plain.clone().for_devices(&[device.parse().unwrap()]);
        assert_eq!((pool_of("net_tap0").payload_bytes, pool_of("net_tap0").kind), (1920, PoolKind::Exported));
        assert_eq!(pool_of("net_af_packet0,iface=x").payload_bytes, 2048);
        assert_eq!(pool_of("0000:3b:00.0").payload_bytes, 2048);
        assert_eq!(pool_of("net_af_xdp0,iface=x").kind, PoolKind::Ordinary);
    }
}
