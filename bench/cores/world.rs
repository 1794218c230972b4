//! One endpoint of several cores, its peer, and the NIC between.

use super::HEAP;
use super::arenas::Arena;
use super::build::setup;
use super::host::{Host, Intake};
use super::marks::Marks;
use super::meter::Meter;
use super::nic::{Port, Rings};
use super::packet::Frame;
use super::reader::Progress;
use super::setup::service;
use mpdk::base::{ChecksumState, ConnectionId, Duration, Instant, Packet, ReceiveMeta};
use mpdk::engine::Engine;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

pub const LINKS: usize = 2;
/// Frames of a burst, one for each subflow in each round.
const BURST: usize = 32;
/// Rounds before it counts: every slot of the rings between cores was used.
const ROUNDS_BEFORE: usize = 20;
/// Packets that are counted, at least.
const PACKETS: usize = 4_096;
/// Turns without work that are counted, at least.
const IDLE_TURNS: usize = 64;
/// What a round takes.
const ROUND: Duration = Duration::from_micros(50);
/// Rounds after which what is waited for does not come.
const ROUNDS_MOST: usize = 10_000;
/// The NIC has looked at the checksums.
const GOOD: ReceiveMeta =
    ReceiveMeta { ip_checksum: ChecksumState::Good, l4_checksum: ChecksumState::Good, vlan: None };

/// What the cores get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// Everything comes to its own core.
    Straight,
    /// The second subflow of each connection comes to the next core.
    Half,
    /// Both do.
    Crossed,
    /// Nothing comes.
    Idle,
}

/// A subflow of the peer's: its link and its port.
type Flow = (usize, u16);

/// Where a flow's frames go.
#[derive(Clone, Copy, Debug)]
struct Way {
    core: usize,
    /// They come a round later. What is handed over is taken over in the next
    /// round, except by the last core, whose turn comes behind the first's: this
    /// makes up for it.
    is_held: bool,
}

#[derive(Debug)]
pub struct World {
    pub(super) meter: Rc<Meter>,
    pub(super) marks: Marks,
    pub(super) now: Instant,
    peer: Host,
    ids: Vec<ConnectionId>,
    pub(super) engines: Vec<Box<Engine<Port>>>,
    pub(super) progress: Vec<Rc<Progress>>,
    /// By core, then by link.
    pub(super) queues: Vec<Vec<Rc<RefCell<Rings>>>>,
    ways: HashMap<Flow, Way>,
    /// The core that new flows come to.
    opening: usize,
    /// What comes in the next round, with its core and link.
    held: Vec<(usize, usize, Frame)>,
    block: Frame,
}

impl World {
    /// Set up, with a connection for each core.
    pub fn new(cores: usize, is_traced: bool) -> Self {
        let (meter, now) = (Rc::new(Meter::default()), Instant::from_nanos(1_000_000_000));
        let marks = Marks::new(cores, is_traced);
        let queues: Vec<Vec<_>> = (0..cores)
            .map(|core| HEAP.within(Arena::Core(core), || (0..LINKS).map(|_| Rc::default()).collect()))
            .collect();
        let mut world = Self {
            peer: Host::new(&setup(), 0, Rc::clone(&meter), now),
            ids: Vec::new(),
            engines: Vec::new(),
            progress: Vec::new(),
            queues,
            ways: HashMap::new(),
            opening: 0,
            held: Vec::new(),
            block: Frame::new(vec![0x5a; 1 << 16]),
            meter,
            marks,
            now,
        };
        world.build();
        world.tell_ranges();
        for core in 0..cores {
            world.open(core);
        }
        world
    }

    fn cores(&self) -> usize {
        self.engines.len()
    }

    /// A connection that belongs to a core, with both subflows.
    fn open(&mut self, core: usize) {
        self.opening = core;
        let opened = self.peer.act(self.now, |endpoint, cx| endpoint.connect(cx, None, service(0)));
        let id = opened.expect("a way to the endpoint");
        self.ids.push(id);
        self.run_until("connected", |world| {
            let info = world.peer.endpoint.info(id);
            let joined = info.map_or(0, |info| {
                info.subflows.iter().filter(|subflow| subflow.smoothed_rtt.is_some()).count()
            });
            joined == LINKS && world.progress[core].connections.get() == 1
        });
    }

    /// Runs a load, and says how many packets or turns were counted.
    pub fn run(mut self, load: Load) -> usize {
        self.steer(load);
        // Windows grow until a burst of each subflow for two rounds fits.
        let (cores, ids) = (self.cores(), self.ids.clone());
        for _ in 0..6 {
            for &id in &ids {
                self.write(id, 4 * BURST * 1_500);
            }
            self.run_until("acknowledged", |world| {
                ids.iter().all(|&id| world.peer.endpoint.send_buffered(id) == 0)
            });
        }
        let frame_bytes = self.peer.outbox.longest_bytes;
        ids.iter().for_each(|&id| self.end_on_last_link(id, frame_bytes));
        let of_round = cores * LINKS * BURST;
        let rounds = if load == Load::Idle {
            IDLE_TURNS.div_ceil(cores)
        } else {
            for _ in 0..ROUNDS_BEFORE {
                self.burst(frame_bytes);
            }
            PACKETS.div_ceil(of_round)
        };
        if !self.marks.is_traced() {
            self.meter.begin();
        }
        self.marks.begin();
        let (taken, foreign) = (self.taken(), HEAP.foreign());
        for _ in 0..rounds {
            match load {
                Load::Idle => drop(self.round()),
                _ => self.burst(frame_bytes),
            }
        }
        self.marks.end();
        assert_eq!(HEAP.foreign(), foreign, "cores gave back what others had allocated");
        if load == Load::Idle {
            return rounds * cores;
        }
        assert_eq!(self.taken() - taken, rounds * of_round * frame_bytes, "everything is read");
        let handed: u64 =
            self.engines.iter().flat_map(|it| it.report().hand_overs).map(|it| it.dropped).sum();
        assert_eq!(handed, 0, "a ring between cores was full");
        rounds * of_round
    }

