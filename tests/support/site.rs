//! A host with the kernel's MPTCP whose two links end in an endpoint of ours.

use super::core_counts::CoreCounts;
use super::counters::Counters;
use super::kernel_mptcp::{kernel_mptcp_connect, mptcp_info};
use super::namespace::Namespace;
use super::process::{Process, program};
use super::wait::{DEADLINE, wait_until};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The kernel's ends of two TAP devices, whose other ends an endpoint takes:
/// 10.79.1.0/24 and 10.79.2.0/24, fd79:1::/64 and fd79:2::/64; .1 is the kernel,
/// .2 the endpoint.
#[derive(Debug)]
pub struct Site {
    /// Where the kernel's MPTCP is.
    pub kernel: Namespace,
    /// For files; its configuration lies there too.
    pub folder: tempfile::TempDir,
}

impl Site {
    /// The devices.
    pub const LINKS: [&str; 2] = ["tap1", "tap2"];

    /// A site whose kernel joins and accepts.
    #[track_caller]
    pub fn new(label: &str) -> Self {
        Self::with_mptcp(label, "")
    }

    /// The same, with these lines in the endpoint's `[mptcp]`.
    #[track_caller]
    pub fn with_mptcp(label: &str, lines: &str) -> Self {
        Self::configured(label, &[("mptcp", lines)])
    }

    /// The same, with these lines in tables of the endpoint's configuration.
    #[track_caller]
    pub fn configured(label: &str, tables: &[(&str, &str)]) -> Self {
        let site = Self { kernel: Namespace::new(label), folder: tempfile::tempdir().expect("a folder") };
        site.kernel.sysctl("net.mptcp.enabled", "1");
        site.kernel.set_mptcp_limits(8, 8);
        for (number, device) in (1..).zip(Self::LINKS) {
            // The device stays when the endpoint goes, and has its address when it comes.
            site.kernel.ip(&["tuntap", "add", "mode", "tap", "multi_queue", "name", device]);
            site.kernel.add_address(device, &format!("10.79.{number}.1/24"));
            site.kernel.add_address(device, &format!("fd79:{number}::1/64"));
        }
        std::fs::write(site.path("config.toml"), site.config(tables)).expect("a configuration");
        site
    }

    fn config(&self, tables: &[(&str, &str)]) -> String {
        let port = |number: usize| {
            format!(
                "[[port]]\nname = \"link{number}\"\ndevice = \"net_tap{},iface={}\"\n\
                 addresses = [\"10.79.{number}.2/24\", \"fd79:{number}::2/64\"]\n\n",
                number - 1,
                Self::LINKS[number - 1]
            )
        };
        let prefix = format!("file_prefix = \"{}\"\n", self.prefix());
        let lines_of = |name| tables.iter().find(|(table, _)| *table == name).map_or("", |(_, lines)| lines);
        let eal = format!("[eal]\n{prefix}{}\n\n", lines_of("eal"));
        let others = tables.iter().filter(|(table, _)| *table != "eal");
        let others = others.map(|(table, lines)| format!("[{table}]\n{lines}\n\n"));
        eal + &others.collect::<String>() + &port(1) + &port(2)
    }

    /// The endpoint's file prefix.
    pub fn prefix(&self) -> &str {
        self.kernel.name()
    }

    /// A file of the site.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `mpdk VERB --config ...` on the host, whose devices it takes.
    pub fn mpdk(&self, verb: &str) -> Command {
        let mut command = self.kernel.command(&program("mpdk").display().to_string());
        command
            .args(["--log", "info,mpdk::cli=debug,dpdk=off", verb, "--config"])
            .arg(self.path("config.toml"));
        command
    }

    /// `mpdk serve` of a folder, at all addresses and port 5555.
    #[track_caller]
    pub fn serve(&self, root: &Path) -> Process {
        self.serve_with(root, &["--listen", "0.0.0.0:5555"])
    }

    /// The same, with other arguments.
    #[track_caller]
    pub fn serve_with(&self, root: &Path, arguments: &[&str]) -> Process {
        let mut command = self.mpdk("serve");
        command.args(arguments).arg("--root").arg(root);
        let mut server = Process::start(&mut command);
        server.wait_for_text("serving", DEADLINE);
        server
    }

    /// What each of the running endpoint's cores has counted.
    #[track_caller]
    pub fn counts(&self) -> CoreCounts {
        CoreCounts::of(&self.path("config.toml"))
    }

    /// A connection from the kernel to the endpoint's server. The link may
    /// still be coming up.
    #[track_caller]
    pub fn connect(&self) -> TcpStream {
        self.connect_to("10.79.1.2:5555")
    }

    /// The same, to another of its addresses.
    #[track_caller]
    pub fn connect_to(&self, server: &str) -> TcpStream {
        let server: SocketAddr = server.parse().expect("an address");
        let mut connected = None;
        wait_until("the endpoint's server", DEADLINE, || {
            connected = kernel_mptcp_connect(&self.kernel, None, server).ok();
            connected.is_some()
        });
        connected.expect("a connection")
    }

    /// Waits until a connection of the kernel has its second subflow.
    #[track_caller]
    pub fn wait_for_join(&self, stream: &TcpStream) {
        let joined = || mptcp_info(stream).expect("an MPTCP socket").subflows == 1;
        wait_until("the second subflow", DEADLINE, joined);
    }

    /// No counter of the kernel says that something went wrong.
    #[track_caller]
    pub fn assert_clean(&self) {
        let counters = Counters::of(&self.kernel);
        for bad in [
            "MPTcpExtMPCapableFallbackACK",
            "MPTcpExtMPCapableFallbackSYNACK",
            "MPTcpExtMPJoinSynAckHMacFailure",
            "MPTcpExtMPJoinAckHMacFailure",
            "MPTcpExtDSSNotMatching",
            "MPTcpExtDataCsumErr",
            "MPTcpExtMPFailRx",
            "MPTcpExtMPFailTx",
            "MPTcpExtInfiniteMapRx",
            "TcpExtTCPAbortOnTimeout",
        ] {
            assert_eq!(counters.get(bad), 0, "{bad}");
        }
    }
}
