//! One TOML file in, a checked [`Config`] out, or every mistake in it at once.
//!
//! Times and sizes carry their unit at the end of the key. A key that is not
//! listed here, a value outside its range, or one that contradicts another is an
//! error that names the file, the line and the key.
//!
//! | key | default | what it is |
//! |---|---|---|
//! | `eal.memory` | no-huge | where packet memory comes from: `no-huge` (ordinary pages), `in-memory` (anonymous hugepages), `files` (a hugetlbfs) |
//! | `eal.memory_mb` | 512 | packet memory reserved at the start, 64 to 1048576 |
//! | `eal.cores` | [0] | the CPUs that the packet loops stay on, a loop for each, 1 to 32. A connection belongs to one of them, which bounds it |
//! | `eal.file_prefix` | mpdk | sets DPDK's runtime files and the statistics of several endpoints on one machine apart |
//! | `eal.log_level` | warning | what DPDK logs: `error`, `warning`, `notice`, `info`, `debug` |
//! | `eal.arguments` | [] | further arguments of DPDK's environment; those that a key stands for are refused |
//! | `port.name` | required | the port's name in statistics and messages |
//! | `port.device` | required | a virtual device of DPDK with its arguments (`net_tap0,iface=left`) or a PCI address |
//! | `port.addresses` | required | our addresses with prefix length (`"10.1.1.2/24"`, `"fd00:1::2/64"`), 1 to 16; no two ports share a subnet |
//! | `port.gateway` | none | IPv4 router, in one of the port's subnets |
//! | `port.gateway6` | none | IPv6 router, in one of the port's subnets or link-local |
//! | `port.mtu` | 1500 | largest IP packet, from 576 (1280 with IPv6) to what the device can carry |
//! | `port.vlan` | none | VLAN id of every frame, 1 to 4094 |
//! | `port.backup` | false | use this port only when no other works (MP_PRIO) |
//! | `port.mac` | none | MAC address instead of the device's own |
//! | `port.rx_descriptors` | 512 | size of the receive ring, a power of two from 64 to 4096 |
//! | `port.tx_descriptors` | 512 | size of the transmit ring, a power of two from 64 to 4096 |
//! | `port.promiscuous` | false | receive frames for any MAC address |
//! | `port.tso` | false | let the port cut segments, where it can (true for a PCI device); both ends of a virtio wire must agree |
//! | `port.lro` | false | let the port merge segments, where it can (true for a PCI device); both ends of a virtio wire must agree |
//! | `tcp.congestion` | cubic | congestion control: `new-reno`, `cubic` |
//! | `tcp.rto_min_us` | 10000 | floor of the retransmission timer, 1000 to 1000000 |
//! | `tcp.window_scale` | 10 | shift of the announced window, 0 to 14 |
//! | `tcp.sack` | true | selective acknowledgements |
//! | `tcp.timestamps` | true | timestamps |
//! | `tcp.delayed_ack_us` | 4000 | how long an acknowledgement may wait, below `tcp.rto_min_us` |
//! | `tcp.keepalive_s` | 0 | silence before the peer is probed, to 32767; 0 never probes |
//! | `tcp.syn_retries` | 6 | SYNs sent again before giving up, to 127 |
//! | `tcp.retries` | 15 | timeouts in a row before giving up, 1 to 127 |
//! | `tcp.initial_window_segments` | 10 | segments in flight at the start, 1 to 64 |
//! | `tcp.time_wait_ms` | 60000 | how long TIME_WAIT lasts, to 240000 |
//! | `mptcp.enabled` | true | speak MPTCP; off: plain TCP only |
//! | `mptcp.scheduler` | min-rtt | which subflow gets the next bytes: `min-rtt`, `round-robin` |
//! | `mptcp.checksum` | false | require DSS checksums |
//! | `mptcp.max_subflows` | 8 | subflows of a connection, 1 to 32 |
//! | `mptcp.max_remote_addresses` | 8 | addresses of the peer remembered per connection, to 64 |
//! | `mptcp.full_mesh` | true | join from every address of ours to every one of the peer's |
//! | `mptcp.announce` | true | announce our other addresses |
//! | `mptcp.prefer_near_ports` | true | subflows whose port is on another NUMA node than their core get what the others have no window for |
//! | `mptcp.send_buffer_bytes` | 16777216 | bytes that an application may have unacknowledged in a connection, from 65536 |
//! | `mptcp.receive_buffer_bytes` | 16777216 | bytes received and not read, from 65536 to what `tcp.window_scale` can announce |
//! | `mptcp.add_address_timeout_ms` | 30000 | an announcement without echo is sent again after this, 100 to 600000 |
//! | `mptcp.close_timeout_ms` | 60000 | how long a connection without any subflow waits for one, to 3600000 |
//! | `engine.spin_us` | 100 | idle polling before the core sleeps, to 10000000 |
//! | `engine.never_sleep` | false | poll for ever: no wake-up takes time, and the cores are never free |
//! | `engine.max_connections` | 4096 | connections at most, over all cores, to 1048576 |
//! | `engine.backlog` | 256 | connections of a listener that wait to be accepted, to 65536 |
//! | `engine.transmit_arena_mb` | 64 | memory that one client writes into, over all cores, 1 to 2048 |
//! | `engine.receive_arena_mb` | 64 | memory that one client reads from, over all cores, 1 to 2048 |
//! | `engine.packet_buffers` | 16384 | buffers of 2 KiB for packets, shared by all ports, 1024 to 4194304 |
//! | `engine.receive_in_place_buffers` | 0 | packet buffers in which one client may read received bytes where they arrived, to half of `engine.packet_buffers`; what comes beyond is copied, with 0 everything. Pays where a NIC writes to memory and the engine's core is what runs short; behind a driver that copies, a second copy is cheaper than reading in pieces |

