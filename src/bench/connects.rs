//! Connections per second: connect, one byte each way, close.

use super::phases::{Phases, Step};
use super::{News, Plan, Target, Value, Wish};
use crate::base::{ConnectionId, Context, Instant, Packet};
use crate::endpoint::{CloseReason, Endpoint, Event};
use crate::engine::{Bytes, Resident};
use hashbrown::HashSet;
use std::sync::mpsc::Sender;

/// Keeps a number of connections under way; each ends when its answer came and
/// both sides have closed.
#[derive(Debug)]
pub struct Connects<D> {
    target: Target,
    /// The one byte.
    wish: D,
    phases: Phases,
    under_way: HashSet<ConnectionId>,
    /// Those that got their answer.
    answered: HashSet<ConnectionId>,
    completed: u64,
    completed_before: u64,
    failed: u64,
    fallbacks: u64,
}

impl<D: Packet> Connects<D> {
    /// A program that has not connected yet. `wish` is a packet with
    /// [`Wish::Once`].
    pub fn new(target: Target, wish: D, plan: Plan, news: Sender<News>) -> Self {
        debug_assert_eq!(Wish::decode(wish.head()), Ok(Some((Wish::Once, 1))));
        Self {
            target,
            wish,
            phases: Phases::new(plan, news),
            under_way: HashSet::new(),
            answered: HashSet::new(),
            completed: 0,
            completed_before: 0,
            failed: 0,
            fallbacks: 0,
        }
    }

    fn open(&mut self, cx: &mut Context<'_>, endpoint: &mut Endpoint<Bytes<D>>) -> bool {
        let before = self.under_way.len();
        while self.under_way.len() < self.target.connections && !self.phases.is_finished() {
            match endpoint.connect(cx, None, self.target.address) {
                Ok(id) => {
                    drop(endpoint.write(cx, id, Bytes::Resident(self.wish.share())));
                    self.under_way.insert(id);
                }
                // Room comes when others end.
                Err(_) if !self.under_way.is_empty() => break,
                Err(error) => self.phases.fail(format!("cannot connect: {error}")),
            }
        }
        self.under_way.len() > before
    }

    fn read(&mut self, cx: &mut Context<'_>, endpoint: &mut Endpoint<Bytes<D>>, id: ConnectionId) {
        let mut bytes = 0;
        while let Some(packet) = endpoint.read(id) {
            bytes += packet.len();
        }
        endpoint.consumed(id, bytes);
        if bytes > 0 && self.answered.insert(id) {
            self.fallbacks += u64::from(endpoint.info(id).is_none_or(|info| info.fallback));
            endpoint.close(cx, id);
        }
    }

    fn end(
        &mut self,
        cx: &mut Context<'_>,
        endpoint: &mut Endpoint<Bytes<D>>,
        id: ConnectionId,
        reason: CloseReason,
    ) {
        self.under_way.remove(&id);
        if self.answered.remove(&id) && reason == CloseReason::Finished {
            self.completed += 1;
        } else {
            self.failed += 1;
            if self.failed > 100 && self.completed == 0 {
                self.phases.fail(format!("connections fail: {reason:?}"));
            }
        }
        endpoint.release(cx, id);
    }
}

impl<D: Packet> Resident<D> for Connects<D> {
    fn take_event(&mut self, cx: &mut Context<'_>, endpoint: &mut Endpoint<Bytes<D>>, event: &Event) -> bool {
        match *event {
            Event::Connected(id) if self.under_way.contains(&id) => self.phases.start(cx.now),
            Event::Readable(id) if self.under_way.contains(&id) => self.read(cx, endpoint, id),
            Event::Writable(id) | Event::PeerFinished(id) => return self.under_way.contains(&id),
            Event::Closed(id, reason) if self.under_way.contains(&id) => self.end(cx, endpoint, id, reason),
            _ => return false,
        }
        true
    }

    fn turn(&mut self, cx: &mut Context<'_>, endpoint: &mut Endpoint<Bytes<D>>) -> bool {
        let opened = self.open(cx, endpoint);
        match self.phases.step(cx.now) {
            Step::Same => return opened,
            Step::Begin => {
                self.completed_before = self.completed;
                self.fallbacks = 0;
                self.phases.begin(cx, endpoint);
            }
            Step::End => {
                let completed =
                    self.completed - std::mem::replace(&mut self.completed_before, self.completed);
                let mptcp = self.fallbacks == 0;
                self.phases.end(cx, endpoint, Value::Connections(completed), mptcp);
            }
        }
        true
    }

    fn deadline(&self) -> Option<Instant> {
        self.phases.deadline()
    }
}
