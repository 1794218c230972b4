//! The tables that there is one of: their keys, ranges and defaults.

use super::reader::{Located, Notes, Section};
use super::settings::{CONGESTION_NAMES, Eal, EalLogLevel, Engine, Mptcp, SCHEDULER_NAMES, Tcp};
use super::{Machine, Memory};
use crate::base::Duration;
use crate::congestion::Algorithm;
use crate::mptcp::SchedulerKind;
use toml::de::DeTable;

/// The file prefix of an endpoint whose configuration names none.
pub const DEFAULT_FILE_PREFIX: &str = "mpdk";

/// Arguments of DPDK's environment that a key of the file stands for.
const OWNED_ARGUMENTS: &[(&str, &str)] = &[
    ("-l", "eal.cores"),
    ("-c", "eal.cores"),
    ("--lcores", "eal.cores"),
    ("-m", "eal.memory_mb"),
    ("--no-huge", "eal.memory"),
    ("--in-memory", "eal.memory"),
    ("--single-file-segments", "eal.memory"),
    ("--file-prefix", "eal.file_prefix"),
    ("--log-level", "eal.log_level"),
    ("--vdev", "port.device"),
    ("-a", "port.device"),
    ("--allow", "port.device"),
    ("-b", "port.device"),
    ("--no-pci", "port.device"),
];
/// Those that an endpoint decides without being asked.
const DECIDED_ARGUMENTS: &[&str] = &["--telemetry", "--no-telemetry", "--iova-mode", "--proc-type"];

/// `[eal]`.
/// `most`: how many cores the loops can use.
pub(super) fn read_eal(root: &DeTable<'_>, notes: &Notes, machine: &impl Machine, most: usize) -> Eal {
    let mut section = Section::of(root, "eal", notes);
    let eal = Eal {
        memory: section.choice("memory", Memory::NAMES, Memory::NoHuge),
        memory_mb: narrow(section.integer("memory_mb", 64..=1_048_576, 512)),
        cores: read_cores(&mut section, notes, machine, most),
        file_prefix: read_file_prefix(&mut section, notes),
        log_level: section.choice("log_level", EalLogLevel::NAMES, EalLogLevel::Warning),
        arguments: read_arguments(&mut section, notes),
    };
    check_hugepages(&section, notes, machine, &eal);
    section.finish();
    eal
}

fn read_cores(section: &mut Section<'_>, notes: &Notes, machine: &impl Machine, most: usize) -> Vec<u16> {
    let key = section.path("cores");
    let Some(cores) = section.integers("cores") else {
        section.default_list("cores", "[0]");
        return vec![0];
    };
    if cores.is_empty() || cores.len() > most {
        let message = format!("names {} cores: from 1 to {most}", cores.len());
        notes.problem(section.line_of("cores"), &key, message);
    }
    for (place, core) in cores.iter().enumerate() {
        if cores[..place].iter().any(|other| other.value == core.value) {
            notes.problem(core.line, &key, format!("names core {} twice", core.value));
        }
        if !machine.has_core(core.value) {
            notes.problem(core.line, &key, format!("core {} is not online on this machine", core.value));
        }
    }
    cores.into_iter().map(|core| core.value).collect()
}

/// `eal.file_prefix` alone.
pub(super) fn read_eal_file_prefix(root: &DeTable<'_>, notes: &Notes) -> String {
    read_file_prefix(&mut Section::of(root, "eal", notes), notes)
}

fn read_file_prefix(section: &mut Section<'_>, notes: &Notes) -> String {
    let prefix = section.string_or("file_prefix", DEFAULT_FILE_PREFIX);
    if let Err(message) = check_file_prefix(&prefix.value) {
        notes.problem(prefix.line, section.path("file_prefix"), message);
    }
    prefix.value
}

/// Whether a text can be an [`Eal::file_prefix`].
///
/// # Errors
/// What one looks like.
pub fn check_file_prefix(prefix: &str) -> Result<(), &'static str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let fits = (1..=32).contains(&prefix.len()) && prefix.bytes().all(plain);
    if fits && !prefix.starts_with(['.', '-']) {
        Ok(())
    } else {
        Err("1 to 32 letters, digits, -, _ and . that start with neither . nor -")
    }
}

fn read_arguments(section: &mut Section<'_>, notes: &Notes) -> Vec<String> {
    let Some(arguments) = section.strings("arguments") else {
        section.default_list("arguments", "[]");
        return Vec::new();
    };
    for argument in &arguments {
        check_argument(argument, notes, &section.path("arguments"));
    }
    arguments.into_iter().map(|argument| argument.value).collect()
}

fn check_argument(argument: &Located<String>, notes: &Notes, key: &str) {
    let word = argument.value.split('=').next().unwrap_or_default();
    let owner = OWNED_ARGUMENTS.iter().find(|(owned, _)| *owned == word);
    if let Some((_, owner)) = owner {
        notes.problem(argument.line, key, format!("{word} is decided by the key {owner}"));
    }
    if DECIDED_ARGUMENTS.contains(&word) {
        notes.problem(argument.line, key, format!("{word} is decided by the endpoint"));
    }
    if argument.value.is_empty() || argument.value.chars().any(char::is_control) {
        notes.problem(argument.line, key, "an argument is empty or has a control character");
    }
}

fn check_hugepages(section: &Section<'_>, notes: &Notes, machine: &impl Machine, eal: &Eal) {
    if eal.memory == Memory::NoHuge {
        return;
    }
    let key = section.path("memory");
    let line = section.line_of("memory");
    let free = machine.free_hugepages_mb();
    if free < u64::from(eal.memory_mb) {
        let (name, wanted) = (eal.memory.name(), eal.memory_mb);
        let message = format!(
            "\"{name}\" needs {wanted} MiB of hugepages and {free} MiB are free: reserve more, or take \"no-huge\""
        );
        notes.problem(line, &key, message);
    }
    if eal.memory == Memory::Files && !machine.has_hugetlbfs() {
        notes.problem(line, &key, "no hugetlbfs is mounted: mount one, or take \"in-memory\"");
    }
}

