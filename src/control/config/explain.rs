//! What a configuration starts, told to a person or as JSON.

use super::memory::MemoryNeed;
use super::settings::{CONGESTION_NAMES, Config, Eal, Mptcp, Port, SCHEDULER_NAMES, Tcp, name_of};
use serde::Serialize;
use std::fmt;

/// What a configuration starts. `Display` is a text for people, `Serialize`
/// the same for programs.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    file: String,
    eal: Vec<Setting>,
    ports: Vec<ExplainedPort>,
    routes: Vec<Route>,
    memory: ExplainedMemory,
    tcp: Vec<Setting>,
    mptcp: Vec<Setting>,
    engine: Vec<Setting>,
    defaults: Vec<Setting>,
}

#[derive(Clone, Debug, Serialize)]
struct ExplainedPort {
    name: String,
    device: String,
    addresses: Vec<String>,
    mtu: u16,
    vlan: Option<u16>,
    mac: Option<String>,
    backup: bool,
    promiscuous: bool,
    tso: bool,
    lro: bool,
    rx_descriptors: u16,
    tx_descriptors: u16,
}

#[derive(Clone, Debug, Serialize)]
struct Route {
    destination: String,
    gateway: Option<String>,
    port: String,
}

#[derive(Clone, Debug, Serialize)]
struct ExplainedMemory {
    kind: &'static str,
    reserved_bytes: u64,
    needed_bytes: u64,
    packet_buffers: u32,
    #[serde(flatten)]
    need: MemoryNeed,
}

#[derive(Clone, Debug, Serialize)]
struct Setting {
    key: String,
    value: String,
}

impl Config {
    /// What would be started.
    pub fn explain(&self) -> Explanation {
        let default =
            |used: &super::DefaultUsed| Setting { key: used.key.clone(), value: used.value.clone() };
        Explanation {
            file: self.file.display().to_string(),
            eal: explain_eal(&self.eal),
            ports: self.ports.iter().map(explain_port).collect(),
            routes: self.ports.iter().flat_map(routes_of).collect(),
            memory: explain_memory(self),
            tcp: explain_tcp(&self.tcp),
            mptcp: explain_mptcp(&self.mptcp),
            engine: explain_engine(self),
            defaults: self.defaults.iter().map(default).collect(),
        }
    }
}

fn explain_port(port: &Port) -> ExplainedPort {
    ExplainedPort {
        name: port.name.clone(),
        device: port.device.to_string(),
        addresses: port.addresses.iter().map(ToString::to_string).collect(),
        mtu: port.mtu,
        vlan: port.vlan,
        mac: port.mac.map(mac_text),
        backup: port.backup,
        promiscuous: port.promiscuous,
        tso: port.tso,
        lro: port.lro,
        rx_descriptors: port.rx_descriptors,
        tx_descriptors: port.tx_descriptors,
    }
}

/// The subnets of a port and what its gateways lead to.
fn routes_of(port: &Port) -> Vec<Route> {
    let subnets =
        port.addresses.iter().map(|subnet| (format!("{}/{}", subnet.network(), subnet.prefix), None));
    let gateway = port.gateway.map(|gateway| ("0.0.0.0/0".to_owned(), Some(gateway.to_string())));
    let gateway6 = port.gateway6.map(|gateway| ("::/0".to_owned(), Some(gateway.to_string())));
    let mut routes = Vec::new();
    for (destination, gateway) in subnets.chain(gateway).chain(gateway6) {
        let known = |route: &Route| route.destination == destination;
        if !routes.iter().any(known) {
            routes.push(Route { destination, gateway, port: port.name.clone() });
        }
    }
    routes
}

fn explain_memory(config: &Config) -> ExplainedMemory {
    let need = MemoryNeed::of(config);
    ExplainedMemory {
        kind: config.eal.memory.name(),
        reserved_bytes: u64::from(config.eal.memory_mb) << 20,
        needed_bytes: need.total_bytes(),
        packet_buffers: config.engine.packet_buffers,
        need,
    }
}

fn explain_eal(eal: &Eal) -> Vec<Setting> {
    let cores: Vec<_> = eal.cores.iter().map(u16::to_string).collect();
    vec![
        setting("memory", &eal.memory.name()),
        setting("memory_mb", &eal.memory_mb),
        setting("cores", &cores.join(" ")),
        setting("file_prefix", &eal.file_prefix),
        setting("log_level", &eal.log_level.name()),
        setting("arguments", &eal.arguments.join(" ")),
    ]
}

fn explain_tcp(tcp: &Tcp) -> Vec<Setting> {
    vec![
        setting("congestion", &name_of(CONGESTION_NAMES, &tcp.congestion)),
        setting("rto_min_us", &tcp.rto_min.as_micros()),
        setting("window_scale", &tcp.window_scale),
        setting("sack", &tcp.sack),
        setting("timestamps", &tcp.timestamps),
        setting("delayed_ack_us", &tcp.delayed_ack.as_micros()),
        setting("keepalive_s", &tcp.keepalive.map_or(0, |idle| idle.as_micros() / 1_000_000)),
        setting("syn_retries", &tcp.syn_retries),
        setting("retries", &tcp.retries),
        setting("initial_window_segments", &tcp.initial_window_segments),
        setting("time_wait_ms", &(tcp.time_wait.as_micros() / 1_000)),
    ]
}

