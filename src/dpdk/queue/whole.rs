//! Sending a received frame as it is.

use super::DpdkDevice;
use crate::device::{Capabilities, Device, Forward, Refusal};
use crate::dpdk::{Mbuf, ffi};
use std::ptr::NonNull;

/// A frame held by its chain, given back if it is not sent.
struct Chain(NonNull<ffi::rte_mbuf>);

impl Chain {
    fn into_raw(self) -> NonNull<ffi::rte_mbuf> {
        let chain = self.0;
        std::mem::forget(self);
        chain
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        // SAFETY: the one reference that the packet had.
        unsafe { ffi::mpdk_mbuf_free(self.0.as_ptr()) };
    }
}

impl Forward for DpdkDevice {
    fn forward(&mut self, packet: Mbuf) -> Result<(), Refusal> {
        let chain = Chain(packet.into_chain());
        if self.room() == 0 {
            return Err(Refusal::QueueFull);
        }
        let port = abilities(self.capabilities());
        // SAFETY: a whole frame that this thread holds. Others who share it are
        // of this thread too and send it to the same port: they would write the
        // same into it.
        let result = unsafe { ffi::mpdk_frame_forward(chain.0.as_ptr(), &raw const port) };
        if result != 0 {
            return Err(Refusal::TooLong);
        }
        // SAFETY: as above.
        let bytes = unsafe { ffi::mpdk_frame_bytes(chain.0.as_ptr()) };
        self.pending.push_whole(chain.into_raw(), bytes);
        Ok(())
    }
}

fn abilities(capabilities: &Capabilities) -> ffi::mpdk_forward {
    ffi::mpdk_forward {
        max_bytes: capabilities.max_frame_bytes,
        max_segments: capabilities.max_segments,
        tcp_checksum: capabilities.transmit_tcp_checksum,
        cuts_ipv4: capabilities.segmentation.covers(false),
        cuts_ipv6: capabilities.segmentation.covers(true),
    }
}
