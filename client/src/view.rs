//! Packet memory as a client sees it.

use crate::layout::CACHE_LINE_BYTES;
use crate::packet::PacketRange;
use std::any::Any;
use std::fmt;
use std::ptr;

/// The memory that frames arrive in, to be read where the engine says.
///
/// Why reading there is sound although the engine owns the memory: from the
/// moment that it names a piece in a `RECEIVED_IN_PLACE` until the client names
/// the ticket in a `RELEASE_PACKET`, the engine holds the packet's buffers, and
/// neither it nor a device writes into a buffer that somebody holds. An engine
/// that ends, or that gives a client up, keeps what the client has not given
/// back for as long as this view exists. What a client is told is checked
/// against the range; whether the bytes make sense does not matter, since any
/// byte is a valid byte.
pub struct PacketView {
    address: usize,
    len: usize,
    tickets: u32,
    /// Keeps the memory where it is, and tells the engine that it is read.
    #[expect(dead_code, reason = "held only to be dropped with the view")]
    owner: Box<dyn Any + Send + Sync>,
}

/// Behind so many lines processors go on by themselves.
const PREFETCHED_LINES: usize = 4;

#[cfg(target_arch = "x86_64")]
fn prefetch(line: *const u8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: a hint, which accesses nothing, whatever the address.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(line.cast()) };
}

#[cfg(not(target_arch = "x86_64"))]
const fn prefetch(_: *const u8) {}

impl fmt::Debug for PacketView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PacketView({} bytes, {} tickets)", self.len, self.tickets)
    }
}

impl PacketView {
    /// A view of the `len` bytes at `address`, with `tickets` tickets.
    ///
    /// # Safety
    /// Until `owner` is dropped, whatever lies in the range and is named by a
    /// ticket can be read, and is not written before the ticket is given back.
    /// The memory's provenance is exposed.
    pub unsafe fn new(address: usize, len: usize, tickets: u32, owner: Box<dyn Any + Send + Sync>) -> Self {
        Self { address, len, tickets, owner }
    }

    /// How many packets the client may hold at a time.
    pub const fn tickets(&self) -> u32 {
        self.tickets
    }

    /// Whether `range` lies inside.
    pub fn contains(&self, range: PacketRange) -> bool {
        let end = range.offset.checked_add(u64::from(range.len));
        end.is_some_and(|end| end <= self.len as u64)
    }

    /// Asks for the first bytes of `range`, which are to be read soon: pieces lie
    /// apart, so that no processor guesses where the next begins.
    pub fn prefetch(&self, range: PacketRange) {
        if self.contains(range) {
            let start = ptr::with_exposed_provenance::<u8>(self.address + range.offset as usize);
            (0..PREFETCHED_LINES).for_each(|line| prefetch(start.wrapping_add(line * CACHE_LINE_BYTES)));
        }
    }

    /// The bytes of `range`.
    ///
    /// # Panics
    /// If the range is not inside.
    ///
    /// # Safety
    /// The engine has named the range, and its ticket is not given back while
    /// the result lives.
    pub unsafe fn bytes(&self, range: PacketRange) -> &[u8] {
        assert!(self.contains(range), "{range:?} is not inside of packet memory");
        let start = ptr::with_exposed_provenance::<u8>(self.address + range.offset as usize);
        // SAFETY: inside the memory that `owner` keeps, by the assertion; that
        // it can be read and is not written: see `PacketView`, the promise of
        // `new`, and the caller's word.
        unsafe { std::slice::from_raw_parts(start, range.len as usize) }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_inside_is_read() {
        let memory: Box<[u8]> = (0..100).collect();
        let address = memory.as_ptr().expose_provenance();
        // SAFETY: the owner is the memory, which nobody writes.
        let view = unsafe { PacketView::new(address, memory.len(), 3, Box::new(memory)) };
        assert_eq!(view.tickets(), 3);
        let range = |offset, len| PacketRange { offset, len };
        // SAFETY: nobody writes there at all.
        assert_eq!(unsafe { view.bytes(range(10, 3)) }, [10, 11, 12]);
        assert!(view.contains(range(99, 1)) && view.contains(range(100, 0)));
        for outside in [range(100, 1), range(99, 2), range(u64::MAX, 2), range(1 << 47, 1)] {
            assert!(!view.contains(outside), "{outside:?}");
        }
    }
}
