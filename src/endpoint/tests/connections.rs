use super::lan::Lan;
use super::*;
use crate::base::{ConnectionId, CoreIndex, Outcome, PortIndex};
use std::collections::HashSet;

/// Bytes that no two offsets share by accident.
pub(super) fn stream(seed: u32, len: u32) -> Vec<u8> {
    (0..len).flat_map(|at| (at ^ seed).wrapping_mul(0x9e37_79b1).to_be_bytes()).collect()
}

/// Host 0 connects to host 1, which listens there.
pub(super) fn connected(lan: &mut Lan, listen: &str, remote: &str) -> (ConnectionId, ConnectionId) {
    lan.listen(1, listen);
    let client = lan.connect(0, remote);
    lan.run_until("accepted", |lan| !lan.accepted(1).is_empty());
    lan.run_until("connected", |lan| lan.has_event(0, Event::Connected(client)));
    (client, lan.accepted(1)[0])
}

/// Both sides send, close, and are done.
fn exchange_and_close(lan: &mut Lan, client: ConnectionId, server: ConnectionId, words: u32) {
    let (request, response) = (stream(1, words), stream(2, words));
    lan.send(0, client, &request);
    lan.send(1, server, &response);
    lan.run_until("all received", |lan| {
        lan.received(0, client).len() == response.len() && lan.received(1, server).len() == request.len()
    });
    lan.close(0, client);
    lan.run_until("end seen", |lan| lan.has_event(1, Event::PeerFinished(server)));
    lan.close(1, server);
    lan.run_until("both closed", |lan| {
        lan.has_event(0, Event::Closed(client, CloseReason::Finished))
            && lan.has_event(1, Event::Closed(server, CloseReason::Finished))
    });
    assert!(lan.received(0, client) == response && lan.received(1, server) == request);
    lan.run_until("forgotten", |lan| {
        lan.hosts.iter().all(|host| host.endpoint.connection_count() == 0 && host.endpoint.is_idle())
    });
}

#[test]
fn a_stream_goes_both_ways_over_both_links() {
    let mut lan = Lan::new(2, 2);
    let (client, server) = connected(&mut lan, "10.0.0.2:80", "10.0.0.2:80");
    lan.send(0, client, b"hello");
    // The server listens on one address: joins to the other are found by token.
    lan.run_until("joined", |lan| {
        let ports: HashSet<_> = lan.hosts[1]
            .endpoint
            .info(server)
            .into_iter()
            .flat_map(|info| info.subflows)
            .filter(|subflow| subflow.state == tcp::State::Established)
            .map(|subflow| subflow.path.port)
            .collect();
        ports.len() == 2
    });
    let info = lan.hosts[0].endpoint.info(client).unwrap();
    assert!(!info.fallback);
    assert_eq!(info.tuple.remote, "10.0.0.2:80".parse().unwrap());
    lan.hosts[1].received.clear();
    exchange_and_close(&mut lan, client, server, 100_000);
    for host in 0..2 {
        for port in 0..2 {
            let statistics = lan.hosts[host].endpoint.port_statistics(PortIndex(port)).unwrap();
            assert!(statistics.bytes_sent > 50_000, "host {host} port {port}: {statistics:?}");
        }
        assert_eq!(lan.count(host, Outcome::TcpChecksumBad), 0);
    }
}

#[test]
fn ipv6_carries_a_stream_too() {
    let mut lan = Lan::new(2, 1);
    let (client, server) = connected(&mut lan, "[::]:80", "[2001:db8::2]:80");
    exchange_and_close(&mut lan, client, server, 20_000);
}

#[test]
fn a_vlan_carries_a_stream_too() {
    let mut configs = vec![endpoint_config(1, 1), endpoint_config(2, 1)];
    configs.iter_mut().for_each(|config| config.ports[0].vlan = Some(7));
    let mut lan = Lan::with(configs);
    let (client, server) = connected(&mut lan, "0.0.0.0:80", "10.0.0.2:80");
    exchange_and_close(&mut lan, client, server, 20_000);
    assert!(lan.log.iter().all(|frame| frame[12..16] == [0x81, 0, 0, 7]));
}

