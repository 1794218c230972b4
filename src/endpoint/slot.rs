//! A connection as the host keeps it.

use super::demux::Owner;
use super::event::Pending;
use super::listener::HalfOpenKey;
use super::neighbour::NeighbourKey;
use super::path_header::PathHeader;
use super::port::Port;
use super::timer_wheel::TimerId;
use crate::base::{ConnectionId, FourTuple, ListenerId, Packet, PortIndex, PortSet, Queue, SubflowId, Token};
use crate::mptcp::{CloseReason, Connection};
use std::net::IpAddr;

/// A connection and what the host knows of it.
#[derive(Debug)]
pub(super) struct Slot<P> {
    pub(super) body: Body<P>,
    pub(super) standing: Standing,
    pub(super) token: Token,
    pub(super) timer: TimerId,
    /// Where each subflow's segments go, by its id.
    pub(super) ways: Vec<Option<Way>>,
    /// Every port that a way ever led over.
    pub(super) ports: PortSet,
    /// Nobody will ask for it again.
    pub(super) released: bool,
    pub(super) closed: Option<CloseReason>,
    pub(super) news: Pending,
    pub(super) queued: Queued,
}

/// What is left of a connection.
#[derive(Debug)]
pub(super) enum Body<P> {
    /// All of it.
    Live(Box<Connection<P>>),
    /// Only what the application has not read yet.
    Remains(Queue<P>),
}

/// How far a connection has come with its application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// A handshake with a stranger: the application does not know of it.
    HalfOpen(ListenerId, HalfOpenKey),
    /// Established; the application is not told yet.
    Unannounced(ListenerId),
    /// The application opened it or was told.
    Announced,
}

/// Which queues a connection is in: each at most once.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Queued {
    pub(super) touched: bool,
    pub(super) transmit: Transmit,
    pub(super) news: bool,
}

/// Whether a connection may want to send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Transmit {
    /// Nothing happened since it had nothing to send.
    #[default]
    Nothing,
    /// It gets its turn at the next `poll_transmit`.
    InTurn,
    /// It waits for room in a port.
    Blocked,
}

/// The way of one subflow's segments.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) port: PortIndex,
    /// The peer is not on the link: the port's gateway takes the segments.
    pub(super) by_gateway: bool,
    pub(super) neighbour: Option<NeighbourKey>,
    pub(super) header: PathHeader,
}

impl Way {
    /// Our address, and who takes the segments.
    pub(super) fn hop<P>(&self, port: &Port<P>) -> (IpAddr, IpAddr) {
        let (source, destination) = self.header.addresses();
        let gateway = if self.by_gateway { port.gateway(destination) } else { None };
        (source, gateway.unwrap_or(destination))
    }
}

impl<P> Slot<P> {
    pub(super) fn connection(&mut self) -> Option<&mut Connection<P>> {
        match &mut self.body {
            Body::Live(connection) => Some(connection),
            Body::Remains(_) => None,
        }
    }

    /// The first subflow's ends.
    pub(super) fn tuple(&self) -> Option<FourTuple>
    where
        P: Packet,
    {
        match &self.body {
            Body::Live(connection) => Some(connection.initial_tuple()),
            Body::Remains(_) => None,
        }
    }

    pub(super) fn way(&mut self, subflow: SubflowId) -> Option<&mut Way> {
        self.ways.get_mut(usize::from(subflow.0))?.as_mut()
    }

    pub(super) fn set_way(&mut self, subflow: SubflowId, way: Way) {
        let at = usize::from(subflow.0);
        if self.ways.len() <= at {
            self.ways.reserve_exact(at + 1 - self.ways.len());
            self.ways.resize_with(at + 1, || None);
        }
        self.ports.insert(way.port);
        self.ways[at] = Some(way);
    }

    /// The 4-tuples of all ways, each with its owner.
    pub(super) fn tuples(&self, connection: ConnectionId) -> impl Iterator<Item = (FourTuple, Owner)> + '_ {
        self.ways.iter().enumerate().filter_map(move |way| tuple_of(connection, way))
    }

    /// Whether nobody will ask for anything of it any more.
    pub(super) fn is_over(&self) -> bool {
        match &self.body {
            Body::Live(_) => false,
            Body::Remains(unread) => self.released || unread.is_empty() && self.news.is_empty(),
        }
    }
}

/// The 4-tuple of a way of a connection, which has the number `at`.
pub(super) fn tuple_of(
    connection: ConnectionId,
    (at, way): (usize, &Option<Way>),
) -> Option<(FourTuple, Owner)> {
    Some((way.as_ref()?.header.tuple(), Owner { connection, subflow: SubflowId(at as u8) }))
}
