use super::script::{Host, peer, plain};
use crate::base::Outcome;
use crate::tcp::{CloseReason, Config, State};

#[test]
fn a_closed_window_is_probed_until_it_opens() {
    let mut host = Host::established(plain());
    host.inject(&peer(".", 1, 1).window(0));
    host.push(1_000);
    assert_eq!(host.out(), [] as [&str; 0]);
    let mut spans = Vec::new();
    // Far more often than a peer that is silent is waited for.
    for _ in 0..40 {
        spans.push(host.wait_for_deadline());
        assert_eq!(host.out(), [". 0:0(0) ack 1"]);
        host.inject(&peer(".", 1, 1).window(0));
        assert_eq!(host.out(), [] as [&str; 0]);
    }
    assert_eq!(spans[..4], [10, 20, 40, 80]);
    assert_eq!(spans[39], 60_000);
    assert_eq!(host.count(Outcome::TcpZeroWindowProbe), 40);
    host.inject(&peer(".", 1, 1).window(5_000));
    assert_eq!(host.out(), ["P. 1:1001(1000) ack 1"]);
}

#[test]
fn probes_that_nobody_answers_end() {
    let mut host = Host::established(Config { retries: 3, ..plain() });
    host.inject(&peer(".", 1, 1).window(0));
    host.push(1_000);
    host.sent();
    let mut probes = 0;
    while host.subflow.state() == State::Established {
        host.wait_for_deadline();
        probes += host.out().len();
    }
    assert_eq!((probes, host.subflow.close_reason()), (4, Some(CloseReason::TimedOut)));
}

#[test]
fn a_small_window_is_not_filled_with_small_segments() {
    let mut host = Host::established(plain());
    host.inject(&peer(".", 1, 1).window(2_600));
    host.push(10_000);
    assert_eq!(host.out(), [". 1:1001(1000) ack 1", ". 1001:2001(1000) ack 1"]);
    host.inject(&peer(".", 1, 1_001).window(1_900));
    assert_eq!(host.out(), [] as [&str; 0], "900 bytes: less than a segment and than half the window");
    host.inject(&peer(".", 1, 2_001).window(1_400));
    assert_eq!(host.out(), [". 2001:3001(1000) ack 1"]);
}

#[test]
fn a_peer_that_never_offers_a_segment_gets_what_it_takes() {
    let mut host = Host::connect(plain());
    host.sent();
    host.inject(&peer("S.", 0, 1).syn_options(1_000, true, None).window(300));
    host.push(1_000);
    assert_eq!(host.out(), [". 1:301(300) ack 1"]);
    host.inject(&peer(".", 1, 301).window(100));
    assert_eq!(host.out(), [] as [&str; 0]);
    // The override timeout of RFC 9293 §3.8.6.2.1.
    host.wait_for_deadline();
    assert_eq!(host.out(), [". 301:401(100) ack 1"]);
}

#[test]
fn a_window_that_shrinks_holds_back_retransmissions() {
    let mut host = Host::established(plain());
    host.push(4_000);
    assert_eq!(host.sent().len(), 4);
    host.inject(&peer(".", 1, 1_001).window(0));
    assert_eq!(host.subflow.send_room(), 0);
    host.wait_for_deadline();
    assert_eq!(host.out(), [". 1001:2001(1000) ack 1"], "the first is the probe");
    for _ in 0..30 {
        host.inject(&peer(".", 1, 1_001).window(0));
        host.wait_for_deadline();
        assert_eq!(host.out(), [". 1001:2001(1000) ack 1"]);
    }
    assert_eq!(host.subflow.state(), State::Established, "RFC 9293 §3.8.6.1: it answers");
    host.inject(&peer(".", 1, 2_001).window(10_000));
    host.inject(&peer(".", 1, 4_001).window(10_000));
    assert_eq!((host.subflow.outstanding(), host.out()), (0, vec![]));
}

#[test]
fn a_fin_does_not_wait_for_a_window() {
    let mut host = Host::established(plain());
    host.inject(&peer(".", 1, 1).window(0));
    host.subflow.close(host.now);
    assert_eq!(host.out(), ["F. 1:1(0) ack 1"]);
}

#[test]
fn an_older_segment_does_not_change_the_window() {
    let mut host = Host::established(plain());
    host.inject(&peer(".", 11, 1).data(10).window(3_000));
    host.inject(&peer(".", 1, 1).data(10).window(9_000));
    assert_eq!(host.subflow.send.window_bytes, 3_000);
    assert_eq!(host.subflow.peer_window(), 9_000);
}
