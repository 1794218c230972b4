//! Connections and subflows that we open.

use super::Endpoint;
use super::address::is_unicast;
use super::demux::Owner;
use super::ephemeral;
use super::event::Pending;
use super::path_header::PathHeader;
use super::route::{choose_source, route};
use super::slot::{Body, Queued, Slot, Standing, Way};
use crate::base::{AddressId, ConnectionId, Context, FourTuple, Key, Packet, PortIndex, PortSet, SubflowId};
use crate::mptcp::{Connection, HashedKey, LocalAddress, Path};
use std::net::{IpAddr, SocketAddr};

/// Why a connection cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The remote address or port cannot be a host's.
    #[error("the remote address is not one that a host can have")]
    RemoteInvalid,
    /// The local address is on no port of this endpoint.
    #[error("the local address is not one of this endpoint's")]
    AddressNotOurs,
    /// No port leads there.
    #[error("no route to the remote address")]
    NoRoute,
    /// The local port is taken, or the ephemeral range is used up towards that
    /// address.
    #[error("no free local port")]
    NoPort,
    /// [`Limits::connections`](super::Limits::connections) is reached.
    #[error("too many connections")]
    TooMany,
    /// No key was found whose token nobody has.
    #[error("no unique token")]
    NoToken,
}

/// Draws of a key before giving up: a collision is rarer than one in 65000,
/// but steering takes only one of as many as there are cores.
const KEY_DRAWS: usize = 4_096;

impl<P: Packet> Endpoint<P> {
    /// Opens a connection to `remote`: from `local`, or from the address that
    /// leads there; port 0 of `local` is drawn. [`Event::Connected`](super::Event::Connected)
    /// or [`Event::Closed`](super::Event::Closed) follows.
    ///
    /// # Errors
    /// [`ConnectError`]: nothing was sent.
    pub fn connect(
        &mut self,
        cx: &mut Context<'_>,
        local: Option<SocketAddr>,
        remote: SocketAddr,
    ) -> Result<ConnectionId, ConnectError> {
        let remote = SocketAddr::new(remote.ip(), remote.port());
        if !is_unicast(remote.ip()) || remote.port() == 0 {
            return Err(ConnectError::RemoteInvalid);
        }
        let (source, port) = self.choose_local(local, remote.ip())?;
        let id = self.next_connection(cx).ok_or(ConnectError::TooMany)?;
        let route = route(&self.ports, source, remote.ip()).ok_or(ConnectError::NoRoute)?;
        let tuple = self.choose_tuple(cx, route.port, source, port, remote).ok_or(ConnectError::NoPort)?;
        let path = self.path(cx, tuple).ok_or(ConnectError::NoRoute)?;
        let key = self.draw_key(cx).ok_or(ConnectError::NoToken)?;
        let sequence = self.initial_sequence(cx, &tuple, None);
        let connection = Connection::connect(self.mptcp.clone(), path, key, sequence, cx);
        self.insert_connection(id, connection, path, Standing::Announced);
        Ok(id)
    }

    fn choose_local(
        &self,
        local: Option<SocketAddr>,
        remote: IpAddr,
    ) -> Result<(IpAddr, Option<u16>), ConnectError> {
        let port = local.map(|local| local.port()).filter(|&port| port != 0);
        match local.map(|local| local.ip()).filter(|address| !address.is_unspecified()) {
            Some(address) if self.ports.iter().any(|port| port.owns(address)) => Ok((address, port)),
            Some(_) => Err(ConnectError::AddressNotOurs),
            None => Ok((choose_source(&self.ports, remote).ok_or(ConnectError::NoRoute)?, port)),
        }
    }

    /// A free 4-tuple with the wished local port, or with a random one. Ports
    /// that hardware brings to this core go first.
    fn choose_tuple(
        &self,
        cx: &mut Context<'_>,
        port: PortIndex,
        source: IpAddr,
        wished: Option<u16>,
        remote: SocketAddr,
    ) -> Option<FourTuple> {
        let tuple = |local_port| FourTuple { local: SocketAddr::new(source, local_port), remote };
        if let Some(wished) = wished {
            return Some(tuple(wished)).filter(|tuple| self.is_free(tuple));
        }
        let is_free = |port| self.is_free(&tuple(port)) && self.listeners.find(tuple(port).local).is_none();
        let steered = self.cores.as_ref().and_then(|cores| {
            let suits = |local| cores.steering.is_brought(port, &tuple(local)) && is_free(local);
            ephemeral::choose(cx.random, suits)
        });
        // No two cores draw the same at once: of one it would hear too late.
        let owned = |local| self.cores.as_ref().is_none_or(|cores| cores.steering.owns_port(port, local));
        steered.or_else(|| ephemeral::choose(cx.random, |local| owned(local) && is_free(local))).map(tuple)
    }

