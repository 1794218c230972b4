//! Two subflows, a link that loses, reorders and duplicates, and a clock that
//! jumps from event to event. One seed reproduces.

use super::script::{Sent, stream_byte};
use crate::base::{Context, Counters, Duration, HeapPacket, Instant, Random, SeqNumber};
use crate::congestion::Algorithm;
use crate::tcp::{Config, NoOptions, OutgoingSegment, State, Subflow};
use crate::wire::{Tcp, TcpFlags};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::rc::Rc;

/// What a link does to each segment, in thousandths.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub(super) loss: u64,
    pub(super) duplication: u64,
    pub(super) reordering: u64,
    pub(super) delay: Duration,
}

/// One end: a subflow with an application that writes and reads.
struct End {
    subflow: Subflow<HeapPacket, u32>,
    counters: Counters,
    super_segment_bytes: usize,
    /// What is to be written in all, and what was.
    total: usize,
    written: usize,
    /// What was read, and what waits to be read.
    read: usize,
    waiting: usize,
    buffer: usize,
    finished: bool,
}

struct Flying {
    to: usize,
    tcp: Tcp,
    payload: Vec<u8>,
}

pub(super) struct World {
    now: Instant,
    random: Random,
    ends: [Option<End>; 2],
    link: Link,
    arrivals: BinaryHeap<Reverse<(Instant, u64)>>,
    flying: std::collections::HashMap<u64, Flying>,
    serial: u64,
    config: Rc<Config>,
    passive: (usize, usize, usize),
    segment: OutgoingSegment<HeapPacket>,
}

impl World {
    /// Everything about it comes from the seed.
    pub(super) fn new(seed: u64, link: Link) -> Self {
        let mut random = Random::from_number(seed);
        let mut coin = |sides: u64| random.below(sides);
        let config = Config {
            timestamps: coin(3) > 0,
            sack: coin(3) > 0,
            window_scale: coin(8) as u8,
            congestion: if coin(2) == 0 { Algorithm::NewReno } else { Algorithm::Cubic },
            reassembly_segments: [4, 64, 4096][coin(3) as usize],
            syn_retries: 40,
            retries: 60,
            rto_max: Duration::from_secs(2),
            time_wait: Duration::from_secs(60),
            fin_wait_2: Duration::from_secs(600),
            ..Config::default()
        };
        let config = Rc::new(config);
        let now = Instant::ZERO + Duration::from_secs(1 + coin(1 << 22));
        let mut shape =
            || (coin(200_000) as usize, [0, 8_000, 64_000][coin(3) as usize], 3_000 + coin(200_000) as usize);
        let (active, passive) = (shape(), shape());
        let initial = SeqNumber(coin(1 << 32) as u32);
        let subflow = Subflow::connect(config.clone(), 500 + coin(1_000) as u16, initial, now);
        Self {
            now,
            random,
            ends: [Some(End::new(subflow, active)), None],
            link,
            arrivals: BinaryHeap::new(),
            flying: Default::default(),
            serial: 0,
            config,
            passive,
            segment: OutgoingSegment::new(),
        }
    }

    /// One megabyte one way, by SACK and timestamps, with room for it all.
    pub(super) fn bulk(seed: u64, link: Link) -> Self {
        const BYTES: usize = 1_000_000;
        let mut world = Self::new(seed, link);
        let config = Config {
            sack: true,
            timestamps: true,
            window_scale: 8,
            reassembly_segments: 4096,
            ..(*world.config).clone()
        };
        world.config = Rc::new(config);
        world.passive = (0, 0, 2 * BYTES);
        let subflow = Subflow::connect(world.config.clone(), 1_460, SeqNumber(5), world.now);
        world.ends[0] = Some(End::new(subflow, (BYTES, 64_000, 2 * BYTES)));
        world
    }

