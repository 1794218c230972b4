mod ports;

use super::*;
use crate::base::{AddressId, CoreIndex, Duration, PortIndex, PortSet};
use crate::congestion::Algorithm;
use crate::control::statistics_folder;
use crate::device::{MemoryConfig, memory_pair};
use crate::mptcp::SchedulerKind;
use std::collections::BTreeSet;

/// A machine with one core, one network device, one card, one socket folder.
struct SmallMachine {
    hugepages_mb: u64,
    hugetlbfs: bool,
}

impl Machine for SmallMachine {
    fn is_directory(&self, path: &Path) -> bool {
        path == Path::new("/run/wire")
    }
    fn exists(&self, path: &Path) -> bool {
        path == Path::new("/dev/vhost-net")
    }
    fn has_network_device(&self, name: &str) -> bool {
        name == "eth0"
    }
    fn has_pci_device(&self, address: &str) -> bool {
        address == "0000:3b:00.0"
    }
    fn has_core(&self, core: u16) -> bool {
        core < 2
    }
    fn free_hugepages_mb(&self) -> u64 {
        self.hugepages_mb
    }
    fn has_hugetlbfs(&self) -> bool {
        self.hugetlbfs
    }
}

const MACHINE: SmallMachine = SmallMachine { hugepages_mb: 0, hugetlbfs: false };

/// The smallest file there is: lines 1 to 4.
const ONE_PORT: &str =
    "[[port]]\nname = \"left\"\ndevice = \"net_tap0,iface=left\"\naddresses = [\"10.1.1.2/24\"]\n";

fn parse(text: &str) -> Result<Config, Problems> {
    Config::parse(text, Path::new("mpdk.toml"), &MACHINE)
}

fn valid(text: &str) -> Config {
    parse(text).unwrap_or_else(|problems| panic!("{problems}"))
}

fn problems(text: &str) -> Vec<(usize, String, String)> {
    let problems = parse(text).expect_err("the file has a mistake").problems;
    problems.into_iter().map(|problem| (problem.line, problem.key, problem.message)).collect()
}

/// The file has exactly one mistake: this one.
#[track_caller]
fn one_problem(text: &str, line: usize, key: &str, message: &str) {
    let found = problems(text);
    assert_eq!(found.len(), 1, "{found:?}");
    let (found_line, found_key, found_message) = &found[0];
    assert_eq!((*found_line, found_key.as_str()), (line, key), "{found_message}");
    assert!(found_message.contains(message), "\"{found_message}\" lacks \"{message}\"");
}

/// A mistake in line 5, behind the smallest port.
#[track_caller]
fn port_problem(line: &str, message: &str) {
    let key = line.split(' ').next().unwrap();
    one_problem(&format!("{ONE_PORT}{line}\n"), 5, &format!("port.{key}"), message);
}

/// A mistake in the first key of a table in line 6.
#[track_caller]
fn table_problem(table: &str, line: &str, message: &str) {
    let key = line.split(' ').next().unwrap();
    one_problem(&format!("{ONE_PORT}[{table}]\n{line}\n"), 6, &format!("{table}.{key}"), message);
}

#[test]
fn the_smallest_file_takes_defaults() {
    let config = valid(ONE_PORT);
    assert_eq!(config.eal.memory, Memory::NoHuge);
    assert_eq!(config.eal.cores, [0]);
    assert_eq!(config.tcp.rto_min, Duration::from_millis(10));
    assert_eq!(config.tcp.keepalive, None);
    assert_eq!(config.mptcp.scheduler, SchedulerKind::MinRtt);
    assert_eq!((config.ports[0].mtu, config.ports[0].vlan, config.ports[0].backup), (1500, None, false));
    assert!(config.defaults.contains(&DefaultUsed { key: "port.mtu".into(), value: "1500".into() }));
    assert!(!config.defaults.iter().any(|used| used.key == "port.name"));
}

