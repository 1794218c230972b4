//! Infinite mappings of the peer's (RFC 8684 §3.3.1, §3.7).

use super::script::{Host, config};
use super::segment::{Segment, segment, stream};
use crate::base::Outcome;
use crate::wire::{ResetReason, TcpFlags};

/// An infinite mapping of `offset` at `subflow_offset`.
fn infinite(segment: Segment, offset: u64, subflow_offset: u32) -> Segment {
    segment.map(offset, subflow_offset, 0)
}

#[test]
fn an_infinite_mapping_turns_the_connection_plain() {
    let mut host = Host::passive(config());
    let first = host.first;
    host.inject(&first, &segment(".", 1, 1).mapped(0, 100).ack(0));
    host.sent();
    host.inject(&first, &infinite(segment(".", 101, 1), 100, 101).bytes(stream(100..200)));
    assert_eq!(host.count(Outcome::MpInfiniteMapRx), 1);
    assert!(host.connection.is_fallback());
    host.inject(&first, &segment(".", 201, 1).bytes(stream(200..300)));
    assert_eq!(host.read(), stream(0..300));
    host.write(100);
    let sent = host.sent();
    assert!(
        sent.iter().all(|sent| sent.dss().is_none() && sent.others().is_empty()),
        "no Data ACKs any more"
    );
    host.inject(&first, &segment(".", 301, 101));
    assert_eq!(host.connection.send_capacity(), 1 << 20, "subflow ACKs free what was sent");
}

#[test]
fn it_acts_from_its_number_on_also_for_what_waits_without_a_mapping() {
    let mut host = Host::passive(config());
    let first = host.first;
    host.inject(&first, &segment(".", 1, 1).mapped(0, 100).ack(0));
    host.inject(&first, &segment(".", 101, 1).bytes(stream(100..250)));
    // Retroactively, from the last segment that was Data-ACKed.
    host.inject(&first, &infinite(segment(".", 251, 1), 0, 1).bytes(stream(250..300)));
    assert_eq!(host.read(), stream(0..300));
}

#[test]
fn bytes_that_were_delivered_already_are_not_delivered_twice() {
    let mut host = Host::passive(config());
    let first = host.first;
    host.inject(&first, &segment(".", 1, 1).mapped(0, 100).ack(0));
    // The same 40 bytes again on the subflow, then 60 new ones, none of them mapped.
    host.inject(&first, &segment(".", 101, 1).bytes(stream(60..160)));
    host.inject(&first, &infinite(segment(".", 201, 1), 60, 101).bytes(stream(160..200)));
    assert_eq!(host.read(), stream(0..200));
    assert!(host.connection.is_fallback());
}

#[test]
fn one_that_leaves_a_hole_in_the_stream_is_reset() {
    let mut host = Host::passive(config());
    let first = host.first;
    host.inject(&first, &segment(".", 1, 1).mapped(0, 100).ack(0));
    host.sent();
    host.inject(&first, &infinite(segment(".", 101, 1), 500, 101).bytes(stream(500..600)));
    assert_eq!(host.sent_reset(&first).reset().map(|reset| reset.0), Some(ResetReason::Middlebox));
    assert_eq!(host.read(), stream(0..100));
}

#[test]
fn one_with_several_subflows_is_reset() {
    let mut host = Host::passive(config());
    let (first, join) = (host.first, host.joined_by_peer(2, 2));
    host.inject(&first, &segment(".", 1, 1).mapped(0, 100).ack(0));
    host.inject(&join, &infinite(segment(".", 1, 1), 100, 1).bytes(stream(100..200)));
    let sent = host.sent();
    assert!(sent.iter().any(|sent| sent.id == join.id && sent.has(TcpFlags::RST)));
    assert!(!host.connection.is_fallback());
}
