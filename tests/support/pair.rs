//! Two hosts with the kernel's MPTCP and two links between them: what is
//! right there is right.

use super::kernel_mptcp::kernel_mptcp_listener;
use super::link::veth_pair;
use super::namespace::Namespace;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

/// Client and server, joined by the links `link1` and `link2`, 10.77.1.0/24
/// and 10.77.2.0/24: .1 is the client, .2 the server. The server announces its
/// second address, the client takes it.
#[derive(Debug)]
pub struct KernelPair {
    /// Opens connections.
    pub client: Namespace,
    /// Accepts them.
    pub server: Namespace,
}

impl KernelPair {
    /// Names of the devices, at both ends.
    pub const LINKS: [&str; 2] = ["link1", "link2"];

    /// Builds it.
    #[track_caller]
    pub fn new(label: &str) -> Self {
        let pair = Self {
            client: Namespace::new(&format!("{label}-client")),
            server: Namespace::new(&format!("{label}-server")),
        };
        for (index, device) in Self::LINKS.iter().enumerate() {
            let addresses = [1, 2].map(|host| format!("10.77.{}.{host}/24", index + 1));
            veth_pair(
                [&pair.client, &pair.server],
                [device, device],
                addresses.each_ref().map(String::as_str),
            );
        }
        for host in [&pair.client, &pair.server] {
            host.sysctl("net.mptcp.enabled", "1");
            host.set_mptcp_limits(8, 8);
        }
        pair.server.add_mptcp_endpoint("10.77.2.2", "link2", &["signal"]);
        pair
    }

    /// Listens on both links.
    #[track_caller]
    pub fn listen(&self, port: u16) -> TcpListener {
        let everywhere = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port);
        kernel_mptcp_listener(&self.server, everywhere).expect("a free port")
    }

    /// The server's address on the first (0) or second (1) link.
    pub fn server_address(&self, link: u8, port: u16) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 77, link + 1, 2)), port)
    }

    /// Limits what both ends send into a link.
    #[track_caller]
    pub fn set_rate(&self, device: &str, rate: &str) {
        for host in [&self.client, &self.server] {
            let shape = ["root", "tbf", "rate", rate, "burst", "64kb", "latency", "20ms"];
            super::run(host.command("tc").args(["qdisc", "replace", "dev", device]).args(shape));
        }
    }
}
