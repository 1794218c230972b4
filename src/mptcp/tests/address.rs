//! Addresses of the peer: ADD_ADDR and REMOVE_ADDR (RFC 8684 §3.4).

use super::script::{Host, config, their_address, their_socket};
use super::segment::{Sent, add_address, remove_address, segment};
use crate::base::{AddressId, Duration, Outcome};
use crate::mptcp::Config;
use crate::tcp::State;
use crate::wire::{AddAddress, MptcpOption, ResetReason, TcpFlags};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

fn hear(host: &mut Host, option: MptcpOption) {
    let first = host.first;
    host.inject(&first, &segment(".", 1, 1).option(option));
}

#[test]
fn an_announced_address_is_echoed_and_joined() {
    let mut host = Host::active(config());
    hear(&mut host, add_address(3, their_address(2), None));
    let wanted = host.wanted();
    assert_eq!(wanted.len(), 1);
    assert_eq!((wanted[0].remote, wanted[0].remote_id), (their_socket(2), AddressId(3)), "the same port");
    let echo = host.sent().iter().find_map(Sent::add_address).expect("an echo");
    let expected = AddAddress { address_id: AddressId(3), address: their_address(2), port: None, hmac: None };
    assert_eq!(echo, expected);
    let flow = host.joined_by_us(&wanted[0]);
    assert_eq!(host.state(&flow), Some(State::Established));
}

#[test]
fn an_address_with_a_port_is_joined_there() {
    let mut host = Host::active(config());
    hear(&mut host, add_address(3, their_address(2), Some(8_080)));
    assert_eq!(host.wanted()[0].remote, SocketAddr::new(their_address(2), 8_080));
    assert_eq!(host.sent().iter().find_map(Sent::add_address).and_then(|echo| echo.port), Some(8_080));
}

#[test]
fn an_address_without_a_port_has_that_of_the_subflow_which_announced_it() {
    let mut host = Host::active(config());
    hear(&mut host, add_address(3, their_address(2), Some(8_080)));
    let wanted = host.wanted();
    let join = host.joined_by_us(&wanted[0]);
    host.inject(&join, &segment(".", 1, 1).option(add_address(4, their_address(3), None)));
    assert_eq!(host.wanted()[0].remote, SocketAddr::new(their_address(3), 8_080));
}

#[test]
fn an_announcement_with_a_wrong_hmac_is_silently_ignored() {
    let mut host = Host::active(config());
    let MptcpOption::AddAddress(genuine) = add_address(3, their_address(2), None) else { unreachable!() };
    let others = [
        AddAddress { hmac: genuine.hmac.map(|hmac| hmac ^ 1), ..genuine },
        AddAddress { address_id: AddressId(4), ..genuine },
        AddAddress { address: their_address(3), ..genuine },
        AddAddress { port: Some(81), ..genuine },
    ];
    for forged in others {
        hear(&mut host, MptcpOption::AddAddress(forged));
    }
    assert_eq!((host.count(Outcome::MpAddAddrHmacFailure), host.wanted()), (4, vec![]));
    assert!(host.sent().iter().all(|sent| sent.add_address().is_none()));
}

#[test]
fn an_address_of_another_family_waits_for_one_of_ours() {
    let mut host = Host::active(config());
    let address: IpAddr = Ipv6Addr::LOCALHOST.into();
    hear(&mut host, add_address(3, address, None));
    assert_eq!(host.wanted(), []);
    let echo = host.sent().iter().find_map(Sent::add_address).expect("an echo");
    assert_eq!(echo.address, address);
}

#[test]
fn an_id_stands_for_one_address_until_it_is_removed() {
    let mut host = Host::active(config());
    hear(&mut host, add_address(3, their_address(2), None));
    host.wanted();
    hear(&mut host, add_address(3, their_address(3), None));
    assert_eq!((host.wanted(), host.count(Outcome::MpAddAddrDrop)), (vec![], 1));
    hear(&mut host, remove_address(&[3]));
    hear(&mut host, add_address(3, their_address(3), None));
    assert_eq!(host.wanted()[0].remote, their_socket(3));
}

#[test]
fn a_known_id_with_another_port_is_joined_there() {
    let mut host = Host::active(config());
    hear(&mut host, add_address(3, their_address(2), None));
    let wanted = host.wanted();
    let join = host.joined_by_us(&wanted[0]);
    hear(&mut host, add_address(3, their_address(2), Some(8_080)));
    let wanted = host.wanted();
    assert_eq!(wanted.len(), 1);
    assert_eq!(
        (wanted[0].remote, wanted[0].remote_id),
        (SocketAddr::new(their_address(2), 8_080), AddressId(3))
    );
    assert_eq!(host.state(&join), Some(State::Established), "the other one stays");
}

