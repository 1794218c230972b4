//! What the application does with listeners and connections.

use super::ephemeral;
use super::slot::{Body, Slot, Standing};
use super::{Endpoint, ListenError};
use crate::base::{AddressId, ConnectionId, Context, ListenerId, Packet, SubflowId};
use std::net::SocketAddr;

impl<P: Packet> Endpoint<P> {
    /// Takes connections to `address`: 0.0.0.0 or [::] stand for every address
    /// of their family, and port 0 for a free one, which
    /// [`listener_address`](Self::listener_address) tells. At most `backlog`
    /// connections wait to be established or told of.
    ///
    /// # Errors
    /// [`ListenError`].
    pub fn listen(
        &mut self,
        cx: &mut Context<'_>,
        address: SocketAddr,
        backlog: usize,
    ) -> Result<ListenerId, ListenError> {
        let ip = address.ip();
        if !ip.is_unspecified() && !self.ports.iter().any(|port| port.owns(ip)) {
            return Err(ListenError::AddressNotOurs);
        }
        let port = match address.port() {
            0 => ephemeral::choose(cx.random, |port| !self.listeners.is_taken(SocketAddr::new(ip, port)))
                .ok_or(ListenError::NoPort)?,
            port => port,
        };
        self.listeners.listen(SocketAddr::new(ip, port), backlog)
    }

    /// Takes no more connections. Those that were not told of are aborted, the
    /// others stay.
    pub fn close_listener(&mut self, cx: &mut Context<'_>, id: ListenerId) {
        for connection in self.listeners.close(id) {
            self.forget(connection);
        }
        let unannounced = |slot: &Slot<P>| slot.standing == Standing::Unannounced(id);
        for connection in self.ids(unannounced) {
            self.abort(cx, connection);
        }
    }

    /// Where a listener listens.
    pub fn listener_address(&self, id: ListenerId) -> Option<SocketAddr> {
        self.listeners.address(id)
    }

    /// Bytes that [`write`](Self::write) takes now; 0 for a connection that is
    /// gone.
    pub fn send_capacity(&self, id: ConnectionId) -> usize {
        match self.slot(id).map(|slot| &slot.body) {
            Some(Body::Live(connection)) => connection.send_capacity(),
            _ => 0,
        }
    }

    /// Bytes written that the peer has not acknowledged; 0 for a connection that
    /// is gone.
    pub fn send_buffered(&self, id: ConnectionId) -> usize {
        match self.slot(id).map(|slot| &slot.body) {
            Some(Body::Live(connection)) => connection.send_buffered(),
            _ => 0,
        }
    }

    /// Appends to the stream.
    ///
    /// # Errors
    /// The payload comes back when the connection is gone or takes no more.
    pub fn write(&mut self, cx: &mut Context<'_>, id: ConnectionId, payload: P) -> Result<(), P> {
        match self.touch(id) {
            Some(connection) => connection.write(cx, payload),
            None => Err(payload),
        }
    }

    /// The next bytes of the stream, by reference. They take up the receive
    /// window until [`consumed`](Self::consumed) is told of them.
    pub fn read(&mut self, id: ConnectionId) -> Option<P> {
        let read = match &mut self.slot_mut(id)?.body {
            Body::Live(connection) => connection.read(),
            Body::Remains(unread) => unread.pop_front(),
        };
        self.remove_if_over(id);
        read
    }

    /// The application is done with `bytes` of what it read.
    pub fn consumed(&mut self, id: ConnectionId, bytes: usize) {
        if let Some(connection) = self.touch(id) {
            connection.consumed(bytes);
        }
    }

    /// No more is written: the peer sees the end after what is queued.
    pub fn close(&mut self, cx: &mut Context<'_>, id: ConnectionId) {
        if let Some(connection) = self.touch(id) {
            connection.close(cx);
        }
    }

    /// Closes, and nobody reads any more either: what is queued is still sent,
    /// data that still comes is refused. The id means nothing any more.
    pub fn release(&mut self, cx: &mut Context<'_>, id: ConnectionId) {
        if let Some(connection) = self.touch(id) {
            connection.release(cx);
        }
        self.disown(id);
    }

    /// Ends a connection at once: MP_FASTCLOSE or RST. The id means nothing any
    /// more.
    pub fn abort(&mut self, cx: &mut Context<'_>, id: ConnectionId) {
        if let Some(connection) = self.touch(id) {
            connection.abort(cx);
        }
        self.disown(id);
    }

    fn disown(&mut self, id: ConnectionId) {
        if let Some(slot) = self.slot_mut(id) {
            slot.released = true;
            slot.news.clear();
        }
        self.retire(id);
        self.remove_if_over(id);
    }

    /// Asks the peer to use a subflow only when no other is left, or no longer
    /// so (MP_PRIO).
    pub fn set_backup(&mut self, id: ConnectionId, subflow: SubflowId, backup: bool) {
        if let Some(connection) = self.touch(id) {
            connection.set_backup(subflow, backup);
        }
    }

    /// Tells the peers of all connections that an address of ours is gone
    /// (REMOVE_ADDR); its subflows end.
    pub fn withdraw_address(&mut self, cx: &mut Context<'_>, address: AddressId) {
        for id in self.ids(|_| true) {
            if let Some(connection) = self.touch(id) {
                connection.withdraw_address(cx, address);
            }
        }
    }

    /// Begins to shut down in order: nobody listens any more, every connection
    /// is released. [`is_idle`](Self::is_idle) tells when all is sent.
    pub fn close_all(&mut self, cx: &mut Context<'_>) {
        self.close_listeners(cx);
        for id in self.ids(|_| true) {
            self.release(cx, id);
        }
    }

    /// Shuts down at once: every connection is aborted.
    pub fn abort_all(&mut self, cx: &mut Context<'_>) {
        self.close_listeners(cx);
        for id in self.ids(|_| true) {
            self.abort(cx, id);
        }
    }

    fn close_listeners(&mut self, cx: &mut Context<'_>) {
        let listeners: Vec<_> = self.listeners.iter().map(|(id, _)| id).collect();
        for id in listeners {
            self.close_listener(cx, id);
        }
    }

    /// Whether nothing is owed to anybody: every connection is closed and no
    /// frame waits.
    pub fn is_idle(&self) -> bool {
        let open = |slot: &Slot<P>| matches!(slot.body, Body::Live(_)) && slot.closed.is_none();
        self.touched.is_empty()
            && self.sending.is_empty()
            && self.blocked.is_empty()
            && !self.connections.iter().any(|(_, slot)| open(slot))
            && self.ports.iter().all(|port| port.output.is_empty() && port.neighbours.is_quiet())
    }

    /// The connections that `wanted` takes.
    pub(super) fn ids(&self, wanted: impl Fn(&Slot<P>) -> bool) -> Vec<ConnectionId> {
        let matching = self.connections.iter().filter(|(_, slot)| wanted(slot));
        matching.map(|((index, generation), _)| ConnectionId { index, generation }).collect()
    }
}
