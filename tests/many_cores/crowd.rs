//! Many connections of the kernel to an endpoint of two cores.

use crate::crew::{CORES, assert_clean};
use crate::support::{
    Counters, DEADLINE, RandomFile, Site, download, is_root, mptcp_info, read_head, request, sha256_of,
    wait_until,
};
use std::net::TcpStream;

/// So many connections, all open at once, each with a request and an answer.
#[track_caller]
fn crowd(site: &Site, connections: u64, file: &RandomFile) {
    let mut streams: Vec<TcpStream> = (0..connections).map(|_| site.connect()).collect();
    let t = std::time::Instant::now();
    wait_until("all joins", DEADLINE, || {
        let bad = streams.iter().filter(|stream| mptcp_info(stream).unwrap().subflows != 1).count();
        if t.elapsed().as_secs() > 20 { panic!("{bad} {:?} {:?}", Counters::of(&site.kernel).non_zero(""), site.counts()); }
        bad == 0
    });
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

/// Each core got its share of so many.
#[track_caller]
fn assert_shared(site: &Site, connections: u64) {
    let accepted = site.counts().each("MPTcpExtMPCapableSYNRX");
    assert!(accepted.iter().all(|&share| share > connections / 4), "{accepted:?}");
    assert_eq!(accepted.iter().sum::<u64>(), connections);
}

#[test]
fn a_thousand_connections_at_once() {
    if !is_root("a_thousand_connections_at_once") {
        return;
    }
    const CONNECTIONS: u64 = 1000;
    // Little more than a core's share: those of the first round must be gone in the second.
    let site = Site::configured("cores-1000", &[CORES, ("engine", "max_connections = 1_400")]);
    let file = RandomFile::write(&site.path("file"), 10_000, 7);
    let mut server = site.serve(site.folder.path());
    download(&mut site.connect(), &file);
    crowd(&site, CONNECTIONS, &file);
    crowd(&site, CONNECTIONS, &file);
    assert_shared(&site, 2 * CONNECTIONS + 1);
    assert_clean(&site);
    assert!(server.terminate(DEADLINE).success(), "{}", server.errors());
}