#[test]
fn every_key_is_read() {
    let config = valid(
        r#"
        [eal]
        memory = "no-huge"
        memory_mb = 1_024
        cores = [1, 0]
        file_prefix = "left-1"
        log_level = "debug"
        arguments = ["--match-allocations"]
        [[port]]
        name = "a"
        device = "net_virtio_user0,path=/run/wire/a.sock,server=1"
        addresses = ["10.1.1.2/24", "fd00:1::2/64"]
        gateway = "10.1.1.1"
        gateway6 = "fe80::1"
        mtu = 9000
        vlan = 7
        backup = true
        mac = "02:00:00:00:00:0A"
        rx_descriptors = 256
        tx_descriptors = 1024
        promiscuous = true
        tso = true
        lro = true
        [tcp]
        congestion = "new-reno"
        rto_min_us = 200_000
        window_scale = 14
        sack = false
        timestamps = false
        delayed_ack_us = 40_000
        keepalive_s = 30
        syn_retries = 3
        retries = 5
        initial_window_segments = 4
        time_wait_ms = 1_000
        [mptcp]
        enabled = false
        scheduler = "round-robin"
        checksum = true
        max_subflows = 2
        max_remote_addresses = 3
        full_mesh = true
        announce = false
        prefer_near_ports = false
        send_buffer_bytes = 1_000_000
        receive_buffer_bytes = 2_000_000
        add_address_timeout_ms = 500
        close_timeout_ms = 0
        [engine]
        spin_us = 0
        never_sleep = true
        max_connections = 100
        backlog = 10
        transmit_arena_mb = 8
        receive_arena_mb = 16
        packet_buffers = 8192
        receive_in_place_buffers = 2048
        "#,
    );
    assert_eq!(config.defaults, []);
    assert_eq!(
        (config.eal.memory_mb, config.eal.cores[0], config.eal.log_level),
        (1024, 1, EalLogLevel::Debug)
    );
    assert_eq!(config.eal.file_prefix, "left-1");
    let port = &config.ports[0];
    assert_eq!((port.mtu, port.vlan, port.rx_descriptors, port.tx_descriptors), (9000, Some(7), 256, 1024));
    assert!(port.backup && port.promiscuous && port.tso && port.lro);
    assert_eq!(port.mac, Some([2, 0, 0, 0, 0, 10]));
    assert_eq!(port.gateway, Some("10.1.1.1".parse().unwrap()));
    assert_eq!(port.gateway6, Some("fe80::1".parse().unwrap()));
    assert_eq!(port.addresses[1].to_string(), "fd00:1::2/64");
    let engine = &config.engine;
    assert_eq!((engine.spin, engine.max_connections, engine.backlog), (Duration::ZERO, 100, 10));
    assert!(engine.never_sleep && !config.mptcp.prefer_near_ports);
    check_cores(&config);
    assert_eq!((engine.transmit_arena_mb, engine.receive_arena_mb, engine.packet_buffers), (8, 16, 8192));
    assert_eq!((engine.receive_in_place_buffers, config.client_limits().in_place_buffers), (2048, 2048));
    check_converted(&config);
}

/// What two cores get of it.
fn check_cores(config: &Config) {
    let started = config.engine();
    assert_eq!(started.cpus, [1, 0]);
    assert!(started.settings.never_sleep);
    assert_eq!(started.settings.held_buffers, 8192 / 2 / 2);
    assert_eq!(started.statistics, Some(statistics_folder("left-1")));
    let (device, _) = memory_pair(&MemoryConfig::default()).unwrap();
    let mut far_ports = PortSet::EMPTY;
    far_ports.insert(PortIndex(0));
    let place = CorePlace { core: CoreIndex(1), spreads: vec![None], far_ports };
    let endpoint = config.endpoint(&[device], &place);
    let steering = endpoint.steering.unwrap();
    assert_eq!((steering.core, steering.cores, steering.spreads.len()), (CoreIndex(1), 2, 1));
    assert_eq!(endpoint.limits.connections, 50);
    // It was asked not to look at them.
    assert_eq!(endpoint.mptcp.far_ports, PortSet::EMPTY);
    let region = config.region();
    assert_eq!(region.transmit_blocks * region.transmit_block_bytes, 4 << 20);
    assert_eq!(region.receive_blocks * region.receive_block_bytes, 8 << 20);
}

