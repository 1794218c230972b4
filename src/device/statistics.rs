//! What a queue has done.

use std::ops::Add;

/// Counts since the start. The counts of a port's queues add up to the port's:
/// what a driver counts per port only, the first queue reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceStatistics {
    /// Frames received.
    pub received_frames: u64,
    /// Bytes of frames received.
    pub received_bytes: u64,
    /// Frames the device had no free buffer or descriptor for.
    pub receive_missed: u64,
    /// Frames the device received with errors and dropped.
    pub receive_errors: u64,
    /// Frames handed to the wire.
    pub transmitted_frames: u64,
    /// Bytes of frames handed to the wire.
    pub transmitted_bytes: u64,
    /// Frames taken and then dropped: the link was down or the driver would
    /// not have them.
    pub transmit_dropped: u64,
    /// Frames the device failed to send.
    pub transmit_errors: u64,
}

impl Add for DeviceStatistics {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            received_frames: self.received_frames + other.received_frames,
            received_bytes: self.received_bytes + other.received_bytes,
            receive_missed: self.receive_missed + other.receive_missed,
            receive_errors: self.receive_errors + other.receive_errors,
            transmitted_frames: self.transmitted_frames + other.transmitted_frames,
            transmitted_bytes: self.transmitted_bytes + other.transmitted_bytes,
            transmit_dropped: self.transmit_dropped + other.transmit_dropped,
            transmit_errors: self.transmit_errors + other.transmit_errors,
        }
    }
}
