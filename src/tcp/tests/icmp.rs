use super::script::{Host, peer, plain};
use crate::base::Outcome;
use crate::tcp::{CloseReason, State};

#[test]
fn a_smaller_path_is_used_at_once() {
    let mut host = Host::established(plain());
    host.push(3_000);
    assert_eq!(host.sent().len(), 3);
    host.subflow.handle_path_mss(600);
    assert_eq!(host.subflow.segment_payload(0), 600);
    let out = host.out();
    assert_eq!(out[..2], [". 1:601(600) ack 1", ". 601:1001(400) ack 1"]);
    assert_eq!((out.len(), host.subflow.congestion_window()), (6, 10_000));
    host.subflow.handle_path_mss(900);
    assert_eq!(host.subflow.segment_payload(0), 600, "never raised");
    host.inject(&peer(".", 1, 3_001));
    assert_eq!(host.subflow.outstanding(), 0);
}

#[test]
fn an_absurd_path_leaves_room_for_payload() {
    let mut host = Host::established(plain());
    host.subflow.handle_path_mss(0);
    host.push(100);
    let sent = host.sent();
    assert_eq!(sent[0].payload.len(), 48);
}

#[test]
fn unreachable_ends_only_a_handshake() {
    let mut host = Host::connect(plain());
    host.sent();
    host.unreachable(1);
    assert_eq!((host.subflow.state(), host.count(Outcome::IcmpNotOurs)), (State::SynSent, 1));
    host.unreachable(0);
    assert_eq!(host.subflow.close_reason(), Some(CloseReason::Unreachable));

    let mut host = Host::established(plain());
    host.push(10);
    host.sent();
    host.unreachable(5);
    assert_eq!((host.subflow.state(), host.count(Outcome::IcmpUnreachableReceived)), (State::Established, 1));
}
