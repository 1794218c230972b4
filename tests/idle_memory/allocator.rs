//! A global allocator that knows who asked: memory is charged to the owner in
//! whose name the thread runs, and credited to the same one whoever frees it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Who may be charged.
pub const OWNERS: usize = 3;
/// The harness.
pub const NOBODY: u8 = 0;

/// In front of each block, so that alignments up to this stay as they are.
const TAG_BYTES: usize = 16;

/// What an owner holds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Held {
    /// Bytes that were asked for.
    pub asked_bytes: isize,
    /// Bytes that they take in mimalloc's heap, which the program uses.
    pub mimalloc_bytes: isize,
    /// Bytes that they take in glibc's.
    pub glibc_bytes: isize,
    pub blocks: isize,
    /// Calls of the allocator since the start.
    pub calls: usize,
}

const NOTHING: Held = Held { asked_bytes: 0, mimalloc_bytes: 0, glibc_bytes: 0, blocks: 0, calls: 0 };

thread_local! {
    static CHARGED: Cell<u8> = const { Cell::new(NOBODY) };
    static HELD: [Cell<Held>; OWNERS] = const {
        [const { Cell::new(NOTHING) }; OWNERS]
    };
}

/// Runs `what` at the expense of `owner`.
pub fn charge<R>(owner: u8, what: impl FnOnce() -> R) -> R {
    let before = CHARGED.replace(owner);
    let result = what();
    CHARGED.set(before);
    result
}

/// What an owner holds now; every owner of a thread is its own.
pub fn held(owner: u8) -> Held {
    HELD.with(|held| held[usize::from(owner)].get())
}

/// mimalloc's sizes: up to 8 words even ones, then four of each power of two. Of
/// a long block only the pages are backed that are touched.
const fn mimalloc_bytes(size: usize) -> usize {
    let words = size.div_ceil(8);
    match words {
        0..=8 => words.next_multiple_of(2) * 8,
        9..8_192 => words.next_multiple_of(1 << ((words - 1).ilog2() - 2)) * 8,
        _ => size.next_multiple_of(4_096),
    }
}

fn count(owner: u8, size: usize, sign: isize) {
    HELD.with(|held| {
        let held = &held[usize::from(owner)];
        let mut now = held.get();
        now.asked_bytes += sign * size as isize;
        now.mimalloc_bytes += sign * mimalloc_bytes(size) as isize;
        now.glibc_bytes += sign * (size + 8).next_multiple_of(16).max(32) as isize;
        now.blocks += sign;
        now.calls += 1;
        held.set(now);
    });
}

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

fn tagged(layout: Layout) -> Option<(Layout, usize)> {
    let front = layout.align().max(TAG_BYTES);
    let size = layout.size().checked_add(front)?;
    Some((Layout::from_size_align(size, front).ok()?, front))
}

// SAFETY: every block is one of the system's with the tag in front: as large
// as asked behind it, and as aligned, because the front is a multiple of the
// alignment. Counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some((whole, front)) = tagged(layout) else { return std::ptr::null_mut() };
        let owner = CHARGED.get();
        // SAFETY: the layout has at least the tag's size.
        let block = unsafe { System.alloc(whole) };
        if block.is_null() {
            return block;
        }
        count(owner, layout.size(), 1);
        // SAFETY: the block has `front` bytes before what is given out.
        unsafe {
            block.write(owner);
            block.add(front)
        }
    }

    unsafe fn dealloc(&self, given: *mut u8, layout: Layout) {
        let Some((whole, front)) = tagged(layout) else { return };
        // SAFETY: `alloc` gave it out of a block with this layout and a tag.
        unsafe {
            let block = given.sub(front);
            count(block.read(), layout.size(), -1);
            System.dealloc(block, whole);
        }
    }
}