    /// Runs until both ends are closed; panics if they do not get there.
    pub(super) fn run(&mut self) {
        let start = self.now;
        for _ in 0..2_000_000 {
            self.work();
            let Some(next) = self.next_event() else { break };
            self.now = next.max(self.now);
            assert!(self.now.since(start) < Duration::from_secs(3_600), "stalled: {}", self.describe());
            self.deliver();
            self.expire();
        }
        self.check();
    }

    fn next_event(&self) -> Option<Instant> {
        let arrival = self.arrivals.peek().map(|entry| entry.0.0);
        let deadlines = self.ends.iter().flatten().filter_map(|end| end.subflow.poll_deadline());
        let readers = self
            .ends
            .iter()
            .flatten()
            .filter(|end| end.waiting > 0)
            .map(|_| self.now + Duration::from_millis(1));
        deadlines.chain(arrival).chain(readers).min()
    }

    /// The applications, then the subflows.
    fn work(&mut self) {
        for index in 0..2 {
            let Some(end) = &mut self.ends[index] else { continue };
            end.read_and_write(self.now, &mut self.random);
            self.transmit(index);
        }
    }

    fn transmit(&mut self, index: usize) {
        let mut segment = std::mem::take(&mut self.segment);
        for turn in 0.. {
            assert!(turn < 10_000, "transmits for ever: {}", self.describe());
            let Some(end) = &mut self.ends[index] else { break };
            let mut cx = Context { now: self.now, random: &mut self.random, counters: &mut end.counters };
            let is_quiet = end.subflow.is_quiet();
            let most = end.super_segment_bytes;
            if !end.subflow.poll_transmit(&mut cx, &mut NoOptions, most, &mut segment) {
                break;
            }
            assert!(!is_quiet, "a quiet subflow sends");
            for (tcp, payload) in cut(&Sent::from(&segment)) {
                self.carry(1 - index, &tcp, &payload);
            }
        }
        self.segment = segment;
    }

    fn carry(&mut self, to: usize, tcp: &Tcp, payload: &[u8]) {
        let copies = if self.random.below(1_000) < self.link.duplication { 2 } else { 1 };
        for _ in 0..copies {
            if self.random.below(1_000) < self.link.loss {
                continue;
            }
            let mut at = self.now + self.link.delay;
            if self.random.below(1_000) < self.link.reordering {
                at += Duration::from_micros(self.random.below(3 * self.link.delay.as_micros()));
            }
            self.serial += 1;
            self.arrivals.push(Reverse((at, self.serial)));
            self.flying.insert(self.serial, Flying { to, tcp: tcp.clone(), payload: payload.to_vec() });
        }
    }

    fn deliver(&mut self) {
        while let Some(&Reverse((at, serial))) = self.arrivals.peek() {
            if at > self.now {
                break;
            }
            self.arrivals.pop();
            if let Some(flying) = self.flying.remove(&serial) {
                self.arrive(&flying);
            }
        }
    }

    fn arrive(&mut self, flying: &Flying) {
        if self.ends[1].is_none() && flying.to == 1 {
            assert_eq!(flying.tcp.flags, TcpFlags::SYN);
            let initial = SeqNumber(self.random.next_u32());
            let mss = 500 + self.random.below(1_000) as u16;
            let subflow = Subflow::accept(self.config.clone(), mss, initial, &flying.tcp, self.now);
            self.ends[1] = Some(End::new(subflow, self.passive));
            return;
        }
        let Some(end) = &mut self.ends[flying.to] else { return };
        let mut cx = Context { now: self.now, random: &mut self.random, counters: &mut end.counters };
        let reaction =
            end.subflow.handle_segment(&mut cx, &flying.tcp, HeapPacket::new(&flying.payload), false);
        assert!(!reaction.reset);
        end.finished |= reaction.finished;
        end.take();
    }

    fn expire(&mut self) {
        for end in self.ends.iter_mut().flatten() {
            let mut cx = Context { now: self.now, random: &mut self.random, counters: &mut end.counters };
            end.subflow.handle_timeout(&mut cx);
        }
    }

