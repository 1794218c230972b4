use super::station::*;
use super::*;
use crate::base::{ChecksumState, Outcome, ReceiveMeta, SeqNumber, Token};
use crate::wire::{
    Icmpv4, Ipv4, MpJoin, MptcpOption, OptionBytes, ResetReason, Tcp, TcpFlags, TcpOptions, protocol,
    pseudo_header,
};
use std::net::{Ipv4Addr, SocketAddr};

const SYN: TcpFlags = TcpFlags::SYN;
const SYN_ACK: TcpFlags = TcpFlags::SYN.with(TcpFlags::ACK);
const ACK: TcpFlags = TcpFlags::ACK;

/// A segment from `source` to the host's port 80.
pub(super) fn segment(
    source: SocketAddr,
    flags: TcpFlags,
    sequence: u32,
    acknowledgement: u32,
    options: &[u8],
) -> Vec<u8> {
    let header = Tcp {
        source_port: source.port(),
        destination_port: 80,
        sequence: SeqNumber(sequence),
        acknowledgement: SeqNumber(acknowledgement),
        flags,
        window: 65_535,
        urgent: 0,
        options: TcpOptions::default(),
        header_bytes: 20,
    };
    let SocketAddr::V4(source) = source else { panic!("not IPv4") };
    let mut body = vec![0; 40 + options.len()];
    Ipv4::new(*source.ip(), HOST_V4, protocol::TCP, body.len() as u16 - 20).emit(&mut body);
    header.emit(options, &mut body[20..]);
    let length_bytes = body.len() as u32 - 20;
    let mut sum = pseudo_header((*source.ip()).into(), HOST_V4.into(), protocol::TCP, length_bytes);
    sum.add(&body[20..]);
    body[20 + Tcp::CHECKSUM_OFFSET..][..2].copy_from_slice(&sum.finish().to_be_bytes());
    frame(STATION_MAC, HOST_MAC, crate::wire::EtherType::IPV4, &body)
}

pub(super) fn from_station(port: u16) -> SocketAddr {
    SocketAddr::from((STATION_V4, port))
}

/// The segments among frames of the host.
pub(super) fn segments(frames: &[Vec<u8>]) -> Vec<Tcp> {
    let is_tcp = |bytes: &&Vec<u8>| bytes[12..14] == [8, 0] && bytes[23] == protocol::TCP;
    frames.iter().filter(is_tcp).map(|bytes| Tcp::parse(&bytes[34..]).unwrap()).collect()
}

/// A host that knows the station and listens on port 80.
pub(super) fn listening(config: EndpointConfig, backlog: usize) -> Bench {
    let mut bench = Bench::new(config);
    bench.introduce_station();
    let address = SocketAddr::from((HOST_V4, 80));
    bench.with(|endpoint, cx| endpoint.listen(cx, address, backlog)).unwrap();
    bench
}

/// The station opens a connection by hand; the host's and its own next
/// sequence number.
pub(super) fn handshake(bench: &mut Bench, port: u16, sequence: u32) -> (u32, u32) {
    let answers = segments(&bench.exchange(&segment(from_station(port), SYN, sequence, 0, &[])));
    let [answer] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!((answer.flags, answer.acknowledgement), (SYN_ACK, SeqNumber(sequence) + 1));
    let next = (answer.sequence + 1).0;
    bench.exchange(&segment(from_station(port), ACK, sequence.wrapping_add(1), next, &[]));
    (next, sequence.wrapping_add(1))
}

#[test]
fn a_segment_to_nobody_is_reset() {
    let mut bench = Bench::new(endpoint_config(1, 1));
    bench.introduce_station();
    let answers = segments(&bench.exchange(&segment(from_station(1000), SYN, 5, 0, &[])));
    let [reset] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!(reset.flags, TcpFlags::RST.with(ACK));
    assert_eq!((reset.sequence, reset.acknowledgement), (SeqNumber(0), SeqNumber(6)));
    assert_eq!((reset.source_port, reset.destination_port), (80, 1000));
    let answers = segments(&bench.exchange(&segment(from_station(1000), ACK, 5, 77, &[])));
    assert_eq!((answers[0].flags, answers[0].sequence), (TcpFlags::RST, SeqNumber(77)));
    assert_eq!(bench.exchange(&segment(from_station(1000), TcpFlags::RST, 5, 0, &[])).len(), 0);
    assert_eq!(bench.count(Outcome::TcpNoListener), 3);
    assert_eq!(bench.count(Outcome::TcpResetSent), 2);
}

