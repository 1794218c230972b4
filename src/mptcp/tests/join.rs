//! MP_JOIN (RFC 8684 §3.2, §3.9.3).

use super::script::{Host, addresses, config};
use super::segment::{Segment, segment, stream};
use crate::base::{AddressId, Duration, Outcome};
use crate::mptcp::{Config, JoinRefused};
use crate::tcp::State;
use crate::wire::{MpJoin, MptcpOption, ResetReason, TcpFlags};

/// Active, with the one join that is wanted then.
fn active() -> (Host, super::script::Wanted) {
    let mut host = Host::active(Config { addresses: addresses(2), ..config() });
    let wanted = host.wanted();
    assert_eq!(wanted.len(), 1);
    (host, wanted[0])
}

/// Changes a bit of the HMAC.
fn tampered(segment: &Segment, answer: bool) -> Segment {
    let changed = match join_of(segment) {
        MpJoin::SynAck { backup, address_id, hmac, nonce } => {
            MpJoin::SynAck { backup, address_id, hmac: hmac ^ 1, nonce }
        }
        MpJoin::Ack { mut hmac } => {
            hmac[19] ^= 1;
            MpJoin::Ack { hmac }
        }
        other => other,
    };
    let plain = if answer { super::segment::segment("S.", 0, 1) } else { super::segment::segment(".", 1, 1) };
    plain.option(MptcpOption::Join(changed))
}

fn join_of(segment: &Segment) -> MpJoin {
    segment.join().expect("MP_JOIN")
}

#[test]
fn a_join_of_ours_shows_the_keys_and_carries_data_once_it_is_answered() {
    let (mut host, wanted) = active();
    let (flow, syn) = host.open(&wanted).expect("room");
    let Some(MpJoin::Syn { backup, address_id, token, .. }) = syn.join() else { panic!("{syn:?}") };
    assert_eq!((backup, address_id), (false, AddressId(2)));
    assert_eq!(token, crate::mptcp::HashedKey::of(super::segment::THEIR_KEY).token());
    host.inject(&flow, &Host::join_answer(&syn, 0, false));
    let third = host.sent_one();
    assert!(matches!(third.join(), Some(MpJoin::Ack { .. })));
    // PRE_ESTABLISHED: no data yet, whatever there is to send.
    let first = host.first;
    host.inject(&first, &segment(".", 1, 1).ack(0).window(0));
    host.write(5_000);
    let data = host.sent();
    assert!(data.iter().all(|sent| sent.id != flow.id), "no data in PRE_ESTABLISHED: {data:?}");
    host.inject(&flow, &segment(".", 1, 1).ack(0));
    host.write(20_000);
    assert!(host.sent().iter().any(|sent| sent.id == flow.id && !sent.payload.is_empty()));
}

#[test]
fn the_third_ack_is_sent_again_until_it_is_answered() {
    let (mut host, wanted) = active();
    let (flow, syn) = host.open(&wanted).expect("room");
    host.inject(&flow, &Host::join_answer(&syn, 0, false));
    host.sent();
    let again = host.wait(Duration::from_millis(100));
    assert!(!again.is_empty() && again.iter().all(|sent| matches!(sent.join(), Some(MpJoin::Ack { .. }))));
    // The SYN/ACK again does not show that it arrived.
    host.inject(&flow, &Host::join_answer(&syn, 0, false));
    assert!(host.wait(Duration::from_millis(300)).iter().any(|sent| sent.join().is_some()));
    host.inject(&flow, &segment(".", 1, 1));
    host.sent();
    assert_eq!(host.wait(Duration::from_secs(5)).len(), 0);
}

#[test]
fn a_third_ack_without_answer_is_given_up() {
    let (mut host, wanted) = active();
    let (flow, syn) = host.open(&wanted).expect("room");
    host.inject(&flow, &Host::join_answer(&syn, 0, false));
    let sent = host.wait(Duration::from_secs(600));
    assert!(sent.iter().any(|sent| sent.id == flow.id && sent.has(TcpFlags::RST)));
    assert_eq!(host.state(&flow), None);
}

#[test]
fn a_syn_ack_without_the_right_join_is_reset() {
    for (missing, outcome) in [(true, Outcome::MpJoinMissing), (false, Outcome::MpJoinSynAckHmacFailure)] {
        let (mut host, wanted) = active();
        let (flow, syn) = host.open(&wanted).expect("room");
        let answer = Host::join_answer(&syn, 0, false);
        let bad = if missing { segment("S.", 0, 1) } else { tampered(&answer, true) };
        host.inject(&flow, &bad);
        assert_eq!(host.sent_reset(&flow).reset().map(|reset| reset.0), Some(ResetReason::Mptcp));
        assert_eq!(host.count(outcome), 1);
        assert_eq!(host.state(&flow), None);
        assert_eq!(host.closed(), None, "the connection goes on");
    }
}

