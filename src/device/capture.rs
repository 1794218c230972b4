//! A wrapper that writes every frame of a device to a capture file.

use crate::base::{Packet, ReceiveMeta, TransmitFrame};
use crate::device::{
    Capabilities, Device, DeviceStatistics, Direction, InDevice, PcapngWriter, Refusal, WriterConfig,
};
use std::io::{self, Write};
use std::os::fd::RawFd;
use std::time::{Duration, SystemTime};

/// Any device, with a capture that is switched on and off. Frames are captured
/// as they cross the driver's boundary: super-frames uncut, checksums that the
/// device fills in not yet filled in, frames that were refused not at all.
pub struct CaptureDevice<D> {
    inner: D,
    capture: Option<PcapngWriter<Box<dyn Write + Send>>>,
    scratch: Vec<u8>,
}

impl<D: Device> CaptureDevice<D> {
    /// `inner`, not captured yet.
    pub fn new(inner: D) -> Self {
        Self { inner, capture: None, scratch: Vec::new() }
    }

    /// Captures into `out`, which should be buffered, from now on, instead of
    /// where it did before.
    ///
    /// # Errors
    /// If `out` fails at once.
    pub fn start(&mut self, out: Box<dyn Write + Send>, config: &WriterConfig) -> io::Result<()> {
        self.capture = Some(PcapngWriter::new(out, config)?);
        Ok(())
    }

    /// Ends the capture; returns how many frames the file's limit left out.
    ///
    /// # Errors
    /// If the last frames cannot be written.
    pub fn stop(&mut self) -> io::Result<u64> {
        let Some(mut writer) = self.capture.take() else { return Ok(0) };
        writer.flush()?;
        Ok(writer.omitted())
    }

    /// Whether a capture runs. One whose file cannot be written has ended.
    pub fn is_capturing(&self) -> bool {
        self.capture.is_some()
    }

    /// The wrapped device.
    pub fn inner_mut(&mut self) -> &mut D {
        &mut self.inner
    }

    fn write_frame(&mut self, direction: Direction, time: Duration) {
        let Some(writer) = &mut self.capture else { return };
        if let Err(error) = writer.write(time, direction, std::iter::once(self.scratch.as_slice())) {
            tracing::warn!(port = self.inner.name(), %error, "the capture ends: its file cannot be written");
            self.capture = None;
        }
    }

    fn write_received(&mut self, packets: &[(D::Packet, ReceiveMeta)]) {
        let time = now();
        for (packet, _) in packets {
            self.scratch.clear();
            packet.for_each_piece(&mut |piece| self.scratch.extend_from_slice(piece));
            self.write_frame(Direction::Inbound, time);
        }
    }

    fn gather<Q: Packet>(&mut self, frame: &TransmitFrame<'_, Q>) {
        self.scratch.clear();
        self.scratch.extend_from_slice(frame.header);
        frame.payload.for_each_piece(|piece| self.scratch.extend_from_slice(piece));
    }
}

fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

impl<D: Device> Device for CaptureDevice<D> {
    type Packet = D::Packet;

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

    fn receive(&mut self, out: &mut Vec<(D::Packet, ReceiveMeta)>) -> usize {
        let before = out.len();
        let count = self.inner.receive(out);
        if self.capture.is_some() && count > 0 {
            self.write_received(&out[before..]);
        }
        count
    }

    fn transmit<Q: InDevice<Self::Packet>>(&mut self, frame: TransmitFrame<'_, Q>) -> Result<(), Refusal> {
        if self.capture.is_none() {
            return self.inner.transmit(frame);
        }
        self.gather(&frame);
        self.inner.transmit(frame)?;
        self.write_frame(Direction::Outbound, now());
        Ok(())
    }

    fn room(&self) -> usize {
        self.inner.room()
    }

    fn flush(&mut self) {
        self.inner.flush();
    }

    fn wake_fd(&self) -> Option<RawFd> {
        self.inner.wake_fd()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{HeapPacket, Payload, PortIndex, TransmitOffload};
    use crate::device::{FrameReader, MemoryConfig, memory_pair};
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct SharedFile(Arc<Mutex<Vec<u8>>>);

    impl Write for SharedFile {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct FullDisk;

    impl Write for FullDisk {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn send(device: &mut impl Device, header: &[u8], payload: &[HeapPacket]) {
        let offload = TransmitOffload::default();
        device
            .transmit(TransmitFrame { port: PortIndex(0), header, payload: Payload::whole(payload), offload })
            .unwrap();
        device.flush();
    }

    #[test]
    fn both_directions_are_in_the_file() {
        let (left, mut right) = memory_pair(&MemoryConfig::default()).unwrap();
        let mut left = CaptureDevice::new(left);
        send(&mut left, b"before the capture", &[]);
        let file = SharedFile::default();
        left.start(Box::new(file.clone()), &WriterConfig::new("left")).unwrap();
        send(&mut left, b"out", &[HeapPacket::new(b"going")]);
        send(&mut right, b"incoming", &[]);
        assert_eq!(left.receive(&mut Vec::new()), 1);
        assert_eq!(left.stop().unwrap(), 0);
        send(&mut left, b"after the capture", &[]);

        let file = file.0.lock().unwrap();
        let mut reader = FrameReader::new(file.as_slice()).unwrap();
        let out = reader.next_frame().unwrap().unwrap();
        assert_eq!(
            (out.direction, out.bytes.as_slice()),
            (Some(Direction::Outbound), b"outgoing".as_slice())
        );
        let incoming = reader.next_frame().unwrap().unwrap();
        assert_eq!(incoming.direction, Some(Direction::Inbound));
        assert_eq!(incoming.bytes, b"incoming");
        assert!(reader.next_frame().unwrap().is_none());
    }

    #[test]
    fn a_full_disk_ends_the_capture_and_not_the_traffic() {
        let (left, mut right) = memory_pair(&MemoryConfig::default()).unwrap();
        let mut left = CaptureDevice::new(left);
        let out = Box::new(io::BufWriter::with_capacity(200, FullDisk));
        left.start(out, &WriterConfig::new("left")).unwrap();
        for _ in 0..20 {
            send(&mut left, b"a frame of some bytes", &[]);
        }
        assert!(!left.is_capturing());
        assert_eq!(right.receive(&mut Vec::new()), 20);
    }
}