#[test]
fn resets_are_limited() {
    let mut config = endpoint_config(1, 1);
    config.limits.resets_per_second = 3;
    let mut bench = Bench::new(config);
    bench.introduce_station();
    for port in 1..=10 {
        bench.receive_at(0, &segment(from_station(port), SYN, 5, 0, &[]), ReceiveMeta::default());
    }
    assert_eq!(segments(&bench.sent()).len(), 3);
    assert_eq!(bench.count(Outcome::TcpResetLimited), 7);
}

#[test]
fn a_wrong_checksum_is_dropped_unless_the_driver_knows_better() {
    let mut bench = Bench::new(endpoint_config(1, 1));
    bench.introduce_station();
    let mut bytes = segment(from_station(1000), SYN, 5, 0, &[]);
    bytes[50] ^= 1;
    assert_eq!(bench.exchange(&bytes).len(), 0);
    assert_eq!(bench.count(Outcome::TcpChecksumBad), 1);
    bench.receive_at(0, &bytes, GOOD);
    assert_eq!(segments(&bench.sent()).len(), 1);
    let good = segment(from_station(1000), SYN, 5, 0, &[]);
    bench.receive_at(0, &good, ReceiveMeta { l4_checksum: ChecksumState::Bad, ..GOOD });
    assert_eq!(bench.count(Outcome::TcpChecksumBad), 2);
}

#[test]
fn a_segment_to_everybody_is_none() {
    let mut bench = listening(endpoint_config(1, 1), 8);
    let mut bytes = segment(from_station(1000), SYN, 5, 0, &[]);
    bytes[..6].fill(0xff);
    assert_eq!(bench.exchange(&bytes).len(), 0);
    assert_eq!(bench.count(Outcome::IpNotForUs), 1);
}

#[test]
fn a_segment_of_a_connection_comes_to_its_port_alone() {
    let mut bench = listening(endpoint_config(1, 2), 8);
    let (acknowledgement, sequence) = handshake(&mut bench, 1000, 5);
    let bytes = segment(from_station(1000), ACK, sequence, acknowledgement, &[]);
    let other_port = [&[2, 0, 0, 0, 1, 1], &bytes[6..]].concat();
    bench.receive_at(1, &other_port, ReceiveMeta::default());
    assert_eq!(bench.count(Outcome::IpNotForUs), 1);
    let everybody = [&[0xff; 6], &bytes[6..]].concat();
    bench.receive_at(0, &everybody, ReceiveMeta::default());
    assert_eq!(bench.count(Outcome::IpNotForUs), 2);
    let dropped = bench.count(Outcome::FrameNotForUs);
    bench.receive_at(0, &bytes, ReceiveMeta::default());
    assert_eq!((bench.count(Outcome::IpNotForUs), bench.count(Outcome::FrameNotForUs)), (2, dropped));
}

#[test]
fn a_join_with_an_unknown_token_is_told_why() {
    // Neither the listener nor its absence matters.
    for mut bench in [listening(endpoint_config(1, 1), 8), Bench::new(endpoint_config(1, 1))] {
        if bench.endpoint.listeners().next().is_none() {
            bench.introduce_station();
        }
        let join =
            MpJoin::Syn { backup: false, address_id: crate::base::AddressId(1), token: Token(7), nonce: 9 };
        let mut options = OptionBytes::new();
        MptcpOption::Join(join).emit(&mut options);
        let answers = segments(&bench.exchange(&segment(from_station(1000), SYN, 5, 0, &options)));
        assert!(answers[0].flags.contains(TcpFlags::RST));
        let reason = MptcpOption::Reset { transient: false, reason: ResetReason::Mptcp };
        assert_eq!(answers[0].options.mptcp.others[..], [reason]);
        assert_eq!(bench.count(Outcome::MpJoinNoToken), 1);
        assert_eq!(bench.endpoint.connection_count(), 0);
    }
}

#[test]
fn a_flood_of_syns_is_bounded_and_does_not_shut_others_out() {
    let mut config = endpoint_config(1, 1);
    config.ports[0].gateway_v4 = Some(STATION_V4.into());
    let mut bench = listening(config, 16);
    for last in 0..200u8 {
        let stranger = SocketAddr::from((Ipv4Addr::new(192, 0, 2, last), 1000));
        bench.receive_at(0, &segment(stranger, SYN, 5, 0, &[]), ReceiveMeta::default());
        bench.pass(Duration::from_millis(1));
    }
    assert_eq!(bench.endpoint.connection_count(), 16);
    assert_eq!(bench.count(Outcome::TcpListenOverflow), 184);
    let waiting = bench.endpoint.listeners().next().unwrap();
    assert_eq!((waiting.waiting, waiting.backlog), (16, 16));
    // The flood goes on, but what is old gives way.
    bench.pass(Duration::from_millis(500));
    bench.sent();
    handshake(&mut bench, 1000, 5);
    let event = bench.with(Endpoint::poll_event);
    assert!(matches!(event, Some(Event::Accepted { .. })), "{event:?}");
    assert_eq!(bench.endpoint.connection_count(), 16);
}

