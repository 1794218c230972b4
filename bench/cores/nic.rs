//! The NIC: queues in memory that it shares with a core, and a driver for them.

use super::mbuf::{Mbuf, Pool};
use super::meter::Meter;
use super::packet::{Buffer, Room};
use mpdk::base::{ChecksumState, ReceiveMeta, TransmitFrame};
use mpdk::device::{Capabilities, Device, DeviceStatistics, InDevice, Refusal};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// Frames of a burst, as DPDK's ports have them here.
const BURST: usize = 64;
/// Empty buffers that a receive queue has.
const POSTED: usize = 128;
/// Frames that a transmit queue takes.
const ROOM: usize = 256;
/// The longest frame that is sent: headers.
const SENT_BYTES: usize = 256;
/// The NIC has looked at the checksums.
const GOOD: ReceiveMeta =
    ReceiveMeta { ip_checksum: ChecksumState::Good, l4_checksum: ChecksumState::Good, vlan: None };

/// A frame on its way out.
pub type Sent = (Box<[u8]>, usize);

/// What the NIC and a core have in common of one queue.
#[derive(Debug, Default)]
pub struct Rings {
    /// Empty buffers, and where their bytes lie: a NIC does not look into what
    /// describes a buffer.
    posted: VecDeque<(&'static Buffer, Room)>,
    filled: VecDeque<(&'static Buffer, usize)>,
    sent: Vec<Sent>,
    /// Memory for frames to send.
    spare: Vec<Box<[u8]>>,
}

impl Rings {
    /// A frame comes from the wire.
    pub fn deliver(&mut self, frame: &[u8]) {
        let (buffer, room) = self.posted.pop_front().expect("an empty buffer");
        // SAFETY: buffers are posted when nobody holds them any more.
        unsafe { room.fill(frame) };
        self.filled.push_back((buffer, frame.len()));
    }

    /// What was sent goes to the wire.
    pub fn transmit(&mut self, mut send: impl FnMut(&[u8])) {
        for (bytes, len) in self.sent.drain(..) {
            send(&bytes[..len]);
            self.spare.push(bytes);
        }
    }
}

/// One core's queue of one port.
#[derive(Debug)]
pub struct Port {
    name: String,
    mac: [u8; 6],
    capabilities: Capabilities,
    meter: Rc<Meter>,
    pool: &'static Pool,
    rings: Rc<RefCell<Rings>>,
}

impl Port {
    pub fn new(
        link: usize,
        mac: [u8; 6],
        meter: Rc<Meter>,
        pool: &'static Pool,
        rings: Rc<RefCell<Rings>>,
    ) -> Self {
        let capabilities = Capabilities {
            receive_ip_checksum: true,
            receive_l4_checksum: true,
            transmit_ip_checksum: true,
            transmit_tcp_checksum: true,
            ..Capabilities::plain(1500)
        };
        Self { name: format!("link{link}"), mac, capabilities, meter, pool, rings }
    }
}

impl Device for Port {
    type Packet = Mbuf;

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
        true
    }

    fn receive(&mut self, out: &mut Vec<(Mbuf, ReceiveMeta)>) -> usize {
        let mut count = 0;
        self.meter.aside(|| {
            let mut rings = self.rings.borrow_mut();
            count = rings.filled.len().min(BURST);
            out.extend(rings.filled.drain(..count).map(|(buffer, len)| (Mbuf::received(buffer, len), GOOD)));
            while rings.posted.len() < POSTED {
                let buffer = self.pool.take();
                rings.posted.push_back((buffer, buffer.room()));
            }
        });
        count
    }

    fn transmit<Q: InDevice<Mbuf>>(&mut self, frame: TransmitFrame<'_, Q>) -> Result<(), Refusal> {
        self.meter.aside(|| {
            let mut rings = self.rings.borrow_mut();
            let mut bytes = rings.spare.pop().unwrap_or_else(|| [0; SENT_BYTES].into());
            let mut len = frame.header.len();
            bytes[..len].copy_from_slice(frame.header);
            frame.payload.for_each_piece(|piece| {
                bytes[len..len + piece.len()].copy_from_slice(piece);
                len += piece.len();
            });
            rings.sent.push((bytes, len));
        });
        Ok(())
    }

    fn room(&self) -> usize {
        ROOM
    }

    fn flush(&mut self) {}

    fn arm_wake(&mut self) -> bool {
        false
    }

    fn disarm_wake(&mut self) {}

    fn statistics(&self) -> DeviceStatistics {
        DeviceStatistics::default()
    }
}
