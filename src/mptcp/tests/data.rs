//! Data sequence mappings (RFC 8684 §3.3, §3.3.1).

use super::script::{Host, config};
use super::segment::{ours, segment, stream, theirs};
use crate::base::{DataSeqNumber, Duration, Outcome};
use crate::wire::{DataAck, MappingSignal, MptcpOption, ResetReason, TcpFlags};

fn short(offset: u64) -> DataAck {
    DataAck::Short(theirs(offset).0 as u32)
}

fn mapping(sequence: DataAck, subflow_offset: u32, length: u16) -> MappingSignal {
    MappingSignal { data_sequence: sequence, subflow_offset, length, checksum: None }
}

#[test]
fn what_leaves_is_mapped_in_64_bits_on_every_segment() {
    let mut host = Host::passive(config());
    host.write(4_000);
    let sent = host.sent();
    assert!(sent.len() >= 4);
    let mut at = 0;
    for segment in sent {
        let mapping = segment.mapping().expect("every segment until a Data ACK came");
        let DataAck::Long(start) = mapping.data_sequence else { panic!("32 bits could wrap") };
        // The mapping covers the segment that carries it, and says where it belongs.
        let into = segment.start(&host.first) as u64 - u64::from(mapping.subflow_offset);
        assert_eq!(start.0.wrapping_sub(ours(0).0) + into, at);
        assert!(into + segment.payload.len() as u64 <= u64::from(mapping.length));
        assert_eq!(segment.payload, stream(at..at + segment.payload.len() as u64));
        at += segment.payload.len() as u64;
    }
    assert_eq!(at, 4_000);
}

#[test]
fn a_retransmission_carries_the_mapping_it_was_declared_with() {
    let mut host = Host::passive(config());
    host.write(900);
    let declared = host.sent_one().mapping();
    let again = host.wait(Duration::from_secs(2));
    let copies: Vec<_> = again.iter().filter(|sent| !sent.payload.is_empty()).collect();
    assert!(!copies.is_empty() && copies.iter().all(|sent| sent.mapping() == declared));
}

#[test]
fn numbers_of_both_lengths_are_understood() {
    let mut host = Host::passive(config());
    let first = host.first;
    host.inject(&first, &segment(".", 1, 1).raw_map(mapping(short(0), 1, 50)).bytes(stream(0..50)));
    host.inject(&first, &segment(".", 51, 1).mapped(50, 50));
    assert_eq!(host.read(), stream(0..100));
    host.write(100);
    host.sent();
    host.inject(&first, &segment(".", 101, 101).raw_ack(DataAck::Short(ours(100).0 as u32)));
    assert_eq!(host.connection.send_capacity(), 1 << 20);
}

#[test]
fn the_first_copy_of_data_wins() {
    let mut host = Host::passive(config());
    let (first, join) = (host.first, host.joined_by_peer(2, 2));
    host.inject(&first, &segment(".", 1, 1).mapped(100, 100));
    host.inject(&join, &segment(".", 1, 1).map(0, 1, 250).bytes(vec![0xee; 250]));
    assert_eq!(host.count(Outcome::MpDssNotMatching), 0, "the same data on another subflow is no conflict");
    let bytes = host.read();
    assert_eq!(bytes.len(), 250);
    assert_eq!(bytes[100..200], stream(100..200), "later copies are ignored");
}

#[test]
fn a_mapping_that_changes_is_reset() {
    let mut host = Host::passive(config());
    let first = host.first;
    host.inject(&first, &segment(".", 1, 1).map(0, 1, 200).bytes(stream(0..100)));
    host.inject(&first, &segment(".", 101, 1).map(50, 1, 200).bytes(stream(100..200)));
    assert_eq!(host.count(Outcome::MpDssNotMatching), 1);
    assert_eq!(host.sent_reset(&first).reset().map(|reset| reset.0), Some(ResetReason::Mptcp));
}

#[test]
fn a_mapping_may_cover_segments_that_do_not_repeat_it() {
    let mut host = Host::passive(config());
    let first = host.first;
    host.inject(&first, &segment(".", 1, 1).map(0, 1, 300).bytes(stream(0..100)));
    host.inject(&first, &segment(".", 101, 1).bytes(stream(100..300)));
    assert_eq!(host.read(), stream(0..300));
}

#[test]
fn unmapped_data_is_acknowledged_by_the_subflow_alone_and_waits_for_its_mapping() {
    let mut host = Host::passive(config());
    let first = host.first;
    host.inject(&first, &segment(".", 1, 1).mapped(0, 100));
    host.sent();
    host.inject(&first, &segment(".", 101, 1).bytes(stream(100..600)));
    let acks = host.wait(Duration::from_millis(10));
    let ack = acks.last().expect("an ACK");
    assert_eq!(ack.tcp.acknowledgement.distance(first.theirs), 601);
    assert_eq!(ack.data_ack(), Some(100), "not at data level");
    assert_eq!(host.read(), stream(0..100));
    host.inject(&first, &segment(".", 601, 1).map(100, 101, 600).bytes(stream(600..700)));
    assert_eq!(host.read(), stream(100..700));
}

