//! A wrapper that loses, doubles, damages and reorders frames, by a seed.

mod dice;
mod held;

pub use dice::{FaultCounts, FaultRates};

use crate::base::{
    ChecksumState, HeapPacket, Packet, Payload, PortIndex, Random, ReceiveMeta, TransmitFrame,
    TransmitOffload,
};
use crate::device::{Capabilities, Device, DeviceStatistics, InDevice, Refusal, Segmentation};
use dice::{Dice, Fate};
use held::Held;
use std::os::fd::RawFd;

/// A packet that can be damaged on purpose.
pub trait Alter: Packet {
    /// Inverts the bits of `mask` in the byte at `offset`. Returns `false`, and
    /// changes nothing, if others hold the same bytes and would see it.
    ///
    /// # Panics
    /// If the window is not longer than `offset`.
    fn flip(&mut self, offset: usize, mask: u8) -> bool;
}

impl Alter for HeapPacket {
    fn flip(&mut self, offset: usize, mask: u8) -> bool {
        let mut bytes = self.as_slice().to_vec();
        bytes[offset] ^= mask;
        *self = Self::new(&bytes);
        true
    }
}

/// What goes wrong in either direction.
#[derive(Clone, Copy, Debug, Default)]
pub struct FaultConfig {
    /// With received frames.
    pub receive: FaultRates,
    /// With sent frames.
    pub transmit: FaultRates,
}

/// Any device, made unreliable.
#[derive(Debug)]
pub struct FaultDevice<D: Device> {
    inner: D,
    capabilities: Capabilities,
    random: Random,
    receive: Dice,
    transmit: Dice,
    burst: Vec<(D::Packet, ReceiveMeta)>,
    held_received: Held<(D::Packet, ReceiveMeta)>,
    held_sent: Held<OwnedFrame>,
}

/// A frame held back or to be damaged: the caller's bytes are gone by then.
#[derive(Clone, Debug)]
struct OwnedFrame {
    port: PortIndex,
    bytes: Vec<u8>,
    offload: TransmitOffload,
}

impl<D: Device> FaultDevice<D> {
    /// `inner` with these faults; the seed of `random` reproduces them.
    ///
    /// Where sent frames are damaged, the device no longer offers to fill in
    /// checksums: it would make them match the damage.
    pub fn new(inner: D, config: FaultConfig, random: Random) -> Self {
        let mut capabilities = inner.capabilities().clone();
        if config.transmit.corrupt_ppm > 0 {
            capabilities.transmit_ip_checksum = false;
            capabilities.transmit_tcp_checksum = false;
            capabilities.segmentation = Segmentation::None;
        }
        Self {
            inner,
            capabilities,
            random,
            receive: Dice::new(config.receive),
            transmit: Dice::new(config.transmit),
            burst: Vec::new(),
            held_received: Held::new(),
            held_sent: Held::new(),
        }
    }

    /// What went wrong with received frames so far.
    pub fn receive_faults(&self) -> FaultCounts {
        self.receive.counts()
    }

    /// What went wrong with sent frames so far.
    pub fn transmit_faults(&self) -> FaultCounts {
        self.transmit.counts()
    }

    /// The wrapped device.
    pub fn inner_mut(&mut self) -> &mut D {
        &mut self.inner
    }

    /// Sends what has been held back long enough.
    fn release_sent(&mut self) {
        self.held_sent.step();
        while self.inner.room() > 0 {
            let Some(frame) = self.held_sent.take_due() else { break };
            self.send_owned(&frame);
        }
    }

    /// A refusal here is one more loss: the caller was told that the frame went.
    fn send_owned(&mut self, frame: &OwnedFrame) {
        let payload: Payload<'_, HeapPacket> = Payload::EMPTY;
        let OwnedFrame { port, bytes, offload } = frame;
        let frame = TransmitFrame { port: *port, header: bytes, payload, offload: *offload };
        if self.inner.transmit(frame).is_err() {
            self.transmit.count_drop();
        }
    }

    fn send_damaged(&mut self, mut frame: OwnedFrame) {
        if !frame.bytes.is_empty() {
            let (at, mask) = damage(&mut self.random, frame.bytes.len());
            frame.bytes[at] ^= mask;
        }
        self.send_owned(&frame);
    }
}

