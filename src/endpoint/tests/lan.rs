//! Hosts on shared links: port n of every host is on link n. Frames take
//! 100 us; time jumps to whatever comes next.

use super::endpoint_config;
use super::station::GOOD;
use crate::base::{
    ConnectionId, Context, Counters, Duration, FrameSink, HeapPacket, Instant, ListenerId, Outcome, Packet,
    PortIndex, Random, ReceiveMeta, TransmitFrame,
};
use crate::endpoint::{Endpoint, EndpointConfig, Event};
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;

const DELAY: Duration = Duration::from_micros(100);
/// Steps of one `run`: a test that needs more hangs.
const STEPS: usize = 200_000;

pub(super) struct Lan {
    pub(super) hosts: Vec<Host>,
    pub(super) now: Instant,
    /// Frames under way: when they arrive, and where.
    flying: VecDeque<Flying>,
    /// Links that lose every frame.
    pub(super) dead: Vec<u8>,
    /// Checksums need no look: the ports fill them in.
    pub(super) vouch: bool,
    /// Every frame that was sent.
    pub(super) log: Vec<Vec<u8>>,
}

struct Flying {
    at: Instant,
    host: usize,
    port: PortIndex,
    bytes: Vec<u8>,
    meta: ReceiveMeta,
}

pub(super) struct Host {
    pub(super) endpoint: Endpoint<HeapPacket>,
    pub(super) random: Random,
    pub(super) counters: Counters,
    pub(super) events: Vec<Event>,
    pub(super) received: HashMap<ConnectionId, Vec<u8>>,
    unsent: HashMap<ConnectionId, Vec<u8>>,
    /// Whether the application reads.
    pub(super) reads: bool,
    /// Whether frames wait for room.
    waits: bool,
    /// Frames that each port takes per step.
    pub(super) room: usize,
}

/// The frames of one step.
struct Step {
    frames: Vec<(PortIndex, Vec<u8>)>,
    room: usize,
}

impl FrameSink<HeapPacket> for Step {
    fn room(&self, port: PortIndex) -> usize {
        self.room - self.frames.iter().filter(|(at, _)| *at == port).count().min(self.room)
    }

    fn send(&mut self, frame: TransmitFrame<'_, HeapPacket>) {
        assert!(self.room(frame.port) > 0, "sent without room");
        let mut bytes = frame.header.to_vec();
        frame.payload.for_each_piece(|piece| bytes.extend_from_slice(piece));
        self.frames.push((frame.port, bytes));
    }
}

impl Lan {
    /// `hosts` hosts, numbered from 1, with `ports` ports each.
    pub(super) fn new(hosts: u8, ports: u8) -> Self {
        Self::with((1..=hosts).map(|host| endpoint_config(host, ports)).collect())
    }

    pub(super) fn with(configs: Vec<EndpointConfig>) -> Self {
        let now = Instant::from_nanos(1_000_000_000);
        let host = |(index, config)| {
            let mut random = Random::from_number(index as u64);
            let mut counters = Counters::new();
            let cx = &mut Context { now, random: &mut random, counters: &mut counters };
            let endpoint = Endpoint::new(config, cx).unwrap();
            let (received, unsent) = (HashMap::new(), HashMap::new());
            Host {
                endpoint,
                random,
                counters,
                events: Vec::new(),
                received,
                unsent,
                reads: true,
                waits: false,
                room: usize::MAX,
            }
        };
        let hosts = configs.into_iter().enumerate().map(host).collect();
        Self { hosts, now, flying: VecDeque::new(), dead: Vec::new(), vouch: false, log: Vec::new() }
    }

