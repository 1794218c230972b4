//! The programs on the sockets of an mpdk endpoint.

use super::transport::{Accepted, Acceptor, Connector, Link, Probe, Progress, Transport};
use mpdk_client::layout::{ConnectionInfo, SubflowInfo};
use mpdk_client::{Context, Listener, Observer, Stream};
use std::io;
use std::net::SocketAddr;

impl Transport for Stream {
    type Probe = Observer;

    fn probe(&self) -> Observer {
        self.observer()
    }
}

impl Probe for Observer {
    async fn progress(&mut self) -> io::Result<Progress> {
        self.info().await.map(|info| progress_of(&info))
    }
}

impl Connector for Context {
    type Transport = Stream;

    async fn connect(&self, remote: SocketAddr) -> io::Result<Stream> {
        Stream::connect(self, remote).await
    }
}

impl Acceptor for Listener {
    type Transport = Stream;

    async fn accept(&mut self) -> io::Result<Accepted<Stream>> {
        let transport = Self::accept(self).await?;
        let remote = Some(transport.peer_addr());
        Ok(Accepted { transport, remote })
    }
}

fn progress_of(info: &ConnectionInfo) -> Progress {
    let links = info.subflows().iter().filter(|subflow| is_alive(subflow)).filter_map(link_of);
    let taken_over_frames = info.taken_over_frames;
    Progress { mptcp: info.fallback == 0, taken_over_frames, links: links.collect() }
}

/// Past its handshake, and with something still to carry.
fn is_alive(subflow: &SubflowInfo) -> bool {
    !matches!(subflow.state_name(), "SYN-SENT" | "SYN-RECEIVED" | "TIME-WAIT" | "CLOSED" | "UNKNOWN")
}

fn link_of(subflow: &SubflowInfo) -> Option<Link> {
    Some(Link {
        name: subflow.interface_name(),
        local: subflow.local.to_socket_addr()?,
        remote: subflow.remote.to_socket_addr()?,
        bytes_sent: subflow.bytes_sent,
        bytes_received: subflow.bytes_received,
        srtt_us: (subflow.srtt_us > 0).then_some(u64::from(subflow.srtt_us)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use mpdk_client::layout::Address;

    #[test]
    fn only_subflows_that_carry_are_links() {
        let address = |text: &str| Address::from(text.parse::<SocketAddr>().unwrap());
        let subflow = |state, srtt_us| SubflowInfo {
            state,
            srtt_us,
            bytes_sent: 7,
            local: address("10.0.0.1:5000"),
            remote: address("10.0.0.2:80"),
            interface: *b"left\0\0\0\0\0\0\0\0\0\0\0\0",
            ..SubflowInfo::default()
        };
        let mut info = ConnectionInfo { subflow_count: 4, taken_over_frames: 9, ..ConnectionInfo::default() };
        // ESTABLISHED, SYN-SENT, CLOSE-WAIT and one without addresses.
        info.subflows[..3].copy_from_slice(&[subflow(1, 250), subflow(2, 0), subflow(8, 0)]);
        info.subflows[3].state = 1;
        let progress = progress_of(&info);
        assert!(progress.mptcp);
        assert_eq!(progress.taken_over_frames, 9);
        assert_eq!(progress.links.iter().map(|link| link.srtt_us).collect::<Vec<_>>(), [Some(250), None]);
        assert_eq!((progress.links[0].name.as_str(), progress.links[0].bytes_sent), ("left", 7));
        assert_eq!(progress.links[0].remote, "10.0.0.2:80".parse().unwrap());
        info.fallback = 1;
        assert!(!progress_of(&info).mptcp);
    }
}