    /// The path manager of a connection wants a subflow.
    pub(super) fn open_subflow(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        local: LocalAddress,
        remote: SocketAddr,
        remote_id: AddressId,
    ) {
        let remote = SocketAddr::new(remote.ip(), remote.port());
        let path = self.path_of_join(cx, id, local, remote);
        let sequence = path.map(|path| self.initial_sequence(cx, &path.tuple, None));
        let Some(connection) = self.touch(id) else { return };
        let (Some(path), Some(sequence)) = (path, sequence) else {
            return connection.refuse_subflow(local.address, remote);
        };
        if let Some(subflow) = connection.open_subflow(cx, path, local.id, remote_id, sequence) {
            self.insert_way(id, subflow, path);
        }
    }

    /// A join leaves from the first subflow's local port where that is free
    /// (RFC 8684 §3.9.1).
    fn path_of_join(
        &self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        local: LocalAddress,
        remote: SocketAddr,
    ) -> Option<Path> {
        if !is_unicast(remote.ip()) || remote.port() == 0 {
            return None;
        }
        let port = route(&self.ports, local.address, remote.ip())?.port;
        let same = Some(self.connections.get(id.index, id.generation)?.tuple()?.local.port());
        let same = self.choose_tuple(cx, port, local.address, same, remote);
        let owned = same
            .filter(|tuple| self.cores.as_ref().is_none_or(|cores| cores.steering.owns_tuple(port, tuple)));
        let tuple = owned.or_else(|| self.choose_tuple(cx, port, local.address, None, remote))?;
        self.path(cx, tuple)
    }

    /// A key whose token nobody has (RFC 8684 §3.1), if MPTCP is spoken.
    pub(super) fn draw_key(&self, cx: &mut Context<'_>) -> Option<HashedKey> {
        if !self.mptcp.enabled {
            return Some(HashedKey::UNUSED);
        }
        let mut unique = None;
        for _ in 0..KEY_DRAWS {
            let key = HashedKey::of(Key(cx.random.next_u64()));
            if self.demux.by_token(key.token()).is_some() {
                continue;
            }
            unique = Some(key);
            if self.cores.as_ref().is_none_or(|cores| cores.steering.owns_token(key.token())) {
                break;
            }
        }
        unique
    }

    /// Stores a connection under the id that `next_connection` gave.
    pub(super) fn insert_connection(
        &mut self,
        id: ConnectionId,
        connection: Connection<P>,
        path: Path,
        standing: Standing,
    ) {
        let token = connection.token();
        let slot = Slot {
            body: Body::Live(Box::new(connection)),
            standing,
            token,
            timer: self.wheel.create(id),
            ways: Vec::new(),
            ports: PortSet::EMPTY,
            released: false,
            closed: None,
            news: Pending::default(),
            queued: Queued::default(),
        };
        if self.connections.insert(slot).is_ok() {
            if self.mptcp.enabled {
                self.demux.insert_token(token, id);
            }
            self.insert_way(id, SubflowId(0), path);
            self.touch(id);
        }
    }

    /// Notes where a subflow's segments go and whose those are that come.
    pub(super) fn insert_way(&mut self, id: ConnectionId, subflow: SubflowId, path: Path) {
        let port = &self.ports[usize::from(path.port.0)];
        let header = PathHeader::new(&port.config, &path.tuple);
        let by_gateway = port.prefix_bits(path.tuple.remote.ip()).is_none();
        let way = Way { port: path.port, by_gateway, neighbour: None, header };
        if let Some(slot) = self.slot_mut(id) {
            slot.set_way(subflow, way);
            self.demux.insert(&path.tuple, Owner { connection: id, subflow });
            self.claim_tuple(path.port, &path.tuple);
        }
    }
}
