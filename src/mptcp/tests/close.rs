//! Subflows that end before the connection does (RFC 8684 §3.3.3, §3.5).

use super::script::{Host, addresses, config};
use super::segment::{segment, stream, theirs};
use crate::base::{Context, Duration, FourTuple, Outcome, Random};
use crate::mptcp::{CloseReason, Config, Event};
use crate::tcp::{State, TimeWaitReaction};
use crate::wire::{DataAck, DataSignal, TcpFlags, TcpOptions};

#[test]
fn a_fin_ends_its_subflow_alone() {
    let mut host = Host::passive(config());
    let (first, join) = (host.first, host.joined_by_peer(2, 2));
    host.inject(&first, &segment("F.", 1, 1).ack(0));
    let sent = host.sent();
    assert!(sent.iter().any(|sent| sent.id == first.id && sent.has(TcpFlags::FIN)), "ours follows");
    assert!(sent.iter().all(|sent| sent.id == first.id));
    assert_eq!(host.state(&join), Some(State::Established));
    host.inject(&join, &segment(".", 1, 1).mapped(0, 10).ack(0));
    assert_eq!(host.read(), stream(0..10));
    assert!(!host.events.contains(&Event::PeerFinished));
}

#[test]
fn the_last_subflow_is_not_closed_while_data_is_outstanding() {
    let mut host = Host::passive(config());
    let first = host.first;
    host.write(30_000);
    host.inject(&first, &segment("F.", 1, 1).ack(0));
    let mut acknowledged = 0;
    while acknowledged < 30_000 {
        let sent = host.sent();
        assert!(sent.iter().all(|sent| !sent.has(TcpFlags::FIN)), "after {acknowledged} bytes");
        let bytes: u64 = sent.iter().map(|sent| sent.payload.len() as u64).sum();
        assert!(bytes > 0, "stalled after {acknowledged} bytes");
        acknowledged += bytes;
        host.inject(&first, &segment(".", 2, 1 + acknowledged as i64).ack(acknowledged));
    }
    // All is acknowledged: now it closes.
    assert!(host.sent().iter().any(|sent| sent.has(TcpFlags::FIN)));
    assert_eq!(host.state(&first), Some(State::LastAck));
}

/// Both sides close the last subflow by FIN, without a DATA_FIN.
fn without_subflows(mut host: Host) -> Host {
    let first = host.first;
    host.inject(&first, &segment("F.", 1, 1).ack(0));
    host.sent();
    host.inject(&first, &segment(".", 2, 2).ack(0));
    host.sent();
    assert_eq!(host.state(&first), None);
    host
}

#[test]
fn a_connection_without_subflows_waits_for_one() {
    let mut host = without_subflows(Host::passive(config()));
    assert_eq!(host.closed(), None, "break before make");
    host.write(100);
    let join = host.joined_by_peer(2, 2);
    assert_eq!(host.state(&join), Some(State::Established));
    host.inject(&join, &segment(".", 1, 1).mapped(0, 10).ack(0));
    assert_eq!(host.read(), stream(0..10));
    let _ = host.wait(Duration::from_secs(70));
    assert_eq!(host.closed(), None, "it has a subflow again");
}

#[test]
fn a_strangers_join_does_not_end_a_connection_that_waits() {
    let mut host = without_subflows(Host::passive(config()));
    let flow = host.join_syn(3, 3, false).expect("taken");
    host.sent();
    host.inject(&flow, &segment(".", 1, 1));
    assert!(host.sent_reset(&flow).reset().is_some());
    assert_eq!(host.closed(), None);
    let join = host.joined_by_peer(2, 2);
    assert_eq!(host.state(&join), Some(State::Established));
}

#[test]
fn a_connection_without_subflows_ends_after_the_timeout() {
    let mut host = without_subflows(Host::passive(config()));
    host.wait(Duration::from_secs(59));
    assert_eq!(host.closed(), None);
    host.wait(Duration::from_secs(2));
    assert_eq!(host.closed(), Some(CloseReason::TimedOut));
}

#[test]
fn the_active_side_tries_again_when_it_has_no_subflow() {
    let mut host = without_subflows(Host::active(config()));
    let wanted = host.wanted();
    assert_eq!(wanted.len(), 1, "the pair that worked");
    host.joined_by_us(&wanted[0]);
    assert_eq!(host.closed(), None);
}

#[test]
fn a_peer_that_ended_its_stream_and_closed_its_subflows_has_finished() {
    let mut host = Host::passive(config());
    let first = host.first;
    host.close();
    host.sent();
    host.inject(&first, &segment("F.", 1, 1).data_fin(0).ack(1));
    host.sent();
    host.inject(&first, &segment(".", 2, 2).ack(1));
    assert_eq!(host.closed(), Some(CloseReason::Finished));
}

#[test]
fn the_data_of_a_subflow_that_is_reset_goes_elsewhere() {
    let mut host = Host::passive(Config { addresses: addresses(1), ..config() });
    let (first, join) = (host.first, host.joined_by_peer(2, 2));
    host.write(500);
    let carrier = host.sent_one().id;
    let (gone, other) = if carrier == first.id { (first, join) } else { (join, first) };
    host.inject(&gone, &segment("R.", 1, 1));
    let again = host.sent();
    assert!(again.iter().any(|sent| sent.id == other.id && sent.payload == stream(0..500)));
    assert_eq!((host.closed(), host.count(Outcome::MpDataRetransmit)), (None, 1));
}

/// Both sides have ended; the peer missed our last ACK.
#[test]
fn a_connection_in_time_wait_is_gone_and_its_last_ack_can_still_be_given() {
    let mut host = Host::passive(config());
    let first = host.first;
    host.close();
    host.sent();
    host.inject(&first, &segment(".", 1, 1).data_fin(0).ack(1));
    assert!(host.sent().iter().any(|sent| sent.has(TcpFlags::FIN)));
    host.inject(&first, &segment("F.", 1, 2).ack(1));
    assert!(!host.events.contains(&Event::Finished), "the ACK of the FIN has not left");
    host.sent();
    assert_eq!(host.closed(), Some(CloseReason::Finished));
    assert_eq!(host.events.last(), Some(&Event::Finished));
    let rests = host.events.iter().find_map(|event| match *event {
        Event::SubflowClosed { tuple, time_wait, .. } => Some((FourTuple::from(tuple), time_wait?)),
        _ => None,
    });
    let (tuple, mut rest) = rests.expect("a TIME_WAIT");
    let fin = segment("F.", 1, 2).ack(1).tcp(&first);
    let mut random = Random::from_number(1);
    let mut cx = Context { now: host.now, random: &mut random, counters: &mut host.counters };
    let reaction = rest.handle_segment(&mut cx, &fin, 0);
    assert_eq!(reaction, TimeWaitReaction::Answer { restart: true });
    let (header, options) = rest.acknowledgement(&tuple, host.now);
    assert_eq!((header.sequence, header.acknowledgement), (first.ours + 2, first.theirs + 2));
    let signal = TcpOptions::parse(&options).mptcp.data_signal;
    let data_ack = Some(DataAck::Long(theirs(1)));
    assert_eq!(signal, Some(DataSignal { data_fin: false, data_ack, mapping: None }));
}
