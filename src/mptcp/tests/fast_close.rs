//! MP_FASTCLOSE (RFC 8684 §3.5).

use super::script::{Host, config};
use super::segment::{OUR_KEY, Sent, THEIR_KEY, segment};
use crate::base::{Key, Outcome};
use crate::mptcp::{CloseReason, Connection, Event};
use crate::wire::{MptcpOption, TcpFlags};

fn resets(sent: &[Sent]) -> Vec<&Sent> {
    sent.iter().filter(|sent| sent.has(TcpFlags::RST)).collect()
}

fn has_fast_close(sent: &Sent) -> bool {
    sent.others().contains(&MptcpOption::FastClose(THEIR_KEY))
}

#[test]
fn an_abort_resets_every_subflow_with_the_peers_key() {
    let mut host = Host::passive(config());
    host.joined_by_peer(2, 2);
    host.with(Connection::abort);
    let sent = host.sent();
    assert_eq!(resets(&sent).len(), 2);
    assert!(sent.iter().all(has_fast_close));
    assert_eq!(host.closed(), Some(CloseReason::Aborted));
    assert!(host.events.contains(&Event::Finished), "at once");
}

#[test]
fn both_forms_of_the_peer_end_everything() {
    for flags in [".", "R."] {
        let mut host = Host::passive(config());
        let (first, join) = (host.first, host.joined_by_peer(2, 2));
        host.inject(&first, &segment(flags, 1, 1).option(MptcpOption::FastClose(OUR_KEY)));
        let sent = host.sent();
        let reset: Vec<_> = resets(&sent).iter().map(|sent| sent.id).collect();
        let expected = if flags == "." { vec![first.id, join.id] } else { vec![join.id] };
        assert_eq!(reset, expected);
        assert!(sent.iter().all(|sent| !has_fast_close(sent)));
        assert_eq!(host.closed(), Some(CloseReason::FastClosed));
        assert!(host.events.contains(&Event::Finished));
    }
}

#[test]
fn a_wrong_key_is_ignored() {
    let mut host = Host::passive(config());
    let first = host.first;
    host.inject(&first, &segment(".", 1, 1).option(MptcpOption::FastClose(Key(5))));
    assert_eq!((host.closed(), host.count(Outcome::MpFastcloseInvalid)), (None, 1));
    assert_eq!(host.sent().len(), 0);
}

#[test]
fn two_that_cross_end_both_sides() {
    let mut host = Host::passive(config());
    let first = host.first;
    host.with(Connection::abort);
    host.inject(&first, &segment(".", 1, 1).option(MptcpOption::FastClose(OUR_KEY)));
    assert_eq!(resets(&host.sent()).len(), 1);
    assert_eq!(host.closed(), Some(CloseReason::Aborted));
    assert!(host.events.contains(&Event::Finished));
}

#[test]
fn a_plain_connection_is_reset_without_options() {
    let mut host = Host::passive(config());
    let first = host.first;
    host.inject(&first, &segment(".", 1, 1).bytes(vec![1]));
    host.with(Connection::abort);
    let sent = host.sent();
    assert_eq!(resets(&sent).len(), 1);
    assert!(sent.iter().all(|sent| sent.others().is_empty()));
}
