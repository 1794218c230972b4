use super::*;
use crate::emulator::{Chance, Profile};
use std::collections::BTreeSet;

/// A machine on which everything is there.
struct AnyMachine;

impl Machine for AnyMachine {
    fn is_directory(&self, path: &Path) -> bool {
        path != Path::new("/none")
    }
    fn exists(&self, _: &Path) -> bool {
        true
    }
    fn has_network_device(&self, _: &str) -> bool {
        true
    }
    fn has_pci_device(&self, _: &str) -> bool {
        true
    }
    fn has_core(&self, core: u16) -> bool {
        core < 4
    }
    fn free_hugepages_mb(&self) -> u64 {
        0
    }
    fn has_hugetlbfs(&self) -> bool {
        false
    }
}

const ONE_LINK: &str = "[wire]\ncontrol = \"/run/wire.sock\"\n[[link]]\nname = \"left\"\n\
    a = { device = \"net_vhost0,iface=/run/a.sock\" }\nb = { device = \"net_tap0,iface=b\" }\n";

fn parse(text: &str) -> Result<WireConfig, Problems> {
    WireConfig::parse(text, Path::new("wire.toml"), &AnyMachine)
}

fn valid(text: &str) -> WireConfig {
    parse(text).unwrap_or_else(|problems| panic!("{problems}"))
}

/// The file has exactly one mistake: this one.
#[track_caller]
fn one_problem(text: &str, line: usize, key: &str, message: &str) {
    let found = parse(text).map(drop).expect_err("the file has a mistake").problems;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].line, found[0].key.as_str()), (line, key), "{}", found[0].message);
    assert!(found[0].message.contains(message), "\"{}\" lacks \"{message}\"", found[0].message);
}

/// A mistake in line 7, behind the smallest link.
#[track_caller]
fn link_problem(line: &str, key: &str, message: &str) {
    one_problem(&format!("{ONE_LINK}{line}\n"), 7, key, message);
}

#[test]
fn the_smallest_file_takes_defaults() {
    let config = valid(ONE_LINK);
    assert_eq!(config.control, Path::new("/run/wire.sock"));
    assert_eq!((config.spin, config.packet_buffers, config.seed), (Duration::from_millis(1), 32_768, None));
    let link = &config.links[0];
    assert_eq!((link.name.as_str(), link.mtu, link.super_frames), ("left", 1500, false));
    assert_eq!(link.ports[1].device.name, "net_tap0");
    assert_eq!(link.directions, [DirectionSettings::default(); 2]);
    let profile = Profile { queue_packets: 1_000, ..Profile::default() };
    assert_eq!(link.link(), relay::Link { directions: [profile; 2], down: [false; 2] });
    assert!(config.pinned_cores().is_empty());
    let relay = config.relay(5);
    assert_eq!((relay.seed, relay.core), (5, None));
    assert_eq!(
        relay.settings.room,
        BufferRoom { buffers: (32_768 - 2 * (1_024 + 320)) / 2, buffer_bytes: 1_920 }
    );
}