#[test]
fn ports_that_cut_get_super_segments() {
    let mut configs = vec![endpoint_config(1, 1), endpoint_config(2, 1)];
    for port in configs.iter_mut().flat_map(|config| &mut config.ports) {
        (port.tx_ip_checksum, port.tx_tcp_checksum, port.super_segment_bytes) = (false, true, 60_000);
    }
    let mut lan = Lan::with(configs);
    lan.vouch = true;
    let (client, server) = connected(&mut lan, "0.0.0.0:80", "10.0.0.2:80");
    exchange_and_close(&mut lan, client, server, 200_000);
    let longest = lan.log.iter().map(Vec::len).max().unwrap();
    assert!((10_000..=65_535 + 14).contains(&longest), "{longest}");
}

#[test]
fn a_port_with_room_for_one_frame_is_enough() {
    let mut lan = Lan::new(2, 2);
    lan.hosts.iter_mut().for_each(|host| host.room = 1);
    let (client, server) = connected(&mut lan, "0.0.0.0:80", "10.0.0.2:80");
    exchange_and_close(&mut lan, client, server, 20_000);
}

#[test]
fn a_closed_port_refuses() {
    let mut lan = Lan::new(2, 1);
    let client = lan.connect(0, "10.0.0.2:81");
    lan.run_until("refused", |lan| lan.has_event(0, Event::Closed(client, CloseReason::Refused)));
    assert_eq!(lan.count(1, Outcome::TcpNoListener), 1);
    assert_eq!(lan.count(1, Outcome::TcpResetSent), 1);
    lan.run_until("forgotten", |lan| lan.hosts[0].endpoint.connection_count() == 0);
}

#[test]
fn nobody_at_the_address_is_found_out_by_the_link() {
    let mut lan = Lan::new(2, 1);
    let start = lan.now;
    let client = lan.connect(0, "10.0.0.77:80");
    lan.run_until("given up", |lan| lan.has_event(0, Event::Closed(client, CloseReason::Unreachable)));
    assert!(lan.now.since(start) < Duration::from_secs(5));
}

#[test]
fn connections_get_local_ports_of_their_own() {
    let mut lan = Lan::new(2, 1);
    lan.listen(1, "0.0.0.0:80");
    let clients: Vec<_> = (0..50).map(|_| lan.connect(0, "10.0.0.2:80")).collect();
    lan.run_until("accepted", |lan| lan.accepted(1).len() == 50);
    let infos: Vec<_> = lan.hosts[0].endpoint.connections().collect();
    let ports: HashSet<_> = infos.iter().map(|info| info.tuple.local.port()).collect();
    let tokens: HashSet<_> = infos.iter().map(|info| info.token).collect();
    assert_eq!((ports.len(), tokens.len()), (50, 50));
    assert!(ports.iter().all(|port| (32_768..=60_999).contains(port)));
    // A port that is taken cannot be wished for.
    let taken = infos[0].tuple;
    let again = lan.act(0, |endpoint, cx| endpoint.connect(cx, Some(taken.local), taken.remote));
    assert_eq!(again, Err(ConnectError::NoPort));
    for (index, client) in clients.into_iter().enumerate() {
        lan.send(0, client, &stream(index as u32, 500));
    }
    lan.run_until("all there", |lan| lan.accepted(1).iter().all(|&id| lan.received(1, id).len() == 2_000));
    lan.act(0, Endpoint::close_all);
    lan.run_until("ends seen", |lan| {
        let servers = lan.accepted(1);
        servers.iter().all(|&server| lan.has_event(1, Event::PeerFinished(server)))
    });
    let mut streams: Vec<_> = lan.accepted(1).iter().map(|&id| lan.received(1, id).to_vec()).collect();
    streams.sort();
    let mut expected: Vec<_> = (0..50).map(|index| stream(index, 500)).collect();
    expected.sort();
    assert!(streams == expected);
    lan.act(1, Endpoint::close_all);
    lan.run_until("idle", |lan| lan.hosts.iter().all(|host| host.endpoint.is_idle()));
}

