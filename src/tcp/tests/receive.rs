use super::script::{Host, peer, plain, stream};
use crate::base::Outcome;
use crate::tcp::Config;

#[test]
fn every_second_full_segment_is_acknowledged_at_once() {
    let mut host = Host::established(plain());
    host.inject(&peer(".", 1, 1).data(1_000));
    host.inject(&peer(".", 1_001, 1).data(1_000));
    assert_eq!(host.out(), [". 1:1(0) ack 2001"]);
    host.inject(&peer(".", 2_001, 1).data(1_000));
    assert_eq!(host.out(), [] as [&str; 0]);
    assert_eq!(host.wait_for_deadline(), 4);
    assert_eq!((host.out(), host.count(Outcome::TcpDelayedAck)), (vec![". 1:1(0) ack 3001".to_owned()], 1));
    assert_eq!(host.subflow.poll_deadline(), None);
}

#[test]
fn a_burst_is_acknowledged_once() {
    let mut host = Host::established(plain());
    for at in 0..20 {
        host.inject(&peer(".", 1 + at * 1_000, 1).data(1_000));
    }
    assert_eq!(host.out(), [". 1:1(0) ack 20001"]);
    assert_eq!(host.received(), stream(0..20_000));
}

#[test]
fn data_carries_the_acknowledgement() {
    let mut host = Host::established(plain());
    host.inject(&peer(".", 1, 1).data(1_000));
    host.inject(&peer(".", 1_001, 1).data(1_000));
    host.push(10);
    assert_eq!(host.out(), ["P. 1:11(10) ack 2001"]);
}

#[test]
fn segments_out_of_order_are_reported_and_put_in_order() {
    let mut host = Host::established(plain());
    host.inject(&peer(".", 1_001, 1).data(1_000));
    assert_eq!(host.out(), [". 1:1(0) ack 1 sack 1001:2001"]);
    host.inject(&peer(".", 3_001, 1).data(1_000));
    assert_eq!(host.out(), [". 1:1(0) ack 1 sack 3001:4001 sack 1001:2001"]);
    host.inject(&peer(".", 2_001, 1).data(500));
    assert_eq!(host.out(), [". 1:1(0) ack 1 sack 1001:2501 sack 3001:4001"]);
    assert_eq!(host.received(), [] as [u8; 0]);
    host.inject(&peer(".", 1, 1).data(1_000));
    assert_eq!(host.out(), [". 1:1(0) ack 2501 sack 3001:4001"]);
    host.inject(&peer(".", 2_001, 1).data(2_000));
    assert_eq!(host.out(), [". 1:1(0) ack 4001 sack 2001:2501"], "the old part is a duplicate (RFC 2883)");
    assert_eq!(host.received(), stream(0..4_000));
}

#[test]
fn every_hole_of_a_burst_is_reported() {
    let mut host = Host::established(plain());
    for at in [2, 4, 6, 8, 10, 12] {
        host.inject(&peer(".", 1 + at * 1_000, 1).data(1_000));
    }
    let first = ". 1:1(0) ack 1 sack 8001:9001 sack 6001:7001 sack 4001:5001 sack 2001:3001";
    let second = ". 1:1(0) ack 1 sack 12001:13001 sack 10001:11001";
    let out = host.out();
    assert_eq!(out.len(), 2, "{out:?}");
    assert_eq!(out[0], first);
    assert!(out[1].starts_with(second), "{out:?}");
}

#[test]
fn without_sack_every_segment_out_of_order_is_a_duplicate_ack() {
    let mut host = Host::established(Config { sack: false, ..plain() });
    for at in [1, 2, 3] {
        host.inject(&peer(".", 1 + at * 1_000, 1).data(1_000));
    }
    host.push(10);
    let ack = ". 1:1(0) ack 1".to_owned();
    let out = host.out();
    assert_eq!(out[0], "P. 1:11(10) ack 1");
    assert_eq!(out[1..], vec![ack.replace("1:1", "11:11"); 3]);
}