#[test]
fn every_key_is_read() {
    let text = r#"
        [wire]
        control = "wire.sock"
        spin_us = 0
        packet_buffers = 65_536
        seed = 9
        [eal]
        cores = [2]
        [[link]]
        name = "fast"
        a = { device = "net_vhost0,iface=/run/a.sock,tso=1", rx_descriptors = 256, tx_descriptors = 128 }
        b = { device = "net_virtio_user0,path=/run/b.sock" }
        mtu = 9000
        super_frames = true
        [link.a_to_b]
        rate_mbit = 100
        queue_packets = 50
        queue_bytes = 100_000
        delay_us = 10_000.5
        jitter_us = 500
        loss = 0.01
        loss_burst_frames = 3
        duplicate = 0.25
        reorder = 1
        reorder_delay_us = 1_000
        [link.b_to_a]
        up = false
    "#;
    let config = valid(text);
    let relay = config.relay(5);
    assert_eq!((relay.seed, relay.core, relay.settings.spin), (9, Some(2), Duration::ZERO));
    let link = &config.links[0];
    assert_eq!((link.ports[0].rx_descriptors, link.ports[0].tx_descriptors), (256, 128));
    assert_eq!((link.mtu, link.super_frames), (9000, true));
    let expected = Profile {
        rate_bits_per_second: 100_000_000,
        queue_packets: 50,
        queue_bytes: 100_000,
        delay: Duration::from_nanos(10_000_500),
        jitter: Duration::from_micros(500),
        loss: Chance::new(0.01),
        loss_burst_frames: 3,
        duplicate: Chance::new(0.25),
        reorder: Chance::new(1.0),
        reorder_delay: Duration::from_millis(1),
    };
    assert_eq!(link.directions[0], DirectionSettings { profile: expected, up: true });
    assert_eq!(link.link().down, [false, true]);
    // What is read comes back by its name.
    let mut again = DirectionSettings::default();
    for (key, value) in link.directions[0].values() {
        again.set(key, value).unwrap();
    }
    assert_eq!(again, link.directions[0]);
}

#[test]
fn the_documented_keys_are_known() {
    let rows = include_str!("../wire.rs").lines().filter_map(|line| line.strip_prefix("//! | `"));
    let named: BTreeSet<_> = rows.flat_map(|row| row.split('|').next().unwrap().split(", ")).collect();
    let mut seen = 0;
    for key in named.iter().map(|key| key.trim().trim_matches('`')).filter(|key| !key.contains('*')) {
        let (table, key) = key.rsplit_once('.').unwrap();
        let text = match table {
            "wire" => format!("[wire]\n{key} = {{}}"),
            "link" => format!("[[link]]\n{key} = 1"),
            _ => format!("[[link]]\na = {{ {key} = {{}} }}"),
        };
        let problems = parse(&text).unwrap_err().problems;
        assert!(!problems.iter().any(|problem| problem.message.starts_with("unknown key")), "{table}.{key}");
        seen += 1;
    }
    assert!(seen >= 13, "{named:?}");
}

#[test]
fn unknown_keys_are_mistakes() {
    link_problem("mut = 3", "link.mut", "unknown key: did you mean \"mtu\"?");
    link_problem("a_to_b = { delay = 1 }", "link.a_to_b.delay", "unknown key");
    link_problem("b_to_a = { dleay_us = 1 }", "link.b_to_a.dleay_us", "did you mean \"delay_us\"?");
    link_problem("[port]", "port", "unknown key");
    let text = ONE_LINK.replace("net_tap0,iface=b\" }", "net_tap0,iface=b\", rx = 3 }");
    one_problem(&text, 6, "link.b.rx", "unknown key");
    one_problem(&ONE_LINK.replace("[wire]", "[wire]\nspin = 3"), 2, "wire.spin", "unknown key");
}

#[test]
fn values_that_cannot_be() {
    for (value, key, message) in [
        ("delay_us = -1", "delay_us", "-1 is out of range: from 0 to 60000000"),
        ("delay_us = \"long\"", "delay_us", "expected a number, found a string"),
        ("rate_mbit = 1e-9", "rate_mbit", "out of range: 0 or from 0.001 to 400000"),
        ("rate_mbit = nan", "rate_mbit", "NaN is out of range"),
        ("loss = 1.5", "loss", "1.5 is out of range: from 0 to 1"),
        ("queue_packets = 1.5", "queue_packets", "1.5 is no whole number"),
        ("queue_bytes = 1e30", "queue_bytes", "out of range"),
        ("reorder = 0.1", "reorder", "needs reorder_delay_us"),
        ("up = 1", "up", "expected true or false, found an integer"),
    ] {
        link_problem(&format!("a_to_b = {{ {value} }}"), &format!("link.a_to_b.{key}"), message);
    }
    link_problem("a_to_b = 3", "link.a_to_b", "expected a table, found an integer");
    link_problem("mtu = 9000", "link.mtu", "9000 is more than net_tap can carry: at most 1500");
    one_problem(&ONE_LINK.replace("[wire]", "[wire]\nseed = -1"), 2, "wire.seed", "-1 is out of range");
}

