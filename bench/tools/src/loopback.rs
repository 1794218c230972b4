//! Two Ethernet devices joined in memory. Frames are recycled: the loop-back
//! device that comes with smoltcp allocates and clears each one.

use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// With its Ethernet header: 1500 bytes of IP.
const FRAME_BYTES: usize = 1514;
/// Frames on a wire at most, as many as a NIC's ring.
const FRAMES_MOST: usize = 1024;

/// One direction: what is on the way, and buffers to use again.
#[derive(Default)]
struct Wire {
    frames: VecDeque<Vec<u8>>,
    free: Vec<Vec<u8>>,
}

/// One end.
pub struct End {
    inward: Rc<RefCell<Wire>>,
    outward: Rc<RefCell<Wire>>,
    /// Frames that have left here.
    pub sent_frames: u64,
}

/// A frame that has arrived.
pub struct Arrived {
    frame: Vec<u8>,
    wire: Rc<RefCell<Wire>>,
}

/// Room for a frame.
pub struct Room<'a>(&'a mut End);

/// Both ends of a new pair.
pub fn pair() -> [End; 2] {
    let [there, back] = [(); 2].map(|()| Rc::new(RefCell::new(Wire::default())));
    [
        End { inward: Rc::clone(&back), outward: Rc::clone(&there), sent_frames: 0 },
        End { inward: there, outward: back, sent_frames: 0 },
    ]
}

impl End {
    fn has_room(&self) -> bool {
        self.outward.borrow().frames.len() < FRAMES_MOST
    }
}

impl Device for End {
    type RxToken<'a> = Arrived;
    type TxToken<'a> = Room<'a>;

    fn receive(&mut self, _now: Instant) -> Option<(Arrived, Room<'_>)> {
        if !self.has_room() {
            return None;
        }
        let frame = self.inward.borrow_mut().frames.pop_front()?;
        let wire = Rc::clone(&self.inward);
        Some((Arrived { frame, wire }, Room(self)))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Room<'_>> {
        self.has_room().then_some(Room(self))
    }

    /// Checksums stay as they are by default: made and checked in software.
    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = FRAME_BYTES;
        capabilities
    }
}

impl RxToken for Arrived {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        let result = read(&self.frame);
        self.wire.borrow_mut().free.push(self.frame);
        result
    }
}

impl TxToken for Room<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, bytes: usize, write: F) -> R {
        let mut wire = self.0.outward.borrow_mut();
        let mut frame = wire.free.pop().unwrap_or_else(|| Vec::with_capacity(FRAME_BYTES));
        frame.resize(bytes, 0);
        let result = write(&mut frame);
        wire.frames.push_back(frame);
        self.0.sent_frames += 1;
        result
    }
}
