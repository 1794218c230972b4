//! Options lost and data changed on the way (RFC 8684 §3.7).

use super::script::{Host, addresses, config};
use super::segment::{Segment, checksum, ours, segment, stream, theirs};
use crate::base::{Duration, HeapPacket, Outcome, Packet};
use crate::mptcp::{CloseReason, Config, Connection, Event, Path};
use crate::tcp::State;
use crate::wire::{DataAck, MappingSignal, MptcpOption, ResetReason, TcpFlags};

/// Data as a middlebox left it.
fn changed(segment: Segment) -> Segment {
    let mut segment = segment;
    segment.payload[3] ^= 0x10;
    segment
}

fn is_plain(host: &mut Host) -> bool {
    let sent = host.sent();
    host.connection.is_fallback() && sent.iter().all(|sent| sent.others().is_empty())
}

#[test]
fn data_acknowledged_without_a_data_ack_turns_the_first_subflow_plain() {
    let mut host = Host::passive(config());
    let first = host.first;
    host.write(500);
    host.sent();
    host.inject(&first, &segment(".", 1, 501));
    assert!(host.connection.is_fallback());
    assert_eq!(host.count(Outcome::MpDssFallback), 1);
    assert_eq!(host.connection.send_capacity(), 1 << 20, "what this ACK says is free");
    host.write(500);
    // One last mapping, in case options pass in one direction only.
    let last = host.sent_one();
    let mapping = last.mapping().expect("an infinite mapping");
    assert_eq!((mapping.length, last.data_ack()), (0, None));
    assert_eq!(host.count(Outcome::MpInfiniteMapTx), 1);
    host.inject(&first, &segment(".", 1, 1_001));
    assert_eq!(host.connection.send_capacity(), 1 << 20, "subflow ACKs free what was sent");
    host.write(500);
    let plain = host.sent_one();
    assert_eq!((plain.dss(), plain.others()), (None, &[][..]));
}

#[test]
fn a_join_under_way_is_no_second_subflow() {
    let mut host = Host::active(Config { addresses: addresses(2), ..config() });
    let first = host.first;
    let wanted = host.wanted();
    let (join, _) = host.open(&wanted[0]).expect("room");
    host.write(500);
    host.sent();
    // An infinite mapping: plain TCP, on the one subflow that there is.
    host.inject(&first, &segment(".", 1, 501).map(0, 1, 0).bytes(stream(0..100)));
    assert!(host.connection.is_fallback());
    host.sent();
    assert_eq!((host.state(&join), host.state(&first)), (None, Some(State::Established)));
    assert_eq!(host.read(), stream(0..100));
    assert_eq!(host.connection.send_capacity(), 1 << 20);
}

#[test]
fn an_ack_of_the_syn_alone_says_nothing() {
    let mut host = Host::passive(config());
    let first = host.first;
    host.write(500);
    host.sent();
    host.inject(&first, &segment(".", 1, 1));
    assert!(!host.connection.is_fallback());
}

#[test]
fn data_acknowledged_without_a_data_ack_resets_a_join() {
    let mut host = Host::passive(config());
    let (first, join) = (host.first, host.joined_by_peer(2, 2));
    host.inject(&first, &segment(".", 1, 1).ack(0).option(MptcpOption::Priority { backup: true }));
    host.write(500);
    assert_eq!(host.sent_one().id, join.id);
    host.inject(&join, &segment(".", 1, 501));
    let reset = host.sent();
    let reset = reset.iter().find(|sent| sent.has(TcpFlags::RST)).expect("an RST");
    assert_eq!((reset.id, reset.reset()), (join.id, Some((ResetReason::Middlebox, false))));
    assert!(!host.connection.is_fallback());
}

#[test]
fn a_join_is_reset_even_if_it_is_the_only_subflow_left() {
    let mut host = Host::passive(config());
    let (first, join) = (host.first, host.joined_by_peer(2, 2));
    host.inject(&first, &segment("R.", 1, 1));
    host.write(500);
    assert_eq!(host.sent_one().id, join.id);
    host.inject(&join, &segment(".", 1, 501));
    assert_eq!(host.sent_reset(&join).reset(), Some((ResetReason::Middlebox, false)));
    assert!(!host.connection.is_fallback());
}

