use super::script::{Host, MSS, OURS, peer, plain};
use crate::base::{Duration, Outcome};
use crate::tcp::{CloseReason, Config, State};

#[test]
fn only_the_exact_number_resets() {
    let mut host = Host::established(plain());
    host.inject(&peer("R", 70_000, 0));
    host.inject(&peer("R", -5, 0));
    assert_eq!((host.out(), host.count(Outcome::TcpResetIgnored)), (vec![], 2));
    assert!(!host.inject(&peer("R", 2, 0)).reset);
    assert_eq!(host.out(), [". 1:1(0) ack 1"], "RFC 5961 §3.2: a challenge");
    assert!(host.inject(&peer("R", 1, 0)).reset);
    assert_eq!(host.subflow.close_reason(), Some(CloseReason::Reset));
    assert_eq!(host.out(), [] as [&str; 0]);
}

#[test]
fn a_syn_inside_a_connection_is_challenged() {
    let mut host = Host::established(plain());
    for start in [1, 5, 500] {
        assert!(!host.inject(&peer("S", start, 0)).acceptable);
        assert_eq!(host.out(), [". 1:1(0) ack 1"]);
    }
    assert_eq!(host.count(Outcome::TcpSynChallenge), 3);
    assert_eq!(host.subflow.state(), State::Established);
}

#[test]
fn an_acknowledgement_out_of_range_is_challenged() {
    let mut host = Host::established(plain());
    for ack in [2, 1 - 65_536, 1 << 30] {
        assert!(!host.inject(&peer(".", 1, ack).data(10)).acceptable);
        assert_eq!(host.out(), [". 1:1(0) ack 1"]);
    }
    assert_eq!(host.received(), [] as [u8; 0]);
    // An old one within the largest window is harmless, and its data counts.
    host.inject(&peer(".", 1, 1).window(65_535));
    assert!(host.inject(&peer(".", 1, 1 - 1_000).data(10)).acceptable);
    assert_eq!(host.received().len(), 10);
}

#[test]
fn challenges_are_limited() {
    let mut host = Host::established(plain());
    let mut answers = 0;
    for _ in 0..50 {
        host.inject(&peer("S", 5, 0));
        answers += host.out().len();
    }
    assert_eq!((answers, host.count(Outcome::TcpChallengeAckLimited)), (10, 40));
    host.wait(1_000);
    host.inject(&peer("S", 5, 0));
    assert_eq!(host.out().len(), 1);
}

#[test]
fn segments_without_ack_are_dropped() {
    let mut host = Host::established(plain());
    assert!(!host.inject(&peer("P", 1, 0).data(5)).acceptable);
    assert_eq!((host.out(), host.count(Outcome::TcpFlagsInvalid)), (vec![], 1));
}

#[test]
fn two_sides_do_not_answer_each_other_for_ever() {
    let mut host = Host::established(plain());
    let stray = peer(".", -10, 1);
    let answers: usize = (0..100)
        .map(|_| {
            host.inject(&stray);
            host.out().len()
        })
        .sum();
    assert_eq!(answers, 10);
}

fn with_timestamps() -> Host {
    let mut host = Host::connect(Config { timestamps: true, ..plain() });
    host.sent();
    host.inject(&peer("S.", 0, 1).syn_options(MSS, true, None).timestamps(1_000, 0));
    host.sent();
    host
}

#[test]
fn paws_rejects_what_is_old() {
    let mut host = with_timestamps();
    assert!(host.inject(&peer(".", 1, 1).data(10).timestamps(1_010, 0)).acceptable);
    assert_eq!(host.sent().len(), 0);
    host.wait(10);
    assert_eq!(host.sent()[0].tcp.options.timestamps.map(|stamp| stamp.echo), Some(1_010));
    assert!(!host.inject(&peer(".", 11, 1).data(10).timestamps(1_009, 0)).acceptable);
    assert_eq!(host.out(), [". 1:1(0) ack 11"]);
    assert_eq!((host.received().len(), host.count(Outcome::TcpPawsRejected)), (10, 1));
    // A reset is exempt (RFC 7323 §5.2).
    assert!(host.inject(&peer("R", 11, 1).timestamps(5, 0)).reset);
}

#[test]
fn a_segment_without_its_timestamp_is_dropped() {
    let mut host = with_timestamps();
    assert!(!host.inject(&peer(".", 1, 1).data(10)).acceptable);
    assert_eq!((host.out(), host.count(Outcome::TcpPawsRejected)), (vec![], 1));
}

#[test]
fn after_24_days_of_silence_any_timestamp_is_new() {
    let mut host = with_timestamps();
    host.now += Duration::from_secs(25 * 24 * 3600);
    assert!(host.inject(&peer(".", 1, 1).data(10).timestamps(5, 0)).acceptable);
    host.inject(&peer(".", 11, 1).data(10).timestamps(6, 0));
    host.wait(10);
    assert_eq!(
        host.sent()[0].tcp.options.timestamps.map(|stamp| stamp.echo),
        Some(5),
        "the oldest unacknowledged"
    );
}

#[test]
fn only_segments_at_the_acknowledged_edge_are_echoed() {
    let mut host = with_timestamps();
    host.inject(&peer(".", 501, 1).data(10).timestamps(2_000, 0));
    assert_eq!(host.sent()[0].tcp.options.timestamps.map(|stamp| stamp.echo), Some(1_000));
}

#[test]
fn the_timestamp_clock_ticks_in_milliseconds() {
    let mut host = with_timestamps();
    host.push(1);
    let first = host.sent()[0].tcp.options.timestamps.unwrap().value;
    host.wait(3);
    host.push(1);
    let second = host.sent()[0].tcp.options.timestamps.unwrap().value;
    assert_eq!(second.wrapping_sub(first), 3);
    assert_ne!(first, 5_000u32, "the clock starts elsewhere for each connection: {OURS}");
}
