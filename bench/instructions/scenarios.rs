//! What is counted.

use super::host::{Burst, Intake};
use super::packet::Frame;
use super::setup::Setup;
use super::world::{CLIENT, SERVER, World};
use mpdk::base::{ConnectionId, Duration};
use mpdk::mptcp::SchedulerKind;

/// Frames of a burst.
const BURST: usize = 32;
/// Frames that a segment is cut into where it is as long as it may be.
const CUTS: usize = 44;
/// Payload bytes of what a port cuts.
const SUPER_SEGMENT: usize = 65_000;
const REQUEST_BYTES: usize = 64;
/// Beyond the delay of an ACK that waits for company.
const ACKNOWLEDGED_AFTER: Duration = Duration::from_millis(5);

/// A name, and what gives the number of packets that were counted.
pub type Scenario = (&'static str, fn() -> usize);

/// All of them, in the order of the table.
pub const SCENARIOS: &[Scenario] = &[
    ("receive-1-subflow", || receive(MPTCP, Intake::Merged, in_order)),
    ("receive-2-subflows", || receive(TWO_LINKS, Intake::Merged, in_order)),
    ("receive-tcp", || receive(TCP, Intake::Merged, in_order)),
    ("receive-unmerged", || receive(MPTCP, Intake::Single, in_order)),
    ("receive-unmerged-tcp", || receive(TCP, Intake::Single, in_order)),
    ("receive-out-of-order", || receive(MPTCP, Intake::Merged, every_eighth_late)),
    ("receive-out-of-order-tcp", || receive(TCP, Intake::Merged, every_eighth_late)),
    ("transmit-1-subflow", || transmit(MPTCP)),
    ("transmit-2-subflows", || transmit(TWO_LINKS)),
    ("transmit-tcp", || transmit(TCP)),
    ("transmit-tso", || transmit(Setup { super_segment_bytes: SUPER_SEGMENT, ..MPTCP })),
    ("transmit-tso-tcp", || transmit(Setup { super_segment_bytes: SUPER_SEGMENT, ..TCP })),
    ("acknowledge", || acknowledge(MPTCP)),
    ("acknowledge-tcp", || acknowledge(TCP)),
    ("connect-close", || connect_close(MPTCP)),
    ("connect-join-close", || connect_close(TWO_LINKS)),
    ("connect-close-tcp", || connect_close(TCP)),
    ("request-response", || request_response(MPTCP)),
    ("request-response-tcp", || request_response(TCP)),
    ("spread-10", || spread(10)),
    ("spread-1000", || spread(1_000)),
    ("spread-100000", || spread(100_000)),
];

const MPTCP: Setup = Setup {
    mptcp: true,
    links: 1,
    super_segment_bytes: 0,
    connections: 1_024,
    keepalive: false,
    services: 1,
    scheduler: SchedulerKind::MinRtt,
};
const TCP: Setup = Setup { mptcp: false, ..MPTCP };
const TWO_LINKS: Setup = Setup { links: 2, ..MPTCP };

/// A stream from client to server with windows that hold nothing back.
struct Stream {
    world: World,
    id: ConnectionId,
    /// Subflows that carry it.
    links: usize,
    /// Payload bytes of a full frame.
    frame_bytes: usize,
}

impl Stream {
    fn new(setup: Setup) -> Self {
        let mut world = World::new(&setup);
        let id = world.connected(&setup, 1)[0];
        for _ in 0..16 {
            world.write(CLIENT, id, 8 * CUTS * 1_500);
            world.run_until_quiet(&[id]);
        }
        let frame_bytes = world.hosts[CLIENT].outbox.longest_bytes;
        Self { world, id, links: usize::from(setup.links), frame_bytes }
    }

    /// As many turns in which `frames` full frames are written and sent: the
    /// subflow that has less in flight gets them. Returns how many came to each
    /// port.
    fn send(&mut self, turns: usize, frames: usize, counts: bool) -> Vec<usize> {
        let (world, id, bytes) = (&mut self.world, self.id, frames * self.frame_bytes);
        let meter = world.meter.clone();
        for _ in 0..turns {
            if counts {
                meter.counted(|| world.write(CLIENT, id, bytes));
                world.counted_turn(CLIENT, Intake::Merged);
            } else {
                world.write(CLIENT, id, bytes);
                world.turn(CLIENT);
            }
        }
        world.carry(CLIENT)
    }

    /// The server's answer to what it got, and what the client makes of it.
    fn acknowledge(&mut self) {
        self.world.carry(SERVER);
        self.world.turn(CLIENT);
        self.world.run_until_quiet(&[self.id]);
    }
}

/// Runs rounds that do not count until everything that grows has grown, then
/// others that do; each gives how many packets it had.
fn rounds<W>(
    world: &mut W,
    (before, counted): (usize, usize),
    begin: impl Fn(&W),
    mut round: impl FnMut(&mut W) -> usize,
) -> usize {
    for _ in 0..before {
        round(world);
    }
    begin(world);
    (0..counted).map(|_| round(world)).sum()
}

fn in_order(_: &mut Burst) {}

/// Every eighth frame comes behind the four that follow it.
fn every_eighth_late(burst: &mut Burst) {
    burst.chunks_mut(8).filter(|chunk| chunk.len() == 8).for_each(|chunk| chunk[3..8].rotate_left(1));
}

/// Per frame: a burst of each subflow, and what the host does about it.
fn receive(setup: Setup, intake: Intake, disturb: fn(&mut Burst)) -> usize {
    let mut stream = Stream::new(setup);
    let begin = |stream: &Stream| stream.world.meter.begin();
    rounds(&mut stream, (50, 100), begin, |stream| {
        let frames = stream.send(stream.links, BURST, false);
        assert_eq!(frames, vec![BURST; stream.links], "a burst on each link");
        stream.world.hosts[SERVER].inbox.iter_mut().for_each(disturb);
        stream.world.counted_turn(SERVER, intake);
        stream.acknowledge();
        BURST * stream.links
    })
}

/// Per frame that the port gets: two segments as long as can be on each subflow.
fn transmit(setup: Setup) -> usize {
    let mut stream = Stream::new(setup);
    let frames = if setup.super_segment_bytes > 0 { 1 } else { CUTS };
    let turns = 2 * stream.links;
    let begin = |stream: &Stream| stream.world.meter.begin();
    rounds(&mut stream, (50, 100), begin, |stream| {
        let sent = stream.send(turns, frames, true);
        assert_eq!(sent, vec![2 * frames; stream.links], "full frames on each link");
        stream.world.turn(SERVER);
        stream.acknowledge();
        turns * frames
    })
}

/// Per ACK: of a whole burst, alone.
fn acknowledge(setup: Setup) -> usize {
    let mut stream = Stream::new(setup);
    let begin = |stream: &Stream| stream.world.meter.begin();
    rounds(&mut stream, (50, 200), begin, |stream| {
        stream.send(1, BURST, false);
        stream.world.turn(SERVER);
        assert_eq!(stream.world.carry(SERVER), [1], "one ACK");
        stream.world.counted_turn(CLIENT, Intake::Merged);
        assert_eq!(stream.world.hosts[CLIENT].endpoint.send_buffered(stream.id), 0);
        1
    })
}

/// Per connection: both sides, from the SYN until it is forgotten.
fn connect_close(setup: Setup) -> usize {
    let mut world = World::new(&setup);
    world.hosts[SERVER].application.closes = true;
    let links = usize::from(setup.links);
    rounds(
        &mut world,
        (20, 40),
        |world| world.meter.begin(),
        |world| {
            let meter = world.meter.clone();
            let id = meter.counted(|| world.connect(0));
            counted_until(world, |world| world.subflows(id) == links && is_accepted(world));
            meter.counted(|| {
                let now = world.now;
                world.hosts[CLIENT].act(now, |endpoint, cx| endpoint.close(cx, id));
            });
            counted_until(world, |world| {
                world.hosts.iter().all(|host| host.endpoint.connection_count() == 0)
            });
            world.hosts[SERVER].application.accepted.clear();
            1
        },
    )
}

fn is_accepted(world: &World) -> bool {
    !world.hosts[SERVER].application.accepted.is_empty()
}

/// Turns both sides, and counts, until `done`.
fn counted_until(world: &mut World, done: impl Fn(&World) -> bool) {
    for _ in 0..1_000 {
        if done(world) {
            return;
        }
        let mut carried = 0;
        for host in [CLIENT, SERVER] {
            world.counted_turn(host, Intake::Merged);
            carried += world.carry(host).iter().sum::<usize>();
        }
        if carried == 0 && !done(world) {
            world.jump();
        }
    }
    panic!("a connection does not come to its end");
}

/// Per transaction: both sides.
fn request_response(setup: Setup) -> usize {
    let mut world = World::new(&setup);
    let id = world.connected(&setup, 1)[0];
    world.hosts[SERVER].application.answer = Some(Frame::new(vec![0xa5; REQUEST_BYTES]));
    rounds(
        &mut world,
        (50, 200),
        |world| world.meter.begin(),
        |world| {
            let before = world.hosts[CLIENT].application.taken_bytes;
            let meter = world.meter.clone();
            meter.counted(|| world.write(CLIENT, id, REQUEST_BYTES));
            world.counted_turn(CLIENT, Intake::Merged);
            world.carry(CLIENT);
            world.counted_turn(SERVER, Intake::Merged);
            world.carry(SERVER);
            world.counted_turn(CLIENT, Intake::Merged);
            world.carry(CLIENT);
            assert_eq!(world.hosts[CLIENT].application.taken_bytes, before + REQUEST_BYTES);
            1
        },
    )
}

/// Per frame, each of another connection than the seven before it: bursts of
/// eight small ones, and the timers that acknowledge them later.
fn spread(connections: usize) -> usize {
    const FRAMES: usize = 8;
    const ROUNDS: usize = 200;
    let setup = Setup { connections, keepalive: true, services: 8, ..MPTCP };
    let mut world = World::new(&setup);
    let ids = world.connected(&setup, connections);
    world.run_until_quiet(&ids);
    let sample: Vec<_> = ids.into_iter().step_by((connections / (FRAMES * ROUNDS)).max(1)).collect();
    let mut next = sample.iter().cycle();
    // The rounds before have the first data of each, which is acknowledged at once.
    let begin = |world: &World| world.meter.begin();
    rounds(&mut world, (ROUNDS + FRAMES, ROUNDS), begin, |world| {
        for &id in next.by_ref().take(FRAMES) {
            world.write(CLIENT, id, REQUEST_BYTES);
        }
        world.turn(CLIENT);
        assert_eq!(world.carry(CLIENT), [FRAMES]);
        world.counted_turn(SERVER, Intake::Merged);
        world.pass(ACKNOWLEDGED_AFTER);
        world.counted_turn(SERVER, Intake::Merged);
        assert_eq!(world.carry(SERVER), [FRAMES], "an ACK for each");
        world.turn(CLIENT);
        FRAMES
    })
}