#[test]
fn options_lost_later_reset_the_subflow_once_a_window_of_unmapped_data_came() {
    let mut host = Host::passive(config());
    let first = host.first;
    host.inject(&first, &segment(".", 1, 1).mapped(0, 100).ack(0));
    host.sent();
    let mut start = 101;
    while host.state(&first).is_some() {
        host.inject(&first, &segment(".", start, 1).bytes(vec![7; 1_000]));
        start += 1_000;
        if let Some(reset) = host.sent().iter().find(|sent| sent.has(TcpFlags::RST)) {
            assert_eq!(reset.reset(), Some((ResetReason::Middlebox, false)));
        }
        assert!(start < 1_000_000);
    }
    assert_eq!(host.read(), stream(0..100), "nothing without a mapping reaches the application");
}

#[test]
fn a_wrong_checksum_with_several_subflows_resets_the_subflow_with_mp_fail() {
    let mut host = Host::passive_with_checksums();
    let (first, join) = (host.first, host.joined_by_peer(2, 2));
    host.inject(&first, &segment(".", 1, 1).checked(0, 100));
    host.inject(&join, &changed(segment(".", 1, 1).checked(100, 100)));
    host.inject(&join, &segment(".", 101, 1).checked(200, 100));
    let sent = host.sent();
    let reset = sent.iter().find(|sent| sent.has(TcpFlags::RST)).expect("an RST");
    assert_eq!((reset.id, reset.fail()), (join.id, Some(theirs(100))));
    assert_eq!((host.count(Outcome::MpDataChecksumError), host.count(Outcome::MpDssCorruptionReset)), (1, 1));
    // Failed data, and what follows it on the subflow, is neither delivered nor acknowledged.
    assert_eq!(host.read(), stream(0..100));
    host.inject(&first, &segment(".", 101, 1).checked(100, 200));
    assert_eq!(host.read(), stream(100..300), "it comes again elsewhere");
    assert!(!host.connection.is_fallback());
}

#[test]
fn a_wrong_checksum_on_the_only_subflow_is_answered_with_mp_fail_and_plain_tcp() {
    let mut host = Host::passive_with_checksums();
    let first = host.first;
    host.inject(&first, &segment(".", 1, 1).checked(0, 100));
    host.sent();
    host.inject(&first, &changed(segment(".", 101, 1).checked(100, 100)));
    let answer = host.sent_one();
    assert_eq!(answer.fail(), Some(theirs(100)));
    assert_eq!(answer.data_ack(), None, "failed data is never acknowledged at data level");
    assert!(host.connection.is_fallback());
    host.inject(&first, &segment(".", 201, 1).bytes(stream(200..300)));
    assert_eq!(host.read().len(), 300);
    assert!(is_plain(&mut host));
}

#[test]
fn a_wrong_checksum_with_a_gap_resets_the_only_subflow() {
    let mut host = Host::passive_with_checksums();
    let (first, join) = (host.first, host.joined_by_peer(2, 2));
    host.inject(&join, &segment(".", 1, 1).checked(500, 100));
    host.inject(&join, &segment("R.", 101, 1));
    host.inject(&first, &changed(segment(".", 1, 1).checked(0, 100)));
    let reset = host.sent_reset(&first);
    assert_eq!(reset.fail(), Some(theirs(0)));
    assert!(host.read().is_empty());
}

#[test]
fn mp_fail_is_answered_with_mp_fail_and_an_infinite_mapping() {
    let mut host = Host::passive_with_checksums();
    let first = host.first;
    host.write(300);
    host.sent();
    host.inject(&first, &segment(".", 1, 301).ack(300));
    host.write(200);
    host.sent();
    host.inject(&first, &segment(".", 1, 501).ack(300).option(MptcpOption::Fail(ours(300))));
    assert_eq!(host.count(Outcome::MpFailRx), 1);
    let answer = host.sent_one();
    assert_eq!(answer.fail(), Some(theirs(0)));
    host.write(100);
    let mapping = host.sent_one().mapping().expect("an infinite mapping");
    // It acts from what was Data-ACKed last, and its checksum is zero.
    let expected = MappingSignal {
        data_sequence: DataAck::Long(ours(300)),
        subflow_offset: 301,
        length: 0,
        checksum: Some(0),
    };
    assert_eq!(mapping, expected);
    assert!(host.connection.is_fallback());
}

#[test]
fn mp_fail_on_an_rst_ends_the_subflow_alone() {
    let mut host = Host::passive_with_checksums();
    let (first, join) = (host.first, host.joined_by_peer(2, 2));
    host.write(500);
    let carrier = host.sent_one().id;
    let (gone, other) = if carrier == first.id { (first, join) } else { (join, first) };
    host.inject(&gone, &segment("R.", 1, 1).option(MptcpOption::Fail(ours(0))));
    assert!(!host.connection.is_fallback());
    assert!(host.sent().iter().any(|sent| sent.id == other.id && sent.payload == stream(0..500)));
}

