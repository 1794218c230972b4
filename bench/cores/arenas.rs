//! The heap of the simulated cores: each has a piece of its own, as allocators
//! give every thread, and so has whatever is to be told apart by its addresses.
//!
//! Blocks lie as close as glibc packs them: what two cores could come to share a
//! line by does show.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::{Cell, UnsafeCell};
use std::ops::Range;
use std::ptr::null_mut;

/// Simulated cores, at most.
pub const CORES_MOST: usize = 16;
/// Address space of one arena; only what is used takes memory.
const ARENA_BYTES: usize = 512 << 20;
const GRANULE: usize = 16;
/// Longer blocks are not used a second time.
const LONGEST_KEPT: usize = 64 << 10;
/// Blocks that [`Heap::notes`] has room for.
const NOTES_MOST: usize = 4_096;

/// Whose memory it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arena {
    /// The world outside: the peer, NICs, what measures.
    World,
    /// What cores give to each other.
    Exchange,
    /// What describes packet buffers.
    PacketHeaders,
    /// The bytes in packet buffers.
    PacketData,
    /// A core's own.
    Core(usize),
}

const ARENAS: usize = 4 + CORES_MOST;

impl Arena {
    const fn index(self) -> usize {
        match self {
            Self::World => 0,
            Self::Exchange => 1,
            Self::PacketHeaders => 2,
            Self::PacketData => 3,
            Self::Core(core) => 4 + core,
        }
    }
}

/// One arena; nothing of it shares a line with another.
#[repr(align(128))]
struct Place {
    start: Cell<usize>,
    /// Where nobody was given anything yet.
    fresh: Cell<usize>,
    /// Blocks given back, by granules: the first of a list.
    free: [Cell<*mut u8>; LONGEST_KEPT / GRANULE + 1],
}

/// All arenas. There is one thread that allocates at a time.
pub struct Heap {
    places: [Place; ARENAS],
    current: Cell<usize>,
    /// Blocks that went back to an arena by another than its own.
    foreign: Cell<usize>,
    /// Address, bytes and alignment of what the exchange allocated.
    notes: UnsafeCell<[(usize, usize, usize); NOTES_MOST]>,
    noted: Cell<usize>,
}

// SAFETY: the program starts one thread and does nothing but wait for it.
unsafe impl Sync for Heap {}

impl Heap {
    pub const fn new() -> Self {
        Self {
            places: [const { Place::new() }; ARENAS],
            current: Cell::new(0),
            foreign: Cell::new(0),
            notes: UnsafeCell::new([(0, 0, 0); NOTES_MOST]),
            noted: Cell::new(0),
        }
    }

    /// Allocates in an arena from now on; returns the one before.
    fn change(&self, arena: usize) -> usize {
        self.current.replace(arena)
    }

    /// What `act` allocates lies in `arena`.
    pub fn within<T>(&self, arena: Arena, act: impl FnOnce() -> T) -> T {
        let before = self.change(arena.index());
        let result = act();
        self.change(before);
        result
    }

    /// As [`within`](Self::within), until the next change.
    pub fn enter(&self, arena: Arena) {
        self.change(arena.index());
    }

    /// The core whose turn it is.
    pub fn core(&self) -> Option<usize> {
        self.current.get().checked_sub(Arena::Core(0).index())
    }

    /// Addresses that an arena has used.
    pub fn range(&self, arena: Arena) -> Range<usize> {
        let place = &self.places[arena.index()];
        place.start.get()..place.fresh.get()
    }

    /// Blocks that were given back by another core than their own.
    pub fn foreign(&self) -> usize {
        self.foreign.get()
    }

    /// Address, bytes and alignment of each block of [`Arena::Exchange`].
    pub fn notes(&self) -> Vec<(usize, usize, usize)> {
        // SAFETY: nobody writes to those that are noted.
        let notes = unsafe { &*self.notes.get() };
        notes[..self.noted.get()].to_vec()
    }

    fn note(&self, address: usize, layout: Layout) {
        let at = self.noted.get();
        if at < NOTES_MOST {
            // SAFETY: one thread, and nobody was shown this one.
            unsafe { (*self.notes.get())[at] = (address, layout.size(), layout.align()) };
            self.noted.set(at + 1);
        }
    }

    fn take(&self, layout: Layout) -> *mut u8 {
        let place = &self.places[self.current.get()];
        let bytes = layout.size().next_multiple_of(GRANULE);
        if layout.align() <= GRANULE
            && let Some(first) = place.free.get(bytes / GRANULE)
            && !first.get().is_null()
        {
            let block = first.get();
            // SAFETY: a block that was given back holds the address of the next.
            first.set(unsafe { block.cast::<*mut u8>().read_unaligned() });
            return block;
        }
        place.extend(bytes, layout.align().max(GRANULE))
    }

    fn give(&self, block: *mut u8, layout: Layout) {
        let is_of = |place: &Place| (block as usize).wrapping_sub(place.start.get()) < ARENA_BYTES;
        let current = self.current.get();
        let owner = if is_of(&self.places[current]) {
            &self.places[current]
        } else {
            // The world may take what it likes apart.
            self.foreign.set(self.foreign.get() + usize::from(current != 0));
            let Some(owner) = self.places.iter().find(|place| is_of(place)) else { return };
            owner
        };
        let bytes = layout.size().next_multiple_of(GRANULE);
        if layout.align() <= GRANULE
            && let Some(first) = owner.free.get(bytes / GRANULE)
        {
            // SAFETY: it has at least a granule, and nobody uses it any more.
            unsafe { block.cast::<*mut u8>().write_unaligned(first.get()) };
            first.set(block);
        }
    }
}

impl Place {
    const fn new() -> Self {
        let free = [const { Cell::new(null_mut()) }; LONGEST_KEPT / GRANULE + 1];
        Self { start: Cell::new(0), fresh: Cell::new(0), free }
    }

    fn extend(&self, bytes: usize, align: usize) -> *mut u8 {
        if self.start.get() == 0 {
            let (protection, flags) = (
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            );
            // SAFETY: new memory, wherever there is room.
            let start = unsafe { libc::mmap(null_mut(), ARENA_BYTES, protection, flags, -1, 0) };
            if start == libc::MAP_FAILED {
                return null_mut();
            }
            self.start.set(start as usize);
            self.fresh.set(start as usize);
        }
        let address = self.fresh.get().next_multiple_of(align);
        if address + bytes > self.start.get() + ARENA_BYTES {
            return null_mut();
        }
        self.fresh.set(address + bytes);
        address as *mut u8
    }
}

// SAFETY: blocks are as long and aligned as asked for, and nobody else's until
// they are given back; a failed request gives null.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let block = self.take(layout);
        if self.current.get() == Arena::Exchange.index() {
            self.note(block as usize, layout);
        }
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        self.give(block, layout);
    }
}
