use super::script::{Host, peer, plain};
use crate::base::{Duration, Outcome};
use crate::tcp::{CloseReason, Config, Keepalive, State};

fn keepalive() -> Config {
    let keepalive = Keepalive { idle: Duration::from_secs(10), interval: Duration::from_secs(2), probes: 3 };
    Config { keepalive: Some(keepalive), ..plain() }
}

#[test]
fn an_idle_peer_is_probed_and_given_up() {
    let mut host = Host::established(keepalive());
    assert_eq!(host.wait_for_deadline(), 10_000);
    assert_eq!(host.out(), [". 0:0(0) ack 1"]);
    assert_eq!(host.wait_for_deadline(), 2_000);
    assert_eq!(host.out(), [". 0:0(0) ack 1"]);
    host.inject(&peer(".", 1, 1));
    assert_eq!(host.wait_for_deadline(), 10_000, "an answer starts over");
    for _ in 0..2 {
        assert_eq!(host.out(), [". 0:0(0) ack 1"]);
        host.wait_for_deadline();
    }
    assert_eq!((host.out().len(), host.subflow.state()), (1, State::Established));
    host.wait_for_deadline();
    assert_eq!(host.subflow.close_reason(), Some(CloseReason::TimedOut));
    assert_eq!(host.count(Outcome::TcpKeepalive), 5);
}

#[test]
fn data_in_flight_needs_no_keepalive() {
    let mut host = Host::established(keepalive());
    host.push(10);
    host.sent();
    assert_eq!(host.wait_for_deadline(), 10, "the retransmission timer");
}

#[test]
fn a_keepalive_is_answered() {
    let mut host = Host::established(plain());
    host.inject(&peer(".", 0, 1));
    assert_eq!(host.out(), [". 1:1(0) ack 1"]);
}

#[test]
fn a_requested_probe_leaves_once() {
    let mut host = Host::established(plain());
    host.push(10);
    host.sent();
    host.inject(&peer(".", 1, 11));
    host.subflow.request_probe();
    assert_eq!(host.out(), [". 10:10(0) ack 1"]);
    assert_eq!(host.out(), [] as [&str; 0]);
}

#[test]
fn spurious_timeouts_do_nothing() {
    let mut host = Host::established(plain());
    host.push(10);
    host.sent();
    let deadline = host.subflow.poll_deadline();
    host.wait(5);
    assert_eq!((host.out(), host.subflow.poll_deadline()), (vec![], deadline));
    host.inject(&peer(".", 1, 11));
    assert_eq!(host.subflow.poll_deadline(), None);
    host.wait(100_000);
    assert_eq!((host.out(), host.subflow.state()), (vec![], State::Established));
}
