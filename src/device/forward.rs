//! Sending what was received, as it is.

use crate::device::{Device, Refusal};

/// A device that sends a received packet whole, without copying it: for
/// programs that stand between two ports.
pub trait Forward: Device {
    /// Queues a packet, received by any device of this type, for the next
    /// [`flush`](Device::flush). What was trimmed off it goes along. A checksum
    /// that its sender left to the devices between is filled in by this device,
    /// or here if it does not do that.
    ///
    /// # Errors
    /// Why the packet was not taken; it is dropped.
    fn forward(&mut self, packet: Self::Packet) -> Result<(), Refusal>;
}