fn explain_mptcp(mptcp: &Mptcp) -> Vec<Setting> {
    vec![
        setting("enabled", &mptcp.enabled),
        setting("scheduler", &name_of(SCHEDULER_NAMES, &mptcp.scheduler)),
        setting("checksum", &mptcp.checksum),
        setting("max_subflows", &mptcp.max_subflows),
        setting("max_remote_addresses", &mptcp.max_remote_addresses),
        setting("full_mesh", &mptcp.full_mesh),
        setting("announce", &mptcp.announce),
        setting("prefer_near_ports", &mptcp.prefer_near_ports),
        setting("send_buffer_bytes", &mptcp.send_buffer_bytes),
        setting("receive_buffer_bytes", &mptcp.receive_buffer_bytes),
        setting("add_address_timeout_ms", &(mptcp.add_address_timeout.as_micros() / 1_000)),
        setting("close_timeout_ms", &(mptcp.close_timeout.as_micros() / 1_000)),
    ]
}

fn explain_engine(config: &Config) -> Vec<Setting> {
    let engine = &config.engine;
    vec![
        setting("spin_us", &engine.spin.as_micros()),
        setting("never_sleep", &engine.never_sleep),
        setting("max_connections", &engine.max_connections),
        setting("backlog", &engine.backlog),
        setting("transmit_arena_mb", &engine.transmit_arena_mb),
        setting("receive_arena_mb", &engine.receive_arena_mb),
        setting("packet_buffers", &engine.packet_buffers),
        setting("receive_in_place_buffers", &engine.receive_in_place_buffers),
    ]
}

fn setting(key: &str, value: &impl ToString) -> Setting {
    Setting { key: key.to_owned(), value: value.to_string() }
}

/// A MAC address as people write it.
pub(super) fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} is valid. It starts:\n", self.file)?;
        writeln!(f, "Ports")?;
        write_table(f, &self.port_rows())?;
        writeln!(f, "\nRoutes")?;
        let route = |route: &Route| {
            let via = route.gateway.as_ref().map_or_else(String::new, |gateway| format!("via {gateway}"));
            vec![route.destination.clone(), route.port.clone(), via]
        };
        write_table(f, &self.routes.iter().map(route).collect::<Vec<_>>())?;
        writeln!(f, "\nMemory")?;
        write_table(f, &self.memory_rows())?;
        let titled =
            [("EAL", &self.eal), ("TCP", &self.tcp), ("MPTCP", &self.mptcp), ("Engine", &self.engine)];
        for (title, settings) in titled {
            write!(f, "\n{title}\n")?;
            let row = |setting: &Setting| vec![setting.key.clone(), setting.value.clone()];
            write_table(f, &settings.iter().map(row).collect::<Vec<_>>())?;
        }
        let defaults: Vec<_> = self.defaults.iter().map(|used| used.key.as_str()).collect();
        write!(f, "\nDefaults taken for\n{}", wrapped(&defaults))
    }
}

impl Explanation {
    fn port_rows(&self) -> Vec<Vec<String>> {
        let header = ["name", "device", "addresses", "mtu", "rings rx/tx", ""].map(str::to_owned);
        let rows = self.ports.iter().map(|port| {
            vec![
                port.name.clone(),
                port.device.clone(),
                port.addresses.join(" "),
                port.mtu.to_string(),
                format!("{}/{}", port.rx_descriptors, port.tx_descriptors),
                port.remarks().join(", "),
            ]
        });
        std::iter::once(header.to_vec()).chain(rows).collect()
    }

    fn memory_rows(&self) -> Vec<Vec<String>> {
        let ExplainedMemory { kind, reserved_bytes, needed_bytes, packet_buffers, need } = &self.memory;
        let row =
            |what: String, bytes: u64| vec![what, format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))];
        vec![
            row(format!("reserved ({kind})"), *reserved_bytes),
            row(format!("{packet_buffers} packet buffers"), need.packet_buffers_bytes),
            row("header buffers".to_owned(), need.header_buffers_bytes),
            row("arenas of one client".to_owned(), need.arenas_bytes),
            row("DPDK itself".to_owned(), need.environment_bytes),
            row("left for more clients".to_owned(), reserved_bytes.saturating_sub(*needed_bytes)),
        ]
    }
}

impl ExplainedPort {
    fn remarks(&self) -> Vec<String> {
        let vlan = self.vlan.map(|vlan| format!("vlan {vlan}"));
        let mac = self.mac.as_ref().map(|mac| format!("mac {mac}"));
        let backup = self.backup.then(|| "backup".to_owned());
        let promiscuous = self.promiscuous.then(|| "promiscuous".to_owned());
        let tso = self.tso.then(|| "tso".to_owned());
        let lro = self.lro.then(|| "lro".to_owned());
        [vlan, mac, backup, promiscuous, tso, lro].into_iter().flatten().collect()
    }
}

/// Rows in columns as wide as their widest cell.
fn write_table(f: &mut fmt::Formatter<'_>, rows: &[Vec<String>]) -> fmt::Result {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(String::len).max().unwrap_or(0);
    let widths: Vec<_> = (0..columns).map(width).collect();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        writeln!(f, "  {}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

/// Words in lines that fit a terminal.
fn wrapped(words: &[&str]) -> String {
    let mut text = String::from(" ");
    let mut column = 1;
    for word in words {
        if column + word.len() + 1 > 100 {
            text.push_str("\n ");
            column = 1;
        }
        text.push(' ');
        text.push_str(word);
        column += word.len() + 1;
    }
    text
}
