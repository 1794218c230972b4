//! One queue pair of a port as a [`Device`].

mod frame;
mod pending;
mod whole;

use super::port::Shared;
use super::tap::TapLink;
use super::wake::Wake;
use super::{Mbuf, ffi};
use crate::base::{ChecksumState, ReceiveMeta, TransmitFrame};
use crate::device::{Capabilities, Device, DeviceStatistics, InDevice, Refusal};
use frame::Stash;
use pending::Pending;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

const BURST: usize = ffi::MPDK_BURST as usize;
/// Bytes that a burst should not be much longer than: what was received is still
/// in the core's own cache when it is read, and so are the buffers that are
/// given back by then and filled next.
const BURST_BYTES: u32 = 128 * 1024;
/// Frames of a burst at least; some drivers take no fewer.
const BURST_LEAST: u32 = 4;

/// One receive and one transmit queue of a port, for one thread, which should
/// be [registered](super::Eal::register_thread).
///
/// With several queues, the first asks for the port's link and reports the
/// port's own counts: its thread must not stop calling `link_up`.
#[derive(Debug)]
pub struct DpdkDevice {
    queue: u16,
    pending: Pending,
    stash: Stash,
    /// The driver makes checksums as if each buffer began at an even byte of the
    /// frame: net_tap, which makes them in software.
    sums_by_buffer: bool,
    received: Box<[ffi::mpdk_received; BURST]>,
    /// Frames of the next burst at most.
    burst: u16,
    /// Of `received`, what a poll before sleep found and nobody took yet.
    waiting: usize,
    wake: Option<Wake>,
    tap_link: TapLink,
    was_up: bool,
    received_frames: u64,
    received_bytes: u64,
    copied_bytes: u64,
    /// Closes the port, behind everything that uses it.
    port: Arc<Shared>,
}

// SAFETY: the pointers are to buffers that this queue alone owns; what is used
// with the queue (driver, pools, wake) may be used from any one thread.
unsafe impl Send for DpdkDevice {}

impl DpdkDevice {
    pub(super) fn new(port: &Arc<Shared>, queue: u16, wake: Option<Wake>) -> Self {
        Self {
            queue,
            pending: Pending::new(port.id, queue),
            stash: Stash::new(&port.transmit_pool),
            sums_by_buffer: port.address.is_driver("net_tap"),
            received: Box::new([ffi::mpdk_received::default(); BURST]),
            burst: BURST as u16,
            waiting: 0,
            wake,
            tap_link: TapLink::new(),
            was_up: true,
            received_frames: 0,
            received_bytes: 0,
            copied_bytes: 0,
            port: Arc::clone(port),
        }
    }

    /// Which queue of the port it is.
    pub fn queue(&self) -> u16 {
        self.queue
    }

    fn poll(&mut self) -> usize {
        // SAFETY: the port is started; room for a burst.
        let count = unsafe {
            ffi::mpdk_receive_burst(self.port.id, self.queue, self.received.as_mut_ptr(), self.burst)
        };
        usize::from(count)
    }

    fn ask_link(&mut self) -> bool {
        // SAFETY: the port is started.
        let driver = unsafe { ffi::mpdk_port_link(self.port.id) } == 1;
        let tap = self.wake.as_ref().and_then(Wake::tap_fd);
        tap.and_then(|fd| self.tap_link.elsewhere_up(fd)).unwrap_or(driver)
    }

    fn port_counts(&self) -> ffi::mpdk_port_counts {
        let mut counts = ffi::mpdk_port_counts::default();
        // SAFETY: room for the counts, which stay zero if the driver has none.
        unsafe { ffi::mpdk_port_counts(self.port.id, &raw mut counts) };
        counts
    }
}

impl Device for DpdkDevice {
    type Packet = Mbuf;

    fn name(&self) -> &str {
        self.port.address.name()
    }

    fn mac(&self) -> [u8; 6] {
        self.port.mac
    }

    fn capabilities(&self) -> &Capabilities {
        &self.port.capabilities
    }

    fn link_up(&mut self) -> bool {
        let up = if self.queue == 0 {
            let up = self.ask_link();
            self.port.link.store(up, Ordering::Relaxed);
            up
        } else {
            self.port.link.load(Ordering::Relaxed)
        };
        if up
            && !self.was_up
            && let Some(wake) = &mut self.wake
        {
            wake.rearm();
        }
        self.was_up = up;
        up
    }

