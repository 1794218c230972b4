//! Many connections of the kernel to an endpoint of two cores.

use crate::crew::{CORES, assert_clean};
use crate::support::{
    Counters, DEADLINE, Process, RandomFile, Site, download, is_root, kernel_mptcp_connections, read_head,
    request, sha256_of, wait_until,
};

/// `mpdk serve`, whose links are up.
fn serve(site: &Site, file: &RandomFile) -> Process {
    let server = site.serve(site.folder.path());
    let mut first = site.connect();
    site.wait_for_join(&first);
    download(&mut first, file);
    server
}

/// So many connections after those `before`, all open at once, each over both links
/// and with a request and an answer.
#[track_caller]
fn crowd(site: &Site, before: u64, connections: u64, file: &RandomFile) {
    let server = "10.79.1.2:5555".parse().unwrap();
    let mut streams = kernel_mptcp_connections(&site.kernel, server, connections).unwrap();
    // As the endpoint sees it: the kernel believes it earlier.
    let joined = || site.counts().sum("MPTcpExtMPJoinAckRx");
    wait_until("all joins", DEADLINE, || joined() == before + connections);
    streams.iter_mut().for_each(|stream| request(stream, "/file"));
    for stream in &mut streams {
        assert!(read_head(stream).unwrap().starts_with("HTTP/1.1 200"));
        assert_eq!(sha256_of(stream).unwrap(), *file);
    }
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
    let mut server = serve(&site, &file);
    crowd(&site, 1, CONNECTIONS, &file);
    wait_until("the statistics", DEADLINE, || {
        let accepted = site.counts().each("MPTcpExtMPCapableSYNRX");
        // Each core got its share.
        accepted.iter().all(|&share| share > CONNECTIONS / 4)
            && accepted.iter().sum::<u64>() == CONNECTIONS + 1
    });
    assert_clean(&site);
    assert!(server.terminate(DEADLINE).success(), "{}", server.errors());
}

/// Room for little more than one round, in connections and in claims of what comes to
/// the wrong core: what one leaves behind is missing in the next.
#[test]
fn many_rounds_leave_nothing_behind() {
    if !is_root("many_rounds_leave_nothing_behind") {
        return;
    }
    const CONNECTIONS: u64 = 200;
    // A half for each core, and a claim for each subflow of those.
    let limits = [CORES, ("engine", "max_connections = 300"), ("mptcp", "max_subflows = 2")];
    let site = Site::configured("cores-rounds", &limits);
    let file = RandomFile::write(&site.path("file"), 1_000, 7);
    let _server = serve(&site, &file);
    // A claim of every other join, at either core: 400 of 300.
    for round in 0..8 {
        crowd(&site, 1 + round * CONNECTIONS, CONNECTIONS, &file);
    }
    site.assert_clean();
    let counts = site.counts();
    for bad in ["TcpConnectionLimit", "ListenOverflows", "CoreClaimsFull", "FrameNotHandedOver"] {
        assert_eq!(counts.sum(bad), 0, "{bad}");
    }
}
