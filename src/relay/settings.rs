//! How the loop behaves.

use crate::base::Duration;
use crate::emulator::BufferRoom;

/// Settings of the loop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long the loop polls without finding a frame before it sleeps; zero
    /// sleeps at once. A frame that wakes it is late by the time that waking
    /// takes.
    pub spin: Duration,
    /// How long before a deadline it stops sleeping and polls: longer than the
    /// system may oversleep.
    pub wake_early: Duration,
    /// How long it sleeps at most while a port cannot wake it, or has frames
    /// that its wire does not take.
    pub poll_interval: Duration,
    /// How often each port is asked for its link.
    pub link_interval: Duration,
    /// Packet memory that one direction may hold.
    pub room: BufferRoom,
}

/// How the loop's thread is started.
#[derive(Clone, Debug)]
pub struct RelayConfig {
    /// How it behaves.
    pub settings: Settings,
    /// Reproduces what the links do to the same frames at the same times.
    pub seed: u64,
    /// The CPU that its thread stays on; any if there is none.
    pub core: Option<usize>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            spin: Duration::from_millis(1),
            wake_early: Duration::from_micros(150),
            poll_interval: Duration::from_micros(50),
            link_interval: Duration::from_millis(100),
            room: BufferRoom { buffers: 8_192, buffer_bytes: 1_920 },
        }
    }
}
