//! A device whose received frames come from a capture file.

use crate::base::{HeapPacket, ReceiveMeta, TransmitFrame};
use crate::device::{
    Capabilities, CapturedFrame, Device, DeviceStatistics, Direction, FrameReader, InDevice, PcapError,
    Refusal,
};
use std::collections::VecDeque;
use std::io::Read;

const BURST_FRAMES: usize = 32;
/// Frames sent by whoever is tested, kept for inspection.
const SENT_LIMIT: usize = 1 << 16;

/// Delivers the inbound frames of a capture as fast as they are received, and
/// keeps what is sent.
#[derive(Debug)]
pub struct ReplayDevice {
    mac: [u8; 6],
    capabilities: Capabilities,
    frames: VecDeque<CapturedFrame>,
    sent: Vec<Vec<u8>>,
    statistics: DeviceStatistics,
}

impl ReplayDevice {
    /// Loads a capture. Frames that the file says were sent by the captured
    /// side are left out.
    ///
    /// # Errors
    /// If the file is no capture of Ethernet frames or is damaged.
    pub fn load(input: impl Read, mac: [u8; 6], mtu: u16) -> Result<Self, PcapError> {
        let mut reader = FrameReader::new(input)?;
        let mut frames = VecDeque::new();
        while let Some(frame) = reader.next_frame()? {
            if frame.direction != Some(Direction::Outbound) {
                frames.push_back(frame);
            }
        }
        let capabilities = Capabilities::plain(mtu);
        Ok(Self { mac, capabilities, frames, sent: Vec::new(), statistics: DeviceStatistics::default() })
    }

    /// Takes the frames sent so far.
    pub fn take_sent(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.sent)
    }

    /// Frames of the capture not delivered yet.
    pub fn remaining(&self) -> usize {
        self.frames.len()
    }
}

impl Device for ReplayDevice {
    type Packet = HeapPacket;

    fn name(&self) -> &'static str {
        "replay"
    }

    fn mac(&self) -> [u8; 6] {
        self.mac
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn link_up(&mut self) -> bool {
        true
    }

    fn receive(&mut self, out: &mut Vec<(HeapPacket, ReceiveMeta)>) -> usize {
        let count = self.frames.len().min(BURST_FRAMES);
        for frame in self.frames.drain(..count) {
            self.statistics.received_frames += 1;
            self.statistics.received_bytes += frame.bytes.len() as u64;
            out.push((HeapPacket::new(&frame.bytes), ReceiveMeta::default()));
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
        self.statistics.transmitted_frames += 1;
        self.statistics.transmitted_bytes += bytes.len() as u64;
        self.sent.push(bytes);
        Ok(())
    }

    fn room(&self) -> usize {
        SENT_LIMIT - self.sent.len()
    }

    fn flush(&mut self) {}

    fn arm_wake(&mut self) -> bool {
        !self.frames.is_empty()
    }

    fn disarm_wake(&mut self) {}

    fn statistics(&self) -> DeviceStatistics {
        self.statistics
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Payload, PortIndex, TransmitOffload};
    use crate::device::{PcapngWriter, WriterConfig};
    use std::time::Duration;

    #[test]
    fn inbound_frames_come_and_sent_ones_are_kept() {
        let mut file = Vec::new();
        let mut writer = PcapngWriter::new(&mut file, &WriterConfig::new("x")).unwrap();
        for (direction, bytes) in [(Direction::Inbound, b"in"), (Direction::Outbound, b"no")] {
            writer.write(Duration::ZERO, direction, std::iter::once(bytes.as_slice())).unwrap();
        }
        let mut device = ReplayDevice::load(file.as_slice(), [2; 6], 1500).unwrap();
        assert!(device.arm_wake());
        let mut got = Vec::new();
        assert_eq!(device.receive(&mut got), 1);
        assert_eq!((got[0].0.as_slice(), device.remaining()), (b"in".as_slice(), 0));
        let offload = TransmitOffload::default();
        let payload = &[HeapPacket::new(b"er")];
        device
            .transmit(TransmitFrame {
                port: PortIndex(0),
                header: b"answ",
                payload: Payload::whole(payload),
                offload,
            })
            .unwrap();
        assert_eq!(device.take_sent(), [b"answer"]);
        assert!(ReplayDevice::load(b"not a capture".as_slice(), [2; 6], 1500).is_err());
    }
}
