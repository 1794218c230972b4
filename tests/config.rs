//! The configuration as a person meets it: `mpdk check` and the profiles.
#![cfg(feature = "dpdk")]

use mpdk::control::{Config, Machine, WireConfig};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A machine that has everything.
struct AnyMachine;

impl Machine for AnyMachine {
    fn is_directory(&self, _: &Path) -> bool {
        true
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
    fn has_core(&self, _: u16) -> bool {
        true
    }
    fn free_hugepages_mb(&self) -> u64 {
        u64::MAX
    }
    fn has_hugetlbfs(&self) -> bool {
        true
    }
}

const PORT: &str = "[[port]]\nname = \"left\"\ndevice = \"net_tap0,iface=left\"\naddresses = [\"10.1.1.2/24\"]\ngateway = \"10.1.1.1\"\n";

/// `mpdk check` on a file of this text.
fn check(text: &str, arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mpdk.toml");
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_mpdk"));
    command.arg("check").arg("--config").arg(&file).args(arguments);
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn a_valid_file_is_explained() {
    let output = check(PORT, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let explained = text(&output.stdout);
    for expected in [
        "is valid",
        "net_tap0,iface=left",
        "0.0.0.0/0",
        "via 10.1.1.1",
        "packet buffers",
        "Defaults taken for",
    ] {
        assert!(explained.contains(expected), "{expected} is not in\n{explained}");
    }
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn a_valid_file_is_explained_to_programs() {
    let output = check(PORT, &["--json"]);
    assert_eq!(output.status.code(), Some(0));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["valid"], true);
    assert_eq!(json["ports"][0]["name"], "left");
    assert!(json["memory"]["needed_bytes"].as_u64().unwrap() > 0);
    assert_eq!(json["problems"], serde_json::Value::Null);
}

#[test]
fn all_problems_are_told_with_file_and_line() {
    let output = check(&format!("{PORT}mtu = 1\n[tpc]\n"), &[]);
    assert_eq!(output.status.code(), Some(6));
    assert_eq!(text(&output.stdout), "");
    let told = text(&output.stderr);
    assert!(told.contains("mpdk.toml:6: port.mtu: 1 is out of range: from 576 to 9978\n"), "{told}");
    assert!(told.contains("mpdk.toml:7: tpc: unknown key: did you mean \"tcp\"?\n2 problems\n"), "{told}");
}

#[test]
fn all_problems_are_told_to_programs() {
    let output = check(&format!("{PORT}mtu = 1\n[tpc]\n"), &["--json"]);
    assert_eq!(output.status.code(), Some(6));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["valid"], false);
    assert_eq!(json["problems"].as_array().unwrap().len(), 2);
    assert_eq!(json["problems"][0]["line"], 6);
    assert_eq!(json["problems"][0]["key"], "port.mtu");
}

#[test]
fn a_missing_file_is_named() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_mpdk")).args(["check", "--config", "none.toml"]).output().unwrap();
    assert_eq!(output.status.code(), Some(6));
    assert!(text(&output.stderr).starts_with("none.toml: No such file"), "{}", text(&output.stderr));
}

#[test]
fn every_profile_is_valid() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("dpdk-config/profiles");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    for file in entries.filter(|path| path.extension().is_some_and(|extension| extension == "toml")) {
        let text = std::fs::read_to_string(&file).unwrap();
        let result = if text.lines().any(|line| line == "[wire]") {
            WireConfig::parse(&text, &file, &AnyMachine).map(drop)
        } else {
            Config::parse(&text, &file, &AnyMachine).map(drop)
        };
        if let Err(problems) = result {
            panic!("{problems}");
        }
    }
}
