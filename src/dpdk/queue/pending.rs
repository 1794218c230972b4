//! Frames on their way to the driver.

use super::frame::Built;
use crate::device::DeviceStatistics;
use crate::dpdk::ffi;
use std::ptr::NonNull;

/// Frames that wait at most: as many as a busy loop sends at once.
pub(super) const LIMIT: usize = 256;
/// How often a burst is repeated within one flush.
const ATTEMPTS: usize = 3;
/// After so many flushes in which the driver took nothing, its first frame is
/// dropped: net_tap stops for ever at a frame that the kernel refuses.
const FRUITLESS_LIMIT: u32 = 4096;

/// Frames taken from the endpoint that the driver has not taken yet.
#[derive(Debug)]
pub(super) struct Pending {
    port: u16,
    queue: u16,
    frames: Vec<*mut ffi::rte_mbuf>,
    /// The length of each.
    bytes: Vec<u32>,
    /// How many of them the driver has prepared: once each, because repeating
    /// it changes checksums again.
    prepared: usize,
    fruitless: u32,
    statistics: DeviceStatistics,
}

impl Pending {
    pub(super) fn new(port: u16, queue: u16) -> Self {
        Self {
            port,
            queue,
            frames: Vec::with_capacity(LIMIT),
            bytes: Vec::with_capacity(LIMIT),
            prepared: 0,
            fruitless: 0,
            statistics: DeviceStatistics::default(),
        }
    }

    pub(super) fn room(&self) -> usize {
        LIMIT - self.frames.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    pub(super) fn push(&mut self, frame: Built) {
        self.bytes.push(frame.bytes);
        self.frames.push(frame.into_raw());
    }

    /// A frame whose only reference goes over, ready to be sent.
    pub(super) fn push_whole(&mut self, frame: NonNull<ffi::rte_mbuf>, bytes: u32) {
        self.bytes.push(bytes);
        self.frames.push(frame.as_ptr());
    }

    /// Takes out the first `count` frames, or all there are. None of them was
    /// prepared.
    pub(super) fn take_front(&mut self, count: usize) -> impl Iterator<Item = Built> + '_ {
        let count = count.min(self.frames.len());
        debug_assert_eq!(self.prepared, 0);
        let frames = self.frames.drain(..count).zip(self.bytes.drain(..count));
        // SAFETY: each is a whole frame of ours, and given away once. If not all
        // are asked for, the rest is lost, and no worse.
        frames.filter_map(|(frame, bytes)| unsafe { Built::from_raw(frame, bytes) })
    }

    pub(super) fn statistics(&self) -> DeviceStatistics {
        self.statistics
    }

    /// Gives the driver what it takes. The rest waits, unless the link is down.
    pub(super) fn flush(&mut self, link_up: bool) {
        if self.frames.is_empty() {
            return;
        }
        self.prepare();
        let mut sent = 0;
        for _ in 0..ATTEMPTS {
            sent += self.burst();
            if self.frames.is_empty() {
                break;
            }
        }
        self.fruitless = if sent > 0 { 0 } else { self.fruitless + 1 };
        if !link_up {
            self.drop_front(self.frames.len());
        } else if self.fruitless >= FRUITLESS_LIMIT {
            self.fruitless = 0;
            self.drop_front(1);
        }
    }

    fn prepare(&mut self) {
        while self.prepared < self.frames.len() {
            let rest = &mut self.frames[self.prepared..];
            // SAFETY: the port is started; the frames are ours and whole.
            let ready = unsafe {
                ffi::mpdk_transmit_prepare(self.port, self.queue, rest.as_mut_ptr(), rest.len() as u16)
            };
            self.prepared += usize::from(ready);
            if self.prepared < self.frames.len() {
                self.drop_one(self.prepared);
            }
        }
    }

    fn burst(&mut self) -> usize {
        // SAFETY: as above; what is sent belongs to the driver from here on.
        let sent = usize::from(unsafe {
            ffi::mpdk_transmit_burst(self.port, self.queue, self.frames.as_mut_ptr(), self.prepared as u16)
        });
        self.frames.drain(..sent);
        self.prepared -= sent;
        self.statistics.transmitted_frames += sent as u64;
        self.statistics.transmitted_bytes += self.bytes.drain(..sent).map(u64::from).sum::<u64>();
        sent
    }

    /// Drops a frame that no driver takes and that is not prepared.
    fn drop_one(&mut self, at: usize) {
        let mut frame = [self.frames.remove(at)];
        self.bytes.remove(at);
        free(&mut frame);
        self.statistics.transmit_dropped += 1;
    }

    fn drop_front(&mut self, count: usize) {
        free(&mut self.frames[..count]);
        self.frames.drain(..count);
        self.bytes.drain(..count);
        self.prepared -= count.min(self.prepared);
        self.statistics.transmit_dropped += count as u64;
    }
}

fn free(frames: &mut [*mut ffi::rte_mbuf]) {
    // SAFETY: the callers own the frames and forget them.
    unsafe { ffi::mpdk_mbuf_free_bulk(frames.as_mut_ptr(), frames.len() as u32) };
}

impl Drop for Pending {
    fn drop(&mut self) {
        free(&mut self.frames);
    }
}
