use super::script::{Host, MSS, peer, plain};
use crate::base::Outcome;
use crate::tcp::{CloseReason, Config, State};

#[test]
fn an_active_open_takes_three_segments() {
    let mut host = Host::connect(plain());
    assert_eq!(host.out(), ["S 0:0(0)"]);
    let reaction = host.inject(&peer("S.", 0, 1).syn_options(500, true, Some(7)).window(1_000));
    assert!(reaction.acceptable && reaction.established && reaction.acknowledged);
    assert_eq!(host.subflow.peer_window(), 1_000, "a SYN's window is not scaled");
    assert_eq!(host.out(), [". 1:1(0) ack 1"]);
    assert_eq!(host.subflow.segment_payload(0), 500);
    host.inject(&peer(".", 1, 1).window(10));
    assert_eq!(host.subflow.peer_window(), 10 << 7);
}

#[test]
fn a_passive_open_answers_with_what_was_offered() {
    let mut host =
        Host::accept(Config::default(), &peer("S", 0, 0).syn_options(1_460, false, None).window(5_000));
    let answer = host.sent().remove(0).tcp.options;
    assert_eq!((answer.mss, answer.sack_permitted, answer.window_scale), (Some(MSS), false, None));
    assert_eq!(answer.timestamps, None);
    let reaction = host.inject(&peer(".", 1, 1).data(10));
    assert!(reaction.established && reaction.acceptable);
    assert_eq!((host.subflow.state(), host.received().len()), (State::Established, 10));
    assert_eq!(host.subflow.segment_payload(0), usize::from(MSS));
}

#[test]
fn a_shift_beyond_14_counts_as_14() {
    let mut host = Host::connect(plain());
    host.sent();
    host.inject(&peer("S.", 0, 1).syn_options(MSS, true, Some(200)));
    host.inject(&peer(".", 1, 1).window(3));
    assert_eq!(host.subflow.peer_window(), 3 << 14);
}

#[test]
fn a_simultaneous_open_ends_in_established() {
    let mut host = Host::connect(plain());
    assert_eq!(host.out(), ["S 0:0(0)"]);
    let reaction = host.inject(&peer("S", 0, 0).syn_options(MSS, true, None));
    assert!(reaction.acceptable && !reaction.established);
    assert_eq!(host.subflow.state(), State::SynReceived);
    assert_eq!(host.out(), ["S. 0:0(0) ack 1"]);
    let reaction = host.inject(&peer("S.", 0, 1).syn_options(MSS, true, None));
    assert!(reaction.established);
    assert_eq!(host.subflow.state(), State::Established);
    assert_eq!(host.out(), [] as [&str; 0]);
}

#[test]
fn a_lost_syn_is_sent_again_and_the_window_starts_small() {
    let mut host = Host::connect(plain());
    host.push(5_000);
    assert_eq!(host.out(), ["S 0:0(0)"]);
    assert_eq!(host.wait_for_deadline(), 1_000);
    assert_eq!(host.out(), ["S 0:0(0)"]);
    assert_eq!(host.wait_for_deadline(), 2_000);
    assert_eq!(host.out(), ["S 0:0(0)"]);
    host.inject(&peer("S.", 0, 1).syn_options(MSS, true, None));
    assert_eq!(host.out(), [". 1:1001(1000) ack 1"]);
    // RFC 6298 §5.7: no measurement, so three seconds.
    assert_eq!(host.subflow.rto().as_millis(), 3_000);
    assert_eq!(host.count(Outcome::TcpSynRetransmit), 2);
}

#[test]
fn a_peer_that_never_answers_is_given_up() {
    let mut host = Host::connect(Config { syn_retries: 2, ..plain() });
    for _ in 0..3 {
        assert_eq!(host.out(), ["S 0:0(0)"]);
        host.wait_for_deadline();
    }
    assert_eq!(host.subflow.close_reason(), Some(CloseReason::TimedOut));
    assert_eq!((host.out(), host.subflow.poll_deadline()), (vec![], None));
}

#[test]
fn a_syn_that_comes_again_is_answered_again() {
    let syn = peer("S", 0, 0).syn_options(MSS, true, None);
    let mut host = Host::accept(plain(), &syn);
    assert_eq!(host.out(), ["S. 0:0(0) ack 1"]);
    assert!(!host.inject(&syn).acceptable);
    assert_eq!(host.out(), ["S. 0:0(0) ack 1"]);
}

#[test]
fn a_syn_ack_that_comes_again_is_answered_by_an_ack() {
    let mut host = Host::established(plain());
    assert!(!host.inject(&peer("S.", 0, 1)).acceptable);
    assert_eq!(host.out(), [". 1:1(0) ack 1"]);
}

#[test]
fn data_in_a_syn_is_not_acknowledged() {
    let mut host = Host::connect(plain());
    host.sent();
    host.inject(&peer("S.", 0, 1).data(5));
    assert_eq!(host.out(), [". 1:1(0) ack 1"]);
    host.inject(&peer(".", 1, 1).data(5));
    assert_eq!(host.received().len(), 5);
}

#[test]
fn a_wrong_acknowledgement_in_syn_sent_is_reset() {
    let mut host = Host::connect(plain());
    host.sent();
    host.inject(&peer(".", 0, 77));
    assert_eq!(host.out(), ["R 77:77(0)"]);
    assert_eq!(host.subflow.state(), State::SynSent);
    host.inject(&peer("R.", 0, 77));
    assert_eq!((host.out(), host.subflow.state()), (vec![], State::SynSent));
}

#[test]
fn a_reset_refuses_a_syn_only_if_it_acknowledges_it() {
    let mut host = Host::connect(plain());
    host.sent();
    host.inject(&peer("R", 0, 1));
    assert_eq!(host.subflow.state(), State::SynSent);
    assert!(host.inject(&peer("R.", 0, 1)).reset);
    assert_eq!(host.subflow.close_reason(), Some(CloseReason::Refused));
}

#[test]
fn a_wrong_acknowledgement_in_syn_received_is_reset() {
    let mut host = Host::accept(plain(), &peer("S", 0, 0));
    host.sent();
    host.inject(&peer(".", 1, 99));
    assert_eq!(host.out(), ["R 99:99(0)"]);
    assert_eq!(host.subflow.state(), State::SynReceived);
}

#[test]
fn closing_during_the_handshake() {
    let mut host = Host::connect(plain());
    host.sent();
    host.subflow.close(host.now);
    assert_eq!(host.subflow.close_reason(), Some(CloseReason::Aborted));

    let mut host = Host::accept(plain(), &peer("S", 0, 0));
    host.push(10);
    host.sent();
    host.subflow.close(host.now);
    assert_eq!((host.out(), host.subflow.state()), (vec![], State::SynReceived));
    host.inject(&peer(".", 1, 1));
    assert_eq!(host.subflow.state(), State::FinWait1);
    assert_eq!(host.out(), ["FP. 1:11(10) ack 1"]);
}
