use super::script::{Host, MSS, peer, plain, stream};
use crate::base::{Outcome, Packet};
use crate::tcp::{CloseReason, Config, State};

#[test]
fn we_close_first() {
    let mut host = Host::established(plain());
    host.subflow.close(host.now);
    assert_eq!(host.subflow.state(), State::FinWait1);
    assert_eq!(host.out(), ["F. 1:1(0) ack 1"]);
    assert!(host.inject(&peer(".", 1, 2)).acknowledged);
    assert_eq!(host.subflow.state(), State::FinWait2);
    assert!(host.inject(&peer("F.", 1, 2)).finished);
    assert_eq!(host.subflow.state(), State::TimeWait);
    assert_eq!(host.out(), [". 2:2(0) ack 2"]);
    assert_eq!(host.wait_for_deadline(), 60_000);
    assert_eq!(host.subflow.close_reason(), Some(CloseReason::Finished));
    assert_eq!(host.subflow.poll_deadline(), None);
}

#[test]
fn the_peer_closes_first() {
    let mut host = Host::established(plain());
    assert!(host.inject(&peer("F.", 1, 1).data(3)).finished);
    assert_eq!((host.subflow.state(), host.received()), (State::CloseWait, stream(0..3)));
    assert_eq!(host.out(), [". 1:1(0) ack 5"]);
    host.push(7);
    host.subflow.close(host.now);
    assert_eq!(host.subflow.state(), State::LastAck);
    assert_eq!(host.out(), ["FP. 1:8(7) ack 5"]);
    host.inject(&peer(".", 5, 9));
    assert_eq!(host.subflow.close_reason(), Some(CloseReason::Finished));
    assert_eq!(host.out(), [] as [&str; 0]);
}

#[test]
fn one_segment_may_acknowledge_our_fin_and_finish() {
    let mut host = Host::established(plain());
    host.subflow.close(host.now);
    host.sent();
    let reaction = host.inject(&peer("F.", 1, 2));
    assert!(reaction.finished && reaction.acknowledged);
    assert_eq!(host.subflow.state(), State::TimeWait);
}

#[test]
fn both_close_at_once() {
    let mut host = Host::established(plain());
    host.subflow.close(host.now);
    assert_eq!(host.out(), ["F. 1:1(0) ack 1"]);
    host.inject(&peer("F.", 1, 1));
    assert_eq!(host.subflow.state(), State::Closing);
    assert_eq!(host.out(), [". 2:2(0) ack 2"]);
    host.inject(&peer(".", 2, 2));
    assert_eq!(host.subflow.state(), State::TimeWait);
}

#[test]
fn half_closed_data_still_comes() {
    let mut host = Host::established(plain());
    host.subflow.close(host.now);
    host.sent();
    host.inject(&peer(".", 1, 2));
    for at in 0..10 {
        host.inject(&peer(".", 1 + at * 100, 2).data(100));
    }
    assert_eq!(host.received(), stream(0..1_000));
    assert_eq!(host.subflow.state(), State::FinWait2);
    host.inject(&peer("F.", 1_001, 2));
    assert_eq!(host.subflow.state(), State::TimeWait);
}

#[test]
fn half_closed_data_still_goes() {
    let mut host = Host::established(plain());
    host.inject(&peer("F.", 1, 1));
    host.sent();
    host.push(2_500);
    assert_eq!(host.out(), [". 1:1001(1000) ack 2", ". 1001:2001(1000) ack 2", "P. 2001:2501(500) ack 2"]);
    host.inject(&peer(".", 2, 2_501));
    assert_eq!((host.subflow.state(), host.subflow.outstanding()), (State::CloseWait, 0));
}

#[test]
fn a_fin_that_comes_again_restarts_time_wait() {
    let mut host = Host::established(plain());
    host.subflow.close(host.now);
    host.sent();
    host.inject(&peer("F.", 1, 2));
    host.sent();
    host.wait(50_000);
    assert_eq!(host.subflow.state(), State::TimeWait);
    host.inject(&peer("F.", 1, 2));
    assert_eq!(host.out(), [". 2:2(0) ack 2"]);
    assert_eq!(host.wait_for_deadline(), 60_000);
    assert_eq!(host.subflow.state(), State::Closed);
}

#[test]
fn a_fin_with_old_data_restarts_time_wait() {
    let mut host = Host::established(plain());
    host.subflow.close(host.now);
    host.sent();
    host.inject(&peer("F.", 1, 2).data(5));
    host.sent();
    host.wait(50_000);
    host.inject(&peer("F.", 1, 2).data(5));
    assert_eq!(host.out(), [". 2:2(0) ack 7 sack 1:6"]);
    assert_eq!(host.wait_for_deadline(), 60_000);
}

