//! Joins that fail: not tried again until something changed, and not for ever
//! (RFC 8684 §3.4.1, §3.6, §3.9.3, §5).

use super::script::{Host, Wanted, addresses, config, their_address, their_socket};
use super::segment::{Flow, Sent, add_address, remove_address, segment, tcp_reset};
use crate::base::{Duration, Outcome, PortIndex};
use crate::mptcp::Config;
use crate::wire::{MptcpOption, ResetReason};
use std::net::{IpAddr, Ipv4Addr};

fn hear(host: &mut Host, option: MptcpOption) {
    let first = host.first;
    host.inject(&first, &segment(".", 1, 1).option(option));
}

/// Announced under this id, and the join that follows.
fn announced(id: u8, n: u8) -> (Host, Wanted) {
    let mut host = Host::active(config());
    hear(&mut host, add_address(id, their_address(n), None));
    let wanted = host.wanted();
    assert_eq!(wanted.len(), 1);
    host.sent();
    (host, wanted[0])
}

/// Everything that could make a connection think of its paths again.
fn stir(host: &mut Host) -> Vec<Wanted> {
    host.wait(Duration::from_secs(300));
    hear(host, MptcpOption::Priority { backup: false });
    host.sent();
    host.wanted()
}

fn refuse(host: &mut Host, flow: &Flow, _: &Sent) {
    host.inject(flow, &segment("R.", 0, 1));
}

fn forge(host: &mut Host, flow: &Flow, syn: &Sent) {
    let mut other = syn.clone();
    // An HMAC for another nonce.
    for option in &mut other.tcp.options.mptcp.others {
        if let MptcpOption::Join(crate::wire::MpJoin::Syn { nonce, .. }) = option {
            *nonce ^= 1;
        }
    }
    host.inject(flow, &Host::join_answer(&other, 3, false));
}

fn strip(host: &mut Host, flow: &Flow, _: &Sent) {
    host.inject(flow, &segment("S.", 0, 1));
}

fn ignore(host: &mut Host, _: &Flow, _: &Sent) {
    host.wait(Duration::from_secs(600));
}

#[test]
fn a_failed_join_is_not_tried_again_until_the_address_is_announced_anew() {
    for fail in [refuse, forge, strip, ignore] {
        let (mut host, wanted) = announced(3, 2);
        let (flow, syn) = host.open(&wanted).expect("room");
        fail(&mut host, &flow, &syn);
        host.sent();
        assert_eq!(host.state(&flow), None);
        assert_eq!(stir(&mut host), []);
        hear(&mut host, add_address(3, their_address(2), None));
        assert_eq!(host.wanted(), [wanted], "a refresh is a new chance");
    }
}

#[test]
fn a_refused_join_is_not_tried_again_when_our_link_comes_back() {
    let (mut host, wanted) = announced(3, 2);
    let (flow, _) = host.open(&wanted).expect("room");
    host.inject(&flow, &segment("R.", 0, 1));
    host.with(|connection, cx| connection.handle_link(cx, PortIndex(0), true));
    assert_eq!(host.wanted(), []);
}

#[test]
fn a_join_that_nobody_answered_is_tried_again_when_our_link_comes_back() {
    let (mut host, wanted) = announced(3, 2);
    host.open(&wanted).expect("room");
    host.wait(Duration::from_secs(600));
    host.with(|connection, cx| connection.handle_link(cx, PortIndex(0), true));
    assert_eq!(host.wanted(), [wanted]);
}

#[test]
fn a_permanent_reset_bars_the_pair_of_addresses_for_good() {
    for established in [true, false] {
        let (mut host, wanted) = announced(3, 2);
        let flow = if established { host.joined_by_us(&wanted) } else { host.open(&wanted).expect("room").0 };
        let reset = if established { segment("R.", 1, 1) } else { segment("R.", 0, 1) };
        host.inject(&flow, &reset.option(tcp_reset(false, ResetReason::Prohibited)));
        assert_eq!((host.state(&flow), host.count(Outcome::MpResetRx)), (None, 1));
        hear(&mut host, add_address(3, their_address(2), None));
        hear(&mut host, remove_address(&[3]));
        hear(&mut host, add_address(4, their_address(2), None));
        host.with(|connection, cx| connection.handle_link(cx, PortIndex(0), true));
        assert_eq!(stir(&mut host), []);
    }
}

#[test]
fn a_transient_reset_bars_nothing() {
    let (mut host, wanted) = announced(3, 2);
    let flow = host.joined_by_us(&wanted);
    host.inject(&flow, &segment("R.", 1, 1).option(tcp_reset(true, ResetReason::Resources)));
    assert_eq!(host.wanted(), [], "not at once");
    hear(&mut host, add_address(3, their_address(2), None));
    assert_eq!(host.wanted(), [wanted]);
}