    fn check(&self) {
        for (index, end) in self.ends.iter().enumerate() {
            let end = end.as_ref().expect("both ends");
            let other = self.ends[1 - index].as_ref().expect("both ends");
            assert_eq!(end.subflow.state(), State::Closed, "{}", self.describe());
            assert_eq!((end.read + end.waiting, end.finished), (other.total, true), "{}", self.describe());
            assert!(end.subflow.send.queue.is_empty() && end.subflow.receive.reassembly.is_empty());
            assert_eq!((end.subflow.outstanding(), end.subflow.in_flight()), (0, 0));
            assert_eq!(end.subflow.statistics().bytes_acknowledged, end.total as u64);
        }
    }

    fn describe(&self) -> String {
        let ends = self.ends.iter().flatten().map(|end| {
            format!(
                "{:?} {:?} written {}/{} read {} waiting {}\n  send una {} next {} window {} cwnd {} recovery {:?} board {:?}\n  timers {:?}\n",
                end.subflow.state(), end.subflow.close_reason(), end.written, end.total, end.read, end.waiting,
                end.subflow.send.unacknowledged, end.subflow.send.next, end.subflow.send.window_bytes,
                end.subflow.congestion_window(), end.subflow.recovery, end.subflow.send.scoreboard, end.subflow.timers,
            )
        });
        format!("at {:?}, {:?}\n{}", self.now, self.config, ends.collect::<String>())
    }

    /// Payload bytes sent in all by the active end, and its whole stream.
    pub(super) fn bytes_sent(&self) -> (u64, u64) {
        let end = self.ends[0].as_ref().expect("the active end");
        (end.subflow.statistics().bytes_sent, end.total as u64)
    }
}

impl End {
    fn new(
        subflow: Subflow<HeapPacket, u32>,
        (total, super_segment_bytes, buffer): (usize, usize, usize),
    ) -> Self {
        let mut end = Self {
            subflow,
            counters: Counters::new(),
            super_segment_bytes,
            total,
            written: 0,
            read: 0,
            waiting: 0,
            buffer,
            finished: false,
        };
        end.announce();
        end
    }

    fn announce(&mut self) {
        self.subflow.set_receive_window((self.buffer - self.waiting.min(self.buffer)) as u32);
    }

    /// Takes what is in order, and compares it with the stream.
    fn take(&mut self) {
        while let Some(received) = self.subflow.take_received() {
            let at = self.read + self.waiting;
            let expected: Vec<u8> =
                (0..received.payload.as_slice().len()).map(|byte| stream_byte(at + byte)).collect();
            assert_eq!(received.payload.as_slice(), expected, "stream at {at}");
            let offset = received.sequence.bytes_since(self.subflow.initial_receive_sequence() + 1);
            assert_eq!(offset, at);
            self.waiting += expected.len();
            assert!(self.waiting <= self.buffer, "more than the window allowed");
        }
        self.announce();
    }

    fn read_and_write(&mut self, now: Instant, random: &mut Random) {
        // Sometimes the reader sleeps.
        if random.below(3) > 0 {
            self.read += self.waiting;
            self.waiting = 0;
            self.announce();
        }
        while self.written < self.total && self.subflow.queued() < 50_000 {
            let bytes = (1 + random.below(9_000) as usize).min(self.total - self.written);
            let payload: Vec<u8> = (self.written..self.written + bytes).map(stream_byte).collect();
            self.subflow.push(HeapPacket::new(&payload), random.below(2) as u32);
            self.written += bytes;
        }
        if self.written == self.total && self.subflow.state() != State::SynSent {
            self.subflow.close(now);
        }
    }
}

/// What a port does that cuts: the same header on each part.
fn cut(sent: &Sent) -> Vec<(Tcp, Vec<u8>)> {
    let size = usize::from(sent.segment_bytes);
    if size == 0 {
        return vec![(sent.tcp.clone(), sent.payload.clone())];
    }
    let parts = sent.payload.chunks(size).enumerate();
    parts
        .map(|(index, part)| {
            let mut tcp = sent.tcp.clone();
            tcp.sequence += index * size;
            (tcp, part.to_vec())
        })
        .collect()
}
