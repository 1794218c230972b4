//! Bulk: as many bytes as the links take.

use super::phases::{Phases, Step};
use super::{News, Pattern, Plan, Target, Value, Wish};
use crate::base::{ConnectionId, Context, Instant, Packet};
use crate::endpoint::{Endpoint, Event};
use crate::engine::{Bytes, Resident};
use std::sync::mpsc::Sender;

/// A connection that is kept full.
#[derive(Debug)]
struct Stream {
    id: ConnectionId,
    /// Bytes written.
    written: u64,
    connected: bool,
    /// Which packet of the pattern is next.
    turn: usize,
}

/// Keeps connections full and counts what arrives: the bytes that the peer has
/// acknowledged at data level.
#[derive(Debug)]
pub struct Source<D> {
    target: Target,
    pattern: Pattern<D>,
    /// What is written first.
    wish: D,
    phases: Phases,
    streams: Vec<Stream>,
    acknowledged_before: u64,
}

impl<D: Packet> Source<D> {
    /// A source that has not connected yet. `wish` is a packet with
    /// [`Wish::Discard`].
    pub fn new(target: Target, pattern: Pattern<D>, wish: D, plan: Plan, news: Sender<News>) -> Self {
        debug_assert_eq!(Wish::decode(wish.head()), Ok(Some((Wish::Discard, 1))));
        let phases = Phases::new(plan, news);
        Self { target, pattern, wish, phases, streams: Vec::new(), acknowledged_before: 0 }
    }

    fn open(&mut self, cx: &mut Context<'_>, endpoint: &mut Endpoint<Bytes<D>>) {
        while self.streams.len() < self.target.connections && !self.phases.is_finished() {
            let opened = endpoint.connect(cx, None, self.target.address);
            let written = opened.map(|id| (id, endpoint.write(cx, id, Bytes::Resident(self.wish.share()))));
            match written {
                Ok((id, Ok(()))) => {
                    self.streams.push(Stream { id, written: 1, connected: false, turn: 0 });
                }
                Ok((_, Err(_))) => return self.phases.fail("the connection takes no bytes".into()),
                Err(error) => return self.phases.fail(format!("cannot connect: {error}")),
            }
        }
    }

    fn fill(&mut self, cx: &mut Context<'_>, endpoint: &mut Endpoint<Bytes<D>>, id: ConnectionId) {
        let Some(stream) = self.streams.iter_mut().find(|stream| stream.id == id) else { return };
        if self.phases.is_finished() {
            return;
        }
        let mut room = endpoint.send_capacity(id);
        while room > 0 {
            let piece = self.pattern.piece(stream.turn, room);
            let bytes = piece.len();
            if endpoint.write(cx, id, piece).is_err() {
                return;
            }
            stream.turn += 1;
            stream.written += bytes as u64;
            room -= bytes;
        }
    }

    /// Bytes that the peer has, over all connections.
    fn acknowledged(&self, endpoint: &Endpoint<Bytes<D>>) -> u64 {
        self.streams.iter().map(|stream| stream.written - endpoint.send_buffered(stream.id) as u64).sum()
    }

    fn is_mptcp(&self, endpoint: &Endpoint<Bytes<D>>) -> bool {
        self.streams.iter().all(|stream| endpoint.info(stream.id).is_some_and(|info| !info.fallback))
    }
}

impl<D: Packet> Resident<D> for Source<D> {
    fn take_event(&mut self, cx: &mut Context<'_>, endpoint: &mut Endpoint<Bytes<D>>, event: &Event) -> bool {
        let (Event::Connected(id)
        | Event::Writable(id)
        | Event::Readable(id)
        | Event::PeerFinished(id)
        | Event::Closed(id, _)) = *event
        else {
            return false;
        };
        let Some(stream) = self.streams.iter_mut().find(|stream| stream.id == id) else { return false };
        match event {
            Event::Connected(_) => {
                stream.connected = true;
                self.fill(cx, endpoint, id);
                if self.streams.iter().all(|stream| stream.connected) {
                    self.phases.start(cx.now);
                }
            }
            Event::Writable(_) => self.fill(cx, endpoint, id),
            Event::Closed(_, reason) => {
                self.phases.fail(format!("a connection was closed: {reason:?}"));
                endpoint.release(cx, id);
            }
            // The sink says nothing.
            _ => {}
        }
        true
    }

    fn turn(&mut self, cx: &mut Context<'_>, endpoint: &mut Endpoint<Bytes<D>>) -> bool {
        self.open(cx, endpoint);
        match self.phases.step(cx.now) {
            Step::Same => return false,
            Step::Begin => {
                self.acknowledged_before = self.acknowledged(endpoint);
                self.phases.begin(cx, endpoint);
            }
            Step::End => {
                let acknowledged = self.acknowledged(endpoint);
                let bytes = acknowledged - std::mem::replace(&mut self.acknowledged_before, acknowledged);
                let mptcp = self.is_mptcp(endpoint);
                self.phases.end(cx, endpoint, Value::Bytes(bytes), mptcp);
            }
        }
        true
    }

    fn deadline(&self) -> Option<Instant> {
        self.phases.deadline()
    }
}
