//! `[[port]]`: the keys of each, and what only all of them together can get wrong.

use super::device::{Device, DeviceKind};
use super::reader::{Located, Notes, Section, kind_of};
use super::sections::narrow;
use super::settings::{Port, Subnet};
use super::{Machine, addresses};
use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;
use toml::de::{DeTable, DeValue};

/// Ports of an endpoint at most: DPDK's own limit.
const MAX_PORTS: usize = 32;
/// Addresses of an endpoint at most: a connection tries them all.
const MAX_ADDRESSES: usize = 64;

/// A port with the lines that later checks name.
struct Draft {
    port: Port,
    line: usize,
    lines: Lines,
}

/// Where the keys stand that more than one check looks at.
struct Lines {
    name: usize,
    device: usize,
    mac: usize,
    addresses: Vec<usize>,
}

/// Every `[[port]]` of the file. A port whose name or device cannot be read is
/// reported and left out.
pub(super) fn read_ports(root: &DeTable<'_>, notes: &Notes, machine: &impl Machine) -> Vec<Port> {
    let Some((key, value)) = root.get_key_value("port") else {
        notes.problem(1, "port", "there is no [[port]]: an endpoint needs at least one");
        return Vec::new();
    };
    let line = notes.line_at(key.span().start);
    let DeValue::Array(elements) = value.get_ref() else {
        let kind = kind_of(value.get_ref());
        notes.problem(line, "port", format!("expected a list of tables, found {kind}: write [[port]]"));
        return Vec::new();
    };
    if elements.is_empty() || elements.len() > MAX_PORTS {
        notes.problem(line, "port", format!("{} ports: from 1 to {MAX_PORTS}", elements.len()));
    }
    let sections = elements.iter().filter_map(|element| Section::element("port", element, notes));
    let drafts: Vec<_> = sections.filter_map(|section| read_port(section, notes, machine)).collect();
    let addresses: usize = drafts.iter().map(|draft| draft.port.addresses.len()).sum();
    if addresses > MAX_ADDRESSES {
        notes.problem(line, "port", format!("{addresses} addresses in all: at most {MAX_ADDRESSES}"));
    }
    check_uniqueness(&drafts, notes);
    check_subnets(&drafts, notes);
    drafts.into_iter().map(|draft| draft.port).collect()
}

fn read_port(mut section: Section<'_>, notes: &Notes, machine: &impl Machine) -> Option<Draft> {
    let name = read_name(&mut section, notes);
    let device = read_device(&mut section, notes, machine);
    let subnets = addresses::read_subnets(&mut section, notes);
    let gateway =
        addresses::read_gateway::<Ipv4Addr>(&mut section, notes, "gateway", "an IPv4 address", &subnets);
    let gateway6 =
        addresses::read_gateway::<Ipv6Addr>(&mut section, notes, "gateway6", "an IPv6 address", &subnets);
    let mtu = read_mtu(&mut section, notes, device.as_ref().map(|device| device.value.kind), &subnets);
    let vlan = section.optional_integer("vlan", &(1..=4094)).map(narrow);
    let backup = section.boolean("backup", false);
    let mac = read_mac(&mut section, notes);
    let rx_descriptors = read_descriptors(&mut section, notes, "rx_descriptors");
    let tx_descriptors = read_descriptors(&mut section, notes, "tx_descriptors");
    let promiscuous = section.boolean("promiscuous", false);
    // Of the virtual devices, some cut in software, and two ends of a wire must agree.
    let is_nic = device.as_ref().is_some_and(|device| device.value.kind == DeviceKind::Pci);
    let tso = section.boolean("tso", is_nic);
    let lro = section.boolean("lro", is_nic);
    let line = section.line();
    let mac_line = section.line_of("mac");
    section.finish();
    let (name, device) = (name?, device?);
    let lines = Lines {
        name: name.line,
        device: device.line,
        mac: mac_line,
        addresses: subnets.iter().map(|subnet| subnet.line).collect(),
    };
    let port = Port {
        name: name.value,
        device: device.value,
        addresses: subnets.into_iter().map(|subnet| subnet.value).collect(),
        gateway,
        gateway6,
        mtu,
        vlan,
        backup,
        mac,
        rx_descriptors,
        tx_descriptors,
        promiscuous,
        tso,
        lro,
    };
    Some(Draft { port, line, lines })
}

pub(super) fn read_name(section: &mut Section<'_>, notes: &Notes) -> Option<Located<String>> {
    let name = section.required_string("name")?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !(1..=32).contains(&name.value.len()) || !name.value.bytes().all(plain) {
        notes.problem(name.line, section.path("name"), "1 to 32 letters, digits, -, _ and .");
    }
    Some(name)
}

pub(super) fn read_device(
    section: &mut Section<'_>,
    notes: &Notes,
    machine: &impl Machine,
) -> Option<Located<Device>> {
    let text = section.required_string("device")?;
    match Device::parse(&text.value) {
        Ok(device) => {
            if let Some(missing) = missing_on(machine, &device) {
                notes.problem(text.line, section.path("device"), missing);
            }
            Some(Located { value: device, line: text.line })
        }
        Err(message) => {
            notes.problem(text.line, section.path("device"), message);
            None
        }
    }
}

