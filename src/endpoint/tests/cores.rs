//! A host of several cores, whose turns come in any order and whose frames come
//! to any of them, and one of a single core that speaks to it.

use super::*;
use crate::base::{
    ConnectionId, Context, CoreIndex, Counters, FourTuple, FrameSink, HeapPacket, Instant, Outcome,
    PackedTuple, Packet, PortIndex, Random, ReceiveMeta, TransmitFrame,
};
use std::collections::{HashMap, VecDeque};

type Frame = (PortIndex, Vec<u8>);

/// What goes from one core to another, in order.
enum Sent {
    Message(CoreMessage),
    Frame(Frame),
}

/// One endpoint with its application, which reads everything and echoes it.
struct Core {
    endpoint: Endpoint<HeapPacket>,
    random: Random,
    counters: Counters,
    /// Frames that came and nobody looked at.
    queue: VecDeque<Frame>,
    /// Frames that are looked at a second time.
    later: Vec<Frame>,
    received: HashMap<ConnectionId, Vec<u8>>,
    handed_over: u64,
    /// In the middle of its turn.
    heard: bool,
}

struct World {
    /// The first is the single core.
    cores: Vec<Core>,
    /// From one to another.
    rings: HashMap<(u8, u8), VecDeque<Sent>>,
    now: Instant,
    chance: Random,
    /// The core whose queue a segment comes to.
    arrives: Arrives,
}

struct Outbox(Vec<Frame>);

impl FrameSink<HeapPacket> for Outbox {
    fn room(&self, _: PortIndex) -> usize {
        usize::MAX
    }

    fn send(&mut self, frame: TransmitFrame<'_, HeapPacket>) {
        let mut bytes = frame.header.to_vec();
        frame.payload.for_each_piece(|piece| bytes.extend_from_slice(piece));
        self.0.push((frame.port, bytes));
    }
}

impl Core {
    fn new(config: EndpointConfig, now: Instant, seed: u64) -> Self {
        let (mut random, mut counters) = (Random::from_number(seed), Counters::new());
        let endpoint =
            Endpoint::new(config, &mut Context { now, random: &mut random, counters: &mut counters });
        Self {
            endpoint: endpoint.unwrap(),
            random,
            counters,
            queue: VecDeque::new(),
            later: Vec::new(),
            received: HashMap::new(),
            handed_over: 0,
            heard: false,
        }
    }

    fn act<T>(
        &mut self,
        now: Instant,
        act: impl FnOnce(&mut Endpoint<HeapPacket>, &mut Context<'_>) -> T,
    ) -> T {
        let mut cx = Context { now, random: &mut self.random, counters: &mut self.counters };
        act(&mut self.endpoint, &mut cx)
    }

    fn take_in(&mut self, now: Instant, from: Option<CoreIndex>, (port, bytes): Frame) {
        self.act(now, |endpoint, cx| {
            endpoint.receive_for(from);
            endpoint.handle_burst(cx, port, [(HeapPacket::new(&bytes), ReceiveMeta::default())]);
            endpoint.receive_for(None);
        });
    }

    /// Reads what there is, sends it back if it is to, and sends what there is to send.
    fn work(&mut self, now: Instant, echoes: bool) -> Vec<Frame> {
        let received = &mut self.received;
        let mut outbox = Outbox(Vec::new());
        let mut cx = Context { now, random: &mut self.random, counters: &mut self.counters };
        let endpoint = &mut self.endpoint;
        endpoint.handle_timeouts(&mut cx);
        while let Some(event) = endpoint.poll_event(&mut cx) {
            let (Event::Readable(id) | Event::PeerFinished(id) | Event::Accepted { connection: id, .. }) =
                event
            else {
                continue;
            };
            while let Some(packet) = endpoint.read(id) {
                received.entry(id).or_default().extend_from_slice(packet.as_slice());
                endpoint.consumed(id, packet.len());
                if echoes {
                    assert!(endpoint.write(&mut cx, id, packet).is_ok());
                }
            }
            if matches!(event, Event::PeerFinished(_)) && echoes {
                endpoint.close(&mut cx, id);
            }
        }
        endpoint.poll_transmit(&mut cx, &mut outbox);
        outbox.0
    }
}

impl World {
    fn new(cores: u8, seed: u64, spreads: &[Option<Spread>], arrives: Arrives) -> Self {
        let now = Instant::from_nanos(1_000_000_000);
        let mut world = Self {
            cores: vec![Core::new(endpoint_config(1, 2), now, seed ^ 0xc11e)],
            rings: HashMap::new(),
            now,
            chance: Random::from_number(seed),
            arrives,
        };
        for core in 0..cores {
            let steering = Steering { core: CoreIndex(core), cores, spreads: spreads.to_vec() };
            let config = EndpointConfig { steering: Some(steering), ..endpoint_config(2, 2) };
            world.cores.push(Core::new(config, now, seed * 256 + u64::from(core)));
        }
        for core in 1..world.cores.len() {
            let listen = |endpoint: &mut Endpoint<_>, cx: &mut Context<'_>| {
                endpoint.listen(cx, "0.0.0.0:80".parse().unwrap(), 64)
            };
            world.cores[core].act(now, listen).unwrap();
        }
        world
    }