#[test]
fn what_cannot_be_opened_says_why() {
    let mut lan = Lan::new(1, 1);
    let mut connect = |local: Option<&str>, remote: &str| {
        let (local, remote) = (local.map(|local| local.parse().unwrap()), remote.parse().unwrap());
        lan.act(0, |endpoint, cx| endpoint.connect(cx, local, remote)).unwrap_err()
    };
    assert_eq!(connect(None, "10.0.0.2:0"), ConnectError::RemoteInvalid);
    assert_eq!(connect(None, "224.0.0.1:80"), ConnectError::RemoteInvalid);
    assert_eq!(connect(None, "192.0.2.1:80"), ConnectError::NoRoute);
    assert_eq!(connect(None, "10.0.0.1:80"), ConnectError::NoRoute);
    assert_eq!(connect(Some("10.0.0.3:0"), "10.0.0.2:80"), ConnectError::AddressNotOurs);
    assert_eq!(connect(Some("[2001:db8::1]:0"), "10.0.0.2:80"), ConnectError::NoRoute);
    let mut listen =
        |address: &str| lan.act(0, |endpoint, cx| endpoint.listen(cx, address.parse().unwrap(), 1));
    assert_eq!(listen("10.0.0.3:80"), Err(ListenError::AddressNotOurs));
    let any = listen("0.0.0.0:0").unwrap();
    let port = lan.hosts[0].endpoint.listener_address(any).unwrap().port();
    assert!((32_768..=60_999).contains(&port));
}

#[test]
fn the_other_link_goes_on_when_one_is_lost() {
    let mut lan = Lan::new(2, 2);
    let (client, server) = connected(&mut lan, "0.0.0.0:80", "10.0.0.2:80");
    lan.send(0, client, &stream(1, 1_000));
    lan.run_until("joined", |lan| {
        let info = lan.hosts[0].endpoint.info(client).unwrap();
        info.subflows
            .iter()
            .any(|subflow| subflow.path.port == PortIndex(1) && subflow.state == tcp::State::Established)
    });
    let rest = stream(2, 200_000);
    lan.send(0, client, &rest);
    lan.run_until("under way", |lan| lan.received(1, server).len() > 50_000);
    lan.set_link(0, false);
    lan.run_until("all there", |lan| lan.received(1, server).len() == 4_000 + rest.len());
    assert!(lan.received(1, server)[4_000..] == rest);
}

#[test]
fn a_refused_handshake_tells_the_application_nothing() {
    let mut lan = Lan::new(2, 1);
    let listener = lan.listen(1, "0.0.0.0:80");
    let client = lan.connect(0, "10.0.0.2:80");
    lan.run_until("half open", |lan| lan.hosts[1].endpoint.connections().any(|info| info.half_open));
    lan.act(1, |endpoint, cx| endpoint.close_listener(cx, listener));
    assert_eq!(lan.hosts[1].endpoint.connection_count(), 0);
    lan.run_until("reset", |lan| {
        lan.hosts[0].events.iter().any(|event| matches!(event, Event::Closed(id, _) if *id == client))
    });
    assert_eq!(lan.hosts[1].events, []);
}

#[test]
fn an_aborted_connection_ends_on_both_sides() {
    let mut lan = Lan::new(2, 1);
    let (client, server) = connected(&mut lan, "0.0.0.0:80", "10.0.0.2:80");
    lan.send(0, client, b"first");
    lan.run_until("there", |lan| lan.received(1, server) == b"first");
    lan.act(0, |endpoint, cx| endpoint.abort(cx, client));
    lan.run_until("gone", |lan| lan.hosts.iter().all(|host| host.endpoint.connection_count() == 0));
    let closed = |event: &&Event| matches!(event, Event::Closed(id, _) if *id == server);
    assert_eq!(lan.hosts[1].events.iter().filter(closed).count(), 1);
    let about_client = |event: &&Event| matches!(event, Event::Closed(id, _) if *id == client);
    assert_eq!(lan.hosts[0].events.iter().filter(about_client).count(), 0, "released: not told");
}

