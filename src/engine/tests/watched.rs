//! A device that is watched, and misbehaves on demand.

use crate::base::{ReceiveMeta, TransmitFrame};
use crate::device::{Capabilities, Device, DeviceStatistics, InDevice, MemoryDevice, Refusal};
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Counts how often it is looked at.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) inner: MemoryDevice,
    pub(super) watch: Arc<Watch>,
}

#[derive(Debug, Default)]
pub(super) struct Watch {
    pub(super) looks: AtomicU64,
    pub(super) breaks: AtomicBool,
    pub(super) sleepless: AtomicBool,
    /// It gives back what it has sent only when it sends more.
    pub(super) keeps: AtomicBool,
    pub(super) announcements: AtomicU64,
}

impl Device for Watched {
    type Packet = <MemoryDevice as Device>::Packet;

    fn name(&self) -> &str {
        self.inner.name()
    }
    fn mac(&self) -> [u8; 6] {
        self.inner.mac()
    }
    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }
    fn link_up(&mut self) -> bool {
        self.inner.link_up()
    }
    fn receive(&mut self, out: &mut Vec<(Self::Packet, ReceiveMeta)>) -> usize {
        self.watch.looks.fetch_add(1, Ordering::Relaxed);
        assert!(!self.watch.breaks.load(Ordering::Relaxed), "broken on demand");
        self.inner.receive(out)
    }
    fn transmit<Q: InDevice<Self::Packet>>(&mut self, frame: TransmitFrame<'_, Q>) -> Result<(), Refusal> {
        if frame.header.get(12..14) == Some(&[0x08, 0x06]) {
            self.watch.announcements.fetch_add(1, Ordering::Relaxed);
        }
        self.inner.transmit(frame)
    }
    fn reclaim(&mut self) -> bool {
        !self.watch.keeps.load(Ordering::Relaxed)
    }
    fn room(&self) -> usize {
        self.inner.room()
    }
    fn flush(&mut self) {
        self.inner.flush();
    }
    fn wake_fd(&self) -> Option<RawFd> {
        self.inner.wake_fd().filter(|_| !self.watch.sleepless.load(Ordering::Relaxed))
    }
    fn arm_wake(&mut self) -> bool {
        self.inner.arm_wake()
    }
    fn disarm_wake(&mut self) {
        self.inner.disarm_wake();
    }
    fn statistics(&self) -> DeviceStatistics {
        self.inner.statistics()
    }
}