    /// Frames of the single core come to a queue of the others, and the others'
    /// to it.
    fn carry(&mut self, from: usize, frames: Vec<Frame>) {
        let others = self.cores.len() as u8 - 1;
        for (port, bytes) in frames {
            let is_tcp = bytes[12..14] == [8, 0] && bytes[23] == 6;
            let to = match from {
                0 if is_tcp => {
                    let ends = [bytes[34], bytes[35], bytes[36], bytes[37]];
                    1 + (self.arrives)(port, ends, others, &mut self.chance)
                }
                0 => 1,
                _ => 0,
            };
            self.cores[usize::from(to)].queue.push_back((port, bytes));
        }
    }

    /// Half a turn of one of them: others have theirs in between. Returns whether
    /// there was anything.
    fn turn(&mut self, at: usize) -> bool {
        self.cores[at].heard = !self.cores[at].heard;
        if self.cores[at].heard { self.hear(at) } else { self.work(at) }
    }

    /// Messages and what was handed over first, then the second looks.
    fn hear(&mut self, at: usize) -> bool {
        let now = self.now;
        let mut worked = false;
        if at > 0 {
            let me = at as u8 - 1;
            for other in 0..self.cores.len() as u8 - 1 {
                while let Some(sent) = self.rings.get_mut(&(other, me)).and_then(VecDeque::pop_front) {
                    worked = true;
                    match sent {
                        Sent::Message(message) => self.cores[at].act(now, |endpoint, cx| {
                            endpoint.handle_core_message(cx, CoreIndex(other), message);
                        }),
                        Sent::Frame(frame) => self.cores[at].take_in(now, Some(CoreIndex(other)), frame),
                    }
                }
            }
            for frame in std::mem::take(&mut self.cores[at].later) {
                worked = true;
                let sorted = self.cores[at].endpoint.sort_again(frame.0, &frame.1);
                self.place(at, frame, sorted);
            }
        }
        worked
    }

    /// What comes, and what follows from it.
    fn work(&mut self, at: usize) -> bool {
        let mut worked = false;
        for _ in 0..self.chance.below(8) + 1 {
            let Some(frame) = self.cores[at].queue.pop_front() else { break };
            worked = true;
            let sorted = self.cores[at].endpoint.sort(frame.0, &frame.1);
            self.place(at, frame, sorted);
        }
        let frames = self.cores[at].work(self.now, at > 0);
        worked |= !frames.is_empty();
        // Before the frames, whose answers need them.
        while let Some((to, message)) = self.cores[at].endpoint.poll_core_message() {
            self.rings.entry((at as u8 - 1, to.0)).or_default().push_back(Sent::Message(message));
        }
        self.carry(at, frames);
        worked
    }

    fn place(&mut self, at: usize, frame: Frame, sorted: Sorted) {
        match sorted {
            Sorted::Here => self.cores[at].take_in(self.now, None, frame),
            Sorted::Later => self.cores[at].later.push(frame),
            Sorted::There(core) => {
                assert_ne!(usize::from(core.0) + 1, at, "handed over to itself");
                self.cores[at].handed_over += 1;
                self.rings.entry((at as u8 - 1, core.0)).or_default().push_back(Sent::Frame(frame));
            }
        }
    }

