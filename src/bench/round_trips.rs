//! Request and response: how long each round trip takes.

use super::phases::{Phases, Step};
use super::{News, Pattern, Plan, Target, Value, Wish};
use crate::base::{ConnectionId, Context, Instant, Packet};
use crate::endpoint::{Endpoint, Event};
use crate::engine::{Bytes, Resident};
use hashbrown::HashMap;
use hdrhistogram::Histogram;
use std::collections::VecDeque;
use std::sync::mpsc::Sender;
use std::time::Instant as Clock;

/// What is asked, and how much of it at once.
#[derive(Clone, Copy, Debug)]
pub struct Exchange {
    /// Bytes of a request.
    pub request_bytes: u32,
    /// Bytes of its response.
    pub response_bytes: u32,
    /// Requests that are under way on a connection.
    pub pipeline: usize,
}

/// One connection's requests.
#[derive(Debug, Default)]
struct Client {
    /// When each request under way was written.
    asked: VecDeque<Clock>,
    /// Bytes of the response at hand that came.
    came: u64,
}

/// Keeps a number of requests under way on each connection. The clock is read
/// when a request is written and when the last byte of its response is read.
#[derive(Debug)]
pub struct RoundTrips<D> {
    target: Target,
    exchange: Exchange,
    pattern: Pattern<D>,
    /// What is written first.
    wish: D,
    phases: Phases,
    clients: HashMap<ConnectionId, Client>,
    connected: usize,
    histogram: Histogram<u64>,
}

impl<D: Packet> RoundTrips<D> {
    /// A program that has not connected yet. `wish` is a packet with
    /// [`Wish::Answer`] for this exchange.
    pub fn new(
        target: Target,
        exchange: Exchange,
        pattern: Pattern<D>,
        wish: D,
        plan: Plan,
        news: Sender<News>,
    ) -> Self {
        debug_assert!(matches!(Wish::decode(wish.head()), Ok(Some((Wish::Answer { .. }, _)))));
        Self {
            target,
            exchange,
            pattern,
            wish,
            phases: Phases::new(plan, news),
            clients: HashMap::new(),
            connected: 0,
            histogram: new_histogram(),
        }
    }

    fn open(&mut self, cx: &mut Context<'_>, endpoint: &mut Endpoint<Bytes<D>>) {
        while self.clients.len() < self.target.connections && !self.phases.is_finished() {
            match endpoint.connect(cx, None, self.target.address) {
                Ok(id) => {
                    drop(endpoint.write(cx, id, Bytes::Resident(self.wish.share())));
                    self.clients.insert(id, Client::default());
                }
                Err(error) => return self.phases.fail(format!("cannot connect: {error}")),
            }
        }
    }

    /// Fills the pipeline of a connection.
    fn ask(&mut self, cx: &mut Context<'_>, endpoint: &mut Endpoint<Bytes<D>>, id: ConnectionId) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        if self.phases.is_finished() {
            return;
        }
        while client.asked.len() < self.exchange.pipeline {
            let mut left = self.exchange.request_bytes as usize;
            while left > 0 {
                let piece = self.pattern.first(left);
                left -= piece.len();
                if endpoint.write(cx, id, piece).is_err() {
                    return;
                }
            }
            client.asked.push_back(Clock::now());
        }
    }

    fn read(&mut self, cx: &mut Context<'_>, endpoint: &mut Endpoint<Bytes<D>>, id: ConnectionId) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let mut bytes = 0;
        while let Some(packet) = endpoint.read(id) {
            bytes += packet.len();
        }
        endpoint.consumed(id, bytes);
        client.came += bytes as u64;
        let response_bytes = u64::from(self.exchange.response_bytes).max(1);
        let now = Clock::now();
        while client.came >= response_bytes {
            client.came -= response_bytes;
            let Some(asked) = client.asked.pop_front() else { break };
            if self.phases.is_measuring() {
                let took = now.duration_since(asked).as_nanos();
                self.histogram.saturating_record(u64::try_from(took).unwrap_or(u64::MAX));
            }
        }
        self.ask(cx, endpoint, id);
    }
}

/// From 100 ns to 10 s, three digits.
fn new_histogram() -> Histogram<u64> {
    // The bounds are constants that the crate takes.
    Histogram::new_with_bounds(1, 10_000_000_000, 3).unwrap_or_else(|_| unreachable!("bounds of a histogram"))
}

impl<D: Packet> Resident<D> for RoundTrips<D> {
    fn take_event(&mut self, cx: &mut Context<'_>, endpoint: &mut Endpoint<Bytes<D>>, event: &Event) -> bool {
        match *event {
            Event::Connected(id) if self.clients.contains_key(&id) => {
                self.connected += 1;
                self.ask(cx, endpoint, id);
                if self.connected == self.target.connections {
                    self.phases.start(cx.now);
                }
            }
            Event::Readable(id) if self.clients.contains_key(&id) => self.read(cx, endpoint, id),
            Event::Writable(id) | Event::PeerFinished(id) => return self.clients.contains_key(&id),
            Event::Closed(id, reason) if self.clients.remove(&id).is_some() => {
                self.phases.fail(format!("a connection was closed: {reason:?}"));
                endpoint.release(cx, id);
            }
            _ => return false,
        }
        true
    }

    fn turn(&mut self, cx: &mut Context<'_>, endpoint: &mut Endpoint<Bytes<D>>) -> bool {
        self.open(cx, endpoint);
        match self.phases.step(cx.now) {
            Step::Same => return false,
            Step::Begin => self.phases.begin(cx, endpoint),
            Step::End => {
                let histogram = std::mem::replace(&mut self.histogram, new_histogram());
                let mptcp =
                    self.clients.keys().all(|&id| endpoint.info(id).is_some_and(|info| !info.fallback));
                self.phases.end(cx, endpoint, Value::RoundTrips(Box::new(histogram)), mptcp);
            }
        }
        true
    }

    fn deadline(&self) -> Option<Instant> {
        self.phases.deadline()
    }
}
