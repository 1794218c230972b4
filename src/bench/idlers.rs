//! Idle connections: opened, and then left alone.

use super::phases::{Phases, Step};
use super::{News, Plan, Target, Value, Wish, later_port};
use crate::base::{ConnectionId, Context, Instant, Packet};
use crate::endpoint::{Endpoint, Event};
use crate::engine::{Bytes, Resident};
use hashbrown::HashMap;
use std::sync::mpsc::Sender;

/// Connections that are being opened, at most.
const OPENING_MOST: usize = 128;

/// Opens connections, waits until each has its subflows, and does nothing.
#[derive(Debug)]
pub struct Idlers<D> {
    target: Target,
    /// What is written first, and last.
    wish: D,
    phases: Phases,
    /// Whether each is connected.
    connections: HashMap<ConnectionId, bool>,
    connected: usize,
}

impl<D: Packet> Idlers<D> {
    /// A program that has not connected yet. `wish` is a packet with
    /// [`Wish::Idle`].
    pub fn new(target: Target, wish: D, plan: Plan, news: Sender<News>) -> Self {
        debug_assert_eq!(Wish::decode(wish.head()), Ok(Some((Wish::Idle, 1))));
        Self { target, wish, phases: Phases::new(plan, news), connections: HashMap::new(), connected: 0 }
    }

    fn open(&mut self, cx: &mut Context<'_>, endpoint: &mut Endpoint<Bytes<D>>) -> bool {
        let before = self.connections.len();
        let room = (self.connected + OPENING_MOST).min(self.target.connections);
        while self.connections.len() < room && !self.phases.is_finished() {
            let number = self.connections.len() % usize::from(self.target.ports.max(1));
            match endpoint.connect(cx, None, later_port(self.target.address, number as u16)) {
                Ok(id) => {
                    drop(endpoint.write(cx, id, Bytes::Resident(self.wish.share())));
                    self.connections.insert(id, false);
                }
                Err(error) => {
                    let connected = self.connected;
                    self.phases.fail(format!("cannot connect after {connected} connections: {error}"));
                }
            }
        }
        self.connections.len() > before
    }
}

impl<D: Packet> Resident<D> for Idlers<D> {
    fn take_event(&mut self, cx: &mut Context<'_>, endpoint: &mut Endpoint<Bytes<D>>, event: &Event) -> bool {
        match *event {
            Event::Connected(id) => {
                let Some(connected) = self.connections.get_mut(&id) else { return false };
                self.connected += usize::from(!std::mem::replace(connected, true));
                if self.connected == self.target.connections {
                    self.phases.start(cx.now);
                }
            }
            Event::Closed(id, reason) if self.connections.remove(&id).is_some() => {
                self.phases.fail(format!("a connection was closed: {reason:?}"));
                endpoint.release(cx, id);
            }
            Event::Readable(id) | Event::Writable(id) | Event::PeerFinished(id) => {
                return self.connections.contains_key(&id);
            }
            _ => return false,
        }
        true
    }

    fn turn(&mut self, cx: &mut Context<'_>, endpoint: &mut Endpoint<Bytes<D>>) -> bool {
        let opened = self.open(cx, endpoint);
        match self.phases.step(cx.now) {
            Step::Same => return opened,
            Step::Begin => self.phases.begin(cx, endpoint),
            Step::End => {
                let mptcp =
                    self.connections.keys().all(|&id| endpoint.info(id).is_some_and(|info| !info.fallback));
                self.phases.end(cx, endpoint, Value::Connections(self.connected as u64), mptcp);
            }
        }
        true
    }

    fn deadline(&self) -> Option<Instant> {
        self.phases.deadline()
    }
}