fn check_converted(config: &Config) {
    let mptcp = config.mptcp();
    assert!(!mptcp.enabled && mptcp.checksum && mptcp.full_mesh && !mptcp.announce);
    assert_eq!((mptcp.scheduler, mptcp.max_subflows), (SchedulerKind::RoundRobin, 2));
    assert_eq!(mptcp.max_remote_addresses, 3);
    assert_eq!((mptcp.send_buffer_bytes, mptcp.receive_buffer_bytes), (1_000_000, 2_000_000));
    assert_eq!(
        (mptcp.add_address_timeout, mptcp.close_timeout),
        (Duration::from_millis(500), Duration::ZERO)
    );
    let addresses: Vec<_> =
        mptcp.addresses.iter().map(|own| (own.id, own.address.to_string(), own.port, own.backup)).collect();
    let expected = [(AddressId(1), "10.1.1.2"), (AddressId(2), "fd00:1::2")];
    assert_eq!(addresses, expected.map(|(id, address)| (id, address.to_owned(), PortIndex(0), true)));
    let tcp = &mptcp.tcp;
    assert_eq!(
        (tcp.congestion, tcp.window_scale, tcp.sack, tcp.timestamps),
        (Algorithm::NewReno, 14, false, false)
    );
    assert_eq!((tcp.rto_min, tcp.delayed_ack), (Duration::from_millis(200), Duration::from_millis(40)));
    assert_eq!(tcp.keepalive.map(|keepalive| keepalive.idle), Some(Duration::from_secs(30)));
    assert_eq!((tcp.syn_retries, tcp.retries, tcp.initial_window_segments), (3, 5, 4));
    assert_eq!(tcp.time_wait, Duration::from_secs(1));
    assert_eq!(tcp.reassembly_segments, 1953);
}

#[test]
fn the_documented_keys_are_the_keys_there_are() {
    let documented = documented_keys();
    let config = valid(ONE_PORT);
    let defaults: BTreeSet<_> = config.defaults.into_iter().map(|used| (used.key, used.value)).collect();
    let with_default = |(_, default): &&(String, String)| default != "none" && default != "required";
    assert_eq!(documented.iter().filter(with_default).cloned().collect::<BTreeSet<_>>(), defaults);
    for (key, default) in &documented {
        key_refuses(key, "{}", "expected");
        if default.parse::<u64>().is_ok() {
            key_refuses(key, "99_999_999_999", "is out of range");
        }
    }
}

/// A documented key is known, and says what is wrong with this value.
#[track_caller]
fn key_refuses(key: &str, value: &str, message: &str) {
    let (table, name) = key.split_once('.').unwrap();
    let header = if table == "port" { "[[port]]".into() } else { format!("[{table}]") };
    let found = problems(&format!("{header}\n{name} = {value}"));
    let told = found.iter().any(|(line, path, said)| *line == 2 && path == key && said.contains(message));
    assert!(told, "{key} = {value}: {found:?}");
}

/// Keys and defaults of the table in this module's documentation.
fn documented_keys() -> BTreeSet<(String, String)> {
    let rows = include_str!("mod.rs").lines().filter_map(|line| line.strip_prefix("//! | `"));
    let cells = rows.map(|row| row.split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect());
    cells.map(|cells: Vec<String>| (cells[0].clone(), cells[1].clone())).collect()
}

#[test]
fn all_mistakes_are_found_at_once() {
    let text = "[tcp]\nwindow_scale = 15\nsakc = true\n[[port]]\nname = \"a\"\n\
                device = \"net_tap0\"\naddresses = [\"10.1.1.2/24\"]\nmtu = 1501\n[mtpcp]\n";
    let found: Vec<_> = problems(text).into_iter().map(|(line, key, _)| (line, key)).collect();
    let expected = [(2, "tcp.window_scale"), (3, "tcp.sakc"), (8, "port.mtu"), (9, "mtpcp")];
    assert_eq!(found, expected.map(|(line, key)| (line, key.to_owned())));
    let shown = parse(text).unwrap_err().to_string();
    assert!(
        shown.contains("mpdk.toml:3: tcp.sakc: unknown key: did you mean \"sack\"?\nmpdk.toml:8:"),
        "{shown}"
    );
}

