//! What stays behind when a process ends, well or badly: nothing that the next
//! start cannot cope with.
#![cfg(feature = "dpdk")]
#![allow(unsafe_code)]

mod dpdk_support;

use dpdk_support::namespace::device_exists;
use dpdk_support::process::{self, Other};
use dpdk_support::{eal, has_network_privileges, open, pools, wait_for};
use mpdk::device::Device;
use mpdk::dpdk::PortConfig;
use std::path::Path;

const TEST: &str = "nothing_stays_behind";

/// Opens a TAP and a socket, and ends as told.
fn play(part: &str) {
    let [end, tap, socket] = part.split(':').collect::<Vec<_>>()[..] else { panic!("part {part}") };
    let eal = eal();
    let pools = pools(&eal, "ports");
    let (port, device) = open(&eal, &format!("net_tap0,iface={tap}"), &PortConfig::default(), &pools);
    let (wire, mut other) = open(&eal, &format!("net_vhost0,iface={socket}"), &PortConfig::default(), &pools);
    assert!(!other.link_up());
    process::say("ready");
    process::wait_for_parent();
    assert_ne!(end, "panic", "as told");
    if end == "exit" {
        // Nothing is dropped.
        std::process::exit(0);
    }
    drop((device, other));
    port.close().unwrap();
    wire.close().unwrap();
}

#[test]
fn nothing_stays_behind() {
    if let Some(part) = process::part() {
        return play(&part);
    }
    if !has_network_privileges() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("wire.sock");
    let tap = format!("mps{}", std::process::id());
    // The same names each time: what one leaves behind, the next runs into.
    for end in ["SIGTERM", "SIGKILL", "panic", "exit", "close"] {
        let mut other = Other::start(TEST, &format!("{end}:{tap}:{}", socket.display()));
        other.expect("ready");
        assert!(device_exists(&tap) && socket.exists());
        match end {
            "SIGTERM" => other.signal(libc::SIGTERM),
            "SIGKILL" => other.signal(libc::SIGKILL),
            _ => other.release(),
        }
        let status = other.child.wait().unwrap();
        assert_eq!(status.success(), matches!(end, "exit" | "close"), "{end}: {status}");
        wait_for("the network device to go", || (!device_exists(&tap)).then_some(()));
    }
    assert!(!Path::new(&socket).exists(), "closing removes the socket");
}
