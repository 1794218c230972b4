//! One host: an endpoint, the frames it gets and gives, and an application
//! that reads everything.

use super::meter::Meter;
use super::packet::Frame;
use super::setup::{Setup, endpoint_config, ports};
use mpdk::base::{
    ChecksumState, ConnectionId, Context, Counters, FrameSink, Instant, Packet, PortIndex, Random,
    ReceiveMeta, TransmitFrame,
};
use mpdk::endpoint::{Endpoint, Event};
use std::rc::Rc;

/// Frames that a port takes between two flushes.
const ROOM: usize = 4_096;
/// The port has looked at the checksums.
const GOOD: ReceiveMeta =
    ReceiveMeta { ip_checksum: ChecksumState::Good, l4_checksum: ChecksumState::Good, vlan: None };

pub type Burst = Vec<(Frame, ReceiveMeta)>;

/// What an endpoint sends, by port.
#[derive(Debug)]
pub struct Outbox {
    meter: Rc<Meter>,
    pub ports: Vec<Burst>,
    /// Payload bytes of the longest frame so far.
    pub longest_bytes: usize,
}

impl FrameSink<Frame> for Outbox {
    fn room(&self, _port: PortIndex) -> usize {
        ROOM
    }

    fn send(&mut self, frame: TransmitFrame<'_, Frame>) {
        let Self { meter, ports, longest_bytes } = self;
        meter.aside(|| {
            let mut bytes = Vec::with_capacity(frame.header.len() + frame.payload.len());
            bytes.extend_from_slice(frame.header);
            frame.payload.for_each_piece(|piece| bytes.extend_from_slice(piece));
            ports[usize::from(frame.port.0)].push((Frame::new(bytes), GOOD));
            *longest_bytes = (*longest_bytes).max(frame.payload.len());
        });
    }
}

/// How frames are handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intake {
    /// As bursts of one port, merged.
    Merged,
    /// One by one.
    Single,
}

/// What its application heard and did.
#[derive(Debug, Default)]
pub struct Application {
    pub accepted: Vec<ConnectionId>,
    pub connected: usize,
    pub taken_bytes: usize,
    /// What is answered to each read, if anything.
    pub answer: Option<Frame>,
    /// Closes after the peer.
    pub closes: bool,
}

#[derive(Debug)]
pub struct Host {
    pub endpoint: Endpoint<Frame>,
    pub random: Random,
    pub counters: Counters,
    pub outbox: Outbox,
    /// What waits in each port.
    pub inbox: Vec<Burst>,
    pub application: Application,
}

impl Host {
    pub fn new(setup: &Setup, number: u8, meter: Rc<Meter>, now: Instant) -> Self {
        let (mut random, mut counters) = (Random::from_number(u64::from(number) + 1), Counters::new());
        let cx = &mut Context { now, random: &mut random, counters: &mut counters };
        let endpoint = Endpoint::new(endpoint_config(setup, number), cx).expect("a valid configuration");
        let bursts = || ports(setup.links).map(|_| Burst::new()).collect();
        let outbox = Outbox { meter, ports: bursts(), longest_bytes: 0 };
        Self { endpoint, random, counters, outbox, inbox: bursts(), application: Application::default() }
    }

    pub fn act<T>(
        &mut self,
        now: Instant,
        act: impl FnOnce(&mut Endpoint<Frame>, &mut Context<'_>) -> T,
    ) -> T {
        let cx = &mut Context { now, random: &mut self.random, counters: &mut self.counters };
        act(&mut self.endpoint, cx)
    }

    /// Takes in what waits in the ports: a burst of each.
    pub fn receive(&mut self, now: Instant, intake: Intake) {
        let cx = &mut Context { now, random: &mut self.random, counters: &mut self.counters };
        for (index, burst) in self.inbox.iter_mut().enumerate() {
            let port = PortIndex(index as u8);
            match intake {
                Intake::Merged if burst.is_empty() => {}
                Intake::Merged => self.endpoint.handle_burst(cx, port, burst.drain(..)),
                Intake::Single => {
                    for (frame, meta) in burst.drain(..) {
                        self.endpoint.handle_frame(cx, port, frame, meta);
                    }
                }
            }
        }
    }

    /// The rest of a turn, in the engine's order: timers, the application, and
    /// what is to be sent.
    pub fn turn(&mut self, now: Instant) {
        let cx = &mut Context { now, random: &mut self.random, counters: &mut self.counters };
        self.endpoint.handle_timeouts(cx);
        while let Some(event) = self.endpoint.poll_event(cx) {
            self.application.take(&mut self.endpoint, cx, event);
        }
        self.endpoint.poll_transmit(cx, &mut self.outbox);
    }
}

impl Application {
    fn take(&mut self, endpoint: &mut Endpoint<Frame>, cx: &mut Context<'_>, event: Event) {
        match event {
            Event::Accepted { connection, .. } => self.accepted.push(connection),
            Event::Connected(_) => self.connected += 1,
            Event::Readable(id) => self.read(endpoint, cx, id),
            Event::PeerFinished(id) if self.closes => endpoint.close(cx, id),
            Event::Closed(id, _) => endpoint.release(cx, id),
            Event::PeerFinished(_) | Event::Writable(_) => {}
        }
    }

    fn read(&mut self, endpoint: &mut Endpoint<Frame>, cx: &mut Context<'_>, id: ConnectionId) {
        let mut bytes = 0;
        while let Some(packet) = endpoint.read(id) {
            bytes += packet.len();
        }
        endpoint.consumed(id, bytes);
        self.taken_bytes += bytes;
        if let Some(answer) = self.answer.as_ref().filter(|_| bytes > 0) {
            endpoint.write(cx, id, answer.share()).expect("room for an answer");
        }
    }
}
