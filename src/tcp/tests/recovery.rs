use super::script::{Host, peer, plain};
use crate::base::Outcome;
use crate::tcp::{CloseReason, Config};

/// Ten segments are out.
fn in_flight(config: Config) -> Host {
    let mut host = Host::established(config);
    host.push(40_000);
    assert_eq!(host.sent().len(), 10);
    host
}

#[test]
fn sack_finds_the_loss_and_repairs_it_alone() {
    let mut host = in_flight(plain());
    // RFC 3042 by pipe: what is SACKed makes room for new segments.
    assert!(host.inject(&peer(".", 1, 1).sack(&[(1_001, 2_001)])).duplicate_ack);
    assert_eq!(host.out(), [". 10001:11001(1000) ack 1"]);
    host.inject(&peer(".", 1, 1).sack(&[(1_001, 3_001)]));
    assert_eq!(host.out(), [". 11001:12001(1000) ack 1"]);
    host.inject(&peer(".", 1, 1).sack(&[(1_001, 4_001)]));
    assert_eq!(host.out(), [". 1:1001(1000) ack 1"], "the fast retransmission");
    // What limited transmit sent is left out (RFC 5681 §3.2).
    assert_eq!(host.subflow.congestion_window(), 5_000);
    host.inject(&peer(".", 1, 12_001));
    assert_eq!(host.subflow.congestion_window(), 5_000);
    assert_eq!(host.sent().len(), 5);
    assert_eq!((host.count(Outcome::TcpFastRetransmit), host.subflow.statistics().retransmissions), (1, 1));
}

#[test]
fn a_burst_of_acknowledgements_in_front_of_a_loss_does_not_shrink_the_window_further() {
    let mut host = in_flight(plain());
    host.inject(&peer(".", 1, 1).sack(&[(1_001, 10_001)]));
    host.out();
    host.inject(&peer(".", 1, 10_001));
    assert_eq!((host.sent().len(), host.subflow.congestion_window()), (1, 5_000));
    // Five are out. Nothing leaves between these two.
    host.inject(&peer(".", 1, 11_001));
    host.inject(&peer(".", 1, 11_001).sack(&[(12_001, 15_001)]));
    assert_eq!(host.out()[0], ". 11001:12001(1000) ack 1");
    assert_eq!(host.subflow.congestion_window(), 2_500, "half of the full window");
}

#[test]
fn several_holes_are_repaired_in_one_round_trip() {
    let mut host = in_flight(plain());
    host.inject(&peer(".", 1, 1).sack(&[(9_001, 10_001), (6_001, 8_001), (2_001, 4_001)]));
    let out = host.out();
    // pipe: 10 sent, 5 SACKed, 4 lost, 1 doubtful: four of the five that the window has left.
    assert_eq!(
        out,
        [
            ". 1:1001(1000) ack 1",
            ". 1001:2001(1000) ack 1",
            ". 4001:5001(1000) ack 1",
            ". 5001:6001(1000) ack 1",
        ]
    );
    host.inject(&peer(".", 1, 8_001).sack(&[(9_001, 10_001)]));
    assert_eq!(host.subflow.congestion_window(), 5_000);
    assert!(host.sent().iter().all(|sent| sent.payload.len() == 1_000));
}

#[test]
fn three_duplicates_find_the_loss_without_sack() {
    let mut host = in_flight(Config { sack: false, ..plain() });
    let duplicate = peer(".", 1, 1);
    assert!(host.inject(&duplicate).duplicate_ack);
    assert_eq!(host.out(), [". 10001:11001(1000) ack 1"], "limited transmit (RFC 3042)");
    host.inject(&duplicate);
    assert_eq!(host.out(), [". 11001:12001(1000) ack 1"]);
    host.inject(&duplicate);
    assert_eq!(host.out(), [". 1:1001(1000) ack 1"]);
    assert_eq!(host.subflow.congestion_window(), 5_000);
    // Each further duplicate is a segment that left.
    for _ in 0..4 {
        host.inject(&duplicate);
    }
    assert_eq!(host.sent().len(), 0, "twelve sent and seven gone: the window is full");
    host.inject(&duplicate);
    assert_eq!(host.out(), [". 12001:13001(1000) ack 1"]);
    // A partial acknowledgement shows the next hole (RFC 6582).
    host.inject(&peer(".", 1, 3_001));
    assert_eq!(host.out()[0], ". 3001:4001(1000) ack 1");
    host.inject(&peer(".", 1, 12_001));
    assert_eq!(host.subflow.congestion_window(), 5_000);
    assert_eq!(host.count(Outcome::TcpFastRetransmit), 2);
}

