//! What clients ask for.

use super::Bytes;
use super::connections::Stage;
use super::host::Host;
use super::loans::Loans;
use crate::base::{ConnectionId, ListenerId, Packet};
use crate::endpoint::{ConnectError, ListenError};
use crate::shm::{ClientId, ClientSlot, Reason, Released, Request, Server, Ticket};
use std::net::SocketAddr;

/// Requests of one client before it is the next one's turn.
const REQUESTS_PER_TURN: usize = 256;

impl<D: Packet + 'static> Host<D> {
    /// Takes a batch of requests of each client. Returns how many there were.
    pub(super) fn take_requests(&mut self, server: &mut Server, loans: &Loans<D>) -> usize {
        let mut taken = 0;
        for (client, slot) in server.iter_mut() {
            for _ in 0..REQUESTS_PER_TURN {
                // A violation shows in `remove_gone`.
                let Ok(Some(request)) = slot.next_request() else { break };
                self.apply(client, slot, loans, request);
                taken += 1;
            }
            while let Some(Released { ticket, connection, bytes }) = slot.next_released() {
                self.lent.give_back(client, ticket);
                self.endpoint.consumed(connection, bytes);
                taken += 1;
            }
            while let Some(id) = slot.next_receivable() {
                self.connections.note(id, |_| {});
                taken += 1;
            }
        }
        self.admit_waiting(server);
        taken
    }

    fn apply(&mut self, client: ClientId, slot: &mut ClientSlot, loans: &Loans<D>, request: Request) {
        match request {
            Request::Listen { ticket, address, backlog, plain_tcp } => {
                self.listen(client, slot, ticket, address, backlog, plain_tcp);
            }
            Request::CloseListener { listener } => self.close_listener(client, listener),
            Request::Connect { ticket, remote, local, plain_tcp } => {
                self.connect(client, slot, ticket, remote, local, plain_tcp);
            }
            Request::Send { connection, data } => self.send(client, connection, loans.bytes(client, data)),
            Request::ShutdownWrite { connection } => {
                if self.connections.of_client(connection, client).is_some() {
                    self.endpoint.close(&mut self.world.cx(), connection);
                }
            }
            Request::Close { connection } => self.close(client, slot, connection),
            Request::Abort { connection } => self.abort(client, slot, connection),
            Request::Info { ticket, connection } => self.answer_info(client, slot, ticket, connection),
        }
    }

    fn listen(
        &mut self,
        client: ClientId,
        slot: &mut ClientSlot,
        ticket: Ticket,
        address: SocketAddr,
        backlog: u32,
        plain_tcp: bool,
    ) {
        if plain_tcp && self.mptcp_enabled {
            return slot.failed(ticket, UNSUPPORTED);
        }
        let backlog = (backlog as usize).max(1);
        match self.endpoint.listen(&mut self.world.cx(), address, backlog) {
            Ok(id) => {
                let address = self.endpoint.listener_address(id).unwrap_or(address);
                self.listeners.insert(id, client, backlog);
                slot.listening(ticket, id, address);
            }
            Err(error) => slot.failed(ticket, reason_of_listen(error)),
        }
    }

    /// The connections that the client was not told of end here; it ends the
    /// others itself.
    fn close_listener(&mut self, client: ClientId, listener: ListenerId) {
        let Some(waiting) = self.listeners.remove(listener, client) else { return };
        self.endpoint.close_listener(&mut self.world.cx(), listener);
        for id in waiting {
            self.connections.remove(id);
            self.endpoint.abort(&mut self.world.cx(), id);
        }
    }

    fn connect(
        &mut self,
        client: ClientId,
        slot: &mut ClientSlot,
        ticket: Ticket,
        remote: SocketAddr,
        local: Option<SocketAddr>,
        plain_tcp: bool,
    ) {
        if plain_tcp && self.mptcp_enabled {
            return slot.failed(ticket, UNSUPPORTED);
        }
        match self.endpoint.connect(&mut self.world.cx(), local, remote) {
            Ok(id) => self.connections.insert(id, client, Stage::Opening(ticket)),
            Err(error) => slot.failed(ticket, reason_of_connect(error)),
        }
    }

    /// What a connection that is over does not take goes back to the client.
    fn send(&mut self, client: ClientId, id: ConnectionId, data: Bytes<D>) {
        if self.connections.of_client(id, client).is_some() {
            drop(self.endpoint.write(&mut self.world.cx(), id, data));
        }
    }

    fn close(&mut self, client: ClientId, slot: &mut ClientSlot, id: ConnectionId) {
        let Some(held) = self.connections.of_client(id, client) else { return };
        // Bytes that came and that nobody read make it a reset, as a close with
        // unread data does anywhere (RFC 2525 §2.17).
        let (unread, reason) = (held.rest.is_some(), held.closed.unwrap_or(Reason::NONE));
        self.connections.remove(id);
        if unread {
            self.endpoint.abort(&mut self.world.cx(), id);
        } else {
            self.endpoint.release(&mut self.world.cx(), id);
        }
        slot.closed(id, reason);
    }

    fn abort(&mut self, client: ClientId, slot: &mut ClientSlot, id: ConnectionId) {
        let Some(held) = self.connections.of_client(id, client) else { return };
        let reason = held.closed.unwrap_or(Reason::ABORTED);
        self.connections.remove(id);
        self.endpoint.abort(&mut self.world.cx(), id);
        slot.closed(id, reason);
    }

    fn answer_info(&mut self, client: ClientId, slot: &mut ClientSlot, ticket: Ticket, id: ConnectionId) {
        let known = self.connections.of_client(id, client).is_some();
        match self.describe(id).filter(|_| known) {
            Some(info) => slot.info(ticket, id, &info),
            None => slot.failed(ticket, Reason::NOT_CONNECTED),
        }
    }
}

/// Single connections cannot do without MPTCP where the configuration says that
/// it is spoken.
const UNSUPPORTED: Reason = Reason(libc::EOPNOTSUPP as u32);

const fn reason_of_listen(error: ListenError) -> Reason {
    match error {
        ListenError::AddressNotOurs => Reason::ADDRESS_NOT_AVAILABLE,
        ListenError::AddressInUse | ListenError::NoPort => Reason::ADDRESS_IN_USE,
        ListenError::TooMany => Reason::TOO_MANY,
        ListenError::NoBacklog => Reason::INVALID,
    }
}

const fn reason_of_connect(error: ConnectError) -> Reason {
    match error {
        ConnectError::RemoteInvalid => Reason::INVALID,
        ConnectError::AddressNotOurs => Reason::ADDRESS_NOT_AVAILABLE,
        ConnectError::NoRoute => Reason::UNREACHABLE,
        ConnectError::NoPort => Reason::ADDRESS_IN_USE,
        ConnectError::TooMany | ConnectError::NoToken => Reason::TOO_MANY,
    }
}
