//! Endpoints of several cores, whose turns come in any order, with real clients.

use super::pair::{attach, endpoint_config, run, server};
use crate::base::{CoreIndex, Duration, Instant, Outcome, Random};
use crate::device::{Capabilities, MemoryConfig, MemoryDevice, memory_pair};
use crate::endpoint::{EndpointConfig, Steering};
use crate::engine::core::Seat;
use crate::engine::world::World;
use crate::engine::{Engine, HandOvers, Report, Settings};
use mpdk_client::{Context, Listener, Stream};
use std::pin::pin;
use std::task::Poll;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const WIRES: usize = 2;

/// Each core's queues of the wires.
pub(super) type Queues = Vec<Vec<MemoryDevice>>;

/// The queues of two endpoints with as many cores. What the left one's queue
/// `queue` of a wire sends, comes to the queue `leads_to(wire, queue)` of the right
/// one, and the other way round.
pub(super) fn queues(cores: usize, leads_to: impl Fn(usize, usize) -> usize) -> [Queues; 2] {
    let config = MemoryConfig { capabilities: Capabilities::plain(1500), queue_frames: 256 };
    let mut queues: [Queues; 2] = [(); 2].map(|()| (0..cores).map(|_| Vec::new()).collect());
    for wire in 0..WIRES {
        for queue in 0..cores {
            let (left, right) = memory_pair(&config).unwrap();
            queues[0][queue].push(left);
            queues[1][leads_to(wire, queue)].push(right);
        }
    }
    queues
}

/// Two endpoints of as many cores each.
struct Hosts {
    /// The left one's cores, then the right one's.
    engines: Vec<Engine<MemoryDevice>>,
    cores: usize,
    now: Instant,
    chance: Random,
}

impl Hosts {
    /// Joined as [`queues`] says.
    fn new(cores: usize, seed: u64, leads_to: impl Fn(usize, usize) -> usize) -> Self {
        let now = Instant::from_nanos(1_000_000_000);
        let mut engines = Vec::new();
        for (side, queues) in (1..).zip(queues(cores, leads_to)) {
            let seats = Seat::several(cores).unwrap();
            for (core, (ports, seat)) in queues.into_iter().zip(seats).enumerate() {
                let steering =
                    Steering { core: CoreIndex(core as u8), cores: cores as u8, spreads: vec![None; WIRES] };
                let config = endpoint_config(side, &ports);
                let config = EndpointConfig { steering: (cores > 1).then_some(steering), ..config };
                let world =
                    World::new(now, Random::from_number(seed * 1000 + u64::from(side) * 100 + core as u64));
                let settings = Settings::default();
                engines.push(Engine::with_world(settings, config, ports, world, seat).unwrap());
            }
        }
        Self { engines, cores, now, chance: Random::from_number(seed) }
    }

    /// A client of the left endpoint and one of the right.
    fn contexts(&mut self) -> (Context, Context) {
        let (left, right) = self.engines.split_at_mut(self.cores);
        let context = |engines: &mut [Engine<_>]| {
            Context::spawn(engines.iter_mut().map(attach).collect::<Vec<_>>()).unwrap()
        };
        (context(left), context(right))
    }

    /// Turns engines in any order and lets every task run, until `future` is done.
    async fn drive<F: Future>(&mut self, future: F) -> F::Output {
        let mut future = pin!(future);
        let limit = self.now + Duration::from_secs(600);
        loop {
            let polled = std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
            if let Poll::Ready(output) = polled {
                return output;
            }
            for _ in 0..self.engines.len() {
                let which = self.chance.below(self.engines.len() as u64) as usize;
                self.engines[which].turn(self.now);
                self.now += Duration::from_micros(20);
            }
            tokio::task::yield_now().await;
            assert!(self.now < limit, "not done: {:?}", self.report(1).counters);
        }
    }

    /// Lets everything arrive that is on its way.
    fn settle(&mut self) {
        for _ in 0..50 {
            self.engines.iter_mut().for_each(|engine| {
                engine.turn(self.now);
            });
        }
    }

    /// What the left (0) or right (1) endpoint has counted.
    fn report(&self, side: usize) -> Report {
        let engines = &self.engines[side * self.cores..][..self.cores];
        Report::sum(&engines.iter().map(Engine::report).collect::<Vec<_>>())
    }
}

