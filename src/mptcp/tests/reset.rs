//! RST of a subflow and MP_TCPRST (RFC 8684 §3.5, §3.6).

use super::script::{Host, config};
use super::segment::{remove_address, segment, stream, tcp_reset};
use crate::base::{Duration, Outcome};
use crate::tcp::State;
use crate::wire::{ResetReason, TcpFlags};

#[test]
fn a_reset_ends_its_subflow_alone() {
    let mut host = Host::passive(config());
    let (first, join) = (host.first, host.joined_by_peer(2, 2));
    host.inject(&first, &segment("R.", 1, 1).option(tcp_reset(true, ResetReason::Outstanding)));
    assert_eq!((host.state(&first), host.state(&join)), (None, Some(State::Established)));
    assert_eq!((host.closed(), host.count(Outcome::MpResetRx)), (None, 1));
    host.inject(&join, &segment(".", 1, 1).mapped(0, 10));
    assert_eq!(host.read(), stream(0..10));
}

#[test]
fn a_reason_without_an_rst_says_nothing() {
    let mut host = Host::passive(config());
    let first = host.first;
    host.inject(&first, &segment(".", 1, 1).option(tcp_reset(false, ResetReason::Middlebox)));
    assert_eq!((host.state(&first), host.count(Outcome::MpResetRx)), (Some(State::Established), 0));
}

#[test]
fn a_reset_outside_the_window_is_ignored_with_all_its_options() {
    let mut host = Host::passive(config());
    let first = host.first;
    host.inject(&first, &segment("R.", 5_000_000, 1).option(tcp_reset(false, ResetReason::Middlebox)));
    assert_eq!((host.state(&first), host.count(Outcome::MpResetRx)), (Some(State::Established), 0));
}

#[test]
fn what_may_pass_is_marked_transient_and_what_may_not_is_not() {
    // The address may come back.
    let mut host = Host::passive(config());
    let (first, join) = (host.first, host.joined_by_peer(2, 2));
    host.inject(&first, &segment(".", 1, 1).option(remove_address(&[2])));
    let sent = host.wait(Duration::from_secs(60));
    let reset = sent.iter().find(|sent| sent.has(TcpFlags::RST)).expect("an RST");
    assert_eq!((reset.id, reset.reset()), (join.id, Some((ResetReason::Unspecified, true))));
    // A mapping that changed: not on this path.
    host.inject(&first, &segment(".", 1, 1).map(0, 1, 200).bytes(stream(0..100)));
    host.inject(&first, &segment(".", 101, 1).map(50, 1, 200).bytes(stream(100..200)));
    assert_eq!(host.sent_reset(&first).reset(), Some((ResetReason::Mptcp, false)));
}
