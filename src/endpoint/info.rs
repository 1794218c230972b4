//! What people may look at while the host runs.

use super::slot::{Body, Standing};
use super::{CloseReason, Endpoint, PortConfig, PortStatistics, SubflowInfo};
use crate::base::{ConnectionId, FourTuple, ListenerId, Packet, PortIndex, Token};
use crate::wire::MacAddress;
use std::net::{IpAddr, SocketAddr};

/// A connection.
#[derive(Clone, Debug)]
pub struct ConnectionInfo {
    /// Its id.
    pub id: ConnectionId,
    /// The first subflow's ends, even after it is gone (RFC 8684 §4).
    pub tuple: FourTuple,
    /// Names it in joins.
    pub token: Token,
    /// Plain TCP: from the start, or fallen back.
    pub fallback: bool,
    /// Whether its handshake is not complete and the application does not know
    /// of it.
    pub half_open: bool,
    /// Why no data moves any more, if so.
    pub closed: Option<CloseReason>,
    /// Frames of its subflows that came to another core.
    pub taken_over_frames: u64,
    /// Its subflows.
    pub subflows: Vec<SubflowInfo>,
}

/// A listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenerInfo {
    /// Its id.
    pub id: ListenerId,
    /// Where it listens.
    pub address: SocketAddr,
    /// Connections that wait to be established or told of.
    pub waiting: usize,
    /// The most of them.
    pub backlog: usize,
}

impl<P: Packet> Endpoint<P> {
    /// One connection, unless nothing is left of it but unread data.
    pub fn info(&self, id: ConnectionId) -> Option<ConnectionInfo> {
        let slot = self.slot(id)?;
        let Body::Live(connection) = &slot.body else { return None };
        Some(ConnectionInfo {
            id,
            tuple: connection.initial_tuple(),
            token: slot.token,
            fallback: connection.is_fallback(),
            half_open: matches!(slot.standing, Standing::HalfOpen(..)),
            closed: slot.closed,
            taken_over_frames: slot.tuples(id).map(|(tuple, _)| self.taken_over(&tuple)).sum(),
            subflows: connection.subflows().collect(),
        })
    }

    /// Every connection.
    pub fn connections(&self) -> impl Iterator<Item = ConnectionInfo> + '_ {
        self.connections
            .iter()
            .filter_map(|((index, generation), _)| self.info(ConnectionId { index, generation }))
    }

    /// How many connections there are, those of which only unread data is left
    /// counted.
    pub fn connection_count(&self) -> usize {
        self.connections.len()
    }

    /// How many 4-tuples are in TIME_WAIT.
    pub fn time_wait_count(&self) -> usize {
        self.time_waits.len()
    }

    /// Every listener.
    pub fn listeners(&self) -> impl Iterator<Item = ListenerInfo> + '_ {
        self.listeners.iter().map(|(id, listener)| ListenerInfo {
            id,
            address: listener.address,
            waiting: listener.waiting(),
            backlog: listener.backlog(),
        })
    }

    /// What passed through a port.
    pub fn port_statistics(&self, port: PortIndex) -> Option<&PortStatistics> {
        self.port(port).map(|port| &port.statistics)
    }

    /// How a port is configured.
    pub fn port_config(&self, port: PortIndex) -> Option<&PortConfig> {
        self.port(port).map(|port| &port.config)
    }

    /// The neighbours of a port, each with its Ethernet address if that is known.
    pub fn neighbours(&self, port: PortIndex) -> impl Iterator<Item = (IpAddr, Option<MacAddress>)> + '_ {
        self.port(port).into_iter().flat_map(|port| port.neighbours.iter())
    }
}
