//! A region in this process's memory. All pointers into shared memory are made
//! here, from places that were checked when the region was created or attached
//! and are kept in private memory: what the other side writes into the header
//! later is never looked at.

use crate::geometry::{RegionConfig, RegionError};
use crate::layout::{CACHE_LINE_BYTES, Geometry, RegionHeader, RingHeader, SideFlags};
use crate::message::{BlockRange, Words};
use crate::ring::RingMemory;
use std::any::Any;
use std::fs::File;
use std::io;
use std::mem::offset_of;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Memory that an engine and a client share.
///
/// The other side may be another process, and it may break the contract.
/// Indices, flags and descriptors are therefore only read and written as
/// atomics. Payload is read and written as bytes: a peer that touches a block
/// which is not its own changes those bytes and nothing else, since any byte
/// is a valid byte and none of them is ever used as an index or a length.
#[derive(Debug)]
pub struct Region {
    base: NonNull<u8>,
    geometry: Geometry,
    /// Keeps the memory where it is.
    backing: Backing,
}

/// Where a region's memory comes from.
enum Backing {
    /// Mapped here, unmapped on drop.
    Mapping { len: usize, file: OwnedFd },
    /// Kept alive by its owner.
    #[expect(dead_code, reason = "held only to be dropped with the region")]
    Lent(Box<dyn Any + Send>),
}

impl std::fmt::Debug for Backing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Mapping { len, .. } => write!(f, "Mapping({len} bytes)"),
            Self::Lent(_) => f.write_str("Lent"),
        }
    }
}

// SAFETY: `base` points to memory that stays until the region is dropped,
// whichever thread does that; the owner in `backing` is Send.
unsafe impl Send for Region {}
// SAFETY: through `&Region` safe code reaches atomics only, and `geometry`,
// which never changes. The owner in `backing` is not reached at all.
unsafe impl Sync for Region {}

/// One of the two arenas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arena {
    /// The client fills it.
    Transmit,
    /// The engine fills it.
    Receive,
}

impl Region {
    /// A new region in memory of its own, which another process can attach by
    /// the file in [`file`](Self::file). The file cannot be resized.
    ///
    /// # Errors
    /// If a size in `config` is not allowed or the system refuses.
    pub fn create(config: &RegionConfig) -> Result<Self, RegionError> {
        let geometry = Geometry::plan(config)?;
        let file = sealed_memory(geometry.region_bytes)?;
        let region = Self::map(file, 0, geometry.region_bytes as usize, geometry)?;
        region.write_geometry();
        Ok(region)
    }

    /// A new region at the start of `memory`, which is overwritten with zeros.
    ///
    /// # Errors
    /// If a size in `config` is not allowed or the memory is too small or
    /// misaligned.
    ///
    /// # Safety
    /// `memory` is valid for reads and writes of `len` bytes until `owner` is
    /// dropped, and only regions use it.
    pub unsafe fn create_in(
        memory: NonNull<u8>,
        len: usize,
        owner: Box<dyn Any + Send>,
        config: &RegionConfig,
    ) -> Result<Self, RegionError> {
        let geometry = Geometry::plan(config)?;
        check_memory(memory, len)?;
        geometry.check(len)?;
        // The client will see all of it: nothing of an earlier use may remain.
        // SAFETY: `region_bytes <= len`, by `check`; the caller lends the bytes.
        unsafe { ptr::write_bytes(memory.as_ptr(), 0, geometry.region_bytes as usize) };
        let region = Self { base: memory, geometry, backing: Backing::Lent(owner) };
        region.write_geometry();
        Ok(region)
    }

    /// Attaches the region that lies at `offset` of `file`: what the engine's
    /// [`file`](Self::file) is in another process.
    ///
    /// # Errors
    /// If it cannot be mapped or is no region of this version.
    pub fn attach(file: OwnedFd, offset: u64, len: usize) -> Result<Self, RegionError> {
        check_file_holds(&file, offset, len)?;
        let unknown = Geometry::plan(&RegionConfig::default())?;
        let mut region = Self::map(file, offset, len, unknown)?;
        region.geometry = region.read_geometry(len)?;
        Ok(region)
    }

