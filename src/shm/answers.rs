//! What the engine says to a client.

use crate::base::{ConnectionId, ListenerId, Packet};
use crate::shm::in_place::{PacketTicket, Released};
use crate::shm::request::{Question, Ticket, connection_handle};
use crate::shm::slot::{ClientSlot, Listener};
use mpdk_client::layout::{ConnectionInfo, Reason};
use mpdk_client::{Completion, ListenerHandle};
use std::net::SocketAddr;

impl ClientSlot {
    /// Answers `Listen`: `address` has the port that was chosen.
    pub fn listening(&mut self, ticket: Ticket, listener: ListenerId, address: SocketAddr) {
        let (user_data, _) = ticket.redeem();
        let backlog = self.opening.backlogs.remove(&user_data).unwrap_or(1);
        self.listeners_opened = self.listeners_opened.wrapping_add(1);
        let handle = ListenerHandle(u64::from(self.listeners_opened) << 32 | u64::from(listener.0));
        self.listeners.insert(listener, Listener { handle, user_data, backlog, credit: backlog });
        self.say(Completion::Listening { user_data, listener: handle, address });
    }

    /// Answers `Connect`.
    pub fn connected(
        &mut self,
        ticket: Ticket,
        connection: ConnectionId,
        local: SocketAddr,
        remote: SocketAddr,
    ) {
        self.opening.connections = self.opening.connections.saturating_sub(1);
        self.receive.add(connection);
        let (user_data, _) = ticket.redeem();
        let connection = connection_handle(connection);
        self.say(Completion::Connected { user_data, connection, local, remote });
    }

    /// Answers any question: it cannot be.
    pub fn failed(&mut self, ticket: Ticket, reason: Reason) {
        let (user_data, question) = ticket.redeem();
        match question {
            Question::Listen => drop(self.opening.backlogs.remove(&user_data)),
            Question::Connect => self.opening.connections = self.opening.connections.saturating_sub(1),
            Question::Info => {}
        }
        self.say(Completion::Failed { user_data, reason });
    }

    /// Answers `Info`. If every receive block is lent the client is told to ask
    /// again.
    pub fn info(&mut self, ticket: Ticket, connection: ConnectionId, info: &ConnectionInfo) {
        match self.receive.lend_info(info) {
            Some(range) => {
                let (user_data, _) = ticket.redeem();
                let connection = connection_handle(connection);
                self.say(Completion::Info { user_data, connection, range });
            }
            None => self.failed(ticket, Reason::NO_BUFFERS),
        }
    }

    /// How many more connections of a listener the client takes now.
    pub fn accept_room(&self, listener: ListenerId) -> usize {
        let credit = self.listeners.get(&listener).map_or(0, |listener| listener.credit as usize);
        credit.min(self.limits.connections.saturating_sub(self.receive.len() + self.opening.connections))
    }

    /// Hands a connection to the client. `false` if there is no
    /// [`accept_room`](Self::accept_room): the connection stays the engine's.
    #[must_use]
    pub fn accepted(
        &mut self,
        listener: ListenerId,
        connection: ConnectionId,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> bool {
        if self.accept_room(listener) == 0 {
            return false;
        }
        let Some(listener) = self.listeners.get_mut(&listener) else { return false };
        listener.credit -= 1;
        let user_data = listener.user_data;
        self.receive.add(connection);
        self.say(Completion::Accepted {
            user_data,
            connection: connection_handle(connection),
            local,
            remote,
        });
        true
    }

    /// Copies received bytes into the client's receive arena: as many as it has
    /// room for, which is returned. What several packets leave in one block
    /// goes to the client together, at the next [`flush`](Self::flush). If not
    /// all were taken, hold the rest until
    /// [`next_receivable`](Self::next_receivable) names the connection.
    pub fn copy_in(&mut self, connection: ConnectionId, packet: &impl Packet) -> usize {
        self.receive.copy_in(connection, packet, &mut self.pending)
    }

    /// Lends a received packet to the client where it lies: all of it or nothing.
    /// The caller keeps the packet until [`next_released`](Self::next_released)
    /// names the ticket. `None`: it is to be copied, because the client may hold
    /// no more or does not see it, or because that is cheaper.
    pub fn lend(&mut self, connection: ConnectionId, packet: &impl Packet) -> Option<PacketTicket> {
        let packets = self.packets.as_mut().filter(|_| self.receive.contains(connection))?;
        if !packets.accepts(packet) {
            return None;
        }
        // Bytes that were copied come before it.
        self.pending.extend(self.receive.finish(connection));
        Some(packets.lend(connection, packet, &mut self.pending))
    }

    /// A packet that the client has given back, to be dropped. Each is named once;
    /// call it until there is none.
    pub fn next_released(&mut self) -> Option<Released> {
        self.packets.as_mut()?.next_released()
    }

    /// A connection for which [`copy_in`](Self::copy_in) did not take all
    /// before, and may now. Each is named once; call it until there is none.
    pub fn next_receivable(&mut self) -> Option<ConnectionId> {
        self.receive.next_receivable()
    }

    /// The peer sends no more: after all its bytes were copied in, once.
    pub fn received_fin(&mut self, connection: ConnectionId) {
        if self.receive.contains(connection) {
            self.finish(connection);
            self.say(Completion::ReceivedFin { connection: connection_handle(connection) });
        }
    }

    /// The connection is over; its id means nothing to the client any more.
    pub fn closed(&mut self, connection: ConnectionId, reason: Reason) {
        self.finish(connection);
        if self.receive.remove(connection) {
            self.say(Completion::Closed { connection: connection_handle(connection), reason });
        }
    }

    fn finish(&mut self, connection: ConnectionId) {
        if let Some(received) = self.receive.finish(connection) {
            self.say(received);
        }
    }

    /// Queues a completion. A client that is gone hears nothing more.
    fn say(&mut self, completion: Completion) {
        if !self.is_gone() {
            self.pending.push_back(completion);
        }
    }
}
