//! The file of the link emulator, `mpdk wire`: which ports it joins and what the
//! links between them are like.
//!
//! | key | default | what it is |
//! |---|---|---|
//! | `wire.control` | required | the Unix socket at which the running emulator is changed and asked |
//! | `wire.spin_us` | 1000 | idle polling before the core sleeps, to 10000000; a frame that comes after a longer silence is late by what waking takes, some 100 us |
//! | `wire.packet_buffers` | 32768 | buffers of 2 KiB for packets, shared by all links, 1024 to 4194304: rate times delay must fit |
//! | `wire.seed` | none | reproduces losses, jitter and the like; by default another one at each start |
//! | `eal.*` | | as for an endpoint |
//! | `link.name` | required | what the link is called |
//! | `link.a`, `link.b` | required | the ports it joins: tables with the keys below |
//! | `link.mtu` | 1500 | largest IP packet, from 576 to what both ports can carry |
//! | `link.super_frames` | false | let TCP super-frames of 64 KB pass uncut, each treated as one frame; only between vhost and virtio-user |
//! | `link.a_to_b`, `link.b_to_a` | carries at once | what each direction is like: tables with the keys of [`DIRECTION_KEYS`] |
//! | `link.a.device` | required | a virtual device of DPDK with its arguments or a PCI address |
//! | `link.a.rx_descriptors` | 512 | size of the receive ring, a power of two from 64 to 4096 |
//! | `link.a.tx_descriptors` | 512 | size of the transmit ring, a power of two from 64 to 4096 |

mod keys;

pub use keys::{DIRECTION_KEYS, DirectionSettings};

use super::device::{Device, DeviceKind};
use super::ports::{read_descriptors, read_device, read_name};
use super::reader::{Located, Notes, Section, kind_of};
use super::sections::{narrow, read_eal};
use super::settings::{DefaultUsed, Eal, Memory};
use super::{ConfigError, Machine, Problems, ThisMachine, check_tables, parse_table};
use crate::base::Duration;
use crate::emulator::BufferRoom;
use crate::relay;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

/// The tables of the file.
const TABLES: &[&str] = &["wire", "eal", "link"];
/// Links at most: each has two of DPDK's 32 ports.
const MAX_LINKS: usize = 16;
/// The longest path of a Unix socket, the zero byte behind it included.
const SOCKET_PATH_BYTES: usize = 108;
/// Bytes of frame that one buffer takes at least.
const BUFFER_BYTES: u32 = 1_920;
/// A buffer with its header. DPDK lets none lie across the end of a page, so
/// that each takes an ordinary page for itself.
const BUFFER_MEMORY_BYTES: u64 = 2_048 + 256;
const BUFFER_PAGE_BYTES: u64 = 4_096;
/// What DPDK itself takes.
const ENVIRONMENT_BYTES: u64 = 32 << 20;
/// Frames that wait to be given to a port's driver, and those just received.
const IN_MOTION: u32 = 256 + 64;
/// What is left to a direction at least.
const LEAST_BUFFERS: u32 = 64;

/// A valid configuration: what one emulator is started with.
#[derive(Clone, Debug)]
pub struct WireConfig {
    /// The file it was read from.
    pub file: PathBuf,
    /// How DPDK's environment is started.
    pub eal: Eal,
    /// The socket at which it is changed and asked.
    pub control: PathBuf,
    /// Idle polling before the core sleeps.
    pub spin: Duration,
    /// Packet buffers, shared by all links.
    pub packet_buffers: u32,
    /// Reproduces chance.
    pub seed: Option<u64>,
    /// The links, at least one.
    pub links: Vec<WireLink>,
    /// The keys that the file does not name, with the values taken for them.
    pub defaults: Vec<DefaultUsed>,
}

/// Two ports and what is between them.
#[derive(Clone, Debug)]
pub struct WireLink {
    /// Its name, unique.
    pub name: String,
    /// The ports `a` and `b`.
    pub ports: [WireDevice; 2],
    /// Largest IP packet in bytes.
    pub mtu: u16,
    /// Super-frames pass uncut.
    pub super_frames: bool,
    /// From `a` to `b`, and back.
    pub directions: [DirectionSettings; 2],
}

/// A port.
#[derive(Clone, Debug)]
pub struct WireDevice {
    /// The DPDK device behind it.
    pub device: Device,
    /// Size of the receive ring.
    pub rx_descriptors: u16,
    /// Size of the transmit ring.
    pub tx_descriptors: u16,
}