#[test]
fn broken_syntax_ends_there_with_all_its_places() {
    let found = problems("[tcp]\nsack = yes\n[tcp]\n");
    assert_eq!(
        found.iter().map(|(line, key, _)| (*line, key.as_str())).collect::<Vec<_>>(),
        [(2, ""), (3, "")]
    );
    assert!(found[1].2.contains("duplicate key"), "{found:?}");
}

#[test]
fn unknown_tables_and_keys() {
    one_problem(&format!("{ONE_PORT}[engin]\n"), 5, "engin", "unknown key: did you mean \"engine\"?");
    table_problem("engine", "spin = 3", "unknown key");
    table_problem("eal", "memory_md = 3", "unknown key: did you mean \"memory_mb\"?");
    port_problem("gatewya = \"10.1.1.1\"", "unknown key: did you mean \"gateway\"?");
}

#[test]
fn values_of_the_wrong_kind() {
    table_problem("tcp", "sack = 1", "expected true or false, found an integer");
    table_problem("tcp", "retries = \"many\"", "expected an integer, found a string");
    table_problem("eal", "file_prefix = true", "expected a string, found a boolean");
    table_problem("eal", "cores = 0", "expected a list of integers");
    one_problem(
        &ONE_PORT.replace("[\"10.1.1.2/24\"]", "7"),
        4,
        "port.addresses",
        "expected a list of strings",
    );
    table_problem("eal", "arguments = [1]", "found an integer in it");
    port_problem("mac = 1.5", "expected a string, found a float");
    one_problem(&format!("tcp = 1\n{ONE_PORT}"), 1, "tcp", "expected a table: write [tcp]");
    one_problem("port = 3\n", 1, "port", "expected a list of tables, found an integer");
    one_problem("port = [3]\n", 1, "port", "expected a table: write [[port]]");
}

#[test]
fn values_out_of_range() {
    table_problem("tcp", "window_scale = 15", "15 is out of range: from 0 to 14");
    table_problem("tcp", "retries = -1", "-1 is out of range: from 1 to 127");
    table_problem("tcp", "time_wait_ms = 99999999999999999999999999", "out of range");
    table_problem("mptcp", "max_subflows = 0x21", "0x21 is out of range: from 1 to 32");
    table_problem("engine", "packet_buffers = 1", "out of range");
    port_problem("vlan = 4095", "4095 is out of range: from 1 to 4094");
}

#[test]
fn names_that_are_none_of_the_choices() {
    table_problem("tcp", "congestion = \"cubix\"", "\"cubix\" is none of new-reno, cubic");
    table_problem("tcp", "congestion = \"cubix\"", "did you mean \"cubic\"?");
    table_problem("mptcp", "scheduler = \"blest\"", "is none of min-rtt, round-robin");
    table_problem("eal", "memory = \"huge\"", "is none of no-huge, in-memory, files");
}

#[test]
fn missing_keys() {
    one_problem("", 1, "port", "there is no [[port]]");
    one_problem("port = []", 1, "port", "0 ports: from 1 to 32");
    let found: Vec<_> = problems("\n[[port]]\n").into_iter().map(|(line, key, _)| (line, key)).collect();
    let expected = ["port.name", "port.device", "port.addresses"];
    assert_eq!(found, expected.map(|key| (2, key.to_owned())));
}

#[test]
fn cores_of_the_machine_and_each_once() {
    table_problem("eal", "cores = [7]", "core 7 is not online");
    table_problem("eal", "cores = []", "names 0 cores: from 1 to 32");
    table_problem("eal", "cores = [1, 0, 1]", "names core 1 twice");
}

#[test]
fn environment_arguments_that_a_key_stands_for() {
    table_problem(
        "eal",
        "arguments = [\"--file-prefix=x\"]",
        "--file-prefix is decided by the key eal.file_prefix",
    );
    table_problem("eal", "arguments = [\"-l\", \"3\"]", "-l is decided by the key eal.cores");
    table_problem("eal", "arguments = [\"--iova-mode=pa\"]", "--iova-mode is decided by the endpoint");
    table_problem("eal", "arguments = [\"\"]", "empty");
    table_problem("eal", "file_prefix = \"../x\"", "letters, digits");
}