mod addresses;
mod convert;
mod device;
mod explain;
mod launch;
mod machine;
mod memory;
mod ports;
mod problem;
mod reader;
mod sections;
mod settings;
#[cfg(test)]
mod tests;
mod wire;

pub use device::{Device, DeviceKind};
pub use explain::Explanation;
pub use launch::CorePlace;
pub use machine::{Machine, ThisMachine};
pub use memory::MemoryNeed;
pub use problem::{ConfigError, Problem, Problems};
pub use sections::{DEFAULT_FILE_PREFIX, check_file_prefix};
pub use settings::{Config, DefaultUsed, Eal, EalLogLevel, Engine, Memory, Mptcp, Port, Subnet, Tcp};
pub use wire::{DIRECTION_KEYS, DirectionSettings, WireConfig, WireDevice, WireLink};

use reader::{Notes, did_you_mean};
use std::path::Path;
use toml::Spanned;
use toml::de::DeTable;

/// Cores of one endpoint. Each pair of them has rings.
const CORES_MOST: usize = 32;

/// The tables of the file.
const TABLES: &[&str] = &["eal", "port", "tcp", "mptcp", "engine"];

impl Config {
    /// Reads and checks a file for this machine.
    ///
    /// # Errors
    /// The file cannot be read, or has mistakes: all of them.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        let unreadable = |source| ConfigError::Unreadable { file: file.to_owned(), source };
        let text = std::fs::read_to_string(file).map_err(unreadable)?;
        Ok(Self::parse(&text, file, &ThisMachine)?)
    }

    /// The `eal.file_prefix` of a file. Nothing else in it is looked at: what it
    /// asks of the machine is taken while its endpoint runs.
    ///
    /// # Errors
    /// The file cannot be read or is no TOML, or the prefix is none.
    pub fn load_file_prefix(file: &Path) -> Result<String, ConfigError> {
        let unreadable = |source| ConfigError::Unreadable { file: file.to_owned(), source };
        let text = std::fs::read_to_string(file).map_err(unreadable)?;
        let notes = Notes::new(&text);
        let root = parse_table(&text, &notes);
        let prefix = root.map(|root| sections::read_eal_file_prefix(root.get_ref(), &notes));
        let (problems, _) = notes.into_parts();
        match prefix {
            Some(prefix) if problems.is_empty() => Ok(prefix),
            _ => Err(Problems::new(file, problems).into()),
        }
    }

    /// Checks the text of a file for `machine`.
    ///
    /// # Errors
    /// Every mistake in it, in the order of its lines. Where it is no TOML, only
    /// those of syntax: what stands around them cannot be trusted.
    pub fn parse(text: &str, file: &Path, machine: &impl Machine) -> Result<Self, Problems> {
        let notes = Notes::new(text);
        let Some(root) = parse_table(text, &notes) else {
            return Err(Problems::new(file, notes.into_parts().0));
        };
        let config = read(root.get_ref(), &notes, file, machine);
        memory::check_memory(&config, root.get_ref(), &notes);
        let (problems, defaults) = notes.into_parts();
        if problems.is_empty() { Ok(Self { defaults, ..config }) } else { Err(Problems::new(file, problems)) }
    }
}

/// The file's root; `None`, with the mistakes noted, where it is no TOML.
fn parse_table<'a>(text: &'a str, notes: &Notes) -> Option<Spanned<DeTable<'a>>> {
    let (root, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let line = error.span().map_or(1, |span| notes.line_at(span.start));
        notes.problem(line, "", error.message());
    }
    errors.is_empty().then_some(root)
}

/// Complains about every key of the root that is none of `tables`.
fn check_tables(root: &DeTable<'_>, tables: &[&str], notes: &Notes) {
    for (key, _) in root.iter().filter(|(key, _)| !tables.contains(&key.get_ref().as_ref())) {
        let name = key.get_ref().as_ref();
        notes.problem(
            notes.line_at(key.span().start),
            name,
            format!("unknown key{}", did_you_mean(name, tables)),
        );
    }
}

/// Reads every table. With problems noted, the values beside them are the
/// defaults: enough to go on looking.
fn read(root: &DeTable<'_>, notes: &Notes, file: &Path, machine: &impl Machine) -> Config {
    check_tables(root, TABLES, notes);
    let tcp = sections::read_tcp(root, notes);
    Config {
        file: file.to_owned(),
        eal: sections::read_eal(root, notes, machine, CORES_MOST),
        ports: ports::read_ports(root, notes, machine),
        mptcp: sections::read_mptcp(root, notes, &tcp),
        tcp,
        engine: sections::read_engine(root, notes),
        defaults: Vec::new(),
    }
}