async fn echo(stream: Stream) {
    let (mut reader, mut writer) = tokio::io::split(stream);
    tokio::io::copy(&mut reader, &mut writer).await.unwrap();
    writer.shutdown().await.unwrap();
}

/// So many connections, each with bytes of its own to and fro. Returns how many of
/// the left endpoint's frames its connections say came to another core.
async fn exchange(left: &Context, right: &Context, connections: u8) -> u64 {
    const BYTES: usize = 60_000;
    let listener = Listener::bind(right, server()).await.unwrap();
    let serving = tokio::spawn(async move {
        for _ in 0..connections {
            tokio::spawn(echo(listener.accept().await.unwrap()));
        }
    });
    let clients: Vec<_> = (0..connections)
        .map(|number| {
            let left = left.clone();
            tokio::spawn(async move {
                let sent: Vec<u8> = (0..BYTES).map(|at| (at % 251) as u8 ^ number).collect();
                let stream = Stream::connect(&left, server()).await.unwrap();
                let observer = stream.observer();
                let (mut reader, mut writer) = tokio::io::split(stream);
                let mut received = vec![0; BYTES];
                let (read, written) = tokio::join!(reader.read_exact(&mut received), writer.write_all(&sent));
                read.unwrap();
                written.unwrap();
                assert!(received == sent, "other bytes than were sent");
                let info = observer.info().await.unwrap();
                writer.shutdown().await.unwrap();
                assert_eq!(reader.read_to_end(&mut received).await.unwrap(), 0);
                info.taken_over_frames
            })
        })
        .collect();
    let mut taken_over = 0;
    for client in clients {
        taken_over += client.await.unwrap();
    }
    serving.await.unwrap();
    taken_over
}

/// Everything arrives, by two subflows each, and nobody is refused.
fn assert_clean(hosts: &mut Hosts, connections: u64) {
    hosts.settle();
    for side in 0..2 {
        let report = hosts.report(side);
        let count = |outcome| report.counters.get(outcome);
        assert_eq!(count(Outcome::TcpResetSent), 0);
        assert_eq!(count(Outcome::TcpNoListener), 0);
        assert_eq!(count(Outcome::MpJoinNoToken), 0);
        assert_eq!(count(Outcome::FrameNotHandedOver), 0);
        let sum = |of: fn(&HandOvers) -> u64| report.hand_overs.iter().map(of).sum::<u64>();
        let (given, taken) = (sum(|it| it.given), sum(|it| it.taken));
        assert_eq!(given, count(Outcome::FrameHandedOver));
        assert_eq!(taken, count(Outcome::FrameTakenOver));
        assert_eq!(given, taken);
    }
    assert_eq!(hosts.report(1).counters.get(Outcome::MpCapableSynRx), connections);
}

#[test]
fn straight_wires_bring_everything_to_its_core() {
    for cores in [1, 2, 3] {
        run(async {
            let mut hosts = Hosts::new(cores, 1, |_, queue| queue);
            let (left, right) = hosts.contexts();
            assert_eq!(hosts.drive(exchange(&left, &right, 6)).await, 0);
            assert_clean(&mut hosts, 6);
            // Each core of the left endpoint opens its connections from ports of
            // its own, and hears of nothing else.
            assert_eq!(hosts.report(0).counters.get(Outcome::FrameHandedOver), 0);
            let served = hosts.engines[cores..]
                .iter()
                .filter(|engine| engine.report().counters.get(Outcome::MpCapableSynRx) > 0);
            assert_eq!(served.count(), cores);
        });
    }
}

#[test]
fn joins_that_come_to_other_cores_are_handed_over() {
    for (seed, cores) in (0..12).zip([2, 3, 4].into_iter().cycle()) {
        run(async {
            let mut hosts = Hosts::new(cores, seed, |wire, queue| (queue + wire) % cores);
            let (left, right) = hosts.contexts();
            let taken_over = hosts.drive(exchange(&left, &right, 8)).await;
            assert_clean(&mut hosts, 8);
            // All but the joins' first, and what ended them.
            let all = hosts.report(0).counters.get(Outcome::FrameTakenOver);
            assert!(taken_over > all / 2 && taken_over <= all, "{taken_over} of {all}");
            assert!(hosts.report(1).counters.get(Outcome::FrameHandedOver) > 8);
            // The second wire's, and nothing of the first.
            assert_eq!(hosts.report(1).hand_overs[0].given, 0);
        });
    }
}