#[test]
fn connections_not_told_of_count_against_the_backlog() {
    let mut bench = listening(endpoint_config(1, 1), 2);
    handshake(&mut bench, 1000, 5);
    handshake(&mut bench, 1001, 5);
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.exchange(&segment(from_station(1002), SYN, 5, 0, &[])).len(), 0);
    assert_eq!(bench.count(Outcome::TcpListenOverflow), 1);
    assert!(bench.with(Endpoint::poll_event).is_some());
    handshake(&mut bench, 1002, 5);
}

#[test]
fn half_open_connections_of_all_listeners_are_bounded() {
    let mut config = endpoint_config(1, 1);
    config.limits.half_open = 3;
    let mut bench = listening(config, 100);
    for port in 1..=10 {
        bench.receive_at(0, &segment(from_station(port), SYN, 5, 0, &[]), ReceiveMeta::default());
    }
    assert_eq!(bench.endpoint.connection_count(), 3);
}

/// An ICMP error from the station that quotes a segment of the host's port 80.
fn error(port: u16, sequence: u32, error: fn(&[u8]) -> Icmpv4<'_>) -> Vec<u8> {
    let mut quote = vec![0; 28];
    Ipv4::new(HOST_V4, STATION_V4, protocol::TCP, 1480).emit(&mut quote);
    quote[20..22].copy_from_slice(&80u16.to_be_bytes());
    quote[22..24].copy_from_slice(&port.to_be_bytes());
    quote[24..28].copy_from_slice(&sequence.to_be_bytes());
    let message = error(&quote);
    let mut body = vec![0; 20 + message.encoded_len()];
    Ipv4::new(STATION_V4, HOST_V4, protocol::ICMP, message.encoded_len() as u16).emit(&mut body);
    message.emit(&mut body[20..]);
    frame(STATION_MAC, HOST_MAC, crate::wire::EtherType::IPV4, &body)
}

#[test]
fn a_router_lowers_the_path_mtu_if_it_quotes_what_is_in_flight() {
    let too_big: fn(&[u8]) -> Icmpv4<'_> = |quote| Icmpv4::FragmentationNeeded { mtu: 1000, quote };
    let mut bench = listening(endpoint_config(1, 1), 8);
    let mut options = OptionBytes::new();
    crate::wire::emit_syn(1460, false, None, None, &mut options);
    let answers = segments(&bench.exchange(&segment(from_station(1000), SYN, 5, 0, &options)));
    let next = (answers[0].sequence + 1).0;
    bench.exchange(&segment(from_station(1000), ACK, 6, next, &[]));
    let Some(Event::Accepted { connection, .. }) = bench.with(Endpoint::poll_event) else {
        panic!("not accepted");
    };
    let payload = crate::base::HeapPacket::new(&[7; 4000]);
    bench.with(|endpoint, cx| endpoint.write(cx, connection, payload)).unwrap();
    let longest = |frames: &[Vec<u8>]| frames.iter().map(|frame| frame.len() - 14).max();
    assert_eq!(longest(&bench.sent()), Some(1500));
    // A forger who does not know the sequence number.
    bench.exchange(&error(1000, next.wrapping_sub(1), too_big));
    bench.exchange(&error(1000, next.wrapping_add(5000), too_big));
    bench.exchange(&error(1001, next, too_big));
    assert_eq!(bench.count(Outcome::IcmpNotOurs), 3);
    bench.exchange(&error(1000, next, too_big));
    assert_eq!(bench.count(Outcome::IcmpPathMtuLowered), 1);
    let info = bench.endpoint.info(connection).unwrap();
    assert_eq!(info.subflows[0].path.mtu, 1000);
    bench.pass(Duration::from_secs(3));
    let again = bench.sent();
    assert!(longest(&again).is_some_and(|longest| longest <= 1000), "{:?}", longest(&again));
    // The next connection to that host knows.
    handshake(&mut bench, 1002, 5);
    let Some(Event::Accepted { connection, .. }) = bench.with(Endpoint::poll_event) else {
        panic!("not accepted");
    };
    assert_eq!(bench.endpoint.info(connection).unwrap().subflows[0].path.mtu, 1000);
}