#[test]
fn duplicates_with_a_signal_of_the_room_above_are_none() {
    let mut host = in_flight(Config { sack: false, ..plain() });
    for _ in 0..5 {
        assert!(host.inject_with(&peer(".", 1, 1), true).duplicate_ack);
    }
    assert_eq!((host.out(), host.subflow.congestion_window()), (vec![], 10_000));
}

#[test]
fn a_changed_window_or_data_is_no_duplicate() {
    let mut host = in_flight(Config { sack: false, ..plain() });
    for window in [60_000, 61_000, 62_000, 63_000] {
        assert!(!host.inject(&peer(".", 1, 1).window(window)).duplicate_ack);
    }
    for at in 0..4 {
        assert!(!host.inject(&peer(".", 1 + at * 10, 1).data(10).window(63_000)).duplicate_ack);
    }
    assert_eq!((host.sent().len(), host.subflow.congestion_window()), (0, 10_000));
}

#[test]
fn the_tail_is_rescued() {
    let mut host = Host::established(plain());
    host.push(10_000);
    host.sent();
    // 1 and the last two are lost; no new data will show that the last are.
    host.inject(&peer(".", 1, 1).sack(&[(1_001, 8_001)]));
    assert_eq!(host.out(), [". 1:1001(1000) ack 1", "P. 9001:10001(1000) ack 1"]);
    host.inject(&peer(".", 1, 8_001).sack(&[(9_001, 10_001)]));
    assert_eq!(host.out(), [". 8001:9001(1000) ack 1"]);
    host.inject(&peer(".", 1, 10_001));
    assert_eq!(host.subflow.outstanding(), 0);
}

#[test]
fn a_timeout_backs_off_and_starts_slowly() {
    let mut host = in_flight(plain());
    assert_eq!(host.wait_for_deadline(), 10);
    assert_eq!(host.out(), [". 1:1001(1000) ack 1"]);
    assert_eq!((host.subflow.congestion_window(), host.subflow.consecutive_timeouts()), (1_000, 1));
    assert_eq!(host.wait_for_deadline(), 20);
    assert_eq!(host.out(), [". 1:1001(1000) ack 1"]);
    assert_eq!(host.wait_for_deadline(), 40);
    assert_eq!(host.out(), [". 1:1001(1000) ack 1"]);
    host.inject(&peer(".", 1, 1_001));
    assert_eq!(host.subflow.consecutive_timeouts(), 0);
    assert_eq!(host.out(), [". 1001:2001(1000) ack 1", ". 2001:3001(1000) ack 1"]);
    // Karn: no measurement from what was sent again, the back-off stays.
    assert_eq!(host.subflow.rto().as_millis(), 80);
    host.inject(&peer(".", 1, 10_001));
    host.sent();
    host.now += crate::base::Duration::from_millis(1);
    host.inject(&peer(".", 1, 11_001));
    assert_eq!(host.subflow.rto().as_millis(), 10);
    assert_eq!(host.count(Outcome::TcpTimeout), 3);
}

#[test]
fn too_many_timeouts_end_it() {
    let mut host = Host::established(Config { retries: 3, ..plain() });
    host.push(1_000);
    for _ in 0..4 {
        assert_eq!(host.out().len(), 1);
        host.wait_for_deadline();
    }
    assert_eq!(host.subflow.close_reason(), Some(CloseReason::TimedOut));
    assert_eq!((host.out(), host.subflow.outstanding()), (vec![], 0));
}