/// `[tcp]`.
pub(super) fn read_tcp(root: &DeTable<'_>, notes: &Notes) -> Tcp {
    let mut section = Section::of(root, "tcp", notes);
    let tcp = Tcp {
        congestion: section.choice("congestion", CONGESTION_NAMES, Algorithm::Cubic),
        rto_min: Duration::from_micros(section.integer("rto_min_us", 1_000..=1_000_000, 10_000)),
        window_scale: narrow(section.integer("window_scale", 0..=14, 10)),
        sack: section.boolean("sack", true),
        timestamps: section.boolean("timestamps", true),
        delayed_ack: Duration::from_micros(section.integer("delayed_ack_us", 0..=500_000, 4_000)),
        keepalive: Some(section.integer("keepalive_s", 0..=32_767, 0))
            .filter(|s| *s > 0)
            .map(Duration::from_secs),
        syn_retries: narrow(section.integer("syn_retries", 0..=127, 6)),
        retries: narrow(section.integer("retries", 1..=127, 15)),
        initial_window_segments: narrow(section.integer("initial_window_segments", 1..=64, 10)),
        time_wait: Duration::from_millis(section.integer("time_wait_ms", 0..=240_000, 60_000)),
    };
    if tcp.delayed_ack >= tcp.rto_min {
        let message = format!(
            "must be below tcp.rto_min_us ({}): a peer with the same settings would retransmit before the ACK leaves",
            tcp.rto_min.as_micros()
        );
        notes.problem(section.line_of("delayed_ack_us"), section.path("delayed_ack_us"), message);
    }
    section.finish();
    tcp
}

/// `[mptcp]`.
pub(super) fn read_mptcp(root: &DeTable<'_>, notes: &Notes, tcp: &Tcp) -> Mptcp {
    let mut section = Section::of(root, "mptcp", notes);
    let buffers = 65_536..=1_073_725_440; // The largest window: 65535 << 14.
    let mptcp = Mptcp {
        enabled: section.boolean("enabled", true),
        scheduler: section.choice("scheduler", SCHEDULER_NAMES, SchedulerKind::MinRtt),
        checksum: section.boolean("checksum", false),
        max_subflows: narrow(section.integer("max_subflows", 1..=32, 8)),
        max_remote_addresses: narrow(section.integer("max_remote_addresses", 0..=64, 8)),
        full_mesh: section.boolean("full_mesh", true),
        announce: section.boolean("announce", true),
        prefer_near_ports: section.boolean("prefer_near_ports", true),
        send_buffer_bytes: narrow(section.integer("send_buffer_bytes", buffers.clone(), 16 << 20)),
        receive_buffer_bytes: narrow(section.integer("receive_buffer_bytes", buffers, 16 << 20)),
        add_address_timeout: Duration::from_millis(section.integer(
            "add_address_timeout_ms",
            100..=600_000,
            30_000,
        )),
        close_timeout: Duration::from_millis(section.integer("close_timeout_ms", 0..=3_600_000, 60_000)),
    };
    let largest_window = 65_535usize << tcp.window_scale;
    if mptcp.receive_buffer_bytes > largest_window {
        let message = format!(
            "{} is more than tcp.window_scale = {} can announce ({largest_window} bytes)",
            mptcp.receive_buffer_bytes, tcp.window_scale
        );
        notes.problem(section.line_of("receive_buffer_bytes"), section.path("receive_buffer_bytes"), message);
    }
    section.finish();
    mptcp
}

/// `[engine]`.
pub(super) fn read_engine(root: &DeTable<'_>, notes: &Notes) -> Engine {
    let mut section = Section::of(root, "engine", notes);
    let engine = Engine {
        spin: Duration::from_micros(section.integer("spin_us", 0..=10_000_000, 100)),
        never_sleep: section.boolean("never_sleep", false),
        max_connections: narrow(section.integer("max_connections", 1..=1_048_576, 4_096)),
        backlog: narrow(section.integer("backlog", 1..=65_536, 256)),
        transmit_arena_mb: narrow(section.integer("transmit_arena_mb", 1..=2_048, 64)),
        receive_arena_mb: narrow(section.integer("receive_arena_mb", 1..=2_048, 64)),
        packet_buffers: narrow(section.integer("packet_buffers", 1_024..=4_194_304, 16_384)),
        receive_in_place_buffers: narrow(section.integer("receive_in_place_buffers", 0..=2_097_152, 0)),
    };
    if engine.backlog > engine.max_connections {
        let message =
            format!("{} is more than engine.max_connections ({})", engine.backlog, engine.max_connections);
        notes.problem(section.line_of("backlog"), section.path("backlog"), message);
    }
    if engine.receive_in_place_buffers > engine.packet_buffers / 2 {
        let key = "receive_in_place_buffers";
        let message = format!(
            "{} is more than half of engine.packet_buffers ({}): the others are for frames that come",
            engine.receive_in_place_buffers, engine.packet_buffers
        );
        notes.problem(section.line_of(key), section.path(key), message);
    }
    section.finish();
    engine
}

/// Into the setting's type: the range given to the reader fits it.
pub(super) fn narrow<T: TryFrom<u64>>(value: u64) -> T {
    T::try_from(value).ok().unwrap_or_else(|| unreachable!("a range wider than its setting"))
}
