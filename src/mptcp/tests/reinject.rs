//! Data of a subflow that stalls goes elsewhere (RFC 8684 §3.3.6).

use super::script::{Host, config};
use super::segment::{Flow, Sent, segment, stream};
use crate::base::{Duration, Outcome, SubflowId};
use crate::wire::DataAck;

/// Two subflows with 500 bytes in flight: the one that carries them, and the other.
fn in_flight() -> (Host, Flow, Flow) {
    let mut host = Host::passive(config());
    let (first, join) = (host.first, host.joined_by_peer(2, 2));
    host.inject(&join, &segment(".", 1, 1).ack(0));
    host.write(500);
    let carrier = host.sent_one().id;
    if carrier == first.id { (host, first, join) } else { (host, join, first) }
}

fn copies(sent: &[Sent], id: SubflowId) -> usize {
    sent.iter().filter(|sent| sent.id == id && sent.payload == stream(0..500)).count()
}

#[test]
fn a_stalled_subflow_keeps_its_data_and_another_carries_a_copy() {
    let (mut host, stalled, other) = in_flight();
    let sent = host.wait(Duration::from_millis(12));
    assert_eq!(host.count(Outcome::MpSubflowStale), 1);
    assert!(copies(&sent, other.id) >= 1, "reinjected");
    assert!(copies(&sent, stalled.id) >= 1, "and still retransmitted where it was");
    let mappings: Vec<_> =
        sent.iter().filter_map(Sent::mapping).map(|mapping| mapping.data_sequence).collect();
    assert!(mappings.iter().all(|number| *number == DataAck::Long(super::segment::ours(0))), "the same data");
    // The Data ACK frees it; the subflow goes on until it is acknowledged there too.
    host.inject(&other, &segment(".", 1, 501).ack(500));
    assert_eq!(host.connection.send_capacity(), 1 << 20);
    assert!(copies(&host.wait(Duration::from_secs(3)), stalled.id) >= 1);
}

#[test]
fn new_data_avoids_a_stalled_subflow_until_it_makes_progress() {
    let (mut host, stalled, other) = in_flight();
    host.wait(Duration::from_millis(12));
    host.inject(&other, &segment(".", 1, 501).ack(500));
    host.write(500);
    assert!(host.sent().iter().all(|sent| sent.id == other.id));
    host.inject(&other, &segment(".", 1, 1_001).ack(1_000));
    host.inject(&stalled, &segment(".", 1, 501).ack(1_000));
    assert_eq!(host.count(Outcome::MpSubflowRecover), 1);
    host.write(40_000);
    assert!(host.sent().iter().any(|sent| sent.id == stalled.id && !sent.payload.is_empty()));
}