#[test]
fn time_wait_is_not_assassinated() {
    let mut host = Host::established(plain());
    host.subflow.close(host.now);
    host.sent();
    host.inject(&peer("F.", 1, 2));
    host.sent();
    host.inject(&peer("R", 2, 0));
    assert_eq!(host.subflow.state(), State::TimeWait);
    assert_eq!(host.count(Outcome::TcpResetIgnored), 1);
}

#[test]
fn little_is_left_once_the_last_ack_has_left() {
    let mut host = Host::established(plain());
    assert_eq!(host.subflow.time_wait(), None);
    host.subflow.close(host.now);
    host.sent();
    host.inject(&peer("F.", 1, 2));
    assert_eq!((host.subflow.state(), host.subflow.time_wait()), (State::TimeWait, None));
    host.sent();
    assert!(host.subflow.time_wait().is_some());
}

#[test]
fn a_lost_fin_is_sent_again() {
    let mut host = Host::established(plain());
    host.push(10);
    host.subflow.close(host.now);
    assert_eq!(host.out(), ["FP. 1:11(10) ack 1"]);
    host.wait_for_deadline();
    assert_eq!(host.out(), ["FP. 1:11(10) ack 1"]);
    host.inject(&peer(".", 1, 11));
    assert_eq!(host.subflow.state(), State::FinWait1);
    host.wait_for_deadline();
    assert_eq!(host.out(), ["F. 11:11(0) ack 1"]);
    host.inject(&peer(".", 1, 12));
    assert_eq!(host.subflow.state(), State::FinWait2);
}

#[test]
fn fin_wait_2_ends_after_silence() {
    let config = Config { fin_wait_2: crate::base::Duration::from_secs(10), ..plain() };
    let mut host = Host::established(config);
    host.subflow.close(host.now);
    host.sent();
    host.inject(&peer(".", 1, 2));
    host.wait(9_000);
    host.inject(&peer(".", 1, 2).data(1));
    host.sent();
    host.wait(9_000);
    assert_eq!(host.subflow.state(), State::FinWait2);
    host.wait(1_001);
    assert_eq!(host.subflow.close_reason(), Some(CloseReason::TimedOut));
}

#[test]
fn an_abort_sends_one_reset() {
    let mut host = Host::established(plain());
    host.push(500);
    host.sent();
    host.push(500);
    host.subflow.abort();
    assert_eq!(
        (host.subflow.state(), host.subflow.close_reason()),
        (State::Closed, Some(CloseReason::Aborted))
    );
    host.subflow.abort();
    assert_eq!(host.out(), ["R. 501:501(0) ack 1"]);
    assert_eq!(host.out(), [] as [&str; 0]);
    assert_eq!(host.count(Outcome::TcpResetSent), 1);
}

#[test]
fn an_abort_is_silent_where_nobody_would_listen() {
    let mut host = Host::connect(plain());
    host.sent();
    host.subflow.abort();
    assert_eq!(host.out(), [] as [&str; 0]);

    let mut host = Host::established(plain());
    host.inject(&peer("F.", 1, 1));
    host.subflow.close(host.now);
    host.sent();
    host.subflow.abort();
    assert_eq!(host.out(), [] as [&str; 0]);
}

#[test]
fn nothing_is_held_after_the_end() {
    let shared = crate::base::HeapPacket::new(&[7; 3_000]);
    for end in [0, 1] {
        let mut host = Host::established(plain());
        host.subflow.push(shared.share(), 0);
        host.inject(&peer(".", 1_001, 1).data(10));
        host.inject(&peer(".", 1, 1).data(10));
        if end == 0 {
            host.subflow.abort();
        } else {
            assert!(host.inject(&peer("R", 11, 1)).reset);
        }
        assert_eq!(host.received(), [] as [u8; 0]);
        assert!(host.subflow.send.queue.is_empty() && host.subflow.receive.reassembly.is_empty());
        host.subflow.push(shared.share(), 0);
        assert!(host.subflow.send.queue.is_empty());
        assert_eq!(host.subflow.poll_deadline(), None);
    }
}

#[test]
fn data_after_our_close_is_dropped() {
    let mut host = Host::established(plain());
    host.subflow.close(host.now);
    host.push(usize::from(MSS));
    assert_eq!(host.out(), ["F. 1:1(0) ack 1"]);
}

#[test]
fn a_fin_out_of_order_waits_for_its_data() {
    let mut host = Host::established(plain());
    assert!(!host.inject(&peer("F.", 11, 1).data(10)).finished);
    assert_eq!(host.out(), [". 1:1(0) ack 1 sack 11:21"]);
    // Another end, and data behind the end, do not count.
    host.inject(&peer("F.", 11, 1).data(15));
    host.inject(&peer(".", 21, 1).data(5));
    assert!(host.inject(&peer(".", 1, 1).data(10)).finished);
    assert_eq!((host.received(), host.subflow.state()), (stream(0..20), State::CloseWait));
    let last = host.out();
    assert_eq!(last.last().map(|text| text.starts_with(". 1:1(0) ack 22")), Some(true), "{last:?}");
}
