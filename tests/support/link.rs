//! Links between namespaces.

use super::namespace::Namespace;
use super::process::run;
use super::wait::{DEADLINE, wait_until};
use std::process::Command;

/// What a network device has carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkBytes {
    /// Bytes that came in.
    pub received: u64,
    /// Bytes that went out.
    pub sent: u64,
}

impl LinkBytes {
    /// Of a device of `namespace`.
    #[track_caller]
    pub fn of(namespace: &Namespace, device: &str) -> Self {
        let text = namespace.ip(&["-s", "-j", "link", "show", "dev", device]);
        let json: serde_json::Value = serde_json::from_str(&text).expect("JSON of ip");
        let bytes = |direction| json[0]["stats64"][direction]["bytes"].as_u64().expect("a count of bytes");
        Self { received: bytes("rx"), sent: bytes("tx") }
    }
}

/// A link: `device` of both namespaces (`["left", "right"]`), each with its
/// address, both up.
#[track_caller]
pub fn veth_pair(ends: [&Namespace; 2], devices: [&str; 2], addresses: [&str; 2]) {
    let peer = ["peer", "name", devices[1], "netns", ends[1].name()];
    ends[0].ip(&[&["link", "add", devices[0], "type", "veth"][..], &peer].concat());
    for index in 0..2 {
        ends[index].add_address(devices[index], addresses[index]);
    }
}

/// Moves a TAP device that appears in this namespace into another one, gives
/// it its address there and brings it up. Where a DPDK port makes the device,
/// only when the port runs: while it is being started it has to find it here.
#[track_caller]
pub fn adopt_tap(namespace: &Namespace, device: &str, address: &str) {
    let table = || std::fs::read_to_string("/proc/thread-self/net/dev").unwrap_or_default();
    let is_there = || table().lines().any(|line| line.trim_start().starts_with(&format!("{device}:")));
    wait_until(&format!("network device {device}"), DEADLINE, is_there);
    run(Command::new("ip").args(["link", "set", device, "netns", namespace.name()]));
    namespace.add_address(device, address);
}
