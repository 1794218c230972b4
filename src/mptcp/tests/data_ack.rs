//! Data ACKs and the shared windows (RFC 8684 §3.3.2, §3.3.4 to §3.3.6).

use super::script::{Host, config};
use super::segment::{ours, segment, stream};
use crate::base::{Duration, Outcome};
use crate::mptcp::{Config, Event};
use crate::wire::DataAck;

const CAPACITY: usize = 1 << 20;

#[test]
fn data_acks_are_64_bits_on_every_segment() {
    let mut host = Host::passive(config());
    let first = host.first;
    host.inject(&first, &segment(".", 1, 1).mapped(0, 100));
    host.write(100);
    let data = host.sent_one();
    // `data_ack` fails on 32 bits.
    assert_eq!((data.data_ack(), data.payload.len()), (Some(100), 100));
}

#[test]
fn a_subflow_ack_alone_frees_nothing() {
    let mut host = Host::passive(config());
    let first = host.first;
    host.write(100);
    host.sent();
    host.inject(&first, &segment(".", 1, 101).ack(0));
    assert_eq!(host.connection.send_capacity(), CAPACITY - 100);
    host.inject(&first, &segment(".", 1, 101).ack(100));
    assert_eq!(host.connection.send_capacity(), CAPACITY);
}

#[test]
fn the_payload_is_held_until_both_levels_have_acknowledged_it() {
    let mut host = Host::passive(config());
    let (first, join) = (host.first, host.joined_by_peer(2, 2));
    host.write(400);
    let sender = host.sent_one().id;
    let (carrier, other) = if sender == first.id { (first, join) } else { (join, first) };
    // The data level has it, by way of a middlebox or another subflow; this subflow has not.
    host.inject(&other, &segment(".", 1, 1).ack(400));
    assert_eq!(host.connection.send_capacity(), CAPACITY);
    let again = host.wait(Duration::from_secs(2));
    let copy = again.iter().find(|sent| sent.id == carrier.id && !sent.payload.is_empty());
    assert_eq!(copy.map(|copy| copy.payload.clone()), Some(stream(0..400)), "still there to be sent again");
    host.inject(&carrier, &segment(".", 1, 401).ack(400));
    assert!(host.wait(Duration::from_secs(5)).iter().all(|sent| sent.payload.is_empty()));
}

#[test]
fn data_acks_of_what_was_never_sent_are_counted_and_ignored() {
    let mut host = Host::passive(config());
    let first = host.first;
    host.write(100);
    host.sent();
    for offset in [101, 5_000, 1 << 40] {
        host.inject(&first, &segment(".", 1, 1).ack(offset));
    }
    assert_eq!(host.count(Outcome::MpDataAckInvalid), 3);
    assert_eq!(host.connection.send_capacity(), CAPACITY - 100);
    // An old one is no error.
    host.inject(&first, &segment(".", 1, 101).ack(100));
    host.inject(&first, &segment(".", 1, 101).ack(0));
    assert_eq!((host.count(Outcome::MpDataAckInvalid), host.connection.send_capacity()), (3, CAPACITY));
}

#[test]
fn a_short_data_ack_that_is_late_is_not_promoted_too_far() {
    let mut host = Host::passive(config());
    let first = host.first;
    host.write(1_000);
    host.sent();
    let short = |offset: u64| DataAck::Short(ours(offset).0 as u32);
    host.inject(&first, &segment(".", 1, 1_001).raw_ack(short(1_000)));
    host.inject(&first, &segment(".", 1, 1_001).raw_ack(short(500)));
    assert_eq!(host.count(Outcome::MpDataAckInvalid), 0, "reordering is no wrap");
    assert_eq!(host.connection.send_capacity(), CAPACITY);
}

/// Bytes that leave when much is written.
fn leaving(host: &mut Host) -> usize {
    host.sent().iter().map(|sent| sent.payload.len()).sum()
}

#[test]
fn a_window_without_a_data_ack_does_not_count_at_connection_level() {
    let mut host = Host::active(config());
    let first = host.first;
    // The edge is where the last window beside a Data ACK put it.
    host.write(70_000);
    let mut acknowledged = 0;
    for _ in 0..40 {
        acknowledged += leaving(&mut host);
        host.inject(&first, &segment(".", 1, 1 + acknowledged as i64));
    }
    assert!(host.connection.is_fallback() || acknowledged <= 65_535 + 1_000, "{acknowledged}");
}

