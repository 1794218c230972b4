//! The host itself: what it is made of.

use super::cores::Cores;
use super::demux::{Demux, Owner, TupleHash};
use super::event::News;
use super::keyed_hash::KeyedHash;
use super::listener::Listeners;
use super::merge::Merging;
use super::path_header::HeaderBuffer;
use super::path_mtu::PathMtus;
use super::port::Port;
use super::slot::{Body, Slot, Transmit};
use super::time_waits::TimeWaits;
use super::timer_wheel::TimerWheel;
use super::token_bucket::TokenBucket;
use super::{ConfigError, EndpointConfig, Limits};
use crate::base::{ConnectionId, Context, FourTuple, Outcome, Packet, PortIndex, Slab};
use crate::mptcp::{self, Connection};
use crate::tcp::OutgoingSegment;
use std::collections::VecDeque;
use std::rc::Rc;

/// One core's host: ports, neighbours, listeners and connections.
///
/// Every connection that the application opened or was told of is the
/// application's until it calls `release` or `abort`, or has read everything
/// of a connection that is closed.
#[derive(Debug)]
pub struct Endpoint<P> {
    pub(super) ports: Vec<Port<P>>,
    pub(super) mptcp: Rc<mptcp::Config>,
    pub(super) limits: Limits,
    /// The others that share the ports.
    pub(super) cores: Option<Box<Cores>>,
    /// Of initial sequence numbers (RFC 6528).
    pub(super) secret: [u8; 16],

    pub(super) connections: Slab<Slot<P>>,
    pub(super) demux: Demux,
    /// Whose the last segment was.
    last_owner: Option<Owner>,
    pub(super) time_waits: TimeWaits,
    pub(super) listeners: Listeners,
    pub(super) wheel: TimerWheel<ConnectionId>,
    pub(super) path_mtus: PathMtus,

    /// Something happened to them: look at their events and deadlines.
    pub(super) touched: Vec<ConnectionId>,
    /// They may want to send, in turn.
    pub(super) sending: VecDeque<ConnectionId>,
    /// They wait for room in a port.
    pub(super) blocked: Vec<ConnectionId>,
    /// They have news for the application.
    pub(super) noticed: VecDeque<ConnectionId>,
    /// Closed and released: what is left of them may give way.
    pub(super) retired: VecDeque<ConnectionId>,

    pub(super) icmp_errors: TokenBucket,
    pub(super) icmp_echoes: TokenBucket,
    pub(super) resets: TokenBucket,

    /// Segments of the burst at hand.
    pub(super) merging: Merging<P>,
    /// Filled anew for each segment and frame.
    pub(super) segment: OutgoingSegment<P>,
    pub(super) header: HeaderBuffer,
    /// An ICMP message whose bytes lie in several pieces, in one.
    pub(super) message: Vec<u8>,
}

impl<P: Packet> Endpoint<P> {
    /// A host that is ready: its addresses are announced on every port at the
    /// first `poll_transmit`. All links count as up until `handle_link` says
    /// otherwise.
    ///
    /// # Errors
    /// [`ConfigError`] names what contradicts what.
    pub fn new(config: EndpointConfig, cx: &mut Context<'_>) -> Result<Self, ConfigError> {
        config.check()?;
        let EndpointConfig { ports, mptcp, limits, steering } = config;
        let hash = KeyedHash::new(cx.random);
        let claims_most = limits.connections * usize::from(mptcp.max_subflows.max(1));
        let mut secret = [0; 16];
        cx.random.fill(&mut secret);
        let port = |(index, port)| Port::new(PortIndex(index as u8), port, &limits, hash.clone());
        let mut endpoint = Self {
            ports: ports.into_iter().enumerate().map(port).collect(),
            time_waits: TimeWaits::new(limits.connections, mptcp.tcp.time_wait),
            mptcp,
            cores: steering.map(|steering| Box::new(Cores::new(steering, claims_most))),
            secret,
            connections: Slab::new(limits.connections),
            demux: Demux::new(hash.clone()),
            last_owner: None,
            listeners: Listeners::new(limits.listeners, limits.half_open),
            wheel: TimerWheel::new(cx.now),
            path_mtus: PathMtus::new(limits.path_mtus, hash),
            touched: Vec::new(),
            sending: VecDeque::new(),
            blocked: Vec::new(),
            noticed: VecDeque::new(),
            retired: VecDeque::new(),
            icmp_errors: TokenBucket::new(limits.icmp_errors_per_second),
            icmp_echoes: TokenBucket::new(limits.icmp_echoes_per_second),
            resets: TokenBucket::new(limits.resets_per_second),
            merging: Merging::new(),
            segment: OutgoingSegment::new(),
            header: [0; _],
            message: Vec::new(),
            limits,
        };
        if endpoint.is_first_core() {
            for index in 0..endpoint.ports.len() {
                endpoint.announce(cx, index);
            }
        }
        Ok(endpoint)
    }

