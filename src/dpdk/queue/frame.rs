//! Building a frame in buffers: the header, and the payload behind it.

use crate::base::{Packet, TransmitFrame, TransmitOffload};
use crate::device::{Capabilities, InDevice, Refusal};
use crate::dpdk::mbuf::Part;
use crate::dpdk::{Mbuf, Pool, ffi};
use arrayvec::ArrayVec;
use std::ptr::NonNull;

/// Parts of a frame: more than a super-frame's payload in pieces of an MSS.
const PARTS: usize = 48;

/// Buffers of a pool that were taken out ahead of need.
#[derive(Debug)]
pub(super) struct Stash {
    buffers: Box<ffi::mpdk_stash>,
    /// Dropped behind what was taken out of it.
    _pool: Pool,
}

// SAFETY: the pointers are to a pool, which is for several threads, and to
// buffers that this alone owns.
unsafe impl Send for Stash {}

impl Stash {
    pub(super) fn new(pool: &Pool) -> Self {
        let mbufs = [std::ptr::null_mut(); ffi::MPDK_STASH as usize];
        let buffers = Box::new(ffi::mpdk_stash { pool: pool.as_ptr(), count: 0, mbufs });
        Self { buffers, _pool: pool.clone() }
    }
}

impl Drop for Stash {
    fn drop(&mut self) {
        // SAFETY: what is left is owned by this alone, and its pool lives.
        unsafe { ffi::mpdk_stash_empty(&raw mut *self.buffers) };
    }
}

/// A frame built here, whose only reference this is.
#[derive(Debug)]
pub(super) struct Built {
    mbuf: NonNull<ffi::rte_mbuf>,
    pub(super) bytes: u32,
}

// SAFETY: nobody else has a reference to the frame. What it refers to may be
// shared: the counts are atomic, and nobody writes to what they count.
unsafe impl Send for Built {}

impl Built {
    /// # Safety
    /// `mbuf` is a whole frame of `bytes`, whose only reference goes over.
    pub(super) unsafe fn from_raw(mbuf: *mut ffi::rte_mbuf, bytes: u32) -> Option<Self> {
        NonNull::new(mbuf).map(|mbuf| Self { mbuf, bytes })
    }

    /// The frame itself, for the driver.
    pub(super) fn into_raw(self) -> *mut ffi::rte_mbuf {
        let mbuf = self.mbuf.as_ptr();
        std::mem::forget(self);
        mbuf
    }
}

impl Drop for Built {
    fn drop(&mut self) {
        // SAFETY: the only reference, given back once.
        unsafe { ffi::mpdk_mbuf_free(self.mbuf.as_ptr()) };
    }
}

/// Copies payload that would be referred to at an odd byte of the frame, with all
/// the rest; returns how many bytes more are copied.
fn copy_if_odd(parts: &mut [ffi::mpdk_part]) -> u64 {
    let before_last = parts.split_last().map_or(&[][..], |(_, before)| before);
    if before_last.iter().all(|part| part.len % 2 == 0) {
        return 0;
    }
    let referred = parts.iter_mut().filter(|part| !part.buffer.is_null());
    referred
        .map(|part| {
            part.buffer = std::ptr::null_mut();
            u64::from(part.len)
        })
        .sum()
}

/// Builds a frame: the header is copied, payload is held by reference where the
/// device can read it and otherwise copied and counted. Tells the driver what to
/// fill in. `sums_by_buffer`: it makes checksums as if each buffer began at an even
/// byte of the frame.
pub(super) fn build<Q: InDevice<Mbuf>>(
    stash: &mut Stash,
    capabilities: &Capabilities,
    sums_by_buffer: bool,
    frame: &TransmitFrame<'_, Q>,
    copied_bytes: &mut u64,
) -> Result<Built, Refusal> {
    let bytes = frame.header.len() + frame.payload.len();
    if bytes > capabilities.max_frame_bytes as usize {
        return Err(Refusal::TooLong);
    }
    let mut parts: ArrayVec<ffi::mpdk_part, PARTS> = ArrayVec::new();
    // A frame of more pieces is not worth saving an allocation.
    let mut rest = Vec::new();
    let mut copied = 0;
    let mut push = |part| {
        if let Err(full) = parts.try_push(part) {
            rest.push(full.element());
        }
    };
    frame.payload.for_each_packet(|packet, offset, bytes| {
        match packet.in_device().filter(|_| capabilities.multi_segment) {
            Some(packet) => packet.for_each_part(offset, bytes, |part| {
                let Part { buffer, data, len } = part;
                push(ffi::mpdk_part { buffer: buffer.as_ptr(), data, len });
            }),
            None => payload_bytes(packet, offset, bytes, &mut |bytes| {
                copied += bytes.len() as u64;
                let (buffer, data, len) = (std::ptr::null_mut(), bytes.as_ptr(), bytes.len() as u32);
                push(ffi::mpdk_part { buffer, data, len });
            }),
        }
    });
    let mut all: Vec<_>;
    let parts = if rest.is_empty() {
        &mut parts[..]
    } else {
        all = parts.into_iter().chain(rest).collect();
        &mut all
    };
    if sums_by_buffer && frame.offload.tcp_checksum {
        copied += copy_if_odd(parts);
    }
    let mbuf = finish(stash, frame.header, parts, capabilities.max_segments, &frame.offload)?;
    *copied_bytes += copied;
    Ok(Built { mbuf, bytes: bytes as u32 })
}

/// Hands everything to C in one call.
fn finish(
    stash: &mut Stash,
    header: &[u8],
    parts: &[ffi::mpdk_part],
    max_segments: u16,
    offload: &TransmitOffload,
) -> Result<NonNull<ffi::rte_mbuf>, Refusal> {
    let offload = ffi::mpdk_offload {
        segment_bytes: offload.segment_bytes,
        l2_bytes: offload.l2_bytes,
        l3_bytes: offload.l3_bytes,
        l4_bytes: offload.l4_bytes,
        ip_checksum: offload.ip_checksum,
        tcp_checksum: offload.tcp_checksum,
        ipv6: offload.ipv6,
    };
    let mut error = 0;
    // SAFETY: the header is a slice; the parts lie in packets that the
    // caller holds through this call, and by reference in buffers that then hold
    // themselves.
    let frame = unsafe {
        ffi::mpdk_frame_build(
            &raw mut *stash.buffers,
            header.as_ptr(),
            header.len() as u32,
            parts.as_ptr(),
            parts.len() as u32,
            max_segments,
            &raw const offload,
            &raw mut error,
        )
    };
    NonNull::new(frame).ok_or(if error == libc::ENOMEM { Refusal::PoolEmpty } else { Refusal::TooLong })
}

/// Calls `visit` with `bytes` of a packet from `offset` on.
fn payload_bytes<Q: Packet>(packet: &Q, offset: usize, bytes: usize, visit: &mut dyn FnMut(&[u8])) {
    let (mut skip, mut left) = (offset, bytes);
    packet.for_each_piece(&mut |piece| {
        let start = skip.min(piece.len());
        let take = (piece.len() - start).min(left);
        if take > 0 {
            visit(&piece[start..start + take]);
        }
        skip -= start;
        left -= take;
    });
}