#[test]
fn the_peers_window_limits_what_leaves_and_its_edge_never_moves_back() {
    let mut host = Host::active(config());
    let first = host.first;
    host.write(300_000);
    let mut sent = leaving(&mut host);
    for _ in 0..60 {
        host.inject(&first, &segment(".", 1, 1 + sent as i64).ack(0));
        sent += leaving(&mut host);
    }
    assert_eq!(sent, 65_535, "all of the window, and not a byte more");
    // A smaller window beside the same Data ACK takes nothing back, and adds nothing.
    host.inject(&first, &segment(".", 1, 1 + sent as i64).ack(0).window(1_000));
    assert_eq!(leaving(&mut host), 0);
    host.inject(&first, &segment(".", 1, 1 + sent as i64).ack(5_000).window(65_535));
    let mut more = leaving(&mut host);
    for _ in 0..10 {
        host.inject(&first, &segment(".", 1, 1 + (sent + more) as i64).ack(5_000).window(65_535));
        more += leaving(&mut host);
    }
    assert_eq!(more, 5_000, "the edge is Data ACK plus window");
}

#[test]
fn a_subflows_own_window_is_kept_too() {
    let mut host = Host::active(config());
    let first = host.first;
    host.inject(&first, &segment(".", 1, 1).ack(0).window(3_000));
    host.write(50_000);
    let sent = leaving(&mut host);
    assert!(sent <= 3_000, "{sent}");
}

#[test]
fn the_right_edge_that_we_announce_never_moves_left_and_is_the_same_on_all_subflows() {
    let mut host = Host::passive(config());
    let (first, join) = (host.first, host.joined_by_peer(2, 2));
    let mut edge = 0;
    let (mut at, mut starts) = (0, [1, 1]);
    for round in 0..40 {
        let (which, flow) = if round % 2 == 0 { (0, first) } else { (1, join) };
        host.inject(&flow, &segment(".", starts[which], 1).mapped(at, 1_000));
        starts[which] += 1_000;
        at += 1_000;
        if round % 7 == 0 {
            host.read();
        }
        for sent in host.sent() {
            let announced = sent.data_ack().expect("a Data ACK") + u64::from(sent.tcp.window);
            assert!(announced >= edge, "round {round}: {announced} < {edge}");
            edge = announced;
        }
    }
    assert!(edge >= 60_000);
}

#[test]
fn a_reader_that_catches_up_opens_the_window_by_an_ack_of_its_own() {
    let mut host = Host::passive(config());
    let first = host.first;
    for at in 0..60 {
        host.inject(&first, &segment(".", 1 + at * 1_000, 1).mapped(at as u64 * 1_000, 1_000));
    }
    assert_eq!(host.sent().last().map(|sent| sent.tcp.window), Some(0));
    assert_eq!(host.read(), stream(0..60_000));
    let update = host.sent();
    assert_eq!(update.last().map(|sent| (sent.tcp.window, sent.data_ack())), Some((60_000, Some(60_000))));
}

#[test]
fn data_that_every_subflow_acknowledged_but_not_the_data_level_goes_again() {
    let mut host = Host::active(config());
    let first = host.first;
    host.write(500);
    host.sent();
    host.inject(&first, &segment(".", 1, 501).ack(0));
    let again = host.wait(Duration::from_secs(5));
    let copy = again.iter().find(|sent| !sent.payload.is_empty()).expect("a new mapping of the data");
    assert_eq!(copy.payload, stream(0..500));
    assert_eq!(copy.mapping().map(|mapping| mapping.data_sequence), Some(DataAck::Long(ours(0))));
    assert!(host.count(Outcome::MpDataRetransmit) > 0);
}

#[test]
fn a_writer_that_waits_is_told_of_room() {
    let mut host = Host::active(Config { send_buffer_bytes: 1_000, ..config() });
    let first = host.first;
    host.write(1_000);
    host.sent();
    assert_eq!(host.connection.send_capacity(), 0);
    host.inject(&first, &segment(".", 1, 1_001).ack(1_000));
    assert!(host.events.contains(&Event::Writable));
}