#[test]
fn the_passive_side_opens_nothing() {
    let mut host = Host::passive(config());
    hear(&mut host, add_address(3, their_address(2), None));
    assert_eq!(host.wanted(), []);
    assert!(host.sent().iter().any(|sent| sent.add_address().is_some()), "but it echoes");
}

#[test]
fn a_removed_address_is_probed_first_and_kept_if_it_answers() {
    let mut host = Host::active(config());
    hear(&mut host, add_address(3, their_address(2), None));
    let wanted = host.wanted();
    let join = host.joined_by_us(&wanted[0]);
    hear(&mut host, remove_address(&[3]));
    let probe = host.sent_one();
    assert_eq!(probe.id, join.id);
    assert_eq!(probe.start(&join), 0, "before everything that is expected: a keepalive");
    host.inject(&join, &segment(".", 1, 1).ack(0));
    host.wait(Duration::from_secs(60));
    assert_eq!(host.state(&join), Some(State::Established));
    assert_eq!(host.count(Outcome::MpRemoveSubflow), 0);
    // But it is not joined any more.
    host.inject(&join, &segment("R.", 1, 1));
    assert_eq!(host.wanted(), []);
}

#[test]
fn a_removed_address_that_does_not_answer_is_reset() {
    let mut host = Host::active(config());
    hear(&mut host, add_address(3, their_address(2), None));
    let wanted = host.wanted();
    let join = host.joined_by_us(&wanted[0]);
    hear(&mut host, remove_address(&[3]));
    let sent = host.wait(Duration::from_secs(60));
    let reset = sent.iter().find(|sent| sent.has(TcpFlags::RST)).expect("an RST");
    assert_eq!((reset.id, reset.reset()), (join.id, Some((ResetReason::Unspecified, true))));
    assert_eq!((host.state(&join), host.count(Outcome::MpRemoveSubflow)), (None, 1));
}

#[test]
fn the_initial_address_can_be_removed_as_id_0() {
    let mut host = Host::active(Config { addresses: super::script::addresses(2), ..config() });
    let first = host.first;
    let wanted = host.wanted();
    let join = host.joined_by_us(&wanted[0]);
    hear(&mut host, add_address(3, their_address(2), None));
    let wanted = host.wanted();
    let other = host.joined_by_us(wanted.iter().find(|wanted| wanted.local.id.0 == 2).expect("a join"));
    host.sent();
    host.inject(&other, &segment(".", 1, 1).option(remove_address(&[0])));
    assert_eq!(host.count(Outcome::MpRemoveAddrDrop), 0);
    let probed: Vec<_> = host.sent().iter().map(|sent| sent.id).collect();
    assert!(probed.contains(&first.id) && probed.contains(&join.id), "both lead to the initial address");
    host.wait(Duration::from_secs(60));
    assert_eq!((host.state(&first), host.state(&join)), (None, None));
    assert_eq!(host.state(&other), Some(State::Established));
    assert!(host.wanted().iter().all(|wanted| wanted.remote != their_socket(1)));
    // No join there, even with everything else forgotten.
    host.with(|connection, cx| connection.handle_link(cx, crate::base::PortIndex(1), true));
    assert!(host.wanted().iter().all(|wanted| wanted.remote != their_socket(1)));
    // Until it is announced anew.
    host.inject(&other, &segment(".", 1, 1).option(add_address(7, their_address(1), None)));
    assert!(host.wanted().iter().any(|wanted| wanted.remote == their_socket(1)));
}

#[test]
fn a_join_under_way_to_a_removed_address_ends() {
    let mut host = Host::active(config());
    hear(&mut host, add_address(3, their_address(2), None));
    let wanted = host.wanted();
    let (flow, _) = host.open(&wanted[0]).expect("room");
    hear(&mut host, remove_address(&[3]));
    host.sent();
    assert_eq!(host.state(&flow), None);
    assert_eq!(host.wanted(), []);
}

#[test]
fn ids_that_are_not_known_are_silently_ignored() {
    let mut host = Host::active(config());
    hear(&mut host, remove_address(&[9, 10]));
    assert_eq!(host.count(Outcome::MpRemoveAddrDrop), 2);
    assert_eq!(host.sent().len(), 0);
    assert_eq!(host.closed(), None);
}

#[test]
fn a_list_of_ids_is_removed_as_a_whole() {
    let mut host = Host::active(config());
    hear(&mut host, add_address(3, their_address(2), None));
    hear(&mut host, add_address(4, their_address(3), None));
    hear(&mut host, remove_address(&[3, 4]));
    assert_eq!((host.count(Outcome::MpRemoveAddrRx), host.count(Outcome::MpRemoveAddrDrop)), (2, 0));
}