#[test]
fn keys_that_are_missing() {
    one_problem(&ONE_LINK.replace("control = \"/run/wire.sock\"\n", ""), 1, "wire.control", "is missing");
    one_problem(&ONE_LINK.replace("name = \"left\"\n", ""), 3, "link.name", "is missing");
    one_problem(&ONE_LINK.replace("b = { device = \"net_tap0,iface=b\" }\n", ""), 3, "link.b", "is missing");
    one_problem("[wire]\ncontrol = \"x\"\n", 1, "link", "there is no [[link]]");
    one_problem("link = []\n[wire]\ncontrol = \"x\"\n", 1, "link", "0 links: from 1 to 16");
    one_problem("link = 3\n[wire]\ncontrol = \"x\"\n", 1, "link", "expected a list of tables");
    let found: Vec<_> = parse("").unwrap_err().problems.into_iter().map(|problem| problem.key).collect();
    assert_eq!(found, ["wire.control", "link"]);
}

#[test]
fn devices_that_cannot_be_joined() {
    one_problem(&ONE_LINK.replace("net_tap0", "net_tpa0"), 6, "link.b.device", "unknown driver");
    let text = ONE_LINK.replace("net_tap0,iface=b", "net_vhost0,iface=/run/b.sock");
    one_problem(&text, 6, "link.b.device", "the device net_vhost0 is already used in line 5");
    let text = ONE_LINK.replace("net_tap0,iface=b", "net_vhost1,iface=/run/a.sock");
    one_problem(&text, 6, "link.b.device", "the socket /run/a.sock is already used in line 5");
    let text = ONE_LINK.replace("/run/a.sock", "/run/wire.sock");
    one_problem(&text, 5, "link.a.device", "the socket /run/wire.sock is already used in line 2");
    let again = "[[link]]\nname = \"left\"\na = { device = \"net_tap1\" }\nb = { device = \"net_tap2\" }\n";
    one_problem(&format!("{ONE_LINK}{again}"), 8, "link.name", "the name left is already used in line 4");
    let text = ONE_LINK.replace("a.sock", "a.sock,tso=1");
    one_problem(
        &format!("{text}super_frames = true\n"),
        7,
        "link.super_frames",
        "net_tap0 passes no super-frames",
    );
}

#[test]
fn super_frames_need_both_ends() {
    let virtio = ONE_LINK.replace("net_tap0,iface=b", "net_virtio_user0,path=/run/b.sock");
    one_problem(
        &format!("{virtio}super_frames = true\n"),
        7,
        "link.super_frames",
        "net_vhost0 needs the argument tso=1",
    );
    valid(&format!("{}super_frames = true\n", virtio.replace("a.sock", "a.sock,tso=1")));
}

#[test]
fn control_sockets_that_cannot_be() {
    let with = |path: &str| ONE_LINK.replace("/run/wire.sock", path);
    one_problem(&with("/none/wire.sock"), 2, "wire.control", "the socket's directory /none does not exist");
    one_problem(&with(""), 2, "wire.control", "names no file");
    one_problem(&with(&"x".repeat(108)), 2, "wire.control", "at most 107 bytes");
    one_problem(&ONE_LINK.replace("\"/run/wire.sock\"", "3"), 2, "wire.control", "expected a string");
}

#[test]
fn memory_that_does_not_suffice() {
    let with = |lines: &str| ONE_LINK.replace("[wire]", &format!("[wire]\n{lines}"));
    one_problem(
        &with("packet_buffers = 2_000"),
        2,
        "wire.packet_buffers",
        "2000 are too few for these links: at least 2816",
    );
    valid(&with("packet_buffers = 2_816"));
    one_problem(
        &with("packet_buffers = 400_000"),
        1,
        "eal.memory_mb",
        "512 MiB are too little: packet buffers take 1595 MiB",
    );
}