    /// Sends bursts until one has left by the last link: the next one leaves by the
    /// first.
    fn end_on_last_link(&mut self, id: ConnectionId, frame_bytes: usize) {
        loop {
            self.write(id, BURST * frame_bytes);
            self.peer.turn(self.now);
            let is_last = !self.peer.outbox.ports[LINKS - 1].is_empty();
            self.run_until("acknowledged", |world| world.peer.endpoint.send_buffered(id) == 0);
            if is_last {
                return;
            }
        }
    }

    /// From now on flows come to other cores.
    fn steer(&mut self, load: Load) {
        let cores = self.cores();
        for (&(link, _), way) in &mut self.ways {
            let crosses = load == Load::Crossed || (load == Load::Half && link == 1);
            if crosses {
                way.core = (way.core + 1) % cores;
                way.is_held = way.core == 0;
            }
        }
    }

    fn taken(&self) -> usize {
        self.progress.iter().map(|progress| progress.bytes.get()).sum()
    }

    fn write(&mut self, id: ConnectionId, bytes: usize) {
        let Self { now, peer, block, .. } = self;
        peer.act(*now, |endpoint, cx| {
            let mut left = bytes;
            while left > 0 {
                let piece = block.slice(0, left.min(block.len()));
                left -= piece.len();
                endpoint.write(cx, id, piece).expect("room to write");
            }
        });
    }

    /// A burst for each subflow of each connection.
    fn burst(&mut self, frame_bytes: usize) {
        for link in 0..LINKS {
            for at in 0..self.ids.len() {
                self.write(self.ids[at], BURST * frame_bytes);
            }
            self.peer.turn(self.now);
            // In this order they are in order to the receiver, too.
            assert_eq!(self.peer.outbox.ports[link].len(), BURST * self.cores(), "a burst for each subflow");
        }
        self.round();
    }

    /// What the peer sent comes in, every core has a turn, and what they sent
    /// comes to the peer. Whether anything was under way.
    fn round(&mut self) -> bool {
        let mut moved = self.deliver();
        let Self { meter, marks, now, engines, .. } = self;
        for (core, engine) in engines.iter_mut().enumerate() {
            let turn = || marks.on_core(core, || meter.counted(|| engine.turn(*now)));
            moved |= HEAP.within(Arena::Core(core), turn);
        }
        self.collect();
        self.now += ROUND;
        self.peer.receive(self.now, Intake::Merged);
        self.peer.turn(self.now);
        moved
    }

    /// What the peer sent comes into the queues. Whether anything is under way.
    fn deliver(&mut self) -> bool {
        let Self { peer, queues, ways, opening, held, .. } = self;
        let mut moved = !held.is_empty();
        for (core, link, frame) in held.drain(..) {
            queues[core][link].borrow_mut().deliver(frame.head());
        }
        for (link, burst) in peer.outbox.ports.iter_mut().enumerate() {
            moved |= !burst.is_empty();
            for (frame, _) in burst.drain(..) {
                let new = Way { core: *opening, is_held: false };
                let way = port_of(frame.head()).map(|port| *ways.entry((link, port)).or_insert(new));
                // Whatever is no TCP comes to the first core.
                let Way { core, is_held } = way.unwrap_or(Way { core: 0, is_held: false });
                if is_held {
                    held.push((core, link, frame));
                } else {
                    queues[core][link].borrow_mut().deliver(frame.head());
                }
            }
        }
        moved
    }

    /// What the cores sent goes to the peer.
    fn collect(&mut self) {
        for (link, rings) in self.queues.iter().flat_map(|queues| queues.iter().enumerate()) {
            let inbox = &mut self.peer.inbox[link];
            rings.borrow_mut().transmit(|bytes| inbox.push((Frame::new(bytes.to_vec()), GOOD)));
        }
    }

    fn run_until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        for _ in 0..ROUNDS_MOST {
            if done(self) {
                return;
            }
            self.peer.turn(self.now);
            if !self.round() {
                // Nothing is under way: a timer has to come.
                self.now += Duration::from_millis(1);
            }
        }
        panic!("never {what}");
    }
}

/// The port that a TCP segment in IPv4 without options comes from.
fn port_of(frame: &[u8]) -> Option<u16> {
    const TCP: usize = 34;
    let is_tcp = frame.get(12..14)? == [8, 0] && frame.get(23)? == &6;
    let port = frame.get(TCP..)?.first_chunk()?;
    is_tcp.then(|| u16::from_be_bytes(*port))
}