impl WireConfig {
    /// Reads and checks a file for this machine.
    ///
    /// # Errors
    /// The file cannot be read, or has mistakes: all of them.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        let unreadable = |source| ConfigError::Unreadable { file: file.to_owned(), source };
        let text = std::fs::read_to_string(file).map_err(unreadable)?;
        Ok(Self::parse(&text, file, &ThisMachine)?)
    }

    /// Checks the text of a file for `machine`.
    ///
    /// # Errors
    /// Every mistake in it, in the order of its lines. Where it is no TOML, only
    /// those of syntax.
    pub fn parse(text: &str, file: &Path, machine: &impl Machine) -> Result<Self, Problems> {
        let notes = Notes::new(text);
        let Some(root) = parse_table(text, &notes) else {
            return Err(Problems::new(file, notes.into_parts().0));
        };
        let config = read(root.get_ref(), &notes, file, machine);
        let (problems, defaults) = notes.into_parts();
        match config {
            Some(config) if problems.is_empty() => Ok(Self { defaults, ..config }),
            _ => Err(Problems::new(file, problems)),
        }
    }

    /// The cores that the file names.
    pub fn pinned_cores(&self) -> &[u16] {
        let is_default = self.defaults.iter().any(|default| default.key == "eal.cores");
        if is_default { &[] } else { &self.eal.cores }
    }

    /// How the loop's thread runs; `seed` where the file has none.
    pub fn relay(&self, seed: u64) -> relay::RelayConfig {
        let buffers = buffers_of_direction(self.packet_buffers, &self.links);
        let room = BufferRoom { buffers: buffers.max(0) as usize, buffer_bytes: BUFFER_BYTES };
        relay::RelayConfig {
            settings: relay::Settings { spin: self.spin, room, ..relay::Settings::default() },
            seed: self.seed.unwrap_or(seed),
            core: self.pinned_cores().first().map(|&core| usize::from(core)),
        }
    }
}

impl WireLink {
    /// The link as it begins.
    pub fn link(&self) -> relay::Link {
        let [first, second] = &self.directions;
        relay::Link { directions: [first.profile, second.profile], down: [!first.up, !second.up] }
    }
}

fn read(root: &DeTable<'_>, notes: &Notes, file: &Path, machine: &impl Machine) -> Option<WireConfig> {
    check_tables(root, TABLES, notes);
    let eal = read_eal(root, notes, machine, 1);
    let mut section = Section::of(root, "wire", notes);
    if section.is_missing("control") {
        notes.problem(section.line(), section.path("control"), "is missing");
    }
    let control = section.string("control");
    let spin = Duration::from_micros(section.integer("spin_us", 0..=10_000_000, 1_000));
    let packet_buffers: u32 = narrow(section.integer("packet_buffers", 1_024..=4_194_304, 32_768));
    let buffers_line = section.line_of("packet_buffers");
    let seed = section.optional_integer("seed", &(0..=i64::MAX as u64));
    section.finish();
    if let Some(control) = &control {
        check_control(control, notes, machine);
    }
    let drafts = read_links(root, notes, machine);
    check_uniqueness(control.as_ref(), &drafts, notes);
    let links: Vec<_> = drafts.into_iter().map(|draft| draft.link).collect();
    let left = buffers_of_direction(packet_buffers, &links);
    if left < i64::from(LEAST_BUFFERS) && !links.is_empty() {
        let least = i64::from(packet_buffers) + (i64::from(LEAST_BUFFERS) - left) * 2 * links.len() as i64;
        let message = format!("{packet_buffers} are too few for these links: at least {least}");
        notes.problem(buffers_line, "wire.packet_buffers", message);
    }
    let buffer_bytes = if eal.memory == Memory::NoHuge { BUFFER_PAGE_BYTES } else { BUFFER_MEMORY_BYTES };
    let need = (u64::from(packet_buffers) * buffer_bytes + ENVIRONMENT_BYTES).div_ceil(1 << 20);
    if need > u64::from(eal.memory_mb) {
        let line = super::reader::key_line(root, "eal", "memory_mb", notes);
        let message = format!("{} MiB are too little: packet buffers take {need} MiB", eal.memory_mb);
        notes.problem(line, "eal.memory_mb", message);
    }
    Some(WireConfig {
        file: file.to_owned(),
        eal,
        control: PathBuf::from(control?.value),
        spin,
        packet_buffers,
        seed,
        links,
        defaults: Vec::new(),
    })
}

/// What one direction may hold: its part of what the ports leave.
fn buffers_of_direction(packet_buffers: u32, links: &[WireLink]) -> i64 {
    let ports = links.iter().flat_map(|link| &link.ports);
    let taken = ports
        .map(|port| i64::from(port.rx_descriptors) + i64::from(port.tx_descriptors) + i64::from(IN_MOTION))
        .sum::<i64>();
    (i64::from(packet_buffers) - taken) / (2 * links.len().max(1)) as i64
}

fn check_control(control: &Located<String>, notes: &Notes, machine: &impl Machine) {
    let path = Path::new(&control.value);
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    let message = if control.value.is_empty() || path.file_name().is_none() {
        "names no file".to_owned()
    } else if control.value.len() >= SOCKET_PATH_BYTES || control.value.contains('\0') {
        format!("a socket's path has at most {} bytes, none of them zero", SOCKET_PATH_BYTES - 1)
    } else if let Some(folder) = folder.filter(|folder| !machine.is_directory(folder)) {
        format!("the socket's directory {} does not exist", folder.display())
    } else {
        return;
    };
    notes.problem(control.line, "wire.control", message);
}

