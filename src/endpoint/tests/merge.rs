use super::connections::{connected, stream};
use super::lan::Lan;
use crate::base::{ConnectionId, Outcome};

/// Segments that the subflows of a connection have handled.
fn handled(lan: &Lan, host: usize, id: ConnectionId) -> u64 {
    let info = lan.hosts[host].endpoint.info(id).unwrap();
    info.subflows.iter().map(|subflow| subflow.statistics.segments_received).sum()
}

fn transfer(lan: &mut Lan, client: ConnectionId, server: ConnectionId, bytes: &[u8]) {
    lan.send(0, client, bytes);
    lan.run_until("all received", |lan| lan.received(1, server).len() == bytes.len());
    assert!(lan.received(1, server) == bytes);
}

#[test]
fn a_burst_is_handled_as_a_few_segments() {
    for (vouch, listen) in [
        (false, "10.0.0.2:80"),
        (true, "10.0.0.2:80"),
        (false, "[2001:db8:0::2]:80"),
        (true, "[2001:db8::2]:80"),
    ] {
        let mut lan = Lan::new(2, 2);
        lan.vouch = vouch;
        let (client, server) = connected(&mut lan, listen, listen);
        transfer(&mut lan, client, server, &stream(3, 200_000));
        let (frames, segments) = (lan.count(1, Outcome::FrameReceived), handled(&lan, 1, server));
        assert!(frames > 550 && segments < frames / 4, "{segments} segments of {frames} frames");
    }
}

#[test]
fn a_damaged_frame_joins_no_run() {
    let mut lan = Lan::new(2, 1);
    let (client, server) = connected(&mut lan, "10.0.0.2:80", "10.0.0.2:80");
    let mut long = 0;
    lan.damage = Some(Box::new(move |bytes| {
        long += usize::from(bytes.len() > 1_000);
        if bytes.len() > 1_000 && long % 7 == 3 {
            let at = bytes.len() - 100;
            bytes[at] ^= 4;
        }
    }));
    transfer(&mut lan, client, server, &stream(4, 30_000));
    assert!(lan.count(1, Outcome::TcpChecksumBad) > 5);
}

/// Any bit of the three words that may differ from those of the run's first.
#[test]
fn a_damaged_ip_header_joins_no_run() {
    let mut lan = Lan::new(2, 1);
    let (client, server) = connected(&mut lan, "10.0.0.2:80", "10.0.0.2:80");
    let (mut long, mut damaged) = (0, 0);
    lan.damage = Some(Box::new(move |bytes| {
        long += usize::from(bytes.len() > 1_000);
        if bytes.len() > 1_000 && long % 7 == 3 && damaged < 48 {
            let at = 14 + [2, 3, 4, 5, 10, 11][damaged / 8];
            bytes[at] ^= 1 << (damaged % 8);
            damaged += 1;
        }
    }));
    transfer(&mut lan, client, server, &stream(6, 200_000));
    // A length that the frame does not have is malformed before it is summed up.
    let (bad, malformed) = (lan.count(1, Outcome::IpChecksumBad), lan.count(1, Outcome::IpMalformed));
    assert!(bad + malformed == 48 && bad > 40, "{bad} of a bad checksum, {malformed} malformed");
}

#[test]
fn a_frame_cut_anywhere_joins_no_run() {
    let mut lan = Lan::new(2, 1);
    let (client, server) = connected(&mut lan, "10.0.0.2:80", "10.0.0.2:80");
    let (mut long, mut cut) = (0, 0);
    lan.damage = Some(Box::new(move |bytes| {
        long += usize::from(bytes.len() > 1_000);
        if bytes.len() > 1_000 && long % 5 == 2 && cut < 120 {
            bytes.truncate(cut);
            cut += 1;
        }
    }));
    transfer(&mut lan, client, server, &stream(5, 300_000));
    assert!(lan.count(1, Outcome::FrameTruncated) > 10 && lan.count(1, Outcome::IpMalformed) > 10);
}

#[test]
fn flows_that_come_mixed_are_told_apart() {
    let mut lan = Lan::new(2, 1);
    lan.listen(1, "10.0.0.2:80");
    let clients: Vec<_> = (0..12).map(|_| lan.connect(0, "10.0.0.2:80")).collect();
    lan.run_until("all accepted", |lan| lan.accepted(1).len() == clients.len());
    let streams: Vec<_> = (0..12).map(|at| stream(at, 10_000 + at * 100)).collect();
    for (&client, bytes) in clients.iter().zip(&streams) {
        lan.send(0, client, bytes);
    }
    let total: usize = streams.iter().map(Vec::len).sum();
    let servers = lan.accepted(1);
    lan.run_until("all received", |lan| {
        servers.iter().map(|&server| lan.received(1, server).len()).sum::<usize>() == total
    });
    let mut received: Vec<_> = servers.iter().map(|&server| lan.received(1, server).to_vec()).collect();
    let mut sent = streams;
    received.sort();
    sent.sort();
    assert!(received == sent);
}
