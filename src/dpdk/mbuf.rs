//! Packets in DPDK's buffers, held by reference.

use super::ffi;
use crate::base::Packet;
use crate::device::{Alter, HandOver, InDevice};
use std::fmt;
use std::ptr::NonNull;

/// A window on a packet in a chain of packet buffers.
///
/// [`share`](Packet::share) counts a reference in every buffer of the chain,
/// dropping gives one back; nothing is allocated. The bytes do not change
/// while anybody holds them, except by [`Alter::flip`] and, in a client's blocks,
/// by a client that breaks the contract: any byte is a valid byte.
///
/// Not `Send`: giving buffers back is cheap only in the thread that takes them
/// out. A packet that belongs to another core goes there by
/// [`hand_over`](Self::hand_over).
pub struct Mbuf {
    /// The chain, of which this holds one reference.
    chain: NonNull<ffi::rte_mbuf>,
    /// The buffer in which the window begins.
    segment: NonNull<ffi::rte_mbuf>,
    /// Where the window begins.
    data: *const u8,
    /// Bytes of the window in `segment`: 0 only if the window is empty.
    head_len: u32,
    /// Bytes of the window.
    len: u32,
    /// The chain's last buffer, if it was built by appending.
    last: Option<NonNull<ffi::rte_mbuf>>,
}

/// A packet on its way to another thread, which nobody else holds.
#[derive(Debug)]
pub struct HandedOver(Mbuf);

// SAFETY: `hand_over` made sure that this is the only reference to the packet;
// the receiving thread becomes its owner. Pools take buffers back from any
// thread.
unsafe impl Send for HandedOver {}

const CACHE_LINE_BYTES: usize = 64;

#[cfg(target_arch = "x86_64")]
fn prefetch(line: *const u8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: a hint, which accesses nothing, whatever the address.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(line.cast()) };
}

#[cfg(not(target_arch = "x86_64"))]
const fn prefetch(_: *const u8) {}

impl HandOver for Mbuf {
    type Parcel = HandedOver;

    fn hand_over(self) -> Result<HandedOver, Self> {
        if self.is_exclusive() { Ok(HandedOver(self)) } else { Err(self) }
    }

    /// Asks for the lines that are looked at next, all of them at once: they lie in
    /// the other core's cache, and one after the other each is waited for.
    fn take_over(parcel: HandedOver) -> Self {
        let Self { chain, data, .. } = parcel.0;
        for start in [chain.as_ptr().cast_const().cast(), data] {
            prefetch(start);
            prefetch(start.wrapping_add(CACHE_LINE_BYTES));
        }
        parcel.0
    }
}

impl Mbuf {
    /// A received packet.
    ///
    /// # Safety
    /// `received` describes a chain that the driver gave away, and it is used
    /// once.
    pub(super) unsafe fn from_received(received: &ffi::mpdk_received) -> Option<Self> {
        let chain = NonNull::new(received.mbuf)?;
        let mut packet = Self {
            chain,
            segment: chain,
            data: received.data,
            head_len: received.data_len.min(received.packet_len),
            len: received.packet_len,
            last: None,
        };
        packet.skip_empty_segments();
        Some(packet)
    }

    /// A packet built here.
    ///
    /// # Safety
    /// `chain` is a whole frame; its only reference goes over.
    pub(super) unsafe fn from_frame(chain: NonNull<ffi::rte_mbuf>) -> Self {
        let first = segment_of(chain);
        // SAFETY: the caller's promise.
        let len = unsafe { ffi::mpdk_frame_bytes(chain.as_ptr()) };
        let mut packet =
            Self { chain, segment: chain, data: first.data, head_len: first.len.min(len), len, last: None };
        packet.skip_empty_segments();
        packet
    }

    /// The whole chain, whatever the window was: its one reference goes over.
    pub(super) fn into_chain(self) -> NonNull<ffi::rte_mbuf> {
        let chain = self.chain;
        std::mem::forget(self);
        chain
    }

    pub(super) fn is_exclusive(&self) -> bool {
        // SAFETY: this holds a reference to the chain.
        unsafe { ffi::mpdk_mbuf_exclusive(self.chain.as_ptr()) }
    }

    /// Moves the window's beginning off buffers in which it has no bytes.
    fn skip_empty_segments(&mut self) {
        while self.head_len == 0 && self.len > 0 {
            let Some(next) = NonNull::new(segment_of(self.segment).next) else {
                // The chain holds less than it says.
                self.len = 0;
                return;
            };
            let segment = segment_of(next);
            self.segment = next;
            self.data = segment.data;
            self.head_len = segment.len.min(self.len);
        }
    }

    /// Drops the rest of the first piece and as much as `count` says of those
    /// behind it.
    fn trim_segments(&mut self, count: u32) {
        let mut left = count;
        while left > 0 {
            let step = left.min(self.head_len);
            self.data = self.data.wrapping_add(step as usize);
            self.head_len -= step;
            self.len -= step;
            left -= step;
            self.skip_empty_segments();
            if self.len == 0 {
                return;
            }
        }
    }
}

/// Where bytes lie in a buffer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// The buffer, which the packet holds a reference of.
    pub(super) buffer: NonNull<ffi::rte_mbuf>,
    pub(super) data: *const u8,
    pub(super) len: u32,
}

