//! Received frames on their way into the endpoint: as they are, copied, or not
//! at all, by how much is held already.

use super::gauge::Gauge;
use super::{Bytes, Settings};
use crate::base::{HeapPacket, Packet};

/// A frame up to this long carries little besides its headers: an ACK, a
/// handshake, a question for a neighbour. It is always taken: what it brings
/// sets free more than it holds.
const SMALL_FRAME_BYTES: usize = 192;
/// Beyond the limit one frame in so many is taken all the same: it may be the
/// one that everything held out of order waits for.
const TRICKLE: u32 = 16;

/// Decides how frames are taken in.
#[derive(Debug)]
pub(super) struct Intake {
    device_buffers: Gauge,
    heap_bytes: Gauge,
    device_buffers_most: usize,
    heap_bytes_most: usize,
    /// Frames since one was taken beyond the limit.
    refused: u32,
    /// Frames dropped since they were asked for.
    dropped: u64,
    /// Bytes copied since they were asked for.
    copied_bytes: u64,
    /// A copied frame whose bytes lay in pieces, in one.
    joined: Vec<u8>,
}

impl Intake {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            device_buffers: Gauge::default(),
            heap_bytes: Gauge::default(),
            device_buffers_most: settings.held_buffers,
            heap_bytes_most: settings.held_copy_bytes,
            refused: 0,
            dropped: 0,
            copied_bytes: 0,
            joined: Vec::new(),
        }
    }

    /// Whether more than three quarters of the buffers that may be held are.
    pub(super) fn runs_low(&self) -> bool {
        self.device_buffers.held() >= self.device_buffers_most / 4 * 3
    }

    /// How many bytes were copied since the last time.
    pub(super) const fn take_copied_bytes(&mut self) -> u64 {
        std::mem::replace(&mut self.copied_bytes, 0)
    }

    /// How many frames were dropped since the last time.
    pub(super) const fn take_refused(&mut self) -> u64 {
        std::mem::replace(&mut self.dropped, 0)
    }

    /// The frame as the endpoint gets it; `None` if it has to be dropped.
    pub(super) fn take<D: Packet>(&mut self, frame: D) -> Option<Bytes<D>> {
        if self.device_buffers.held() < self.device_buffers_most {
            let buffers = frame.buffers();
            return Some(Bytes::Device(frame, self.device_buffers.add(buffers)));
        }
        let len = frame.len();
        if len > SMALL_FRAME_BYTES && self.heap_bytes.held() + len > self.heap_bytes_most {
            self.refused = (self.refused + 1) % TRICKLE;
            if self.refused != 0 {
                self.dropped += 1;
                return None;
            }
        }
        self.joined.clear();
        self.copied_bytes += len as u64;
        frame.for_each_piece(&mut |piece| self.joined.extend_from_slice(piece));
        Some(Bytes::Heap(HeapPacket::new(&self.joined), self.heap_bytes.add(len)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame in forty buffers, as a super-frame is.
    #[derive(Debug)]
    struct Wide(HeapPacket);

    impl Packet for Wide {
        fn len(&self) -> usize {
            self.0.len()
        }

        fn buffers(&self) -> usize {
            40
        }

        fn head(&self) -> &[u8] {
            self.0.head()
        }

        fn for_each_piece(&self, visit: &mut dyn FnMut(&[u8])) {
            self.0.for_each_piece(visit);
        }

        fn share(&self) -> Self {
            Self(self.0.share())
        }

        fn trim_front(&mut self, count: usize) {
            self.0.trim_front(count);
        }

        fn truncate(&mut self, len: usize) {
            self.0.truncate(len);
        }
    }

    #[test]
    fn what_counts_is_buffers() {
        let settings = Settings { held_buffers: 100, ..Settings::default() };
        let mut intake = Intake::new(&settings);
        let mut take = || intake.take(Wide(HeapPacket::new(&[1; 60_000]))).unwrap();
        let held: Vec<_> = (0..5).map(|_| take()).collect();
        let in_device = held.iter().filter(|bytes| matches!(bytes, Bytes::Device(..))).count();
        assert_eq!(in_device, 3);
    }

    #[test]
    fn frames_are_copied_and_then_dropped_as_more_is_held() {
        let settings = Settings { held_buffers: 2, held_copy_bytes: 1500, ..Settings::default() };
        let mut intake = Intake::new(&settings);
        let mut take = |len| intake.take(HeapPacket::new(&vec![7; len]));
        let first = take(1000).unwrap();
        let second = take(1000);
        assert!(matches!((&first, &second), (Bytes::Device(..), Some(Bytes::Device(..)))));
        let copied = take(1000);
        assert!(matches!(&copied, Some(Bytes::Heap(packet, _)) if packet.as_slice() == [7; 1000]));
        let beyond: Vec<_> = (0..2 * TRICKLE).filter_map(|_| take(1000)).collect();
        assert_eq!(beyond.len(), 2);
        let small = take(60);
        assert!(matches!(small, Some(Bytes::Heap(..))));
        // A second window on a buffer holds it as well.
        let window = first.slice(10, 20);
        drop(first);
        assert!(matches!(take(60), Some(Bytes::Heap(..))));
        drop(window);
        assert!(matches!(take(1000), Some(Bytes::Device(..))));
    }
}