    fn receive(&mut self, out: &mut Vec<(Mbuf, ReceiveMeta)>) -> usize {
        let count = match std::mem::take(&mut self.waiting) {
            0 => self.poll(),
            waiting => waiting,
        };
        let bytes_before = self.received_bytes;
        for received in &self.received[..count] {
            self.received_bytes += u64::from(received.packet_len);
            // SAFETY: the driver gave the frame away with this poll, and each
            // poll's frames are taken once.
            if let Some(packet) = unsafe { Mbuf::from_received(received) } {
                out.push((packet, meta(received)));
            }
        }
        self.received_frames += count as u64;
        if count > 0 {
            self.burst = burst_for((self.received_bytes - bytes_before) as u32 / count as u32);
        }
        count
    }

    fn transmit<Q: InDevice<Self::Packet>>(&mut self, frame: TransmitFrame<'_, Q>) -> Result<(), Refusal> {
        if self.pending.room() == 0 {
            return Err(Refusal::QueueFull);
        }
        let capabilities = &self.port.capabilities;
        let (stash, copied_bytes) = (&mut self.stash, &mut self.copied_bytes);
        let built = frame::build(stash, capabilities, self.sums_by_buffer, &frame, copied_bytes)?;
        self.pending.push(built);
        Ok(())
    }

    fn take_copied_bytes(&mut self) -> u64 {
        std::mem::take(&mut self.copied_bytes)
    }

    fn reclaim(&mut self) -> bool {
        // SAFETY: the port is started and this thread alone uses the queue.
        unsafe { ffi::mpdk_transmit_reclaim(self.port.id, self.queue) >= 0 }
    }

    fn room(&self) -> usize {
        self.pending.room()
    }

    fn flush(&mut self) {
        self.pending.flush(self.was_up);
    }

    fn wake_fd(&self) -> Option<RawFd> {
        self.wake.as_ref().map(Wake::fd)
    }

    fn arm_wake(&mut self) -> bool {
        if let Some(wake) = &mut self.wake {
            wake.arm();
        }
        if self.waiting == 0 {
            self.waiting = self.poll();
        }
        if self.waiting == 0 && self.wake.as_ref().is_some_and(Wake::nudge) {
            self.waiting = self.poll();
        }
        self.waiting > 0 || !self.pending.is_empty()
    }

    fn disarm_wake(&mut self) {
        if let Some(wake) = &mut self.wake {
            wake.disarm();
        }
    }

    fn statistics(&self) -> DeviceStatistics {
        let own = DeviceStatistics {
            received_frames: self.received_frames,
            received_bytes: self.received_bytes,
            ..self.pending.statistics()
        };
        if self.queue != 0 {
            return own;
        }
        let port = self.port_counts();
        DeviceStatistics {
            receive_missed: port.receive_missed + port.receive_no_buffer,
            receive_errors: port.receive_errors,
            transmit_errors: port.transmit_errors,
            ..own
        }
    }
}

impl Drop for DpdkDevice {
    fn drop(&mut self) {
        for received in &self.received[..self.waiting] {
            // SAFETY: as in `receive`; dropping gives the buffers back.
            drop(unsafe { Mbuf::from_received(received) });
        }
    }
}

/// How many frames of a size the next burst has at most.
fn burst_for(frame_bytes: u32) -> u16 {
    (BURST_BYTES / frame_bytes.max(1)).clamp(BURST_LEAST, BURST as u32) as u16
}

fn meta(received: &ffi::mpdk_received) -> ReceiveMeta {
    ReceiveMeta {
        ip_checksum: checksum(received.ip_checksum),
        l4_checksum: checksum(received.l4_checksum),
        vlan: received.vlan_stripped.then_some(received.vlan),
    }
}

fn checksum(state: u8) -> ChecksumState {
    match u32::from(state) {
        ffi::MPDK_CHECKSUM_GOOD => ChecksumState::Good,
        ffi::MPDK_CHECKSUM_BAD => ChecksumState::Bad,
        _ => ChecksumState::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_of_long_frames_is_short() {
        assert_eq!(usize::from(burst_for(0)), BURST);
        assert_eq!(usize::from(burst_for(1514)), BURST);
        assert_eq!(burst_for(9014), 14);
        assert_eq!(burst_for(65_549), 4);
    }
}
