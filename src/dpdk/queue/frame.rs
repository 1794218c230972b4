//! Building a frame in buffers: the header, and the payload behind it.

use crate::base::{Packet, TransmitFrame, TransmitOffload};
use crate::device::{Capabilities, Refusal};
use crate::dpdk::pool::piece;
use crate::dpdk::{Pool, ffi};
use arrayvec::ArrayVec;
use std::ptr::NonNull;

/// Pieces that cross to C in one call: the header and a super-frame's payload
/// in pieces of an MSS.
const PIECES: usize = 48;

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

/// Copies a frame into buffers and tells the driver what to fill in.
pub(super) fn build<Q: Packet>(
    pool: &Pool,
    capabilities: &Capabilities,
    frame: &TransmitFrame<'_, Q>,
) -> Result<Built, Refusal> {
    let bytes = frame.header.len() + frame.payload.iter().map(Packet::len).sum::<usize>();
    if bytes > capabilities.max_frame_bytes as usize {
        return Err(Refusal::TooLong);
    }
    let mut built = with_header(pool, frame.header, bytes as u32)?;
    append_payload(pool, &mut built, frame.payload)?;
    // SAFETY: the frame is whole.
    if unsafe { ffi::mpdk_frame_segments(built.mbuf.as_ptr()) } > capabilities.max_segments {
        return Err(Refusal::TooLong);
    }
    set_offload(&built, &frame.offload)?;
    Ok(built)
}

fn with_header(pool: &Pool, header: &[u8], bytes: u32) -> Result<Built, Refusal> {
    let mbuf = pool.new_frame(&[piece(header)]).ok_or(Refusal::PoolEmpty)?;
    Ok(Built { mbuf, bytes })
}

/// The payload's bytes are copied. Pieces that a device can read where they
/// are would be chained here instead.
fn append_payload<Q: Packet>(pool: &Pool, built: &mut Built, payload: &[Q]) -> Result<(), Refusal> {
    let mut pieces: ArrayVec<ffi::mpdk_piece, PIECES> = ArrayVec::new();
    let mut done = Ok(());
    for packet in payload {
        packet.for_each_piece(&mut |bytes| {
            if pieces.is_full() {
                done = done.and(append(pool, built, &pieces));
                pieces.clear();
            }
            pieces.push(piece(bytes));
        });
    }
    done.and(append(pool, built, &pieces))
}

fn append(pool: &Pool, built: &Built, pieces: &[ffi::mpdk_piece]) -> Result<(), Refusal> {
    // SAFETY: the pieces are slices of packets that the caller holds through
    // this call; the frame is nobody else's.
    let result = unsafe {
        ffi::mpdk_frame_append(pool.as_ptr(), built.mbuf.as_ptr(), pieces.as_ptr(), pieces.len() as u32)
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