#[test]
fn data_whose_mapping_never_comes_breaks_its_subflow() {
    let mut host = Host::passive(config());
    let (first, join) = (host.first, host.joined_by_peer(2, 2));
    host.inject(&first, &segment(".", 1, 1).mapped(0, 100));
    host.sent();
    let mut start = 1;
    while host.state(&join).is_some() && start < 400_000 {
        host.inject(&join, &segment(".", start, 1).bytes(vec![9; 1_000]));
        start += 1_000;
        let sent = host.sent();
        if let Some(reset) = sent.iter().find(|sent| sent.has(TcpFlags::RST)) {
            assert_eq!(reset.reset().map(|reset| reset.0), Some(ResetReason::Middlebox));
        }
    }
    assert!(start < 400_000, "unmapped data grows for ever");
    assert!(start > 60_000, "not within a receive window");
    assert_eq!((host.count(Outcome::MpUnmappedData), host.read()), (1, stream(0..100)));
}

#[test]
fn bytes_that_the_next_mapping_leaves_out_are_given_up_at_once() {
    let mut host = Host::passive(config());
    let first = host.first;
    host.inject(&first, &segment(".", 1, 1).mapped(0, 100));
    host.inject(&first, &segment(".", 101, 1).bytes(stream(100..200)));
    // A mapping covers the segment that carries it: none can come for these any more.
    host.inject(&first, &segment(".", 201, 1).mapped(200, 100));
    assert_eq!(host.sent_reset(&first).reset().map(|reset| reset.0), Some(ResetReason::Middlebox));
    assert_eq!(host.read(), stream(0..100));
}

#[test]
fn data_outside_the_window_is_dropped_and_not_acknowledged() {
    let mut host = Host::passive(config());
    let first = host.first;
    host.inject(&first, &segment(".", 1, 1).mapped(1_000_000, 100));
    let before = mapping(DataAck::Long(DataSeqNumber(theirs(0).0.wrapping_sub(5_000))), 101, 100);
    host.inject(&first, &segment(".", 101, 1).raw_map(before).bytes(stream(0..100)));
    assert!(host.count(Outcome::MpNoDssInWindow) >= 1);
    let ack = host.wait(Duration::from_millis(10)).pop().expect("an ACK");
    assert_eq!((ack.tcp.acknowledgement.distance(first.theirs), ack.data_ack()), (201, Some(0)));
    assert!(host.read().is_empty());
}

#[test]
fn urgent_data_is_delivered_in_its_place() {
    let mut host = Host::passive(config());
    let first = host.first;
    host.inject(&first, &segment("U.", 1, 1).urgent(3).mapped(0, 100));
    assert_eq!(host.read(), stream(0..100));
}

#[test]
fn a_checksum_against_what_was_agreed_is_reset() {
    let mut checked = Host::passive_with_checksums();
    let first = checked.first;
    checked.inject(&first, &segment(".", 1, 1).checked(0, 100));
    assert_eq!(checked.read(), stream(0..100));
    for bad in [segment(".", 101, 1).checked(100, 100).unchecked(), segment(".", 101, 1).data_fin(100)] {
        let mut host = Host::passive_with_checksums();
        host.inject(&first, &segment(".", 1, 1).checked(0, 100));
        host.sent();
        host.inject(&first, &bad);
        assert_eq!(host.sent_reset(&first).reset().map(|reset| reset.0), Some(ResetReason::Mptcp));
        assert_eq!(host.count(Outcome::MpDssChecksumMismatch), 1);
    }
    let mut without = Host::passive(config());
    without.inject(&first, &segment(".", 1, 1).checked(0, 100));
    assert_eq!(without.sent_reset(&first).reset().map(|reset| reset.0), Some(ResetReason::Mptcp));
    assert!(without.read().is_empty());
}

#[test]
fn nothing_of_mptcp_is_believed_of_a_segment_that_tcp_refuses() {
    let mut host = Host::passive(config());
    let first = host.first;
    host.write(100);
    host.sent();
    // Far outside the window; acknowledging what never left.
    host.inject(&first, &segment(".", 9_000_000, 101).ack(100));
    host.inject(&first, &segment(".", 1, 9_000).ack(100).option(MptcpOption::Priority { backup: true }));
    assert_eq!(host.connection.send_capacity(), (1 << 20) - 100);
    assert_eq!(host.count(Outcome::MpPrioRx), 0);
}

#[test]
fn duplicate_acks_with_options_are_no_sign_of_loss() {
    for is_signal in [true, false] {
        let mut host = Host::passive(config());
        let first = host.first;
        host.write(9_000);
        host.sent();
        let duplicate = segment(".", 1, 1);
        let option = MptcpOption::Priority { backup: false };
        let duplicate = if is_signal { duplicate.option(option) } else { duplicate };
        for _ in 0..5 {
            host.inject(&first, &duplicate);
        }
        host.sent();
        assert_eq!(host.count(Outcome::TcpFastRetransmit) > 0, !is_signal);
    }
}
