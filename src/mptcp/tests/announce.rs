//! Addresses of ours: announced until echoed, and withdrawn (RFC 8684 §3.4).

use super::script::{Host, addresses, config, our_address, their_address};
use super::segment::{OUR_KEY, Sent, THEIR_KEY, add_address, segment};
use crate::base::{AddressId, Duration, Outcome, PortIndex};
use crate::mptcp::key::Macs;
use crate::mptcp::{Config, JoinRefused};
use crate::tcp::State;
use crate::wire::{AddAddress, MpJoin, MptcpOption, ResetReason, TcpFlags};

fn with_addresses(count: u8) -> Config {
    Config { addresses: addresses(count), ..config() }
}

/// A passive connection with what it announced at once.
fn announcing(count: u8) -> (Host, Vec<AddAddress>) {
    use super::segment::capable;
    let syn = segment("S", 0, 0).option(MptcpOption::Capable(capable(None, None)));
    let mut host = Host::accept(with_addresses(count), &syn);
    let first = host.first;
    host.sent();
    let keys = capable(Some(THEIR_KEY), Some(OUR_KEY));
    host.inject(&first, &segment(".", 1, 1).option(MptcpOption::Capable(keys)));
    let sent = host.sent();
    let announced = sent.iter().filter_map(Sent::add_address).collect();
    (host, announced)
}

fn echo(announced: &AddAddress) -> MptcpOption {
    MptcpOption::AddAddress(AddAddress { hmac: None, ..*announced })
}

#[test]
fn other_addresses_are_announced_with_the_rightmost_64_bits_of_the_hmac() {
    let (_, announced) = announcing(2);
    let hmac = Macs::default().add_address((OUR_KEY, THEIR_KEY), AddressId(2), our_address(2), None);
    let expected =
        AddAddress { address_id: AddressId(2), address: our_address(2), port: None, hmac: Some(hmac) };
    assert_eq!(announced, [expected]);
}

#[test]
fn an_announcement_is_repeated_until_it_is_echoed() {
    let (mut host, announced) = announcing(2);
    let first = host.first;
    let again = host.wait(Duration::from_secs(31));
    assert_eq!(again.iter().filter_map(Sent::add_address).collect::<Vec<_>>(), announced);
    host.inject(&first, &segment(".", 1, 1).option(echo(&announced[0])));
    assert_eq!(host.count(Outcome::MpEchoAddRx), 1);
    assert!(host.wait(Duration::from_secs(300)).iter().all(|sent| sent.add_address().is_none()));
}

#[test]
fn an_announcement_that_nobody_echoes_is_given_up() {
    let (mut host, _) = announcing(2);
    let first = host.first;
    for _ in 0..20 {
        host.wait(Duration::from_secs(60));
        host.inject(&first, &segment(".", 1, 1));
        host.sent();
    }
    assert_eq!(host.count(Outcome::MpAddAddrTx), 4);
}

#[test]
fn at_most_two_acks_in_a_row_are_sent_just_for_options() {
    let (mut host, announced) = announcing(6);
    let first = host.first;
    assert_eq!(announced.len(), 2, "five wait");
    host.inject(&first, &segment(".", 1, 1));
    assert_eq!(host.sent().iter().filter(|sent| sent.add_address().is_some()).count(), 2);
    host.inject(&first, &segment(".", 1, 1));
    assert_eq!(host.sent().iter().filter(|sent| sent.add_address().is_some()).count(), 1);
}

#[test]
fn a_withdrawn_address_is_signalled_and_its_subflows_are_reset() {
    let mut host = Host::active(with_addresses(2));
    let first = host.first;
    let wanted = host.wanted();
    let join = host.joined_by_us(&wanted[0]);
    host.with(|connection, cx| connection.withdraw_address(cx, AddressId(2)));
    let sent = host.sent();
    let reset = sent.iter().find(|sent| sent.has(TcpFlags::RST)).expect("an RST");
    // The address may come back: the peer may join it then.
    assert_eq!((reset.id, reset.reset()), (join.id, Some((ResetReason::Unspecified, true))));
    assert_eq!(sent.iter().find_map(Sent::removed), Some(vec![2]));
    assert_eq!((host.state(&first), host.state(&join)), (Some(State::Established), None));
}

#[test]
fn no_join_leaves_from_a_withdrawn_address() {
    let mut host = Host::active(with_addresses(2));
    let first = host.first;
    let wanted = host.wanted();
    host.joined_by_us(&wanted[0]);
    host.with(|connection, cx| connection.withdraw_address(cx, AddressId(2)));
    host.sent();
    host.with(|connection, cx| connection.handle_link(cx, PortIndex(1), true));
    host.inject(&first, &segment(".", 1, 1).option(add_address(3, their_address(2), None)));
    let wanted = host.wanted();
    assert_eq!(wanted.iter().map(|wanted| wanted.local.address).collect::<Vec<_>>(), [our_address(1)]);
}

#[test]
fn a_join_that_was_asked_for_before_its_address_was_withdrawn_is_not_opened() {
    let mut host = Host::active(with_addresses(2));
    let wanted = host.wanted();
    host.with(|connection, cx| connection.withdraw_address(cx, AddressId(2)));
    assert!(host.open(&wanted[0]).is_none());
}

#[test]
fn the_initial_address_is_withdrawn_as_id_0() {
    let mut host = Host::active(with_addresses(2));
    let first = host.first;
    let wanted = host.wanted();
    let join = host.joined_by_us(&wanted[0]);
    host.with(|connection, cx| connection.withdraw_address(cx, AddressId(1)));
    let sent = host.sent();
    assert_eq!(sent.iter().find_map(Sent::removed), Some(vec![0]), "as the peer knows it");
    assert_eq!((host.state(&first), host.state(&join)), (None, Some(State::Established)));
}

#[test]
fn an_announced_address_that_is_withdrawn_takes_no_joins() {
    let (mut host, announced) = announcing(2);
    let first = host.first;
    host.inject(&first, &segment(".", 1, 1).option(echo(&announced[0])));
    host.with(|connection, cx| connection.withdraw_address(cx, AddressId(2)));
    let removed = host.sent().iter().find_map(Sent::removed);
    assert_eq!(removed, Some(vec![2]), "also without a subflow");
    let refused = host.join_syn_to(2, 2, 9);
    assert_eq!(refused.unwrap_err(), JoinRefused(ResetReason::Prohibited));
}

#[test]
fn a_join_says_the_id_of_the_address_it_leaves_from() {
    let mut host = Host::active(with_addresses(3));
    let wanted = host.wanted();
    for wanted in wanted {
        let (_, syn) = host.open(&wanted).expect("room");
        let Some(MpJoin::Syn { address_id, .. }) = syn.join() else { panic!("{syn:?}") };
        assert_eq!(address_id, wanted.local.id);
    }
}
