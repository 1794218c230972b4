//! How one core's loop behaves.

use crate::base::Duration;

/// Settings of one core's loop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long the loop polls without finding work before it sleeps; zero
    /// sleeps at once.
    pub spin: Duration,
    /// Poll for ever: no wake-up takes time, and the core is never free.
    pub never_sleep: bool,
    /// How long it sleeps at most while a port cannot wake it.
    pub poll_interval: Duration,
    /// How often each port is asked for its link.
    pub link_interval: Duration,
    /// How long connections may take to end in order when the engine stops.
    pub stop_grace: Duration,
    /// Programs that may be attached at once.
    pub clients: usize,
    /// Connections of one listener that wait for their program, at most; a
    /// program that asks for more gets this.
    pub backlog: u32,
    /// The devices' buffers that the endpoint may hold; what comes beyond is
    /// copied, so that buffers stay free to receive into.
    pub held_buffers: usize,
    /// Bytes of such copies; beyond them most frames with data are dropped, and
    /// come again when somebody has read.
    pub held_copy_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            spin: Duration::from_micros(50),
            never_sleep: false,
            poll_interval: Duration::from_millis(1),
            link_interval: Duration::from_millis(100),
            stop_grace: Duration::from_secs(2),
            clients: 64,
            backlog: 1_024,
            held_buffers: 8_192,
            held_copy_bytes: 256 << 20,
        }
    }
}
