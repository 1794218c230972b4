//! Two devices joined by a wire in memory.

use crate::base::{
    ChecksumState, HeapPacket, Payload, PortIndex, ReceiveMeta, TransmitFrame, TransmitOffload,
};
use crate::device::{Capabilities, Device, DeviceStatistics, Forward, InDevice, Refusal};
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const BURST_FRAMES: usize = 64;

/// How a wire in memory behaves.
#[derive(Clone, Debug)]
pub struct MemoryConfig {
    /// What both ends are said to do. Checksums that an end "fills in" are
    /// never computed: the other end is told that they are good. Super-frames
    /// pass uncut, as between virtio devices.
    pub capabilities: Capabilities,
    /// Frames that one direction holds.
    pub queue_frames: usize,
}

impl Default for MemoryConfig {
    fn default() -> Self {
        Self { capabilities: Capabilities::plain(1500), queue_frames: 1024 }
    }
}

/// One end of a wire in memory. The ends may live in different threads.
#[derive(Debug)]
pub struct MemoryDevice {
    name: String,
    mac: [u8; 6],
    capabilities: Capabilities,
    queue_frames: usize,
    incoming: Arc<Mutex<Way>>,
    outgoing: Arc<Mutex<Way>>,
    pending: Vec<Stored>,
    bell: UnixStream,
    statistics: DeviceStatistics,
}

/// One direction of the wire.
#[derive(Debug)]
struct Way {
    frames: VecDeque<Stored>,
    up: bool,
    /// The receiver sleeps: the next frame rings.
    armed: bool,
    ringer: UnixStream,
}

#[derive(Debug)]
struct Stored {
    bytes: Vec<u8>,
    offload: TransmitOffload,
}

/// Two devices, each receiving what the other sends.
///
/// # Errors
/// If the operating system gives no sockets for waking.
pub fn memory_pair(config: &MemoryConfig) -> std::io::Result<(MemoryDevice, MemoryDevice)> {
    let (left_way, left_bell) = way()?;
    let (right_way, right_bell) = way()?;
    let left = MemoryDevice::new("memory0", 1, config, &left_way, &right_way, left_bell);
    let right = MemoryDevice::new("memory1", 2, config, &right_way, &left_way, right_bell);
    Ok((left, right))
}

fn way() -> std::io::Result<(Arc<Mutex<Way>>, UnixStream)> {
    let (ringer, bell) = UnixStream::pair()?;
    ringer.set_nonblocking(true)?;
    bell.set_nonblocking(true)?;
    Ok((Arc::new(Mutex::new(Way { frames: VecDeque::new(), up: true, armed: false, ringer })), bell))
}

fn lock(way: &Mutex<Way>) -> MutexGuard<'_, Way> {
    way.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MemoryDevice {
    fn new(
        name: &str,
        number: u8,
        config: &MemoryConfig,
        incoming: &Arc<Mutex<Way>>,
        outgoing: &Arc<Mutex<Way>>,
        bell: UnixStream,
    ) -> Self {
        Self {
            name: name.into(),
            // Locally administered (IEEE 802, the second bit of the first byte).
            mac: [0x02, 0, 0, 0, 0, number],
            capabilities: Capabilities { wake: true, ..config.capabilities.clone() },
            queue_frames: config.queue_frames,
            incoming: Arc::clone(incoming),
            outgoing: Arc::clone(outgoing),
            pending: Vec::new(),
            bell,
            statistics: DeviceStatistics::default(),
        }
    }

    /// Plugs or unplugs the wire, for both ends. Frames on it are lost when it
    /// is unplugged.
    pub fn set_link(&mut self, up: bool) {
        for way in [&self.incoming, &self.outgoing] {
            let mut way = lock(way);
            way.up = up;
            if !up {
                way.frames.clear();
            }
        }
    }

    fn meta(&self, offload: &TransmitOffload) -> ReceiveMeta {
        let state = |said: bool, filled: bool| {
            if said && filled { ChecksumState::Good } else { ChecksumState::Unknown }
        };
        ReceiveMeta {
            ip_checksum: state(self.capabilities.receive_ip_checksum, offload.ip_checksum),
            l4_checksum: state(self.capabilities.receive_l4_checksum, offload.tcp_checksum),
            vlan: None,
        }
    }
}

impl Device for MemoryDevice {
    type Packet = HeapPacket;

    fn name(&self) -> &str {
        &self.name
    }

    fn mac(&self) -> [u8; 6] {
        self.mac
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn link_up(&mut self) -> bool {
        lock(&self.outgoing).up
    }

    fn receive(&mut self, out: &mut Vec<(HeapPacket, ReceiveMeta)>) -> usize {
        let mut way = lock(&self.incoming);
        let count = way.frames.len().min(BURST_FRAMES);
        for stored in way.frames.drain(..count) {
            self.statistics.received_frames += 1;
            self.statistics.received_bytes += stored.bytes.len() as u64;
            out.push((HeapPacket::new(&stored.bytes), self.meta(&stored.offload)));
        }
        count
    }

    fn transmit<Q: InDevice<Self::Packet>>(&mut self, frame: TransmitFrame<'_, Q>) -> Result<(), Refusal> {
        if self.room() == 0 {
            return Err(Refusal::QueueFull);
        }
        let mut bytes = frame.header.to_vec();
        frame.payload.for_each_piece(|piece| bytes.extend_from_slice(piece));
        if bytes.len() > self.capabilities.max_frame_bytes as usize {
            return Err(Refusal::TooLong);
        }
        self.pending.push(Stored { bytes, offload: frame.offload });
        Ok(())
    }

    fn room(&self) -> usize {
        self.queue_frames.saturating_sub(self.pending.len() + lock(&self.outgoing).frames.len())
    }

    fn flush(&mut self) {
        let mut way = lock(&self.outgoing);
        for stored in self.pending.drain(..) {
            if way.up {
                self.statistics.transmitted_frames += 1;
                self.statistics.transmitted_bytes += stored.bytes.len() as u64;
                way.frames.push_back(stored);
            } else {
                self.statistics.transmit_dropped += 1;
            }
        }
        if way.armed && !way.frames.is_empty() {
            way.armed = false;
            // A full socket rings already, a closed one has nobody to wake.
            let _ = way.ringer.write(&[1]);
        }
    }

    fn wake_fd(&self) -> Option<RawFd> {
        Some(self.bell.as_raw_fd())
    }

    fn arm_wake(&mut self) -> bool {
        let mut way = lock(&self.incoming);
        let work = !way.frames.is_empty() || !self.pending.is_empty();
        way.armed = !work;
        work
    }

    fn disarm_wake(&mut self) {
        lock(&self.incoming).armed = false;
        let mut rings = [0; 64];
        while match self.bell.read(&mut rings) {
            Ok(count) => count == rings.len(),
            Err(error) => error.kind() == ErrorKind::Interrupted,
        } {}
    }

    fn statistics(&self) -> DeviceStatistics {
        self.statistics
    }
}

impl Forward for MemoryDevice {
    fn forward(&mut self, packet: HeapPacket) -> Result<(), Refusal> {
        let offload = TransmitOffload::default();
        self.transmit(TransmitFrame {
            port: PortIndex(0),
            header: packet.as_slice(),
            payload: Payload::<HeapPacket>::EMPTY,
            offload,
        })
    }
}

#[cfg(test)]
mod tests;
