//! One queue pair of a port as a [`Device`].

mod frame;
mod pending;
mod software;
mod whole;

use super::port::Shared;
use super::tap::TapLink;
use super::wake::Wake;
use super::{Mbuf, ffi};
use crate::base::{ChecksumState, Packet, ReceiveMeta, TransmitFrame};
use crate::device::{Capabilities, Device, DeviceStatistics, InDevice, Refusal};
use frame::Stash;
use pending::Pending;
pub(super) use software::{RuleBook, Side, SoftwareRule, sides};
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
/// port's own counts: its thread must not stop calling `link_up`. Where the port
/// has fewer queues than it was asked for, the thread that polls its only one does
/// so, and serves the others, which are rings.
#[derive(Debug)]
pub struct DpdkDevice {
    /// Which one the driver is asked for.
    queue: u16,
    side: Side,
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
    pub(super) fn new(port: &Arc<Shared>, queue: u16, side: Side, wake: Option<Wake>) -> Self {
        Self {
            queue,
            side,
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

    /// Whether this asks and tells what concerns the whole port.
    fn is_first(&self) -> bool {
        match self.side {
            Side::Own => self.queue == 0,
            Side::Hub(_) => true,
            Side::Branch(_) => false,
        }
    }

    /// Of a core that does not poll.
    fn receive_from_ring(&mut self, out: &mut Vec<(Mbuf, ReceiveMeta)>) -> usize {
        let Side::Branch(branch) = &mut self.side else { return 0 };
        let before = out.len();
        while out.len() - before < BURST
            && let Some((frame, meta)) = branch.receive()
        {
            self.received_frames += 1;
            self.received_bytes += frame.len() as u64;
            out.push((frame, meta));
        }
        branch.release();
        out.len() - before
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
        let up = if self.is_first() {
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
        if let Side::Branch(_) = self.side {
            return self.receive_from_ring(out);
        }
        if let Side::Hub(hub) = &mut self.side {
            hub.take_rules();
        }
        let count = match std::mem::take(&mut self.waiting) {
            0 => self.poll(),
            waiting => waiting,
        };
        let mut bytes = 0;
        for received in &self.received[..count] {
            bytes += u64::from(received.packet_len);
            // SAFETY: the driver gave the frame away with this poll, and each
            // poll's frames are taken once.
            let Some(packet) = (unsafe { Mbuf::from_received(received) }) else { continue };
            let here = match &mut self.side {
                Side::Hub(hub) => hub.spread(packet, meta(received)),
                _ => Some((packet, meta(received))),
            };
            if let Some(here) = here {
                self.received_frames += 1;
                self.received_bytes += u64::from(received.packet_len);
                out.push(here);
            }
        }
        if let Side::Hub(hub) = &mut self.side {
            hub.publish();
        }
        if count > 0 {
            self.burst = burst_for(bytes as u32 / count as u32);
        }
        count
    }

    fn transmit<Q: InDevice<Self::Packet>>(&mut self, frame: TransmitFrame<'_, Q>) -> Result<(), Refusal> {
        if self.room() == 0 {
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
        if let Side::Branch(branch) = &self.side {
            branch.reclaim();
            return true;
        }
        // SAFETY: the port is started and this thread alone uses the queue.
        unsafe { ffi::mpdk_transmit_reclaim(self.port.id, self.queue) >= 0 }
    }

    fn room(&self) -> usize {
        match &self.side {
            // Half of it is the other cores'.
            Side::Hub(hub) if hub.is_crowded() => self.pending.room().saturating_sub(pending::LIMIT / 2),
            _ => self.pending.room(),
        }
    }

    fn flush(&mut self) {
        match &mut self.side {
            Side::Branch(branch) => return branch.flush(&mut self.pending),
            Side::Hub(hub) => {
                if hub.gather(&mut self.pending) {
                    // SAFETY: as in `reclaim`. A driver that cannot be asked gives
                    // back when it sends.
                    unsafe { ffi::mpdk_transmit_reclaim(self.port.id, self.queue) };
                }
            }
            Side::Own => {}
        }
        self.pending.flush(self.was_up);
    }

    fn wake_fd(&self) -> Option<RawFd> {
        match &self.side {
            Side::Branch(branch) => Some(branch.fd()),
            _ => self.wake.as_ref().map(Wake::fd),
        }
    }

    fn arm_wake(&mut self) -> bool {
        let must_send = match &mut self.side {
            Side::Branch(branch) => return branch.announce_sleep() || !self.pending.is_empty(),
            Side::Hub(hub) => hub.announce_sleep(),
            Side::Own => false,
        };
        if let Some(wake) = &mut self.wake {
            wake.arm();
        }
        if self.waiting == 0 {
            self.waiting = self.poll();
        }
        if self.waiting == 0 && self.wake.as_ref().is_some_and(Wake::nudge) {
            self.waiting = self.poll();
        }
        self.waiting > 0 || must_send || !self.pending.is_empty()
    }

    fn disarm_wake(&mut self) {
        match &self.side {
            Side::Branch(branch) => branch.cancel_sleep(),
            Side::Hub(hub) => hub.cancel_sleep(),
            Side::Own => {}
        }
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
        if !self.is_first() {
            return own;
        }
        let port = self.port_counts();
        let missed = if let Side::Hub(hub) = &self.side { hub.missed() } else { 0 };
        DeviceStatistics {
            receive_missed: port.receive_missed + port.receive_no_buffer + missed,
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