    fn run_until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let mut idle = 0;
        for _ in 0..400_000 {
            if done(self) {
                return;
            }
            let at = self.chance.below(self.cores.len() as u64) as usize;
            idle = if self.turn(at) { 0 } else { idle + 1 };
            if idle > 40 * self.cores.len() {
                let deadlines = self.cores.iter().filter_map(|core| core.endpoint.poll_deadline());
                let Some(next) = deadlines.min() else { break };
                self.now = self.now.max(next) + Duration::from_micros(1);
                idle = 0;
            }
        }
        for core in &self.cores {
            let counts: Vec<_> =
                core.counters.non_zero().map(|(outcome, count)| (outcome.name(), count)).collect();
            eprintln!("{counts:?}");
        }
        panic!("never {what}");
    }

    fn sum(&self, outcome: Outcome) -> u64 {
        self.cores.iter().map(|core| core.counters.get(outcome)).sum()
    }

    fn handed_over(&self) -> u64 {
        self.cores.iter().map(|core| core.handed_over).sum()
    }

    /// Every connection lies on the core that its token names.
    fn assert_owned(&self, spreads: &[Option<Spread>]) {
        let cores = self.cores.len() as u8 - 1;
        for (at, core) in self.cores[1..].iter().enumerate() {
            let steering = Steering { core: CoreIndex(at as u8), cores, spreads: spreads.to_vec() };
            for info in core.endpoint.connections() {
                assert_eq!(steering.core_of_token(info.token), steering.core);
            }
        }
    }
}

/// By the port, the ends' ports and the number of cores.
type Arrives = fn(PortIndex, [u8; 4], u8, &mut Random) -> u8;

/// The client's connections send `bytes` each, get them back, and end.
fn exchange(cores: u8, seed: u64, spreads: &[Option<Spread>], arrives: Arrives) -> World {
    const BYTES: usize = 20_000;
    let mut world = World::new(cores, seed, spreads, arrives);
    let ids: Vec<_> = (0..12_u8)
        .map(|number| {
            let now = world.now;
            let bytes: Vec<u8> = (0..BYTES).map(|at| (at as u8).wrapping_mul(7) ^ number).collect();
            let id = world.cores[0].act(now, |endpoint, cx| {
                let id = endpoint.connect(cx, None, "10.0.0.2:80".parse().unwrap()).unwrap();
                endpoint.write(cx, id, HeapPacket::new(&bytes)).unwrap();
                id
            });
            (id, bytes)
        })
        .collect();
    let is_back = |world: &World| {
        ids.iter().all(|(id, _)| world.cores[0].received.get(id).is_some_and(|got| got.len() == BYTES))
    };
    world.run_until("everything came back", is_back);
    world.run_until("every connection has two subflows", |world| {
        world.cores[0].endpoint.connections().all(|info| info.subflows.len() >= 2)
    });
    world.assert_owned(spreads);
    for (id, bytes) in &ids {
        assert!(world.cores[0].received[id] == *bytes, "other bytes than were sent");
        let now = world.now;
        world.cores[0].act(now, |endpoint, cx| endpoint.close(cx, *id));
    }
    world.run_until("all is over", |world| {
        world.cores.iter().all(|core| core.endpoint.connection_count() == 0 && core.endpoint.is_idle())
    });
    assert_eq!(world.sum(Outcome::TcpResetSent), 0);
    assert_eq!(world.sum(Outcome::TcpNoListener), 0);
    assert_eq!(world.sum(Outcome::MpJoinNoToken), 0);
    world
}

#[test]
fn joins_that_come_to_another_core_go_to_their_connections() {
    // Each port brings everything to a core of its own.
    let by_port: Arrives = |port, _, cores, _| port.0 % cores;
    for seed in 0..20 {
        let world = exchange(2, seed, &[None, None], by_port);
        assert!(world.handed_over() >= 24, "a SYN and an ACK of each join: {}", world.handed_over());
        let connections = world.cores[2].counters.get(Outcome::MpCapableSynRx);
        assert_eq!(connections, 0, "all began on the first core");
    }
}

