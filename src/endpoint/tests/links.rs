//! Links that come up while somebody wants to use them.

use super::connections::connected;
use super::lan::Lan;
use super::*;
use crate::base::{ConnectionId, Outcome, PortIndex};

/// A frame there and back, three times: the neighbour, the SYN, the third ACK.
const AT_ONCE: Duration = Duration::from_millis(1);

fn is_connected(lan: &Lan, client: ConnectionId) -> bool {
    lan.has_event(0, Event::Connected(client))
}

/// What is sent is lost, and nobody knows.
fn lose(lan: &mut Lan, link: u8) {
    lan.dead.push(link);
}

fn tell(lan: &mut Lan, host: usize, link: u8, up: bool) {
    lan.act(host, |endpoint, cx| endpoint.handle_link(cx, PortIndex(link), up));
}

#[test]
fn a_neighbour_that_could_not_hear_the_first_questions_is_asked_soon_again() {
    let mut lan = Lan::new(2, 1);
    lan.listen(1, "0.0.0.0:80");
    lose(&mut lan, 0);
    let client = lan.connect(0, "10.0.0.2:80");
    lan.run_for(Duration::from_millis(40));
    lan.dead.clear();
    assert!(!is_connected(&lan, client));
    lan.run_for(Duration::from_millis(10) + AT_ONCE);
    assert!(is_connected(&lan, client), "the SYN waited for the answer and no longer");
    assert_eq!(lan.count(0, Outcome::TcpSynRetransmit), 0);
    let info = lan.hosts[0].endpoint.info(client).unwrap();
    let rtt = info.subflows[0].smoothed_rtt.unwrap();
    assert!(rtt < AT_ONCE, "{rtt:?}: the wait was no part of the round trip");
}

/// A scheduler that prefers the shorter round trip would leave the link alone.
#[test]
fn a_join_whose_neighbour_answers_late_is_as_near_as_it_is() {
    let mut lan = Lan::new(2, 2);
    lose(&mut lan, 1);
    let (client, _) = connected(&mut lan, "0.0.0.0:80", "10.0.0.2:80");
    lan.send(0, client, b"hello");
    lan.run_for(Duration::from_millis(100));
    lan.dead.clear();
    lan.run_for(Duration::from_millis(200));
    let subflows = lan.hosts[0].endpoint.info(client).unwrap().subflows;
    let near = |subflow: &SubflowInfo| subflow.smoothed_rtt.is_some_and(|rtt| rtt < AT_ONCE);
    assert!(subflows.len() == 2 && subflows.iter().all(near), "{subflows:?}");
}

#[test]
fn a_syn_leaves_as_soon_as_the_link_is_up() {
    let mut lan = Lan::new(2, 1);
    lan.listen(1, "0.0.0.0:80");
    lose(&mut lan, 0);
    let client = lan.connect(0, "10.0.0.2:80");
    lan.run_for(Duration::from_millis(10));
    // Longer than a neighbour that does not answer is waited for.
    tell(&mut lan, 0, 0, false);
    lan.run_for(Duration::from_secs(5));
    assert_eq!(lan.hosts[0].events, [], "a link without carrier says nothing about who is there");
    lan.dead.clear();
    tell(&mut lan, 0, 0, true);
    lan.run_for(AT_ONCE);
    assert!(is_connected(&lan, client));
}

#[test]
fn a_syn_that_the_link_lost_is_sent_again_when_it_comes_back() {
    let mut lan = Lan::new(2, 1);
    let listener = lan.listen(1, "0.0.0.0:80");
    assert!(lan.hosts[1].endpoint.listener_address(listener).is_some());
    // The neighbour is known.
    let first = lan.connect(0, "10.0.0.2:80");
    lan.run_until("connected", |lan| is_connected(lan, first));
    lose(&mut lan, 0);
    let client = lan.connect(0, "10.0.0.2:80");
    lan.run_for(Duration::from_millis(300));
    tell(&mut lan, 0, 0, false);
    lan.dead.clear();
    tell(&mut lan, 0, 0, true);
    lan.run_for(AT_ONCE);
    assert!(is_connected(&lan, client));
}

#[test]
fn who_did_not_answer_over_a_dead_link_is_asked_when_it_comes_back() {
    let mut lan = Lan::new(2, 1);
    lan.listen(1, "0.0.0.0:80");
    lose(&mut lan, 0);
    let lost = lan.connect(0, "10.0.0.2:80");
    lan.run_until("given up", |lan| lan.has_event(0, Event::Closed(lost, CloseReason::Unreachable)));
    tell(&mut lan, 0, 0, false);
    lan.dead.clear();
    tell(&mut lan, 0, 0, true);
    let client = lan.connect(0, "10.0.0.2:80");
    lan.run_for(AT_ONCE);
    assert!(is_connected(&lan, client));
}

/// The other end has a link for us before it knows: what it would answer is lost.
#[test]
fn a_neighbour_that_learns_late_of_its_link_is_found_at_once_then() {
    let mut lan = Lan::new(2, 1);
    lan.listen(1, "0.0.0.0:80");
    tell(&mut lan, 1, 0, false);
    lan.run_for(Duration::from_secs(1));
    let client = lan.connect(0, "10.0.0.2:80");
    lan.run_for(Duration::from_millis(49));
    assert!(!is_connected(&lan, client));
    tell(&mut lan, 1, 0, true);
    lan.run_for(Duration::from_micros(900));
    assert!(is_connected(&lan, client), "it announces itself");
}

#[test]
fn a_join_begins_at_once_when_its_link_comes_up() {
    let mut lan = Lan::new(2, 2);
    lan.set_link(1, false);
    let (client, _) = connected(&mut lan, "0.0.0.0:80", "10.0.0.2:80");
    lan.send(0, client, b"hello");
    lan.run_for(Duration::from_millis(500));
    lan.set_link(1, true);
    lan.run_for(AT_ONCE * 2);
    let info = lan.hosts[0].endpoint.info(client).unwrap();
    let joined = |port| {
        info.subflows
            .iter()
            .any(|subflow| subflow.path.port == PortIndex(port) && subflow.state == tcp::State::Established)
    };
    assert!(joined(0) && joined(1), "{:?}", info.subflows);
}

#[test]
fn a_host_without_link_asks_nobody() {
    let mut lan = Lan::new(2, 1);
    lan.run_for(AT_ONCE);
    lan.set_link(0, false);
    lan.log.clear();
    let client = lan.connect(0, "10.0.0.2:80");
    lan.run_for(Duration::from_secs(2));
    assert_eq!(lan.log.len(), 0);
    assert!(!is_connected(&lan, client));
    assert_eq!(lan.hosts[0].endpoint.neighbours(PortIndex(0)).count(), 0);
    assert!(lan.count(0, Outcome::LinkDown) >= 2);
}
