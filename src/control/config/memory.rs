//! How much packet memory a configuration asks for.

use super::reader::{Notes, key_line};
use super::settings::Config;
use serde::Serialize;
use toml::de::DeTable;

/// A buffer of 2048 bytes, its mbuf, shared info and pool header.
const PACKET_BUFFER_BYTES: u64 = 2_048 + 256;
/// An mbuf with room for all headers, and its pool header.
const HEADER_BUFFER_BYTES: u64 = 512;
/// What DPDK itself takes: rings, device data, memory zones, alignment.
const ENVIRONMENT_BYTES: u64 = 32 << 20;
/// Buffers beyond the rings' own, so that packets can be on their way.
const BUFFERS_IN_MOTION: u64 = 1_024;

/// The packet memory that a configuration asks for, in bytes, with one client
/// attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MemoryNeed {
    /// Buffers for payload.
    pub packet_buffers_bytes: u64,
    /// Buffers for the headers in front of payload that is sent by reference;
    /// as many as packet buffers.
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
            header_buffers_bytes: buffers * HEADER_BUFFER_BYTES,
            arenas_bytes: arenas_mb << 20,
            environment_bytes: ENVIRONMENT_BYTES,
        }
    }

    /// All of it.
    pub fn total_bytes(&self) -> u64 {
        self.packet_buffers_bytes + self.header_buffers_bytes + self.arenas_bytes + self.environment_bytes
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
    let descriptors = |port: &super::Port| u64::from(port.rx_descriptors) + u64::from(port.tx_descriptors);
    let needed = config.ports.iter().map(descriptors).sum::<u64>() + BUFFERS_IN_MOTION;
    let given = config.engine.packet_buffers;
    if needed > u64::from(given) {
        let message = format!("{given} are too few: the ports' rings and packets on their way take {needed}");
        notes.problem(key_line(root, "engine", "packet_buffers", notes), "engine.packet_buffers", message);
    }
}
