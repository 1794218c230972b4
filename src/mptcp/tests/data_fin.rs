//! DATA_FIN (RFC 8684 §3.3.3).

use super::script::{Host, config};
use super::segment::{Sent, checksum, ours, segment, stream};
use crate::base::Duration;
use crate::mptcp::{CloseReason, Event};
use crate::tcp::State;
use crate::wire::{DataAck, DataSignal, MappingSignal, TcpFlags};

fn fins(host: &mut Host) -> Vec<DataSignal> {
    host.sent().iter().filter_map(Sent::dss).filter(|signal| signal.data_fin).collect()
}

#[test]
fn a_data_fin_without_data_has_subflow_offset_0_and_length_1() {
    let mut host = Host::active(config());
    let first = host.first;
    host.write(100);
    host.sent();
    host.inject(&first, &segment(".", 1, 101).ack(100));
    host.close();
    let fins = fins(&mut host);
    let expected = MappingSignal {
        data_sequence: DataAck::Long(ours(100)),
        subflow_offset: 0,
        length: 1,
        checksum: None,
    };
    assert_eq!(fins.first().and_then(|signal| signal.mapping), Some(expected));
    assert_eq!(host.state(&first), Some(State::Established), "no FIN before it is acknowledged");
}

#[test]
fn its_checksum_covers_the_pseudo_header_alone() {
    let mut host = Host::passive_with_checksums();
    let first = host.first;
    host.close();
    let mapping = fins(&mut host)[0].mapping.expect("a mapping");
    let expected = crate::mptcp::mapping::data_checksum::<crate::base::HeapPacket>(ours(0), 0, 1, [].iter());
    assert_eq!(mapping.checksum, Some(expected));
    let theirs = MappingSignal {
        data_sequence: DataAck::Long(super::segment::theirs(0)),
        subflow_offset: 0,
        length: 1,
        checksum: Some(checksum(0, 0, 1, &[])),
    };
    let mut wrong = theirs;
    wrong.checksum = wrong.checksum.map(|right| right ^ 0x0101);
    for (mapping, ends) in [(wrong, false), (theirs, true)] {
        let mut segment = segment(".", 1, 1).data_fin(0);
        segment = segment.raw_map(mapping);
        host.inject(&first, &segment);
        assert_eq!(host.events.contains(&Event::PeerFinished), ends);
    }
}

#[test]
fn the_data_fin_is_repeated_until_it_is_acknowledged() {
    let mut host = Host::active(config());
    let first = host.first;
    host.close();
    host.sent();
    let again = host.wait(Duration::from_secs(4));
    assert!(again.iter().any(|sent| sent.dss().is_some_and(|signal| signal.data_fin)));
    host.inject(&first, &segment(".", 1, 1).ack(1));
    let after = host.wait(Duration::from_secs(4));
    assert!(after.iter().all(|sent| sent.dss().is_none_or(|signal| !signal.data_fin)));
}

#[test]
fn the_peers_data_fin_is_acknowledged_once_everything_before_it_came() {
    let mut host = Host::passive(config());
    let first = host.first;
    host.inject(&first, &segment(".", 1, 1).data_fin(100));
    assert_eq!(host.sent_one().data_ack(), Some(0));
    assert!(!host.events.contains(&Event::PeerFinished));
    host.inject(&first, &segment(".", 1, 1).mapped(0, 100));
    let acks = host.wait(Duration::from_millis(10));
    assert_eq!(acks.last().and_then(Sent::data_ack), Some(101), "the DATA_FIN counts");
    assert!(host.events.contains(&Event::PeerFinished));
    assert_eq!(host.read(), stream(0..100));
}

#[test]
fn a_data_fin_with_data_counts_in_the_length_and_not_in_the_subflow() {
    let mut host = Host::passive(config());
    let first = host.first;
    host.inject(&first, &segment(".", 1, 1).mapped(0, 10).with_fin());
    let ack = host.sent_one();
    assert_eq!((ack.tcp.acknowledgement.distance(first.theirs), ack.data_ack()), (11, Some(11)));
    assert_eq!(host.read(), stream(0..10));
    assert!(host.events.contains(&Event::PeerFinished));
}

#[test]
fn nothing_is_taken_behind_the_data_fin() {
    let mut host = Host::passive(config());
    let first = host.first;
    host.inject(&first, &segment(".", 1, 1).mapped(0, 10).with_fin());
    host.read();
    host.sent();
    host.inject(&first, &segment(".", 11, 1).mapped(10, 20));
    assert!(host.read().is_empty());
    assert_eq!(host.wait(Duration::from_millis(10)).last().and_then(Sent::data_ack), Some(11));
}

#[test]
fn the_connection_ends_when_both_are_acknowledged_with_fin_on_every_subflow() {
    let mut host = Host::passive(config());
    let (first, join) = (host.first, host.joined_by_peer(2, 2));
    host.close();
    host.sent();
    host.inject(&first, &segment(".", 1, 1).ack(1));
    assert_eq!(host.closed(), None);
    let sent = host.sent();
    assert!(sent.iter().all(|sent| !sent.has(TcpFlags::FIN)), "the peer may still send");
    host.inject(&first, &segment(".", 1, 1).data_fin(0).ack(1));
    let sent = host.sent();
    for flow in [first, join] {
        let fin = sent.iter().find(|sent| sent.id == flow.id && sent.has(TcpFlags::FIN)).expect("a FIN");
        assert_eq!(fin.data_ack(), Some(1), "their DATA_FIN is acknowledged");
    }
    assert_eq!(host.closed(), Some(CloseReason::Finished));
}

#[test]
fn a_data_fin_that_comes_again_is_acknowledged_again() {
    let mut host = Host::passive(config());
    let first = host.first;
    host.close();
    host.sent();
    host.inject(&first, &segment(".", 1, 1).data_fin(0).ack(1));
    host.sent();
    host.inject(&first, &segment(".", 1, 1).data_fin(0).ack(1));
    assert_eq!(host.sent().last().and_then(Sent::data_ack), Some(1));
}
