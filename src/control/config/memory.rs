//! How much packet memory a configuration asks for.

use super::reader::{Notes, key_line};
use super::settings::{Config, Port};
use serde::Serialize;
use toml::de::DeTable;

/// A buffer of 2048 bytes, its mbuf, shared info and pool header.
const PACKET_BUFFER_BYTES: u64 = 2_048 + 256;
/// Frames of a port that wait to be given to its driver, at most.
const FRAMES_WAITING: u32 = 256;
/// Buffers that a frame takes on its way out: one for its header, and one for
/// each block of an arena that it refers to, of which it may begin within one.
const BUFFERS_PER_FRAME: u32 = 3;
/// The same of a super-frame of 64 KB.
const BUFFERS_PER_SUPER_FRAME: u32 = 6;
/// Buffers that the pool and the ports keep at hand.
const BUFFERS_AT_HAND: u32 = 512;
/// What DPDK itself takes: rings, device data, memory zones, alignment.
const ENVIRONMENT_BYTES: u64 = 32 << 20;
/// Buffers beyond the receive rings' own, so that packets can be on their way.
const BUFFERS_IN_MOTION: u64 = 1_024;

/// The packet memory that a configuration asks for, in bytes, with one client
/// attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MemoryNeed {
    /// Buffers for payload.
    pub packet_buffers_bytes: u64,
    /// Buffers for frames on their way out: headers, and references to payload.
    pub header_buffers_bytes: u64,
    /// The arenas of one client.
    pub arenas_bytes: u64,
    /// DPDK's own.
    pub environment_bytes: u64,
}

impl MemoryNeed {
    /// What `config` asks for.
    pub fn of(config: &Config) -> Self {
        let buffers = u64::from(config.engine.packet_buffers);
        let arenas_mb =
            u64::from(config.engine.transmit_arena_mb) + u64::from(config.engine.receive_arena_mb);
        Self {
            packet_buffers_bytes: buffers * PACKET_BUFFER_BYTES,
            header_buffers_bytes: u64::from(config.transmit_buffers()) * PACKET_BUFFER_BYTES,
            arenas_bytes: arenas_mb << 20,
            environment_bytes: ENVIRONMENT_BYTES,
        }
    }

    /// All of it.
    pub fn total_bytes(&self) -> u64 {
        self.packet_buffers_bytes + self.header_buffers_bytes + self.arenas_bytes + self.environment_bytes
    }
}

impl Config {
    /// Buffers for frames on their way out: enough for full rings of every core and port
    /// and what waits in front of them. A virtio ring takes a whole frame in one
    /// descriptor, however many buffers it has. What finds no buffer would be
    /// lost on no link, and yet be taken for a sign that one is full.
    pub fn transmit_buffers(&self) -> u32 {
        let of_port = |port: &Port| {
            let frames = u32::from(port.tx_descriptors) + FRAMES_WAITING;
            frames * if port.tso { BUFFERS_PER_SUPER_FRAME } else { BUFFERS_PER_FRAME }
        };
        let of_core = self.ports.iter().map(of_port).sum::<u32>() + BUFFERS_AT_HAND;
        of_core * self.eal.cores.len() as u32
    }
}

/// Reports memory or buffers that cannot suffice.
pub(super) fn check_memory(config: &Config, root: &DeTable<'_>, notes: &Notes) {
    let need_mb = MemoryNeed::of(config).total_bytes().div_ceil(1 << 20);
    let given_mb = config.eal.memory_mb;
    if need_mb > u64::from(given_mb) {
        let message =
            format!("{given_mb} MiB are too little: pools and one client's arenas take {need_mb} MiB");
        notes.problem(key_line(root, "eal", "memory_mb", notes), "eal.memory_mb", message);
    }
    let cores = config.eal.cores.len() as u64;
    let descriptors = |port: &Port| u64::from(port.rx_descriptors) * cores;
    let needed = config.ports.iter().map(descriptors).sum::<u64>() + BUFFERS_IN_MOTION;
    let given = config.engine.packet_buffers;
    if needed > u64::from(given) {
        let message =
            format!("{given} are too few: the ports' receive rings and packets on their way take {needed}");
        notes.problem(key_line(root, "engine", "packet_buffers", notes), "engine.packet_buffers", message);
    }
}