    /// Attaches a region of its own memory once more, at another address, as
    /// another process would.
    ///
    /// # Errors
    /// If it cannot be mapped, or lies in lent memory.
    pub fn map_again(&self) -> Result<Self, RegionError> {
        let system = |error| RegionError::System { action: "share the region's file", error };
        let file = self.file().ok_or_else(|| system(io::ErrorKind::Unsupported.into()))?;
        let len = self.geometry.region_bytes as usize;
        Self::attach(file.try_clone_to_owned().map_err(system)?, 0, len)
    }

    /// Attaches the region in `memory`: EAL memory, or another region's.
    ///
    /// # Errors
    /// If it is no region of this version.
    ///
    /// # Safety
    /// As for [`create_in`](Self::create_in).
    pub unsafe fn attach_in(
        memory: NonNull<u8>,
        len: usize,
        owner: Box<dyn Any + Send>,
    ) -> Result<Self, RegionError> {
        check_memory(memory, len)?;
        let unknown = Geometry::plan(&RegionConfig::default())?;
        let mut region = Self { base: memory, geometry: unknown, backing: Backing::Lent(owner) };
        region.geometry = region.read_geometry(len)?;
        Ok(region)
    }

    /// Where its parts lie, as it was when the region was made or attached.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// The file behind a region of its own memory, to pass to the client.
    pub fn file(&self) -> Option<BorrowedFd<'_>> {
        match &self.backing {
            Backing::Mapping { file, .. } => Some(file.as_fd()),
            Backing::Lent(_) => None,
        }
    }

    /// Whether it lies in memory that was there before.
    pub fn is_lent(&self) -> bool {
        matches!(self.backing, Backing::Lent(_))
    }

    /// The engine's flags.
    pub fn engine(&self) -> &SideFlags {
        self.flags(offset_of!(RegionHeader, engine))
    }

    /// The client's flags.
    pub fn client(&self) -> &SideFlags {
        self.flags(offset_of!(RegionHeader, client))
    }

    /// The ring from the client to the engine.
    pub fn submission_ring(self: &Arc<Self>) -> Ring {
        let Geometry { submission_offset, submission_entries, .. } = self.geometry;
        Ring { region: Self::share(self), offset: submission_offset as usize, entries: submission_entries }
    }

    /// The ring from the engine to the client.
    pub fn completion_ring(self: &Arc<Self>) -> Ring {
        let Geometry { completion_offset, completion_entries, .. } = self.geometry;
        Ring { region: Self::share(self), offset: completion_offset as usize, entries: completion_entries }
    }

    /// How many blocks an arena has.
    pub fn blocks(&self, arena: Arena) -> u32 {
        match arena {
            Arena::Transmit => self.geometry.transmit_blocks,
            Arena::Receive => self.geometry.receive_blocks,
        }
    }

    /// How many bytes a block of an arena has.
    pub fn block_bytes(&self, arena: Arena) -> u32 {
        match arena {
            Arena::Transmit => self.geometry.transmit_block_bytes,
            Arena::Receive => self.geometry.receive_block_bytes,
        }
    }

    /// Where an arena lies in this process.
    pub fn address(&self, arena: Arena) -> usize {
        self.block_start(arena, BlockRange { block: 0, offset: 0, len: 0 }).as_ptr() as usize
    }

    /// Whether `range` lies inside one block of the arena.
    pub fn contains(&self, arena: Arena, range: BlockRange) -> bool {
        range.block < self.blocks(arena)
            && u64::from(range.offset) + u64::from(range.len) <= u64::from(self.block_bytes(arena))
    }

    /// The bytes of `range`.
    ///
    /// # Panics
    /// If the range is not inside one block.
    ///
    /// # Safety
    /// The bytes belong to the caller's side, or the other side has handed them
    /// over for reading, and nobody on this side [fills](Self::fill) them while
    /// the result lives.
    pub unsafe fn bytes(&self, arena: Arena, range: BlockRange) -> &[u8] {
        let start = self.block_start(arena, range);
        // SAFETY: the range is inside the region, by `block_start`, which stays
        // mapped while `self` lives; that nobody writes is the caller's word.
        // A peer that breaks the contract: see `Region`.
        unsafe { std::slice::from_raw_parts(start.as_ptr(), range.len as usize) }
    }

    /// Copies `bytes` into a block, at `offset`.
    ///
    /// # Panics
    /// If they reach beyond the block.
    ///
    /// # Safety
    /// The bytes of the block belong to the caller's side, and nobody else on
    /// this side reads or fills them meanwhile.
    pub unsafe fn fill(&self, arena: Arena, block: u32, offset: u32, bytes: &[u8]) {
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let start = self.block_start(arena, BlockRange { block, offset, len });
        // SAFETY: the range is inside the region, by `block_start`; `bytes` is
        // no part of it, since nobody on this side reads those bytes.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), start.as_ptr(), bytes.len()) };
    }

    fn block_start(&self, arena: Arena, range: BlockRange) -> NonNull<u8> {
        assert!(self.contains(arena, range), "{range:?} is not inside a block of the {arena:?} arena");
        let arena_offset = match arena {
            Arena::Transmit => self.geometry.transmit_offset,
            Arena::Receive => self.geometry.receive_offset,
        };
        let in_arena = range.block as usize * self.block_bytes(arena) as usize + range.offset as usize;
        // SAFETY: the arena lies inside the region, by `Geometry::check` or
        // `plan`, and the range inside the arena, by the assertion.
        unsafe { self.base.add(arena_offset as usize + in_arena) }
    }

    fn share(this: &Arc<Self>) -> Arc<Self> {
        Arc::clone(this)
    }

    fn flags(&self, offset: usize) -> &SideFlags {
        // SAFETY: the header lies at the start of the region, aligned to a line;
        // `SideFlags` consists of atomics, for which any bytes are valid.
        unsafe { self.base.add(offset).cast::<SideFlags>().as_ref() }
    }

    fn map(file: OwnedFd, offset: u64, len: usize, geometry: Geometry) -> Result<Self, RegionError> {
        let system = |error| RegionError::System { action: "map the region", error };
        let offset = libc::off_t::try_from(offset).map_err(|error| system(io::Error::other(error)))?;
        // SAFETY: a new mapping at a place of the system's choice touches no
        // memory of ours; arguments are plain integers and an open file.
        let mapped = unsafe {
            let access = libc::PROT_READ | libc::PROT_WRITE;
            libc::mmap(ptr::null_mut(), len, access, libc::MAP_SHARED, file.as_raw_fd(), offset)
        };
        if mapped == libc::MAP_FAILED {
            return Err(system(io::Error::last_os_error()));
        }
        let base = NonNull::new(mapped.cast()).ok_or_else(|| system(io::Error::other("mapped at zero")))?;
        Ok(Self { base, geometry, backing: Backing::Mapping { len, file } })
    }

    fn write_geometry(&self) {
        // SAFETY: the header lies at the start, aligned, and nobody else knows
        // of the region yet.
        unsafe { self.base.cast::<Geometry>().write(self.geometry) };
    }

    fn read_geometry(&self, len: usize) -> Result<Geometry, RegionError> {
        if len < size_of::<RegionHeader>() {
            return Err(RegionError::TooSmall(len));
        }
        // SAFETY: at least a header is there, aligned; every field is an
        // integer. Volatile: it is read once, and the copy is checked.
        let geometry = unsafe { self.base.cast::<Geometry>().read_volatile() };
        geometry.check(len)?;
        Ok(geometry)
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        if let Backing::Mapping { len, .. } = self.backing {
            // SAFETY: mapped by `map` with this length; no reference into it
            // outlives the region.
            unsafe { libc::munmap(self.base.as_ptr().cast(), len) };
        }
    }
}