#[test]
fn a_report_is_never_lost_to_data() {
    let mut host = Host::established(plain());
    host.push(10);
    host.inject(&peer(".", 1_001, 1).data(1_000));
    assert_eq!(host.out(), ["P. 1:11(10) ack 1", ". 11:11(0) ack 1 sack 1001:2001"]);
}

#[test]
fn a_duplicate_is_reported_once() {
    let mut host = Host::established(plain());
    host.inject(&peer(".", 1, 1).data(1_000));
    host.wait(4);
    host.sent();
    host.inject(&peer(".", 1, 1).data(1_000));
    assert_eq!(host.out(), [". 1:1(0) ack 1001 sack 1:1001"]);
    assert_eq!((host.count(Outcome::TcpDuplicate), host.received().len()), (1, 1_000));
}

#[test]
fn urgent_data_is_delivered_in_sequence() {
    let mut host = Host::established(plain());
    host.inject(&peer("U.", 1, 1).data(10));
    host.inject(&peer("PU.", 11, 1).data(10));
    assert_eq!(host.received(), stream(0..20));
}

#[test]
fn tiny_segments_do_not_hold_the_pool() {
    let mut host = Host::established(Config { reassembly_segments: 8, ..plain() });
    for at in (2..100).rev() {
        host.inject(&peer(".", 1 + at * 2, 1).data(1));
        host.sent();
    }
    assert_eq!(host.subflow.receive.reassembly.ranges().len(), 8);
    assert_eq!(host.subflow.receive.reassembly.ranges().first(), Some((5, 6)), "the nearest are kept");
    assert_eq!(host.count(Outcome::TcpReassemblyFull), 90);
    // What is reported is what is held.
    host.inject(&peer(".", 31, 1).data(1));
    let last = host.sent().pop().unwrap();
    for &(left, _) in &last.tcp.options.sack {
        let offset = u64::from(left.0.wrapping_sub(super::script::THEIRS.0));
        assert!(host.subflow.receive.reassembly.ranges().containing(offset).is_some());
    }
}

#[test]
fn bytes_beyond_the_window_are_cut_off() {
    let mut host = Host::connect(plain());
    host.subflow.set_receive_window(2_000);
    host.sent();
    host.inject(&peer("S.", 0, 1));
    host.sent();
    host.inject(&peer(".", 1, 1).data(1_500));
    host.inject(&peer(".", 1_501, 1).data(1_500));
    assert_eq!((host.received(), host.count(Outcome::TcpBeyondWindow)), (stream(0..2_000), 1));
    // The window moves on by what is announced, never back.
    host.subflow.set_receive_window(0);
    assert_eq!(host.out(), [". 1:1(0) ack 2001"]);
    host.inject(&peer(".", 2_001, 1).data(1_500));
    assert_eq!((host.out(), host.received()), (vec![". 1:1(0) ack 2001".to_owned()], vec![]));
}

#[test]
fn a_closed_window_still_takes_acknowledgements_and_fin() {
    let mut host = Host::connect(plain());
    host.subflow.set_receive_window(0);
    host.sent();
    host.inject(&peer("S.", 0, 1));
    host.push(10);
    host.sent();
    assert!(host.inject(&peer(".", 1, 11).data(1)).acknowledged);
    assert_eq!(host.received(), [] as [u8; 0]);
    assert!(host.inject(&peer("F.", 1, 11)).finished);
}

#[test]
fn a_window_that_opens_is_announced() {
    let mut host = Host::connect(plain());
    host.subflow.set_receive_window(2_000);
    host.sent();
    host.inject(&peer("S.", 0, 1));
    host.sent();
    host.inject(&peer(".", 1, 1).data(2_000));
    host.subflow.set_receive_window(0);
    assert_eq!(host.sent()[0].tcp.window, 0);
    host.subflow.set_receive_window(500);
    assert_eq!(host.out(), [] as [&str; 0], "less than a segment: a silly window");
    host.subflow.set_receive_window(1_500);
    assert_eq!(host.sent()[0].tcp.window, 1_500);
    host.subflow.set_receive_window(1_500);
    assert_eq!(host.out(), [] as [&str; 0]);
}
