//! The profile for devices that the kernel drives, on two veth pairs, against
//! the kernel's MPTCP at their other ends.
#![cfg(feature = "dpdk")]

mod support;

use std::fs::File;
use std::path::PathBuf;
use std::process::Command;
use support::{
    Counters, DEADLINE, HttpServer, LinkBytes, Namespace, Process, RandomFile, download, is_root,
    kernel_mptcp_connect, mptcp_info, profile, program, run, sha256_of, wait_for, wait_until,
};

const FILE_BYTES: u64 = 32 << 20;

/// The profile's devices in the endpoint's namespace, the other ends in the
/// kernel's.
struct Site {
    endpoint: Namespace,
    kernel: Namespace,
    folder: tempfile::TempDir,
}

const LINKS: [&str; 2] = ["eth1", "eth2"];

impl Site {
    fn new(label: &str) -> Self {
        let endpoint = Namespace::new(&format!("{label}-endpoint"));
        let kernel = Namespace::new(&format!("{label}-kernel"));
        for (number, device) in (1..).zip(LINKS) {
            endpoint.sysctl("net.ipv6.conf.default.disable_ipv6", "1");
            let peer = ["peer", "name", device, "netns", kernel.name()];
            endpoint.ip(&[&["link", "add", device, "type", "veth"][..], &peer].concat());
            endpoint.ip(&["link", "set", device, "up"]);
            kernel.add_address(device, &format!("10.1.{number}.1/24"));
            // As the profile says: whole checksums from the peer, and nothing merged.
            run(kernel.command("ethtool").args(["-K", device, "tx", "off"]));
            run(endpoint.command("ethtool").args(["-K", device, "gro", "off", "lro", "off"]));
        }
        kernel.sysctl("net.mptcp.enabled", "1");
        kernel.set_mptcp_limits(8, 8);
        let site = Self { endpoint, kernel, folder: tempfile::tempdir().unwrap() };
        std::fs::write(site.path("config.toml"), profile("af-packet.toml", site.endpoint.name())).unwrap();
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn mpdk(&self, verb: &str) -> Command {
        let mut command = self.endpoint.command(&program("mpdk").display().to_string());
        command
            .args(["--log", "info,mpdk::cli=debug,dpdk=off", verb, "--config"])
            .arg(self.path("config.toml"));
        command
    }
}

#[test]
fn the_kernel_downloads_over_both_devices() {
    if !is_root("the_kernel_downloads_over_both_devices") {
        return;
    }
    let site = Site::new("af-serve");
    let file = RandomFile::write(&site.path("file"), FILE_BYTES, 1);
    let mut serve = site.mpdk("serve");
    serve.args(["--listen", "0.0.0.0:8080", "--root"]).arg(site.folder.path());
    let mut server = Process::start(&mut serve);
    server.wait_for_text("serving", DEADLINE);
    let address = "10.1.1.2:8080".parse().unwrap();
    let mut stream = wait_for("the endpoint's server", DEADLINE, || {
        kernel_mptcp_connect(&site.kernel, None, address).ok()
    });
    wait_until("the second subflow", DEADLINE, || mptcp_info(&stream).unwrap().subflows == 1);
    download(&mut stream, &file);
    for link in LINKS {
        let carried = LinkBytes::of(&site.kernel, link).received;
        assert!(carried > FILE_BYTES / 20, "{link} carried {carried} bytes");
    }
    assert_eq!(Counters::of(&site.kernel).get("MPTcpExtMPJoinSynAckRx"), 1);
    assert!(server.terminate(DEADLINE).success(), "{}", server.errors());
}

#[test]
fn mpdk_downloads_from_the_kernel_over_both_devices() {
    if !is_root("mpdk_downloads_from_the_kernel_over_both_devices") {
        return;
    }
    let site = Site::new("af-get");
    site.kernel.add_mptcp_endpoint("10.1.2.1", LINKS[1], &["signal"]);
    let file = RandomFile::write(&site.path("file"), FILE_BYTES, 2);
    let _server = HttpServer::start(&site.kernel, "0.0.0.0:8080", site.folder.path());
    let mut get = site.mpdk("get");
    get.arg("http://10.1.1.1:8080/file").arg("--json").arg("--output").arg(site.path("got"));
    let report = Process::start(&mut get).success(DEADLINE);
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(sha256_of(File::open(site.path("got")).unwrap()).unwrap(), file);
    assert_eq!(report["mptcp"], true, "{report}");
    // Full mesh, by the gateways: each link carries two subflows.
    for name in ["left", "right"] {
        let links = report["links"].as_array().unwrap().iter().filter(|link| link["name"] == name);
        let carried: u64 = links.map(|link| link["bytes"].as_u64().unwrap()).sum();
        assert!(carried > FILE_BYTES / 20, "{name}: {report}");
    }
}