#[test]
fn after_a_timeout_only_what_is_missing_is_sent_again() {
    let mut host = in_flight(plain());
    host.inject(&peer(".", 1, 1).sack(&[(9_001, 10_001)]));
    host.sent();
    host.wait_for_deadline();
    assert_eq!(host.out(), [". 1:1001(1000) ack 1"]);
    let mut again = Vec::new();
    for ack in (1_001..9_001).step_by(1_000) {
        host.inject(&peer(".", 1, ack).sack(&[(9_001, 10_001)]));
        again.extend(host.sent().into_iter().map(|sent| sent.tcp.sequence));
    }
    assert!(!again.contains(&(super::script::OURS + 9_001)));
}

#[test]
fn a_spurious_timeout_is_undone() {
    let mut host = in_flight(Config { timestamps: true, ..plain() });
    let before = host.subflow.congestion_window();
    let stamp = (5_000u32).wrapping_add(super::script::OURS.0);
    host.wait_for_deadline();
    assert_eq!(host.sent().len(), 1);
    assert!(host.subflow.congestion_window() < before);
    // The peer was slow: it echoes what left before the timeout.
    host.inject(&peer(".", 1, 1 + 988).timestamps(2, stamp));
    assert_eq!(host.subflow.congestion_window(), before + 988, "and slow start goes on");
    assert_eq!(host.count(Outcome::TcpSpuriousTimeout), 1);
    assert_eq!(host.subflow.in_flight(), 9 * 988);
}

#[test]
fn an_answer_to_the_retransmission_undoes_nothing() {
    let mut host = in_flight(Config { timestamps: true, ..plain() });
    host.wait_for_deadline();
    host.sent();
    let stamp = (5_010u32).wrapping_add(super::script::OURS.0);
    host.inject(&peer(".", 1, 1 + 988).timestamps(2, stamp));
    assert_eq!(host.count(Outcome::TcpSpuriousTimeout), 0);
    assert_eq!(host.subflow.congestion_window(), 2 * 988);
}

#[test]
fn a_peer_that_drops_what_it_sacked_gets_it_again() {
    let mut host = in_flight(plain());
    host.inject(&peer(".", 1, 1).sack(&[(1_001, 3_001)]));
    host.sent();
    host.inject(&peer(".", 1, 1_001));
    assert_eq!(host.out()[0], ". 1001:2001(1000) ack 1");
}

#[test]
fn implausible_sacks_are_ignored() {
    let mut host = in_flight(plain());
    for block in [(1, 1), (5_001, 2_001), (10_001, 20_001), (0, 1_001), (1 << 31, 1 << 31 | 5)] {
        host.inject(&peer(".", 1, 1).sack(&[block]));
    }
    assert_eq!((host.sent().len(), host.subflow.in_flight()), (0, 10_000));
    // Parts of segments are not taken.
    host.inject(&peer(".", 1, 1).sack(&[(1_101, 2_900)]));
    assert_eq!(host.subflow.in_flight(), 10_000);
}

#[test]
fn a_repaired_path_is_used_at_once() {
    let mut host = in_flight(plain());
    for _ in 0..5 {
        host.wait_for_deadline();
        host.sent();
    }
    assert_eq!(host.subflow.rto().as_millis(), 320);
    host.subflow.retry_now(host.now);
    assert_eq!(host.out(), [". 1:1001(1000) ack 1"]);
    assert_eq!(host.wait_for_deadline(), 10);
}

#[test]
fn a_repaired_path_may_fail_as_often_as_a_new_one() {
    let mut host = Host::established(Config { retries: 3, ..plain() });
    host.push(1_000);
    for _ in 0..3 {
        assert_eq!(host.out().len(), 1);
        host.wait_for_deadline();
    }
    // One more would have ended it, and the timer is short again.
    host.subflow.retry_now(host.now);
    for _ in 0..3 {
        assert_eq!(host.out().len(), 1);
        host.wait_for_deadline();
    }
    assert_eq!(host.subflow.close_reason(), Some(CloseReason::TimedOut));
}
