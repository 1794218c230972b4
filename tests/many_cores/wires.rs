//! Endpoints of two cores and of one, over Unix sockets of as many queues, and of
//! one queue: no root needed.

use crate::support::{CoreCounts, DEADLINE, Desk, Process, RandomFile, sha256_of, wait_for, wait_until};
use serde_json::Value;
use std::fs::File;

const FILE_BYTES: u64 = 32 << 20;
const PASSIVE: &str = "vhost.toml";
const ACTIVE: &str = "virtio-user.toml";

/// The cores of both endpoints.
fn desk(passive: &str, active: &str) -> Desk {
    let desk = Desk::new();
    desk.edit(PASSIVE, "cores = [0]", &format!("cores = {passive}"));
    desk.edit(ACTIVE, "cores = [1]", &format!("cores = {active}"));
    desk
}

/// Gives the ports of an endpoint two queues each; without, they have one.
fn two_queues(desk: &Desk, config: &str) {
    let known = if config == PASSIVE { ",tso=1" } else { ",queue_size=1024" };
    desk.edit(config, known, &format!("{known},queues=2"));
}

/// A file down and up again.
#[track_caller]
fn move_a_file(desk: &Desk) {
    let root = desk.path("root");
    std::fs::create_dir(&root).unwrap();
    let file = RandomFile::write(&root.join("file"), FILE_BYTES, 1);
    let mut serve = desk.mpdk("serve", PASSIVE);
    serve.args(["--allow-put", "--listen", "0.0.0.0:8080", "--root"]).arg(&root);
    let mut server = Process::start(&mut serve);
    server.wait_for_text("serving", DEADLINE);
    let mut get = desk.mpdk("get", ACTIVE);
    get.arg("http://10.1.1.1:8080/file").arg("--json").arg("--output").arg(desk.path("got"));
    let mut put = desk.mpdk("put", ACTIVE);
    put.arg("--json").arg(desk.path("got")).arg("http://10.1.1.1:8080/put");
    for (command, got) in [(&mut get, desk.path("got")), (&mut put, root.join("put"))] {
        let report: Value = serde_json::from_str(&Process::start(command).success(DEADLINE)).unwrap();
        assert_eq!(report["mptcp"], true, "{report}");
        // It may be over before the second link is joined: `bulk` waits until both carry.
        assert_eq!(sha256_of(File::open(got).unwrap()).unwrap(), file);
    }
    let sockets = ["mpdk-left.sock", "mpdk-right.sock"].map(|name| desk.path(name));
    assert!(sockets.iter().all(|socket| socket.exists()));
    assert_eq!(server.terminate(DEADLINE).code(), Some(0), "{}", server.errors());
    assert!(!sockets.iter().any(|socket| socket.exists()), "the sockets are removed");
}

const CONNECTIONS: u64 = 4;
const LINKS: [&str; 2] = ["left", "right"];

/// Bulk over some connections, which the active endpoint's cores have evenly, until
/// each of its cores and each link carried some, to a passive one, whose counts it
/// gives back.
#[track_caller]
fn bulk(desk: &Desk) -> CoreCounts {
    let mut sink = Process::start(&mut desk.mpdk("bench sink", PASSIVE));
    sink.wait_for_text("listening", DEADLINE);
    let mut source = desk.mpdk("bench source", ACTIVE);
    source.args(["--seconds", "3600", "--connections", &CONNECTIONS.to_string(), "10.1.1.1:5001"]);
    let mut source = Process::start(&mut source);
    source.wait_for_text("the endpoint runs", DEADLINE);
    let of = |config: &str| CoreCounts::of(&desk.path(config));
    wait_until("all cores and links to carry", DEADLINE, || {
        assert!(source.is_running(), "{}", source.errors());
        let (passive, active) = (of(PASSIVE), of(ACTIVE));
        let sent = |link| active.sum(&format!("port.{link}.transmitted_bytes"));
        passive.sum("MPTcpExtMPCapableACKRX") == CONNECTIONS
            && passive.sum("MPTcpExtMPJoinAckRx") == CONNECTIONS
            // Acknowledgements, of its own connections.
            && active.each("FrameReceived").iter().all(|&frames| frames > 300)
            && LINKS.iter().all(|link| sent(link) > 1 << 20)
    });
    // As shells show the signal: it was not done.
    assert_eq!(source.terminate(DEADLINE).code(), Some(128 + libc::SIGTERM), "{}", source.errors());
    let counts = wait_for("all frames to be taken over", DEADLINE, || {
        Some(of(PASSIVE)).filter(|it| it.sum("FrameHandedOver") == it.sum("FrameTakenOver"))
    });
    for bad in
        ["FrameNotHandedOver", "CoreClaimsFull", "MPTcpExtMPJoinNoTokenFound", "MPTcpExtDSSNotMatching"]
    {
        assert_eq!(counts.sum(bad), 0, "{bad}");
    }
    assert_eq!(sink.terminate(DEADLINE).code(), Some(0), "{}", sink.errors());
    counts
}

