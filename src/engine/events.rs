//! What the endpoint tells of its connections.

use super::connections::{Finish, Stage};
use super::host::{Host, reason_of};
use crate::base::{ConnectionId, Packet};
use crate::endpoint::{CloseReason, Event};
use crate::shm::{Reason, Server};

/// Events before the rest of the turn.
const EVENTS_PER_TURN: usize = 1_024;

impl<D: Packet + 'static> Host<D> {
    /// Takes in what the endpoint has to tell. Returns how much that was.
    pub(super) fn take_events(&mut self, server: &mut Server) -> usize {
        let mut taken = 0;
        while taken < EVENTS_PER_TURN {
            let Some(event) = self.endpoint.poll_event(&mut self.world.cx()) else { break };
            self.take_event(server, event);
            taken += 1;
        }
        taken
    }

    fn take_event(&mut self, server: &mut Server, event: Event) {
        if let Some(resident) = &mut self.resident
            && resident.take_event(&mut self.world.cx(), &mut self.endpoint, &event)
        {
            return;
        }
        match event {
            Event::Accepted { listener, connection } => self.welcome(server, listener, connection),
            Event::Connected(id) => self.tell_connected(server, id),
            Event::Readable(id) => self.connections.note(id, |_| {}),
            // A client's transmit arena bounds what it has under way.
            Event::Writable(_) => {}
            Event::PeerFinished(id) => self.connections.note(id, |held| held.finish = Finish::Owed),
            Event::Closed(id, reason) => self.take_end(server, id, reason),
        }
    }

    fn tell_connected(&mut self, server: &mut Server, id: ConnectionId) {
        let Some(held) = self.connections.get_mut(id) else { return };
        let slot = server.get_mut(held.client);
        let (Some(slot), Some(info)) = (slot, self.endpoint.info(id)) else { return };
        if let Stage::Opening(ticket) = std::mem::replace(&mut held.stage, Stage::Told) {
            slot.connected(ticket, id, info.tuple.local, info.tuple.remote);
            self.connections.note(id, |_| {});
        }
    }

    /// No data moves any more. A client that waits for the handshake hears of
    /// it at once, another one behind the last byte.
    fn take_end(&mut self, server: &mut Server, id: ConnectionId, reason: CloseReason) {
        let Some(held) = self.connections.get_mut(id) else { return };
        if !matches!(held.stage, Stage::Opening(_)) {
            return self.connections.note(id, |held| held.closed = Some(reason_of(reason)));
        }
        self.endpoint.release(&mut self.world.cx(), id);
        let Some(held) = self.connections.remove(id) else { return };
        if let (Stage::Opening(ticket), Some(slot)) = (held.stage, server.get_mut(held.client)) {
            let reason = match reason_of(reason) {
                // It ended before it began.
                Reason::NONE => Reason::RESET,
                reason => reason,
            };
            slot.failed(ticket, reason);
        }
    }
}