impl<D: Device<Packet: Alter>> FaultDevice<D> {
    fn deliver(&mut self, mut frame: (D::Packet, ReceiveMeta), out: &mut Vec<(D::Packet, ReceiveMeta)>) {
        match self.receive.roll(&mut self.random) {
            Fate::Pass => out.push(frame),
            Fate::Drop => {}
            Fate::Duplicate => {
                out.push((frame.0.share(), frame.1));
                out.push(frame);
            }
            Fate::Corrupt => {
                self.damage_received(&mut frame);
                out.push(frame);
            }
            Fate::Hold(frames) => self.held_received.hold(frames, frame),
        }
    }

    fn damage_received(&mut self, (packet, meta): &mut (D::Packet, ReceiveMeta)) {
        if packet.is_empty() {
            return;
        }
        let (at, mask) = damage(&mut self.random, packet.len());
        if packet.flip(at, mask) {
            // The device verified what came, not what it is now.
            meta.ip_checksum = ChecksumState::Unknown;
            meta.l4_checksum = ChecksumState::Unknown;
        }
    }
}

/// Where and how to damage: one bit of one byte.
fn damage(random: &mut Random, len: usize) -> (usize, u8) {
    (random.below(len as u64) as usize, 1 << random.below(8))
}

fn own<Q: Packet>(frame: &TransmitFrame<'_, Q>) -> OwnedFrame {
    let mut bytes = frame.header.to_vec();
    frame.payload.for_each_piece(|piece| bytes.extend_from_slice(piece));
    OwnedFrame { port: frame.port, bytes, offload: frame.offload }
}

impl<D: Device<Packet: Alter>> Device for FaultDevice<D> {
    type Packet = D::Packet;

    fn name(&self) -> &str {
        self.inner.name()
    }

    fn mac(&self) -> [u8; 6] {
        self.inner.mac()
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn link_up(&mut self) -> bool {
        self.inner.link_up()
    }

    fn receive(&mut self, out: &mut Vec<(D::Packet, ReceiveMeta)>) -> usize {
        let before = out.len();
        let mut burst = std::mem::take(&mut self.burst);
        self.inner.receive(&mut burst);
        if burst.is_empty() {
            // Time passes also where no frame does.
            self.held_received.step();
        }
        for frame in burst.drain(..) {
            self.deliver(frame, out);
            self.held_received.step();
            while let Some(late) = self.held_received.take_due() {
                out.push(late);
            }
        }
        while let Some(late) = self.held_received.take_due() {
            out.push(late);
        }
        self.burst = burst;
        out.len() - before
    }

    fn transmit<Q: InDevice<Self::Packet>>(&mut self, frame: TransmitFrame<'_, Q>) -> Result<(), Refusal> {
        if self.inner.room() == 0 {
            return Err(Refusal::QueueFull);
        }
        match self.transmit.roll(&mut self.random) {
            Fate::Pass => self.inner.transmit(frame)?,
            Fate::Drop => {}
            Fate::Duplicate => {
                let copy = own(&frame);
                self.inner.transmit(frame)?;
                self.send_owned(&copy);
            }
            Fate::Corrupt => self.send_damaged(own(&frame)),
            Fate::Hold(frames) => self.held_sent.hold(frames, own(&frame)),
        }
        self.release_sent();
        Ok(())
    }

    fn room(&self) -> usize {
        self.inner.room()
    }

    fn flush(&mut self) {
        self.release_sent();
        self.inner.flush();
    }

    fn wake_fd(&self) -> Option<RawFd> {
        self.inner.wake_fd()
    }

    fn arm_wake(&mut self) -> bool {
        let waiting = self.inner.arm_wake();
        // What is held back moves on only while the loop runs.
        waiting || !self.held_received.is_empty() || !self.held_sent.is_empty()
    }

    fn disarm_wake(&mut self) {
        self.inner.disarm_wake();
    }

    fn statistics(&self) -> DeviceStatistics {
        self.inner.statistics()
    }
}

#[cfg(test)]
mod tests;