#[test]
fn hugepages_that_are_not_there() {
    table_problem("eal", "memory = \"in-memory\"", "needs 512 MiB of hugepages and 0 MiB are free");
    let machine = SmallMachine { hugepages_mb: 512, hugetlbfs: false };
    let text = format!("{ONE_PORT}[eal]\nmemory = \"files\"\n");
    let found = Config::parse(&text, Path::new("x"), &machine).unwrap_err().problems;
    assert_eq!((found.len(), found[0].line, found[0].key.as_str()), (1, 6, "eal.memory"));
    assert!(found[0].message.contains("no hugetlbfs is mounted"));
    let machine = SmallMachine { hugepages_mb: 512, hugetlbfs: true };
    assert_eq!(Config::parse(&text, Path::new("x"), &machine).unwrap().eal.memory, Memory::Files);
}

#[test]
fn too_little_memory_or_too_few_buffers() {
    table_problem(
        "eal",
        "memory_mb = 100",
        "100 MiB are too little: pools and one client's arenas take 203 MiB",
    );
    one_problem(
        &format!("{ONE_PORT}[engine]\ntransmit_arena_mb = 1_000\n"),
        1,
        "eal.memory_mb",
        "512 MiB are too little",
    );
    let text =
        format!("{ONE_PORT}rx_descriptors = 2048\ntx_descriptors = 1024\n[engine]\npacket_buffers = 3_000\n");
    one_problem(
        &text,
        8,
        "engine.packet_buffers",
        "3000 are too few: the ports' receive rings and packets on their way take 3072",
    );
}

#[test]
fn full_rings_leave_buffers_to_build_a_frame_in() {
    let one = valid(&format!("{ONE_PORT}tx_descriptors = 1024\n")).transmit_buffers();
    // Header and two blocks of payload each; as many frames wait for their turn.
    assert!(one > 3 * (1024 + 256), "{one}");
    let super_frames = valid(&format!("{ONE_PORT}tx_descriptors = 1024\ntso = true\n")).transmit_buffers();
    assert!(super_frames > 6 * (1024 + 256), "{super_frames}");
}

#[test]
fn settings_that_contradict_each_other() {
    table_problem("tcp", "delayed_ack_us = 10_000", "must be below tcp.rto_min_us (10000)");
    table_problem("engine", "backlog = 5_000", "5000 is more than engine.max_connections (4096)");
    table_problem(
        "engine",
        "receive_in_place_buffers = 9_000",
        "9000 is more than half of engine.packet_buffers (16384)",
    );
    let text = format!("{ONE_PORT}[mptcp]\nreceive_buffer_bytes = 1_000_000\n[tcp]\nwindow_scale = 3\n");
    one_problem(
        &text,
        6,
        "mptcp.receive_buffer_bytes",
        "more than tcp.window_scale = 3 can announce (524280 bytes)",
    );
}

#[test]
fn an_explanation_tells_what_starts() {
    let port = "gateway = \"10.1.1.1\"\nvlan = 9\nbackup = true\n";
    let explanation = valid(&format!("{ONE_PORT}{port}")).explain();
    let text = explanation.to_string();
    for expected in [
        "mpdk.toml is valid",
        "10.1.1.0/24  left",
        "0.0.0.0/0    left  via 10.1.1.1",
        "vlan 9, backup",
        "16384 packet buffers",
        "receive_in_place_buffers  0",
        "tcp.rto_min_us",
    ] {
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
    let json = serde_json::to_value(&explanation).unwrap();
    assert_eq!(json["ports"][0]["addresses"][0], "10.1.1.2/24");
    assert_eq!(json["routes"][1]["gateway"], "10.1.1.1");
    assert_eq!(json["memory"]["packet_buffers"], 16384);
    assert_eq!(json["memory"]["needed_bytes"], MemoryNeed::of(&valid(ONE_PORT)).total_bytes());
    assert_eq!(json["defaults"].as_array().unwrap().len(), valid(ONE_PORT).defaults.len() - 1);
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("none.toml");
    let error = Config::load(&file).unwrap_err();
    assert!(matches!(error, ConfigError::Unreadable { .. }));
    assert!(error.to_string().contains("none.toml: No such file"));
    std::fs::write(&file, "[[port]]\n").unwrap();
    assert!(
        matches!(Config::load(&file), Err(ConfigError::Invalid(problems)) if problems.problems.len() == 3)
    );
}