#[test]
fn a_pair_without_room_gets_the_place_of_one_that_is_refused() {
    let mut host = Host::active(Config { addresses: addresses(4), max_subflows: 3, ..config() });
    let wanted = host.wanted();
    assert_eq!(wanted.len(), 2);
    assert_eq!(stir(&mut host), [], "two are thought about");
    host.with(|connection, _| connection.refuse_subflow(wanted[0].local.address, wanted[0].remote));
    let instead = host.wanted();
    assert_eq!(instead.len(), 1);
    assert!(!wanted.contains(&instead[0]));
    for wanted in [&wanted[1], &instead[0]] {
        host.open(wanted).expect("room");
        assert_eq!(host.wanted(), []);
    }
}

#[test]
fn a_reset_bars_its_own_pair_only() {
    let mut host = Host::active(Config { addresses: addresses(3), ..config() });
    let wanted = host.wanted();
    assert_eq!(wanted.len(), 2);
    let (flow, _) = host.open(&wanted[0]).expect("room");
    host.inject(&flow, &segment("R.", 0, 1).option(tcp_reset(false, ResetReason::Prohibited)));
    let other = host.joined_by_us(&wanted[1]);
    assert!(host.state(&other).is_some());
}

/// A victim's address.
fn victim(n: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(0xc000_0200 + n))
}

/// Answers every SYN to a victim with what a victim answers; returns how many
/// were sent.
fn reflect(host: &mut Host, round: impl Fn(&mut Host, u32)) -> usize {
    let mut syns = 0;
    for n in 0..1_000 {
        round(host, n);
        for wanted in host.wanted() {
            if let Some((flow, _)) = host.open(&wanted) {
                syns += 1;
                host.inject(&flow, &segment("R.", 0, 1));
            }
        }
        host.sent();
    }
    syns
}

#[test]
fn a_flood_of_addresses_does_not_make_us_a_reflector() {
    let mut host = Host::active(config());
    let changes = |host: &mut Host, n: u32| {
        hear(host, add_address((n % 200) as u8 + 1, victim(n), None));
        hear(host, remove_address(&[(n % 200) as u8 + 1]));
    };
    let syns = reflect(&mut host, changes);
    assert!((1..=64).contains(&syns), "{syns} SYNs for 1000 announcements");
    assert!(host.count(Outcome::MpJoinBudgetSpent) > 0);
}

#[test]
fn nor_does_a_flood_of_refreshes_and_of_ports() {
    let mut host = Host::active(config());
    let refreshes = |host: &mut Host, _: u32| hear(host, add_address(9, victim(9), None));
    assert!((1..=64).contains(&reflect(&mut host, refreshes)));
    assert!(host.count(Outcome::MpJoinBudgetSpent) > 0);
    let mut host = Host::active(config());
    let ports = |host: &mut Host, n: u32| hear(host, add_address(9, victim(9), Some(n as u16 + 1)));
    assert!((1..=64).contains(&reflect(&mut host, ports)));
}

#[test]
fn victims_that_stay_silent_are_not_flooded_either() {
    let mut host = Host::active(config());
    let mut syns = 0;
    for n in 0..300 {
        hear(&mut host, add_address(1, victim(n), None));
        for wanted in host.wanted() {
            syns += usize::from(host.open(&wanted).is_some());
        }
        hear(&mut host, remove_address(&[1]));
        host.wait(Duration::from_secs(1));
    }
    assert!((1..=64).contains(&syns), "{syns}");
}

#[test]
fn joins_that_succeed_cost_nothing() {
    let mut host = Host::active(config());
    for round in 0..200 {
        hear(&mut host, add_address(3, their_address(2), None));
        let wanted = host.wanted();
        assert_eq!(wanted.len(), 1, "round {round}");
        assert_eq!(wanted[0].remote, their_socket(2));
        let flow = host.joined_by_us(&wanted[0]);
        host.inject(&flow, &segment("R.", 1, 1));
        hear(&mut host, remove_address(&[3]));
        host.sent();
    }
    assert_eq!(host.count(Outcome::MpJoinBudgetSpent), 0);
}

#[test]
fn a_pair_that_cannot_be_remembered_as_tried_is_not_tried() {
    // Many pairs that nobody routes: each is asked for once.
    let mut host = Host::active(Config { addresses: addresses(8), ..config() });
    let mut asked = Vec::new();
    for n in 0..40 {
        hear(&mut host, add_address(n + 1, victim(u32::from(n)), None));
        loop {
            let wanted = host.wanted();
            if wanted.is_empty() {
                break;
            }
            for wanted in wanted {
                asked.push((wanted.local.address, wanted.remote));
                host.with(|connection, _| connection.refuse_subflow(wanted.local.address, wanted.remote));
                assert!(asked.len() < 1_000, "asks for ever");
            }
        }
    }
    let count = asked.len();
    asked.sort_unstable();
    asked.dedup();
    assert_eq!(asked.len(), count, "a pair was asked for twice");
}