/// What a device needs and the machine does not have.
fn missing_on(machine: &impl Machine, device: &Device) -> Option<String> {
    if device.kind == DeviceKind::Pci && !machine.has_pci_device(&device.name) {
        return Some(format!("there is no PCI device {}", device.name));
    }
    if let Some(name) = device.network_device().filter(|name| !machine.has_network_device(name)) {
        return Some(format!("there is no network device {name}"));
    }
    if let Some(socket) = device.socket() {
        let folder = Path::new(socket).parent().filter(|folder| *folder != Path::new(""));
        let missing = folder.filter(|folder| !machine.is_directory(folder))?;
        return Some(format!("the socket's directory {} does not exist", missing.display()));
    }
    let files = [(DeviceKind::VirtioUser, "path"), (DeviceKind::Pcap, "rx_pcap")];
    let needed =
        files.iter().filter(|(kind, _)| *kind == device.kind).find_map(|(_, key)| device.argument(key))?;
    (!machine.exists(Path::new(needed))).then(|| format!("{needed} does not exist"))
}

fn read_mtu(
    section: &mut Section<'_>,
    notes: &Notes,
    kind: Option<DeviceKind>,
    subnets: &[Located<Subnet>],
) -> u16 {
    let mtu = narrow(section.integer("mtu", 576..=9978, 1500));
    let (line, key) = (section.line_of("mtu"), section.path("mtu"));
    if let Some(kind) = kind.filter(|kind| mtu > kind.max_mtu()) {
        let (driver, limit) = (kind.driver(), kind.max_mtu());
        notes.problem(line, &key, format!("{mtu} is more than {driver} can carry: at most {limit}"));
    }
    // RFC 8200 §5.
    if mtu < 1280 && subnets.iter().any(|subnet| subnet.value.address.is_ipv6()) {
        notes.problem(line, &key, format!("{mtu} is too small for IPv6: at least 1280"));
    }
    mtu
}

fn read_mac(section: &mut Section<'_>, notes: &Notes) -> Option<[u8; 6]> {
    let text = section.string("mac")?;
    let parts: Vec<_> = text.value.split(':').collect();
    let bytes = parts.iter().filter(|part| part.len() == 2).map(|part| u8::from_str_radix(part, 16).ok());
    let mac = bytes.collect::<Option<Vec<u8>>>().and_then(|bytes| <[u8; 6]>::try_from(bytes).ok());
    let key = section.path("mac");
    match mac {
        Some(mac) if parts.len() == 6 && mac[0] & 1 == 0 && mac != [0; 6] => Some(mac),
        Some(_) if parts.len() == 6 => {
            notes.problem(
                text.line,
                key,
                format!("{} names a group or nobody: a unicast address", text.value),
            );
            None
        }
        _ => {
            notes.problem(text.line, key, format!("\"{}\" is no MAC address: 02:00:00:00:00:01", text.value));
            None
        }
    }
}

pub(super) fn read_descriptors(section: &mut Section<'_>, notes: &Notes, key: &'static str) -> u16 {
    let count: u16 = narrow(section.integer(key, 64..=4096, 512));
    if !count.is_power_of_two() {
        notes.problem(section.line_of(key), section.path(key), format!("{count} is no power of two"));
    }
    count
}

/// What must not be the same on two ports: what it is, its key, its value, its line.
fn unique_values(draft: &Draft) -> Vec<(&'static str, &'static str, String, usize)> {
    let (port, lines) = (&draft.port, &draft.lines);
    let mut values = vec![
        ("name", "name", port.name.clone(), lines.name),
        ("device", "device", port.device.name.clone(), lines.device),
    ];
    let network_devices = [port.device.network_device(), port.device.created_network_device()];
    for device in network_devices.into_iter().flatten() {
        values.push(("network device", "device", device.to_owned(), lines.device));
    }
    if let Some(socket) = port.device.socket() {
        values.push(("socket", "device", socket.to_owned(), lines.device));
    }
    if let Some(mac) = port.mac {
        values.push(("MAC address", "mac", super::explain::mac_text(mac), lines.mac));
    }
    for (subnet, line) in port.addresses.iter().zip(&lines.addresses) {
        values.push(("address", "addresses", subnet.address.to_string(), *line));
    }
    values
}

fn check_uniqueness(drafts: &[Draft], notes: &Notes) {
    let mut first_lines = HashMap::new();
    for (what, key, value, line) in drafts.iter().flat_map(unique_values) {
        match first_lines.get(&(what, value.clone())) {
            None => {
                first_lines.insert((what, value), line);
            }
            Some(first) => {
                let message = format!("the {what} {value} is already used in line {first}");
                notes.problem(line, format!("port.{key}"), message);
            }
        }
    }
}

/// Two ports in one subnet would leave open which of them leads there.
fn check_subnets(drafts: &[Draft], notes: &Notes) {
    for (index, later) in drafts.iter().enumerate() {
        for (subnet, line) in later.port.addresses.iter().zip(&later.lines.addresses) {
            let earlier = drafts[..index].iter();
            let clash =
                earlier.flat_map(|draft| draft.port.addresses.iter().map(move |other| (draft, other)));
            // An address that is there twice has been reported as such.
            let mut clash =
                clash.filter(|(_, other)| other.overlaps(subnet) && other.address != subnet.address);
            if let Some((draft, other)) = clash.next() {
                let (port, at) = (&draft.port.name, draft.line);
                let message =
                    format!("{subnet} overlaps {other} of port \"{port}\" (line {at}): each port its own");
                notes.problem(*line, "port.addresses", message);
            }
        }
    }
}