fn check_memory(memory: NonNull<u8>, len: usize) -> Result<(), RegionError> {
    if !(memory.as_ptr() as usize).is_multiple_of(CACHE_LINE_BYTES) {
        return Err(RegionError::Unaligned);
    }
    if len < size_of::<RegionHeader>() {
        return Err(RegionError::TooSmall(len));
    }
    Ok(())
}

/// Mapping more than a file has would be a SIGBUS later instead of an error.
fn check_file_holds(file: &OwnedFd, offset: u64, len: usize) -> Result<(), RegionError> {
    let system = |error| RegionError::System { action: "look at the region's file", error };
    let metadata = File::from(file.try_clone().map_err(system)?).metadata().map_err(system)?;
    if len < size_of::<RegionHeader>() {
        return Err(RegionError::TooSmall(len));
    }
    let stated = offset.saturating_add(len as u64);
    if metadata.len() < stated {
        return Err(RegionError::RegionBytes { stated, mapped: metadata.len() as usize });
    }
    Ok(())
}

/// A file in memory of `len` zeros, which nobody can shrink under us.
fn sealed_memory(len: u64) -> Result<OwnedFd, RegionError> {
    let system = |error| RegionError::System { action: "create shared memory", error };
    // SAFETY: the name is a C string; the result is checked.
    let fd =
        unsafe { libc::memfd_create(c"mpdk-region".as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING) };
    if fd < 0 {
        return Err(system(io::Error::last_os_error()));
    }
    // SAFETY: a new descriptor that nobody else has.
    let file = File::from(unsafe { OwnedFd::from_raw_fd(fd) });
    file.set_len(len).map_err(system)?;
    let seals = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;
    // SAFETY: an open descriptor and an integer.
    if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) } < 0 {
        return Err(system(io::Error::last_os_error()));
    }
    Ok(file.into())
}