/// Every core got connections, and data.
#[track_caller]
fn assert_shared(counts: &CoreCounts) {
    for counter in ["MPTcpExtMPCapableACKRX", "port.left.received_bytes", "port.right.received_bytes"] {
        let each = counts.each(counter);
        assert!(each.len() == 2 && each.iter().all(|&count| count > 0), "{counter}: {each:?}");
    }
}

#[test]
fn two_cores_and_two_cores() {
    let desk = desk("[0, 1]", "[0, 1]");
    two_queues(&desk, PASSIVE);
    two_queues(&desk, ACTIVE);
    move_a_file(&desk);
    let counts = bulk(&desk);
    assert_shared(&counts);
    // What the one's core sends comes to the other's core of the same number.
    assert_eq!(counts.sum("FrameHandedOver"), 0);
}

#[test]
fn the_order_of_the_cpus_is_nobodys_business() {
    let desk = desk("[0, 1]", "[1, 0]");
    two_queues(&desk, PASSIVE);
    two_queues(&desk, ACTIVE);
    move_a_file(&desk);
    let counts = bulk(&desk);
    assert_shared(&counts);
    assert_eq!(counts.sum("FrameHandedOver"), 0);
}

/// The peer has one queue: all of its frames come to the first core's.
#[test]
fn two_cores_serve_one() {
    let desk = desk("[0, 1]", "[1]");
    two_queues(&desk, PASSIVE);
    move_a_file(&desk);
    let counts = bulk(&desk);
    assert_eq!(counts.each("MPTcpExtMPCapableACKRX"), [CONNECTIONS, 0]);
}

/// The active side has queues in software: its second core sends from the peer's
/// only queue.
#[test]
fn one_core_serves_two() {
    let desk = desk("[0]", "[0, 1]");
    move_a_file(&desk);
    assert_eq!(bulk(&desk).each("MPTcpExtMPCapableACKRX"), [CONNECTIONS]);
}

/// Queues in software spread by a hash of their own: joins come to the wrong core too.
#[test]
fn two_cores_share_one_queue() {
    let desk = desk("[0, 1]", "[1]");
    move_a_file(&desk);
    shared_by_hash(&desk);
}

#[test]
fn one_queue_between_two_cores_and_two_cores() {
    let desk = desk("[0, 1]", "[0, 1]");
    move_a_file(&desk);
    shared_by_hash(&desk);
}

/// Bulk until chance has given both cores a connection, and one of them a join of the
/// other's.
#[track_caller]
fn shared_by_hash(desk: &Desk) {
    let (mut is_shared, mut is_crossed) = (false, false);
    for _ in 0..16 {
        let counts = bulk(desk);
        is_shared |= counts.each("MPTcpExtMPCapableACKRX").iter().all(|&connections| connections > 0);
        is_crossed |= counts.sum("FrameHandedOver") > 0;
        if is_shared && is_crossed {
            return;
        }
    }
    panic!("16 times {CONNECTIONS} connections: shared: {is_shared}, joined at the other core: {is_crossed}");
}