#[test]
fn mp_fail_while_there_are_others_resets_the_subflow_with_mp_fail() {
    let mut host = Host::passive_with_checksums();
    let (first, join) = (host.first, host.joined_by_peer(2, 2));
    host.inject(&join, &segment(".", 1, 1).ack(0).option(MptcpOption::Fail(ours(0))));
    let reset = host.sent_reset(&join);
    assert_eq!(reset.fail(), Some(ours(0)));
    assert!(!host.connection.is_fallback());
    assert_eq!(host.state(&first), Some(State::Established));
}

#[test]
fn there_is_no_way_back_after_a_fallback() {
    let mut host = Host::passive(config());
    let first = host.first;
    host.inject(&first, &segment(".", 1, 1).bytes(stream(0..10)));
    assert!(host.connection.is_fallback());
    host.inject(
        &first,
        &segment(".", 11, 1).mapped(5_000, 10).option(MptcpOption::Priority { backup: true }),
    );
    assert_eq!(host.read(), stream(0..10).into_iter().chain(stream(5_000..5_010)).collect::<Vec<_>>());
    assert_eq!(host.count(Outcome::MpPrioRx), 0);
    assert!(is_plain(&mut host));
}

#[test]
fn the_first_data_without_any_option_is_plain_tcp() {
    let mut host = Host::passive(config());
    let first = host.first;
    host.inject(&first, &segment(".", 1, 1).bytes(stream(0..100)));
    assert_eq!(host.read(), stream(0..100));
    assert_eq!(host.count(Outcome::MpCapableDataFallback), 1);
}

#[test]
fn plain_tcp_goes_on_after_a_data_fin_that_was_acknowledged() {
    let mut host = Host::passive_with_checksums();
    let first = host.first;
    host.close();
    host.sent();
    host.inject(&first, &segment(".", 1, 1).ack(1));
    host.sent();
    // Their direction turns plain; ours has ended already, and says so by FIN.
    host.inject(&first, &changed(segment(".", 1, 1).checked(0, 100)));
    assert!(host.connection.is_fallback());
    assert!(host.sent().iter().any(|sent| sent.has(TcpFlags::FIN)));
    host.inject(&first, &segment("F.", 101, 2));
    host.wait(Duration::from_secs(120));
    assert_eq!(host.closed(), Some(CloseReason::Finished));
}

#[test]
fn a_fin_ends_the_stream_of_a_plain_connection_whatever_data_fin_was_signalled() {
    let mut host = Host::passive_with_checksums();
    let first = host.first;
    let mapping = MappingSignal {
        data_sequence: DataAck::Long(theirs(120)),
        subflow_offset: 0,
        length: 1,
        checksum: Some(checksum(120, 0, 1, &[])),
    };
    host.inject(&first, &segment(".", 1, 1).data_fin(120).raw_map(mapping));
    host.inject(&first, &changed(segment(".", 1, 1).checked(0, 100)));
    assert!(host.connection.is_fallback());
    host.inject(&first, &segment("F.", 101, 1));
    assert!(host.events.contains(&Event::PeerFinished));
}

#[test]
fn plain_tcp_runs_on_beyond_half_of_the_sequence_numbers() {
    let path = Path {
        super_segment_bytes: 65_000,
        ..super::script::path(super::script::our_address(1), 5_000, super::script::their_socket(1))
    };
    let config = Config { send_buffer_bytes: 4_000_000, ..config() };
    let mut host = Host::connect_over(config, path);
    let first = host.first;
    host.sent();
    host.inject(&first, &segment("S.", 0, 1));
    assert!(host.connection.is_fallback());
    let block = HeapPacket::new(&vec![5; 1_000_000]);
    let (mut written, mut acknowledged) = (0u64, 0u64);
    while acknowledged < (1 << 31) + 10_000_000 {
        while host.connection.send_capacity() > 0 {
            host.with(|connection: &mut Connection<_>, cx| connection.write(cx, block.share()))
                .expect("open");
            written += block.len() as u64;
        }
        let sent = host.sent_bytes();
        assert!(sent > 0, "stalled after {acknowledged} bytes of {written}");
        acknowledged += sent;
        host.inject(&first, &segment(".", 1, 1 + acknowledged as i64));
    }
}