    pub(super) fn port(&self, index: PortIndex) -> Option<&Port<P>> {
        self.ports.get(usize::from(index.0))
    }

    pub(super) fn port_mut(&mut self, index: PortIndex) -> Option<&mut Port<P>> {
        self.ports.get_mut(usize::from(index.0))
    }

    pub(super) fn slot(&self, id: ConnectionId) -> Option<&Slot<P>> {
        self.connections.get(id.index, id.generation)
    }

    pub(super) fn slot_mut(&mut self, id: ConnectionId) -> Option<&mut Slot<P>> {
        self.connections.get_mut(id.index, id.generation)
    }

    /// Whose 4-tuple it is.
    pub(super) fn owner_of(&self, tuple: &FourTuple) -> Option<Owner> {
        self.owner_by(self.demux.hash(tuple), tuple)
    }

    pub(super) fn owner_by(&self, hash: TupleHash, tuple: &FourTuple) -> Option<Owner> {
        self.demux.owner(hash, |owner| self.port_of(owner, tuple).is_some())
    }

    /// The same for a segment that came, with the port of the owner's way. The
    /// segments of a burst are mostly of one subflow: it is asked first.
    pub(super) fn owner_of_segment(&mut self, tuple: &FourTuple) -> Option<(Owner, PortIndex)> {
        if let Some(owner) = self.last_owner
            && let Some(port) = self.port_of(owner, tuple)
        {
            return Some((owner, port));
        }
        let owner = self.owner_of(tuple)?;
        self.last_owner = Some(owner);
        Some((owner, self.port_of(owner, tuple)?))
    }

    /// The port of a subflow's way, if this is its 4-tuple.
    fn port_of(&self, owner: Owner, tuple: &FourTuple) -> Option<PortIndex> {
        let way = self.slot(owner.connection)?.ways.get(usize::from(owner.subflow.0))?.as_ref()?;
        way.header.leads(tuple).then_some(way.port)
    }

    /// Whether nobody has the 4-tuple.
    pub(super) fn is_free(&self, tuple: &FourTuple) -> bool {
        let hash = self.demux.hash(tuple);
        self.owner_by(hash, tuple).is_none()
            && !self.time_waits.contains(hash, tuple)
            && !self.is_claimed(hash, tuple)
    }

    /// The connection of an id, and a note that something happens to it.
    pub(super) fn touch(&mut self, id: ConnectionId) -> Option<&mut Connection<P>> {
        let slot = self.connections.get_mut(id.index, id.generation)?;
        if !slot.queued.touched {
            slot.queued.touched = true;
            self.touched.push(id);
        }
        if slot.queued.transmit == Transmit::Nothing {
            slot.queued.transmit = Transmit::InTurn;
            self.sending.push_back(id);
        }
        slot.connection()
    }

    /// Notes news for the application, unless it does not care any more.
    pub(super) fn notice(&mut self, id: ConnectionId, news: News) {
        let Some(slot) = self.connections.get_mut(id.index, id.generation) else { return };
        if slot.released {
            return;
        }
        slot.news.insert(news);
        if !slot.queued.news {
            slot.queued.news = true;
            self.noticed.push_back(id);
        }
    }

    /// Notes a connection that is closed and released, so that it gives way when
    /// there are too many.
    pub(super) fn retire(&mut self, id: ConnectionId) {
        if !self.slot(id).is_some_and(|slot| slot.released && slot.closed.is_some()) {
            return;
        }
        while self.retired.front().is_some_and(|&oldest| self.slot(oldest).is_none()) {
            self.retired.pop_front();
        }
        self.retired.push_back(id);
    }

    /// The id of the next connection, if there may be one more: the oldest in
    /// TIME_WAIT gives way to it, or one that is closed and waits for its peer.
    pub(super) fn next_connection(&mut self, cx: &mut Context<'_>) -> Option<ConnectionId> {
        while self.connections.len() + self.time_waits.len() >= self.limits.connections {
            if self.end_oldest_time_wait(cx) {
                continue;
            }
            let oldest = self.retired.pop_front()?;
            if self.slot(oldest).is_some() {
                cx.count(Outcome::TcpTimeWaitOverflow);
                self.forget(oldest);
            }
        }
        self.connections.next_key().map(|(index, generation)| ConnectionId { index, generation })
    }

    /// Takes a connection out, whatever it is about to do. Nothing is sent.
    pub(super) fn forget(&mut self, id: ConnectionId) {
        let Some(slot) = self.connections.remove(id.index, id.generation) else { return };
        for (tuple, owner) in slot.tuples(id) {
            self.demux.remove(&tuple, owner);
            self.disclaim_tuple(&tuple);
        }
        if let Body::Live(_) = slot.body {
            self.demux.remove_token(slot.token);
        }
        self.wheel.destroy(slot.timer);
        self.stand_down(slot.standing);
    }
}