/// A link with the lines that later checks name.
struct Draft {
    link: WireLink,
    name_line: usize,
    device_lines: [usize; 2],
}

fn read_links(root: &DeTable<'_>, notes: &Notes, machine: &impl Machine) -> Vec<Draft> {
    let Some((key, value)) = root.get_key_value("link") else {
        notes.problem(1, "link", "there is no [[link]]: an emulator needs at least one");
        return Vec::new();
    };
    let line = notes.line_at(key.span().start);
    let DeValue::Array(elements) = value.get_ref() else {
        let kind = kind_of(value.get_ref());
        notes.problem(line, "link", format!("expected a list of tables, found {kind}: write [[link]]"));
        return Vec::new();
    };
    if elements.is_empty() || elements.len() > MAX_LINKS {
        notes.problem(line, "link", format!("{} links: from 1 to {MAX_LINKS}", elements.len()));
    }
    let sections = elements.iter().filter_map(|element| Section::element("link", element, notes));
    sections.filter_map(|section| read_link(section, notes, machine)).collect()
}

fn read_link(mut section: Section<'_>, notes: &Notes, machine: &impl Machine) -> Option<Draft> {
    let name = read_name(&mut section, notes);
    let a = read_port(&mut section, "a", "link.a", notes, machine);
    let b = read_port(&mut section, "b", "link.b", notes, machine);
    let mtu: u16 = narrow(section.integer("mtu", 576..=9978, 1500));
    let super_frames = section.boolean("super_frames", false);
    let directions = [
        keys::read_direction(section.inner("a_to_b", "link.a_to_b"), notes),
        keys::read_direction(section.inner("b_to_a", "link.b_to_a"), notes),
    ];
    let (mtu_line, super_line) = (section.line_of("mtu"), section.line_of("super_frames"));
    section.finish();
    let (name, (a, a_line), (b, b_line)) = (name?, a?, b?);
    for port in [&a, &b] {
        let (driver, limit) = (port.device.kind.driver(), port.device.kind.max_mtu());
        if mtu > limit {
            let message = format!("{mtu} is more than {driver} can carry: at most {limit}");
            notes.problem(mtu_line, "link.mtu", message);
        }
        if let Some(reason) = why_no_super_frames(&port.device).filter(|_| super_frames) {
            notes.problem(super_line, "link.super_frames", reason);
        }
    }
    let link = WireLink { name: name.value, ports: [a, b], mtu, super_frames, directions };
    Some(Draft { link, name_line: name.line, device_lines: [a_line, b_line] })
}

fn read_port(
    link: &mut Section<'_>,
    key: &'static str,
    name: &'static str,
    notes: &Notes,
    machine: &impl Machine,
) -> Option<(WireDevice, usize)> {
    if link.is_missing(key) {
        notes.problem(link.line(), link.path(key), "is missing: { device = \"...\" }");
    }
    let mut section = link.inner(key, name);
    let device = read_device(&mut section, notes, machine);
    let rx_descriptors = read_descriptors(&mut section, notes, "rx_descriptors");
    let tx_descriptors = read_descriptors(&mut section, notes, "tx_descriptors");
    section.finish();
    let device = device?;
    Some((WireDevice { device: device.value, rx_descriptors, tx_descriptors }, device.line))
}

fn why_no_super_frames(device: &Device) -> Option<String> {
    match device.kind {
        DeviceKind::VirtioUser => None,
        DeviceKind::Vhost if device.argument("tso") == Some("1") => None,
        DeviceKind::Vhost => Some(format!("{} needs the argument tso=1", device.name)),
        _ => Some(format!("{} passes no super-frames: only net_vhost and net_virtio_user do", device.name)),
    }
}

/// What must not be there twice, with its line and key.
fn unique_values(draft: &Draft) -> Vec<(&'static str, String, usize, &'static str)> {
    let mut values = vec![("name", draft.link.name.clone(), draft.name_line, "link.name")];
    let sides = draft.link.ports.iter().zip(draft.device_lines).zip(["link.a.device", "link.b.device"]);
    for ((port, line), key) in sides {
        let device = &port.device;
        values.push(("device", device.name.clone(), line, key));
        for name in [device.network_device(), device.created_network_device()].into_iter().flatten() {
            values.push(("network device", name.to_owned(), line, key));
        }
        if let Some(socket) = device.socket() {
            values.push(("socket", socket.to_owned(), line, key));
        }
    }
    values
}

fn check_uniqueness(control: Option<&Located<String>>, drafts: &[Draft], notes: &Notes) {
    let mut first_lines = HashMap::new();
    if let Some(control) = control {
        first_lines.insert(("socket", control.value.clone()), control.line);
    }
    for (what, value, line, key) in drafts.iter().flat_map(unique_values) {
        match first_lines.get(&(what, value.clone())) {
            None => {
                first_lines.insert((what, value), line);
            }
            Some(first) => {
                notes.problem(line, key, format!("the {what} {value} is already used in line {first}"));
            }
        }
    }
}

#[cfg(test)]
mod tests;