#[test]
fn any_core_may_get_any_subflow() {
    // By the ends' ports, as a NIC does that nobody knows more of.
    let by_ends: Arrives = |port, ends, cores, _| {
        let sum = ends.iter().fold(u32::from(port.0), |sum, &byte| sum * 31 + u32::from(byte));
        (sum % u32::from(cores)) as u8
    };
    for (seed, cores) in (0..60).zip([2, 3, 4, 8].into_iter().cycle()) {
        let world = exchange(cores, seed, &[None, None], by_ends);
        let owners = world.cores[1..].iter().filter(|core| core.counters.get(Outcome::MpCapableSynRx) > 0);
        assert!(owners.count() > 1, "{cores} cores, seed {seed}");
        assert!(world.handed_over() > 0);
    }
}

#[test]
fn any_core_may_get_any_frame_of_a_join() {
    // Connections begin on the first port.
    let by_frame: Arrives = |port, _, cores, chance| match port.0 {
        0 => 0,
        _ => chance.below(u64::from(cores)) as u8,
    };
    for (seed, cores) in (0..30).zip([3, 4, 8].into_iter().cycle()) {
        assert!(exchange(cores, seed, &[None, None], by_frame).handed_over() > 0);
    }
}

#[test]
fn a_reset_waits_for_the_claim_of_what_it_answers() {
    for seed in 0..40 {
        let to_the_other: Arrives = |_, _, _, _| 1;
        let mut world = World::new(2, seed, &[None, None], to_the_other);
        let now = world.now;
        let nobody = "10.0.0.1:81".parse().unwrap();
        world.cores[1].act(now, |endpoint, cx| endpoint.connect(cx, None, nobody)).unwrap();
        world.run_until("it was refused", |world| world.cores[1].endpoint.connection_count() == 0);
        assert_eq!(world.sum(Outcome::TcpSynRetransmit), 0, "seed {seed}: a reset was lost");
    }
}

#[test]
fn one_core_hands_nothing_over() {
    let world = exchange(1, 5, &[None, None], |_, _, _, _| 0);
    assert_eq!(world.handed_over(), 0);
}

#[test]
fn claims_end_with_time_wait() {
    let by_port: Arrives = |port, _, cores, _| port.0 % cores;
    let mut world = exchange(2, 7, &[None, None], by_port);
    world.run_until("no TIME_WAIT is left", |world| {
        world.cores.iter().all(|core| core.endpoint.time_wait_count() == 0)
    });
    world.run_until("no claim is left", |world| {
        world.rings.values().all(VecDeque::is_empty)
            && world.cores[1..].iter().all(|core| core.endpoint.claim_count() == 0)
    });
}

/// A segment without options or payload, as far as sorting looks at it.
fn segment(from: u16, flags: u8) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 2, 0, 2, 0, 0, 0, 1, 0, 8, 0];
    frame.extend([0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    frame.extend(from.to_be_bytes());
    frame.extend([0, 80, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    frame
}

#[test]
fn what_was_sorted_last_is_forgotten_when_a_claim_comes_or_goes() {
    const ACK: u8 = 0x10;
    let mut world = World::new(3, 1, &[None, None], |_, _, _, _| 0);
    let (now, core, port) = (world.now, &mut world.cores[1], PortIndex(0));
    let tuple = FourTuple { local: "10.0.0.2:80".parse().unwrap(), remote: "10.0.0.1:4000".parse().unwrap() };
    let mut hear = |from, message: fn(PackedTuple) -> CoreMessage| {
        core.act(now, |endpoint, cx| {
            endpoint.handle_core_message(cx, CoreIndex(from), message(tuple.into()));
            // The second time it is known.
            let sorted = [(); 2].map(|()| endpoint.sort(port, &segment(4000, ACK)));
            assert_eq!(sorted[0], sorted[1]);
            // Others in between are nobody's.
            assert_eq!(endpoint.sort(port, &segment(4001, ACK)), Sorted::Later);
            sorted[0]
        })
    };
    assert_eq!(hear(1, CoreMessage::Claim), Sorted::There(CoreIndex(1)));
    assert_eq!(hear(2, CoreMessage::Claim), Sorted::There(CoreIndex(2)));
    assert_eq!(hear(1, CoreMessage::Disclaim), Sorted::There(CoreIndex(2)));
    assert_eq!(hear(2, CoreMessage::Disclaim), Sorted::Later);
}