#[test]
fn a_join_of_the_peer_is_answered_and_its_third_ack_acknowledged() {
    let mut host = Host::passive(config());
    let flow = host.join_syn(2, 3, false).expect("taken");
    let answer = host.sent_one();
    assert!(answer.has(TcpFlags::SYN.with(TcpFlags::ACK)));
    let Some(MpJoin::SynAck { address_id, backup, .. }) = answer.join() else { panic!("{answer:?}") };
    assert_eq!((address_id, backup), (AddressId(0), false));
    let third = Host::third_ack(&answer);
    host.inject(&flow, &third);
    let fourth = host.sent_one();
    assert_eq!((fourth.id, fourth.data_ack(), fourth.join()), (flow.id, Some(0), None));
    // Ours was lost: the third one comes again.
    host.inject(&flow, &third);
    assert_eq!(host.sent_one().id, flow.id);
    host.inject(&flow, &segment(".", 1, 1).mapped(0, 100));
    assert_eq!(host.read(), stream(0..100));
}

#[test]
fn a_third_ack_without_the_right_join_is_reset_and_nothing_of_it_believed() {
    for (missing, outcome) in [(true, Outcome::MpJoinMissing), (false, Outcome::MpJoinAckHmacFailure)] {
        let mut host = Host::passive(config());
        host.write(100);
        host.sent();
        let flow = host.join_syn(2, 3, false).expect("taken");
        let answer = host.sent_one();
        let third = tampered(&Host::third_ack(&answer), false);
        let bad = if missing { segment(".", 1, 1) } else { third };
        // What a stranger says beside it: that data arrived, that the stream ends.
        host.inject(&flow, &bad.ack(100).data_fin(0));
        assert_eq!(host.sent_reset(&flow).reset().map(|reset| reset.0), Some(ResetReason::Mptcp));
        assert_eq!(host.count(outcome), 1);
        assert_eq!(host.connection.send_capacity(), (1 << 20) - 100, "the stranger's Data ACK frees nothing");
        assert!(!host.events.contains(&crate::mptcp::Event::PeerFinished));
    }
}

#[test]
fn nothing_is_believed_before_the_join_is_authenticated() {
    let mut host = Host::passive(config());
    let other = host.joined_by_peer(2, 2);
    let flow = host.join_syn(3, 3, false).expect("taken");
    host.sent();
    host.inject(&flow, &segment("R.", 1, 1).option(super::segment::remove_address(&[2])));
    assert_eq!(host.state(&flow), None);
    assert_eq!(host.count(Outcome::MpRemoveAddrRx), 0);
    assert_eq!(host.state(&other), Some(State::Established));
}

#[test]
fn data_in_an_unauthenticated_join_is_not_delivered() {
    let mut host = Host::passive(config());
    let flow = host.join_syn(2, 3, false).expect("taken");
    let answer = host.sent_one();
    let bad = tampered(&Host::third_ack(&answer), false).mapped(0, 50);
    host.inject(&flow, &bad);
    assert!(host.read().is_empty());
    assert_eq!(host.sent_reset(&flow).id, flow.id);
}

#[test]
fn joins_beyond_the_limit_and_after_a_fallback_are_refused() {
    let mut host = Host::passive(Config { max_subflows: 2, ..config() });
    host.joined_by_peer(2, 2);
    assert_eq!(host.join_syn(3, 3, false).unwrap_err(), JoinRefused(ResetReason::Prohibited));
    assert_eq!(host.count(Outcome::MpJoinRejected), 1);
    let mut plain = Host::passive(config());
    let first = plain.first;
    plain.inject(&first, &segment(".", 1, 1).bytes(stream(0..10)));
    assert!(plain.connection.is_fallback());
    assert_eq!(plain.join_syn(2, 2, false).unwrap_err(), JoinRefused(ResetReason::Mptcp));
}

#[test]
fn a_join_from_our_initial_address_has_id_0() {
    let mut host = Host::active(config());
    let first = host.first;
    let announced = super::segment::add_address(3, super::script::their_address(2), None);
    host.inject(&first, &segment(".", 1, 1).option(announced));
    let wanted = host.wanted();
    assert_eq!(wanted.len(), 1);
    let (_, syn) = host.open(&wanted[0]).expect("room");
    assert!(matches!(syn.join(), Some(MpJoin::Syn { address_id: AddressId(0), .. })));
}