#[test]
fn a_new_syn_takes_over_what_is_in_time_wait() {
    let mut bench = listening(endpoint_config(1, 1), 8);
    let (next, ours) = handshake(&mut bench, 1000, 5);
    let Some(Event::Accepted { connection, .. }) = bench.with(Endpoint::poll_event) else {
        panic!("not accepted");
    };
    bench.with(|endpoint, cx| endpoint.release(cx, connection));
    let fin = segments(&bench.sent());
    assert!(fin[0].flags.contains(TcpFlags::FIN), "{fin:?}");
    let fin_ack = TcpFlags::FIN.with(ACK);
    bench.exchange(&segment(from_station(1000), fin_ack, ours, next.wrapping_add(1), &[]));
    assert_eq!((bench.endpoint.connection_count(), bench.endpoint.time_wait_count()), (0, 1));
    // An old duplicate of the first SYN does not.
    let answers = segments(&bench.exchange(&segment(from_station(1000), SYN, 5, 0, &[])));
    assert!(answers.iter().all(|answer| !answer.flags.contains(SYN)), "{answers:?}");
    assert_eq!(bench.count(Outcome::TcpTimeWaitReused), 0);
    let answers = segments(&bench.exchange(&segment(from_station(1000), SYN, ours + 1000, 0, &[])));
    assert_eq!(bench.count(Outcome::TcpTimeWaitReused), 1);
    assert_eq!(answers[0].flags, SYN_ACK);
    assert!(answers[0].sequence.after(SeqNumber(next) + 65_535), "beyond what the last one used");
    bench.exchange(&segment(from_station(1000), ACK, ours + 1001, (answers[0].sequence + 1).0, &[]));
    let event = bench.with(Endpoint::poll_event);
    assert!(matches!(event, Some(Event::Accepted { .. })), "{event:?}");
    assert_eq!(bench.endpoint.connection_count(), 1);
}

/// A connection that the host closed first, and the station then: what it is in
/// TIME_WAIT for, as the sequence numbers behind both ends.
fn in_time_wait(bench: &mut Bench, port: u16, sequence: u32) -> (u32, u32) {
    let (next, ours) = handshake(bench, port, sequence);
    let Some(Event::Accepted { connection, .. }) = bench.with(Endpoint::poll_event) else {
        panic!("not accepted");
    };
    bench.with(|endpoint, cx| endpoint.release(cx, connection));
    bench.sent();
    let fin = segment(from_station(port), TcpFlags::FIN.with(ACK), ours, next.wrapping_add(1), &[]);
    bench.exchange(&fin);
    (next.wrapping_add(1), ours.wrapping_add(1))
}

#[test]
fn time_wait_lasts_from_the_last_fin_on() {
    let mut bench = listening(endpoint_config(1, 1), 8);
    let (next, theirs) = in_time_wait(&mut bench, 1000, 5);
    assert_eq!((bench.endpoint.connection_count(), bench.endpoint.time_wait_count()), (0, 1));
    bench.pass(Duration::from_secs(40));
    let fin = segment(from_station(1000), TcpFlags::FIN.with(ACK), theirs.wrapping_sub(1), next, &[]);
    let answers = segments(&bench.exchange(&fin));
    let [answer] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!((answer.flags, answer.sequence.0, answer.acknowledgement.0), (ACK, next, theirs));
    bench.pass(Duration::from_secs(59));
    assert_eq!(bench.endpoint.time_wait_count(), 1, "it began anew");
    bench.pass(Duration::from_secs(80));
    assert_eq!(bench.endpoint.time_wait_count(), 0);
    let answers = segments(&bench.exchange(&fin));
    assert!(answers[0].flags.contains(TcpFlags::RST), "{answers:?}");
}

#[test]
fn who_takes_over_again_and_again_leaves_nothing_behind() {
    let mut bench = listening(endpoint_config(1, 1), 8);
    let mut sequence = 5;
    for _ in 0..3_000 {
        sequence = in_time_wait(&mut bench, 1000, sequence).1.wrapping_add(1);
    }
    assert_eq!((bench.endpoint.connection_count(), bench.endpoint.time_wait_count()), (0, 1));
    assert_eq!(bench.count(Outcome::TcpTimeWaitReused), 2_999);
    let kept = bench.endpoint.time_waits.kept();
    assert!(kept < 2_000, "{kept} are kept for one");
}
