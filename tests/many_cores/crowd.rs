//! Many connections of the kernel to an endpoint of two cores.

use crate::crew::{CORES, assert_clean};
use crate::support::{
    Counters, DEADLINE, Process, RandomFile, Site, is_root, kernel_mptcp_connections, read_answer,
    request_and_stay, wait_until,
};
use std::net::TcpStream;

/// Waits for so many joins as the endpoint sees them: the kernel believes earlier
/// that it has joined.
#[track_caller]
fn wait_for_joins(site: &Site, joins: u64) {
    let joined = || site.counts().sum("MPTcpExtMPJoinAckRx");
    wait_until("all joins", DEADLINE, || joined() == joins);
}

/// `mpdk serve`, whose links are up: with a connection.
fn serve(site: &Site) -> (Process, TcpStream) {
    let server = site.serve(site.folder.path());
    let first = site.connect();
    wait_for_joins(site, 1);
    (server, first)
}

/// So many connections after those `before`, all open at once, each over both links
/// and with a request and an answer.
#[track_caller]
fn crowd(site: &Site, before: u64, connections: u64, file: &RandomFile) -> Vec<TcpStream> {
    let server = "10.79.1.2:5555".parse().unwrap();
    let mut streams = kernel_mptcp_connections(&site.kernel, server, connections as usize).unwrap();
    wait_for_joins(site, before + connections);
    streams.iter_mut().for_each(request_and_stay);
    streams.iter_mut().for_each(|stream| read_answer(stream, file));
    streams
}

/// All of the kernel's connections end.
#[track_caller]
fn assert_ends(site: &Site, streams: Vec<TcpStream>) {
    drop(streams);
    wait_until("all connections to end", DEADLINE, || {
        Counters::of(&site.kernel).get("MPTcpExtMPCurrEstab") == 0
    });
}

#[test]
fn a_thousand_connections_at_once() {
    if !is_root("a_thousand_connections_at_once") {
        return;
    }
    const CONNECTIONS: u64 = 1000;
    let site = Site::configured("cores-1000", &[CORES]);
    let file = RandomFile::write(&site.path("file"), 10_000, 7);
    let (mut server, first) = serve(&site);
    let mut streams = crowd(&site, 1, CONNECTIONS, &file);
    wait_until("the statistics", DEADLINE, || {
        let accepted = site.counts().each("MPTcpExtMPCapableSYNRX");
        // Each core got its share.
        accepted.iter().all(|&share| share > CONNECTIONS / 4)
            && accepted.iter().sum::<u64>() == CONNECTIONS + 1
    });
    // While all are open: a late duplicate for a closed one is answered by a reset.
    assert_clean(&site);
    streams.push(first);
    assert_ends(&site, streams);
    assert!(server.terminate(DEADLINE).success(), "{}", server.errors());
}

/// Room for two rounds and a half, in connections and in claims of what comes to
/// the wrong core: what one leaves behind is missing in the next.
#[test]
fn many_rounds_leave_nothing_behind() {
    if !is_root("many_rounds_leave_nothing_behind") {
        return;
    }
    const CONNECTIONS: u64 = 200;
    // A half for each core, and a claim for each subflow of those.
    let limits = [CORES, ("engine", "max_connections = 500"), ("mptcp", "max_subflows = 2")];
    let site = Site::configured("cores-rounds", &limits);
    let file = RandomFile::write(&site.path("file"), 1_000, 7);
    let (_server, first) = serve(&site);
    drop(first);
    // The endpoint's end of a connection may outlive the kernel's a little.
    for round in 0..8 {
        let streams = crowd(&site, 1 + round * CONNECTIONS, CONNECTIONS, &file);
        assert_ends(&site, streams);
    }
    site.assert_clean();
    let counts = site.counts();
    for bad in ["TcpConnectionLimit", "ListenOverflows", "CoreClaimsFull", "FrameNotHandedOver"] {
        assert_eq!(counts.sum(bad), 0, "{bad}");
    }
}