impl Mbuf {
    /// Calls `visit` with where `bytes` of the window lie, from `offset` on.
    pub(super) fn for_each_part(&self, offset: usize, bytes: usize, mut visit: impl FnMut(Part)) {
        let (mut skip, mut left) = (offset as u32, bytes as u32);
        let (mut buffer, mut data) = (self.segment, self.data);
        let (mut len, mut behind) = (self.head_len, self.len - self.head_len);
        loop {
            let start = skip.min(len);
            let take = (len - start).min(left);
            if take > 0 {
                visit(Part { buffer, data: data.wrapping_add(start as usize), len: take });
            }
            skip -= start;
            left -= take;
            if left == 0 || behind == 0 {
                return;
            }
            let Some(next) = NonNull::new(segment_of(buffer).next) else { return };
            let segment = segment_of(next);
            (buffer, data, len) = (next, segment.data, segment.len.min(behind));
            behind -= len;
        }
    }
}

impl InDevice<Self> for Mbuf {
    fn in_device(&self) -> Option<&Self> {
        Some(self)
    }
}

/// What the buffer says of itself. Its chain is held by the caller.
fn segment_of(mbuf: NonNull<ffi::rte_mbuf>) -> ffi::mpdk_segment {
    let mut segment = ffi::mpdk_segment { data: std::ptr::null(), len: 0, next: std::ptr::null_mut() };
    // SAFETY: the callers hold a reference to the chain that `mbuf` is of.
    unsafe { ffi::mpdk_mbuf_segment(mbuf.as_ptr(), &raw mut segment) };
    segment
}

impl Packet for Mbuf {
    fn len(&self) -> usize {
        self.len as usize
    }

    fn buffers(&self) -> usize {
        // SAFETY: this holds a reference to the chain.
        usize::from(unsafe { ffi::mpdk_frame_segments(self.chain.as_ptr()) })
    }

    fn head(&self) -> &[u8] {
        // SAFETY: the window lies in a buffer that this holds a reference to,
        // and nobody writes to shared buffers.
        unsafe { std::slice::from_raw_parts(self.data, self.head_len as usize) }
    }

    fn for_each_piece(&self, visit: &mut dyn FnMut(&[u8])) {
        if self.len == 0 {
            return;
        }
        visit(self.head());
        let mut left = self.len - self.head_len;
        let mut at = self.segment;
        while left > 0 {
            let Some(next) = NonNull::new(segment_of(at).next) else { return };
            at = next;
            let segment = segment_of(at);
            let take = segment.len.min(left);
            if take > 0 {
                // SAFETY: as in `head`.
                visit(unsafe { std::slice::from_raw_parts(segment.data, take as usize) });
            }
            left -= take;
        }
    }

    /// # Panics
    /// If the packet is held 64,000 times: the counter has 16 bits.
    fn share(&self) -> Self {
        // SAFETY: this holds a reference to the chain.
        let shared = unsafe { ffi::mpdk_mbuf_share(self.chain.as_ptr()) };
        assert!(shared, "a packet is held too often");
        Self { ..*self }
    }

    fn trim_front(&mut self, count: usize) {
        assert!(count <= self.len(), "trim {count} of {} bytes", self.len());
        let count = count as u32;
        if count < self.head_len {
            self.data = self.data.wrapping_add(count as usize);
            self.head_len -= count;
            self.len -= count;
        } else {
            self.trim_segments(count);
        }
    }

    /// Chains the buffers. A packet of which only this window's bytes are left
    /// in the buffers is the result: what was trimmed is gone for good.
    fn append(&mut self, tail: Self) -> Result<(), Self> {
        let whole = self.segment == self.chain && (self.last.is_some() || self.head_len == self.len);
        let single = tail.segment == tail.chain && tail.head_len == tail.len;
        if !whole || !single || tail.len == 0 || self.len == 0 {
            return Err(tail);
        }
        let last = self.last.unwrap_or(self.chain);
        // SAFETY: both are held, and their windows lie in their first buffers.
        // C makes sure that nobody else holds them.
        let appended = unsafe {
            ffi::mpdk_mbuf_append(
                self.chain.as_ptr(),
                self.data,
                self.head_len,
                last.as_ptr(),
                tail.chain.as_ptr(),
                tail.data,
                tail.len,
            )
        };
        if !appended {
            return Err(tail);
        }
        self.last = Some(tail.chain);
        self.len += tail.len;
        // Its reference went over.
        std::mem::forget(tail);
        Ok(())
    }

    fn truncate(&mut self, len: usize) {
        self.len = self.len.min(u32::try_from(len).unwrap_or(u32::MAX));
        self.last = None;
        self.head_len = self.head_len.min(self.len);
    }
}

impl Alter for Mbuf {
    fn flip(&mut self, offset: usize, mask: u8) -> bool {
        assert!(offset < self.len(), "byte {offset} of {}", self.len());
        if !self.is_exclusive() {
            return false;
        }
        let mut skip = offset;
        let mut at = std::ptr::null::<u8>();
        self.for_each_piece(&mut |piece| {
            if at.is_null() && skip < piece.len() {
                at = piece[skip..].as_ptr();
            } else if at.is_null() {
                skip -= piece.len();
            }
        });
        if at.is_null() {
            return false;
        }
        // SAFETY: the byte lies in the window, nobody else holds the chain, and
        // `&mut self` means that no slice of it is borrowed.
        unsafe { *at.cast_mut() ^= mask };
        true
    }
}

impl Drop for Mbuf {
    fn drop(&mut self) {
        // SAFETY: gives back the one reference this holds. A pool whose packets
        // live is never freed, so the buffers are still there.
        unsafe { ffi::mpdk_mbuf_free(self.chain.as_ptr()) };
    }
}

impl fmt::Debug for Mbuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mbuf({} bytes, {} in the first piece)", self.len, self.head_len)
    }
}
