//! Building a frame in buffers: the header, and the payload behind it.

use crate::base::{Packet, Payload, TransmitFrame, TransmitOffload};
use crate::device::{Capabilities, InDevice, Refusal};
use crate::dpdk::mbuf::Part;
use crate::dpdk::pool::piece;
use crate::dpdk::{Mbuf, Pool, ffi};
use arrayvec::ArrayVec;
use std::ptr::NonNull;

/// Parts that cross to C in one call: a super-frame's payload in pieces of an MSS.
const PARTS: usize = 48;

/// A frame built here, whose only reference this is.
#[derive(Debug)]
pub(super) struct Built {
    mbuf: NonNull<ffi::rte_mbuf>,
    pub(super) bytes: u32,
}

impl Built {
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

/// Builds a frame: the header is copied, payload is held by reference where the
/// device can read it and otherwise copied and counted. Tells the driver what to
/// fill in.
pub(super) fn build<Q: InDevice<Mbuf>>(
    pool: &Pool,
    capabilities: &Capabilities,
    frame: &TransmitFrame<'_, Q>,
    copied_bytes: &mut u64,
) -> Result<Built, Refusal> {
    let bytes = frame.header.len() + frame.payload.len();
    if bytes > capabilities.max_frame_bytes as usize {
        return Err(Refusal::TooLong);
    }
    let mbuf = pool.new_frame(&[piece(frame.header)]).ok_or(Refusal::PoolEmpty)?;
    let built = Built { mbuf, bytes: bytes as u32 };
    *copied_bytes += append_payload(pool, &built, &frame.payload, capabilities.multi_segment)?;
    // SAFETY: the frame is whole.
    if unsafe { ffi::mpdk_frame_segments(built.mbuf.as_ptr()) } > capabilities.max_segments {
        return Err(Refusal::TooLong);
    }
    set_offload(&built, &frame.offload)?;
    Ok(built)
}

/// Collects where the payload lies and appends it, in as few calls as it takes.
/// Returns how many bytes were copied.
fn append_payload<Q: InDevice<Mbuf>>(
    pool: &Pool,
    built: &Built,
    payload: &Payload<'_, Q>,
    by_reference: bool,
) -> Result<u64, Refusal> {
    let mut parts: ArrayVec<ffi::mpdk_part, PARTS> = ArrayVec::new();
    let mut done = Ok(());
    let mut copied_bytes = 0;
    let mut push = |part: ffi::mpdk_part, parts: &mut ArrayVec<_, PARTS>| {
        if parts.is_full() {
            done = done.and(append(pool, built, parts));
            parts.clear();
        }
        parts.push(part);
    };
    payload.for_each_packet(|packet, offset, bytes| match packet.in_device().filter(|_| by_reference) {
        Some(packet) => packet.for_each_part(offset, bytes, |part| {
            let Part { buffer, data, len } = part;
            push(ffi::mpdk_part { buffer: buffer.as_ptr(), data, len }, &mut parts);
        }),
        None => payload_bytes(packet, offset, bytes, &mut |bytes| {
            copied_bytes += bytes.len() as u64;
            let (buffer, data, len) = (std::ptr::null_mut(), bytes.as_ptr(), bytes.len() as u32);
            push(ffi::mpdk_part { buffer, data, len }, &mut parts);
        }),
    });
    done.and(append(pool, built, &parts)).map(|()| copied_bytes)
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

fn append(pool: &Pool, built: &Built, parts: &[ffi::mpdk_part]) -> Result<(), Refusal> {
    if parts.is_empty() {
        return Ok(());
    }
    // SAFETY: the parts lie in packets that the caller holds through this call,
    // and by reference in buffers that then hold themselves; the frame is
    // nobody else's.
    let result = unsafe {
        ffi::mpdk_frame_append_parts(pool.as_ptr(), built.mbuf.as_ptr(), parts.as_ptr(), parts.len() as u32)
    };
    if result == 0 { Ok(()) } else { Err(Refusal::PoolEmpty) }
}

fn set_offload(built: &Built, offload: &TransmitOffload) -> Result<(), Refusal> {
    let offload = ffi::mpdk_offload {
        segment_bytes: offload.segment_bytes,
        l2_bytes: offload.l2_bytes,
        l3_bytes: offload.l3_bytes,
        l4_bytes: offload.l4_bytes,
        ip_checksum: offload.ip_checksum,
        tcp_checksum: offload.tcp_checksum,
        ipv6: offload.ipv6,
    };
    // SAFETY: the frame is whole and nobody else's.
    let result = unsafe { ffi::mpdk_frame_offload(built.mbuf.as_ptr(), &raw const offload) };
    // Headers that are not where the offload says cannot be filled in.
    if result == 0 { Ok(()) } else { Err(Refusal::TooLong) }
}