/// One of a region's rings.
#[derive(Clone, Debug)]
pub struct Ring {
    region: Arc<Region>,
    offset: usize,
    entries: u32,
}

impl Ring {
    fn index(&self, field: usize) -> &AtomicU32 {
        // SAFETY: the ring lies inside the region, aligned to a line, by
        // `Geometry::check` or `plan`; any bytes are a valid atomic.
        unsafe { self.region.base.add(self.offset + field).cast::<AtomicU32>().as_ref() }
    }

    fn words(&self, place: u32) -> &[AtomicU64; 8] {
        assert!(place < self.entries);
        let offset = self.offset + size_of::<RingHeader>() + place as usize * size_of::<Words>();
        // SAFETY: as in `index`; the place is one of the ring's.
        unsafe { self.region.base.add(offset).cast::<[AtomicU64; 8]>().as_ref() }
    }
}

impl RingMemory for Ring {
    type Word = AtomicU32;

    fn entries(&self) -> u32 {
        self.entries
    }

    fn head(&self) -> &AtomicU32 {
        self.index(offset_of!(RingHeader, head))
    }

    fn tail(&self) -> &AtomicU32 {
        self.index(offset_of!(RingHeader, tail))
    }

    fn read(&self, place: u32) -> Words {
        // Relaxed: ordered by the ring's indices, and atomic only so that a
        // peer which writes meanwhile spoils values and nothing else.
        self.words(place).each_ref().map(|word| word.load(Ordering::Relaxed))
    }

    fn write(&self, place: u32, words: &Words) {
        for (word, value) in self.words(place).iter().zip(words) {
            // Relaxed: as in `read`.
            word.store(*value, Ordering::Relaxed);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
