//! One core of several: what it takes for its own.

use super::segments::{from_station, handshake, listening, segment, segments};
use super::station::*;
use super::*;
use crate::base::{AddressId, CoreIndex, FourTuple, Outcome, PortIndex, Token};
use crate::wire::{MpJoin, MptcpOption, OptionBytes, TcpFlags};
use std::collections::HashSet;
use std::net::SocketAddr;

const PORT: PortIndex = PortIndex(0);
/// A token of the second of two cores.
const ELSEWHERE: Token = Token(u32::MAX);

/// One of two cores of a host that does not know how its frames are spread.
fn core(index: u8) -> EndpointConfig {
    let steering = Steering { core: CoreIndex(index), cores: 2, spreads: vec![None] };
    EndpointConfig { steering: Some(steering), ..endpoint_config(1, 1) }
}

fn join(port: u16, token: Token) -> Vec<u8> {
    let mut options = OptionBytes::new();
    MptcpOption::Join(MpJoin::Syn { backup: false, address_id: AddressId(1), token, nonce: 5 })
        .emit(&mut options);
    segment(from_station(port), TcpFlags::SYN, 9_000, 0, &options)
}

#[test]
fn a_request_is_not_taken_for_the_flow_before() {
    let mut bench = listening(core(0), 5);
    let (ours, theirs) = handshake(&mut bench, 4_000, 100);
    let data = segment(from_station(4_000), TcpFlags::ACK, theirs, ours, &[]);
    assert_eq!(bench.endpoint.sort(PORT, &data), Sorted::Here);
    let again = join(4_000, ELSEWHERE);
    assert_eq!(bench.endpoint.sort(PORT, &again), Sorted::Here, "the subflow decides while it lives");
    assert_eq!(bench.endpoint.sort(PORT, &data), Sorted::Here);
    bench.exchange(&segment(from_station(4_000), TcpFlags::RST, theirs, 0, &[]));
    assert_eq!(bench.endpoint.sort(PORT, &again), Sorted::There(CoreIndex(1)));
    // What answers the other core's answer is not ours either, claimed or not.
    assert_eq!(bench.endpoint.sort(PORT, &data), Sorted::Later);
}

#[test]
fn a_join_of_another_core_is_not_refused() {
    let mut bench = listening(core(0), 5);
    assert_eq!(bench.exchange(&join(4_000, ELSEWHERE)), Vec::<Vec<u8>>::new(), "it comes again");
    assert_eq!(bench.count(Outcome::TcpResetSent), 0);
    let refused = segments(&bench.exchange(&join(4_000, Token(1))));
    assert!(refused[0].flags.contains(TcpFlags::RST), "{refused:?}");
}

#[test]
fn cores_draw_different_ports() {
    let ports = |index: u8| -> HashSet<u16> {
        let mut bench = Bench::new(core(index));
        let remote = SocketAddr::from((STATION_V4, 80));
        for _ in 0..400 {
            bench.with(|endpoint, cx| endpoint.connect(cx, None, remote)).unwrap();
        }
        bench.endpoint.connections().map(|info| info.tuple.local.port()).collect()
    };
    let (first, second) = (ports(0), ports(1));
    assert_eq!((first.len(), second.len()), (400, 400));
    assert!(first.is_disjoint(&second), "one 4-tuple of two connections");
}

#[test]
fn what_another_core_claims_is_taken() {
    let (mut first, mut second) = (Bench::new(core(0)), Bench::new(core(1)));
    let (local, remote) = (SocketAddr::from((HOST_V4, 4_000)), SocketAddr::from((STATION_V4, 80)));
    first.with(|endpoint, cx| endpoint.connect(cx, Some(local), remote)).unwrap();
    let (to, message) = first.endpoint.poll_core_message().unwrap();
    assert_eq!(to, CoreIndex(1));
    second.with(|endpoint, cx| endpoint.handle_core_message(cx, CoreIndex(0), message));
    let taken = second.with(|endpoint, cx| endpoint.connect(cx, Some(local), remote));
    assert_eq!(taken, Err(ConnectError::NoPort));
}

#[test]
fn one_core_announces_a_link_that_is_back() {
    for index in 0..2 {
        let mut bench = Bench::new(core(index));
        for up in [false, true] {
            bench.with(|endpoint, cx| endpoint.handle_link(cx, PORT, up));
        }
        assert_eq!(bench.sent().is_empty(), index != 0);
    }
}

#[test]
fn a_flow_that_often_comes_elsewhere_is_worth_a_rule() {
    let mut bench = listening(core(0), 5);
    bench.endpoint.receive_for(Some(CoreIndex(1)));
    let (ours, theirs) = handshake(&mut bench, 4_000, 100);
    let local = SocketAddr::from((HOST_V4, 80));
    let tuple = FourTuple { local, remote: from_station(4_000) };
    let ack = segment(from_station(4_000), TcpFlags::ACK, theirs, ours, &[]);
    // The handshake's ACK was the first that found its connection.
    for _ in 0..62 {
        bench.exchange(&ack);
        assert_eq!(bench.endpoint.poll_flow_wish(), None);
    }
    bench.exchange(&ack);
    assert_eq!(bench.endpoint.poll_flow_wish(), Some(FlowWish::Bring { port: PORT, tuple }));
    bench.exchange(&ack);
    assert_eq!(bench.endpoint.poll_flow_wish(), None, "once");
    assert_eq!(bench.endpoint.connections().map(|info| info.taken_over_frames).sum::<u64>(), 65);
    // What comes here by itself does not count.
    bench.endpoint.receive_for(None);
    bench.exchange(&ack);
    assert_eq!(bench.endpoint.connections().map(|info| info.taken_over_frames).sum::<u64>(), 65);
    bench.exchange(&segment(from_station(4_000), TcpFlags::RST, theirs, 0, &[]));
    assert_eq!(bench.endpoint.poll_flow_wish(), Some(FlowWish::Release { port: PORT, tuple }));
}