#[test]
fn unread_bytes_outlive_the_connection() {
    let mut lan = Lan::new(2, 1);
    let (client, server) = connected(&mut lan, "0.0.0.0:80", "10.0.0.2:80");
    lan.hosts[1].reads = false;
    lan.send(0, client, &stream(3, 1_000));
    lan.run_until("sent", |lan| lan.has_event(1, Event::Readable(server)));
    lan.close(0, client);
    lan.close(1, server);
    lan.run_until("closed", |lan| lan.has_event(1, Event::Closed(server, CloseReason::Finished)));
    lan.run_for(Duration::from_secs(200));
    assert_eq!(lan.hosts[1].endpoint.connection_count(), 1);
    assert!(lan.hosts[1].endpoint.info(server).is_none(), "only bytes are left");
    let read: Vec<u8> = std::iter::from_fn(|| lan.hosts[1].endpoint.read(server))
        .flat_map(|packet| packet.as_slice().to_vec())
        .collect();
    assert!(read == stream(3, 1_000));
    assert_eq!(lan.hosts[1].endpoint.connection_count(), 0);
}

#[test]
fn time_wait_gives_way_when_there_are_too_many() {
    let mut configs = vec![endpoint_config(1, 1), endpoint_config(2, 1)];
    configs[0].limits.connections = 2;
    let mut lan = Lan::with(configs);
    lan.listen(1, "0.0.0.0:80");
    for round in 0..6 {
        let client = lan.connect(0, "10.0.0.2:80");
        lan.run_until("accepted", |lan| lan.accepted(1).len() == round + 1);
        let server = lan.accepted(1)[round];
        lan.act(0, |endpoint, cx| endpoint.release(cx, client));
        lan.run_until("end seen", |lan| lan.has_event(1, Event::PeerFinished(server)));
        lan.act(1, |endpoint, cx| endpoint.release(cx, server));
        lan.run_until("idle", |lan| lan.hosts.iter().all(|host| host.endpoint.is_idle()));
    }
    assert!(lan.count(0, Outcome::TcpTimeWaitOverflow) >= 3);
    // Those that are in use do not give way.
    lan.connect(0, "10.0.0.2:80");
    lan.connect(0, "10.0.0.2:80");
    let third = lan.act(0, |endpoint, cx| endpoint.connect(cx, None, "10.0.0.2:80".parse().unwrap()));
    assert_eq!(third, Err(ConnectError::TooMany));
}

/// The second of two cores, to which each port brings half of everything.
fn second_of_two(ports: usize) -> Steering {
    let table = [CoreIndex(0), CoreIndex(1)].into();
    let spread = Spread { key: std::array::from_fn(|at| (at * 37 + 11) as u8), table };
    Steering { core: CoreIndex(1), cores: 2, spreads: vec![Some(spread); ports] }
}

#[test]
fn ports_and_tokens_suit_the_core() {
    let mut configs = vec![endpoint_config(1, 2), endpoint_config(2, 2)];
    configs.iter_mut().for_each(|config| config.steering = Some(second_of_two(2)));
    let mut lan = Lan::with(configs);
    lan.listen(1, "0.0.0.0:81");
    for _ in 0..20 {
        let client = lan.connect(0, "10.0.0.2:81");
        lan.send(0, client, b"hello");
    }
    lan.run_until("joined", |lan| {
        let infos: Vec<_> = lan.hosts[0].endpoint.connections().collect();
        infos.len() == 20 && infos.iter().all(|info| info.subflows.len() > 1)
    });
    let steering = second_of_two(2);
    let infos = lan.hosts[0].endpoint.connections();
    let paths: Vec<_> = infos.flat_map(|info| info.subflows).map(|subflow| subflow.path).collect();
    assert!(paths.len() >= 40, "{paths:?}");
    let cores = paths.iter().map(|path| steering.core_of_segment(path.port, &path.tuple));
    assert!(cores.clone().all(|core| core == Some(CoreIndex(1))), "{:?}", cores.collect::<Vec<_>>());
    let connections = lan.hosts.iter().flat_map(|host| host.endpoint.connections());
    let cores: Vec<_> = connections.map(|info| steering.core_of_token(info.token)).collect();
    assert!(cores.len() == 40 && cores.iter().all(|&core| core == CoreIndex(1)), "{cores:?}");
}