    pub(super) fn act<T>(
        &mut self,
        host: usize,
        act: impl FnOnce(&mut Endpoint<HeapPacket>, &mut Context<'_>) -> T,
    ) -> T {
        let host = &mut self.hosts[host];
        let cx = &mut Context { now: self.now, random: &mut host.random, counters: &mut host.counters };
        act(&mut host.endpoint, cx)
    }

    pub(super) fn listen(&mut self, host: usize, address: &str) -> ListenerId {
        self.act(host, |endpoint, cx| endpoint.listen(cx, address.parse().unwrap(), 64)).unwrap()
    }

    pub(super) fn connect(&mut self, host: usize, remote: &str) -> ConnectionId {
        let remote: SocketAddr = remote.parse().unwrap();
        self.act(host, |endpoint, cx| endpoint.connect(cx, None, remote)).unwrap()
    }

    /// The application of a host wants to send `bytes`.
    pub(super) fn send(&mut self, host: usize, id: ConnectionId, bytes: &[u8]) {
        self.hosts[host].unsent.entry(id).or_default().extend_from_slice(bytes);
    }

    pub(super) fn close(&mut self, host: usize, id: ConnectionId) {
        self.act(host, |endpoint, cx| endpoint.close(cx, id));
    }

    pub(super) fn set_link(&mut self, link: u8, up: bool) {
        self.dead.retain(|&dead| dead != link);
        if !up {
            self.dead.push(link);
        }
        for host in 0..self.hosts.len() {
            self.act(host, |endpoint, cx| endpoint.handle_link(cx, PortIndex(link), up));
        }
    }

    pub(super) fn count(&self, host: usize, outcome: Outcome) -> u64 {
        self.hosts[host].counters.get(outcome)
    }

    pub(super) fn received(&self, host: usize, id: ConnectionId) -> &[u8] {
        self.hosts[host].received.get(&id).map_or(&[], Vec::as_slice)
    }

    pub(super) fn has_event(&self, host: usize, event: Event) -> bool {
        self.hosts[host].events.contains(&event)
    }

    /// Connections that a host's listeners accepted.
    pub(super) fn accepted(&self, host: usize) -> Vec<ConnectionId> {
        let accepted = |event: &Event| match event {
            Event::Accepted { connection, .. } => Some(*connection),
            _ => None,
        };
        self.hosts[host].events.iter().filter_map(accepted).collect()
    }

    /// Lets the world turn until `done`; panics if that does not come.
    pub(super) fn run_until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        for _ in 0..STEPS {
            self.step();
            if done(self) {
                return;
            }
            let Some(next) = self.next_time() else { break };
            self.now = self.now.max(next);
        }
        for host in &self.hosts {
            let counts: Vec<_> =
                host.counters.non_zero().map(|(outcome, count)| (outcome.name(), count)).collect();
            let connections: Vec<_> = host.endpoint.connections().collect();
            eprintln!("{counts:?}\n{:?}\n{connections:#?}", host.events);
        }
        panic!("never {what}");
    }

    /// Lets the world turn for `span`.
    pub(super) fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        for _ in 0..STEPS {
            self.step();
            match self.next_time().filter(|&next| next < end) {
                Some(next) => self.now = self.now.max(next),
                None => break,
            }
        }
        self.now = end;
        self.step();
    }

    fn next_time(&self) -> Option<Instant> {
        let frames = self.flying.front().map(|frame| frame.at);
        let deadlines = self.hosts.iter().filter_map(|host| host.endpoint.poll_deadline());
        let room = self.hosts.iter().any(|host| host.waits).then(|| self.now + DELAY);
        frames.into_iter().chain(room).chain(deadlines).min()
    }

    /// One turn of everybody.
    pub(super) fn step(&mut self) {
        while self.flying.front().is_some_and(|frame| frame.at <= self.now) {
            let Some(frame) = self.flying.pop_front() else { break };
            let packet = HeapPacket::new(&frame.bytes);
            self.act(frame.host, |endpoint, cx| {
                endpoint.handle_frame(cx, frame.port, packet, frame.meta);
            });
        }
        for index in 0..self.hosts.len() {
            let frames = self.hosts[index].turn(self.now);
            for (port, bytes) in frames {
                self.fly(index, port, bytes);
            }
        }
    }

    /// A switch without memory: everybody else on the link gets the frame.
    fn fly(&mut self, from: usize, port: PortIndex, bytes: Vec<u8>) {
        if !self.dead.contains(&port.0) {
            let meta = if self.vouch { GOOD } else { ReceiveMeta::default() };
            for host in (0..self.hosts.len()).filter(|&host| host != from) {
                let bytes = bytes.clone();
                self.flying.push_back(Flying { at: self.now + DELAY, host, port, bytes, meta });
            }
        }
        self.log.push(bytes);
    }
}

impl Host {
    fn turn(&mut self, now: Instant) -> Vec<(PortIndex, Vec<u8>)> {
        let mut step = Step { frames: Vec::new(), room: self.room };
        let cx = &mut Context { now, random: &mut self.random, counters: &mut self.counters };
        self.endpoint.handle_timeouts(cx);
        self.unsent.retain(|&id, unsent| {
            while !unsent.is_empty() && self.endpoint.send_capacity(id) > 0 {
                let rest = unsent.split_off(unsent.len().min(4_000));
                if self.endpoint.write(cx, id, HeapPacket::new(unsent)).is_err() {
                    return false;
                }
                *unsent = rest;
            }
            !unsent.is_empty()
        });
        self.waits = self.endpoint.poll_transmit(cx, &mut step);
        while let Some(event) = self.endpoint.poll_event(cx) {
            self.events.push(event);
            if !self.reads {
                continue;
            }
            if let Event::Readable(id) | Event::PeerFinished(id) | Event::Closed(id, _) = event {
                while let Some(packet) = self.endpoint.read(id) {
                    self.received.entry(id).or_default().extend_from_slice(packet.as_slice());
                    self.endpoint.consumed(id, packet.len());
                }
            }
        }
        step.frames
    }
}
