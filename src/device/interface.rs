//! The trait every device implements.

use crate::base::{HeapPacket, Outcome, Packet, ReceiveMeta, TransmitFrame};
use crate::device::{Capabilities, DeviceStatistics, HandOver};
use std::os::fd::RawFd;

/// Packets that may lie where a device of packets `D` can read them: then it
/// sends them by reference instead of copying them.
pub trait InDevice<D>: Packet {
    /// The packet as one of the device's own.
    fn in_device(&self) -> Option<&D>;
}

impl<D> InDevice<D> for HeapPacket {
    fn in_device(&self) -> Option<&D> {
        None
    }
}

/// One receive and one transmit queue of one port.
///
/// Nothing here blocks. A loop over it reads: `receive`, handle, `transmit`
/// what there is `room` for, `flush` once.
pub trait Device {
    /// What a received frame is held by.
    type Packet: HandOver + 'static;

    /// The name a person knows the port by.
    fn name(&self) -> &str;

    /// The Ethernet address of the port.
    fn mac(&self) -> [u8; 6];

    /// What the device takes off the software's hands. Constant for its life.
    fn capabilities(&self) -> &Capabilities;

    /// Whether frames sent now reach a wire. May cost a system call: ask some
    /// times a second, not per burst. Some drivers reconnect inside this call,
    /// so a port that is never asked may stay down for ever.
    fn link_up(&mut self) -> bool;

    /// Appends one burst of received frames to `out`; returns how many came, those
    /// included that went to other queues of the port.
    fn receive(&mut self, out: &mut Vec<(Self::Packet, ReceiveMeta)>) -> usize;

    /// Queues a frame for the next [`flush`](Self::flush). The header and the
    /// payload pieces are copied or held by reference; the caller may drop or
    /// change its own at once.
    ///
    /// # Errors
    /// Why the frame was not taken; nothing of it is kept.
    fn transmit<Q: InDevice<Self::Packet>>(&mut self, frame: TransmitFrame<'_, Q>) -> Result<(), Refusal>;

    /// Payload bytes that [`transmit`](Self::transmit) copied since the last call,
    /// because it could not hold them by reference. Devices that copy everything
    /// do not count.
    fn take_copied_bytes(&mut self) -> u64 {
        0
    }

    /// Gives back what sent frames hold, as far as the device is done with them:
    /// many drivers do that only when they send. `false` if this one cannot be
    /// asked: another frame has to be sent.
    fn reclaim(&mut self) -> bool {
        true
    }

    /// How many frames [`transmit`](Self::transmit) takes now.
    fn room(&self) -> usize;

    /// Hands the queued frames to the wire, once per loop. What the wire does
    /// not take stays queued and takes from the room.
    fn flush(&mut self);

    /// What to wait on until frames come: readable in the sense of `poll(2)`,
    /// level-triggered. Only the device reads from it. Waits may end early, by
    /// a spurious readiness or by EINTR; a frame never comes without readiness
    /// once [`arm_wake`](Self::arm_wake) has returned `false`.
    ///
    /// `None` if the device cannot wake anybody: sleep for bounded times.
    fn wake_fd(&self) -> Option<RawFd> {
        None
    }

    /// Prepares for sleep: asks for a wake-up, then polls once more. Returns
    /// whether there is work already, frames that came or frames that still
    /// wait to be sent: then do not sleep but
    /// [`disarm_wake`](Self::disarm_wake) and go round the loop.
    fn arm_wake(&mut self) -> bool;

    /// Ends what [`arm_wake`](Self::arm_wake) began, after sleep or instead.
    fn disarm_wake(&mut self);

    /// What this queue has done so far.
    fn statistics(&self) -> DeviceStatistics;
}

/// Why a frame was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no room.
    #[error("the transmit queue is full")]
    QueueFull,
    /// No packet buffer was free.
    #[error("no packet buffer is free")]
    PoolEmpty,
    /// The frame has more bytes or segments than the device takes.
    #[error("the frame is longer than the device takes")]
    TooLong,
}

impl Refusal {
    /// What to count.
    pub const fn outcome(self) -> Outcome {
        match self {
            Self::QueueFull => Outcome::TransmitQueueFull,
            Self::PoolEmpty => Outcome::PacketPoolEmpty,
            Self::TooLong => Outcome::FrameTooLong,
        }
    }
}
