//! No frame does any harm.

use super::lan::Lan;
use super::station::*;
use super::*;
use crate::base::{ChecksumState, HeapPacket, Outcome, PortIndex, ReceiveMeta};
use proptest::prelude::*;

/// Frames of a session with everything in it, as host 1 received them.
fn session() -> Vec<Vec<u8>> {
    let mut lan = Lan::new(2, 2);
    lan.listen(1, "0.0.0.0:80");
    lan.listen(1, "[::]:80");
    for remote in ["10.0.0.2:80", "[2001:db8::2]:80"] {
        let client = lan.connect(0, remote);
        lan.send(0, client, &[7; 5_000]);
        lan.run_until("there", |lan| {
            lan.accepted(1).last().is_some_and(|&server| lan.received(1, server).len() == 5_000)
        });
        let server = lan.accepted(1)[lan.accepted(1).len() - 1];
        lan.hosts[1].received.clear();
        lan.close(0, client);
        lan.close(1, server);
        lan.run_until("closed", |lan| lan.has_event(1, Event::Closed(server, CloseReason::Finished)));
    }
    lan.log
}

/// Where the interesting bytes are.
#[derive(Clone, Debug)]
struct Mutation {
    frame: prop::sample::Index,
    flips: Vec<(prop::sample::Index, u8)>,
    cut: Option<prop::sample::Index>,
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let flips = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    (any::<prop::sample::Index>(), flips, prop::option::weighted(0.2, any::<prop::sample::Index>()))
        .prop_map(|(frame, flips, cut)| Mutation { frame, flips, cut })
}

impl Mutation {
    fn apply(&self, frames: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = self.frame.get(frames).clone();
        for (at, value) in &self.flips {
            // Headers, mostly.
            let at = at.index(bytes.len().min(100));
            bytes[at] = *value;
        }
        if let Some(cut) = self.cut {
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        bytes
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn arbitrary_bytes(
        frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..20),
        ether_type in prop::sample::select(vec![[8, 0], [8, 6], [0x86, 0xdd], [0x81, 0]]),
    ) {
        let mut bench = Bench::new(endpoint_config(1, 1));
        for mut bytes in frames {
            if bytes.len() >= 14 {
                bytes[..6].copy_from_slice(&HOST_MAC.0);
                bytes[6] &= 0xfe;
                bytes[12..14].copy_from_slice(&ether_type);
            }
            bench.exchange(&bytes);
        }
        prop_assert_eq!(bench.endpoint.connection_count(), 0);
    }
}

/// A session's own frames, changed, reach both hosts while it goes on, with
/// checksums vouched for so that they get in deep.
#[test]
fn changed_frames() {
    let recorded = session();
    let good = ReceiveMeta { ip_checksum: ChecksumState::Good, l4_checksum: ChecksumState::Good, vlan: None };
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(1000));
    let mutations = prop::collection::vec(mutation(), 1..60);
    let strategy = (mutations, any::<bool>());
    let run = |(mutations, live): (Vec<Mutation>, bool)| {
        let mut lan = Lan::new(2, 2);
        lan.listen(1, "0.0.0.0:80");
        lan.listen(1, "[::]:80");
        let client = lan.connect(0, "10.0.0.2:80");
        if live {
            lan.send(0, client, &[3; 3_000]);
            lan.run_for(Duration::from_millis(5));
        }
        let frames = [recorded.clone(), lan.log.clone()].concat();
        for (turn, mutation) in mutations.iter().enumerate() {
            let packet = HeapPacket::new(&mutation.apply(&frames));
            let port = PortIndex((turn / 2 % 2) as u8);
            lan.act(turn % 2, |endpoint, cx| endpoint.handle_frame(cx, port, packet, good));
            lan.step();
        }
        lan.run_for(Duration::from_secs(10));
        for host in 0..2 {
            lan.act(host, Endpoint::abort_all);
        }
        lan.run_for(Duration::from_secs(200));
        for host in &lan.hosts {
            prop_assert_eq!(host.endpoint.connection_count(), 0);
            prop_assert!(host.endpoint.is_idle());
        }
        Ok(())
    };
    runner.run(&strategy, run).unwrap();
}

#[test]
fn a_session_has_no_frame_that_is_wrong() {
    let mut lan = Lan::new(2, 2);
    lan.listen(1, "0.0.0.0:80");
    let client = lan.connect(0, "10.0.0.2:80");
    lan.send(0, client, &[7; 100_000]);
    lan.run_until("there", |lan| {
        lan.accepted(1).first().is_some_and(|&server| lan.received(1, server).len() == 100_000)
    });
    for host in 0..2 {
        for wrong in [
            Outcome::FrameTruncated,
            Outcome::ArpMalformed,
            Outcome::IpMalformed,
            Outcome::IpChecksumBad,
            Outcome::IcmpMalformed,
            Outcome::TcpMalformed,
            Outcome::TcpChecksumBad,
            Outcome::TcpFlagsInvalid,
            Outcome::MpOptionMalformed,
            Outcome::MpDssNotMatching,
        ] {
            assert_eq!(lan.count(host, wrong), 0, "{}", wrong.name());
        }
    }
}
