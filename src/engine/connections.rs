//! Which connection belongs to which client, and how far it has come with it.

use crate::base::ConnectionId;
use crate::shm::{ClientId, Reason, Ticket};
use hashbrown::HashMap;
use std::collections::VecDeque;

/// A connection as its client sees it.
#[derive(Debug)]
pub(super) struct Held<P> {
    pub(super) client: ClientId,
    pub(super) stage: Stage,
    /// Read from the endpoint, and not all of it copied to the client.
    pub(super) rest: Option<P>,
    pub(super) finish: Finish,
    /// No data moves any more, for this reason; the client hears of it behind
    /// the last byte.
    pub(super) closed: Option<Reason>,
    /// It is in the queue of those that have something for their client.
    pub(super) queued: bool,
}

/// How far a connection has come with its client.
#[derive(Debug)]
pub(super) enum Stage {
    /// The client asked for it; the handshake is under way.
    Opening(Ticket),
    /// Accepted; the client has to make room for it first.
    Waiting,
    /// The client knows it.
    Told,
}

/// The end of what the peer sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finish {
    /// It may send more.
    Open,
    /// It came; the client hears of it behind the last byte.
    Owed,
    /// The client heard of it.
    Told,
}

/// Every connection that belongs to a client, and the queue of those that have
/// something for it.
#[derive(Debug)]
pub(super) struct Connections<P> {
    held: HashMap<ConnectionId, Held<P>>,
    queue: VecDeque<ConnectionId>,
}

impl<P> Connections<P> {
    pub(super) fn new() -> Self {
        Self { held: HashMap::new(), queue: VecDeque::new() }
    }

    pub(super) fn insert(&mut self, id: ConnectionId, client: ClientId, stage: Stage) {
        let held = Held { client, stage, rest: None, finish: Finish::Open, closed: None, queued: false };
        self.held.insert(id, held);
    }

    pub(super) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Held<P>> {
        self.held.get_mut(&id)
    }

    /// The connection if it is this client's and the client knows it. The
    /// client's slot made sure already; this is the second lock on the door.
    pub(super) fn of_client(&mut self, id: ConnectionId, client: ClientId) -> Option<&mut Held<P>> {
        self.held.get_mut(&id).filter(|held| held.client == client && matches!(held.stage, Stage::Told))
    }

    pub(super) fn remove(&mut self, id: ConnectionId) -> Option<Held<P>> {
        self.held.remove(&id)
    }

    /// Takes out every connection of a client.
    pub(super) fn remove_client(&mut self, client: ClientId) -> Vec<ConnectionId> {
        self.held.extract_if(|_, held| held.client == client).map(|(id, _)| id).collect()
    }

    /// Takes out every connection.
    pub(super) fn drain(&mut self) -> Vec<(ConnectionId, Held<P>)> {
        self.queue.clear();
        self.held.drain().collect()
    }

    /// Puts a connection into the queue, once, and applies `change` to it.
    pub(super) fn note(&mut self, id: ConnectionId, change: impl FnOnce(&mut Held<P>)) {
        let Some(held) = self.held.get_mut(&id) else { return };
        change(held);
        if !held.queued {
            held.queued = true;
            self.queue.push_back(id);
        }
    }

    /// Takes the next connection out of the queue.
    pub(super) fn next_noted(&mut self) -> Option<ConnectionId> {
        loop {
            let id = self.queue.pop_front()?;
            // It may be gone meanwhile.
            if let Some(held) = self.held.get_mut(&id) {
                held.queued = false;
                return Some(id);
            }
        }
    }

    /// How many connections are in the queue, those gone meanwhile counted.
    pub(super) fn noted(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn len(&self) -> usize {
        self.held.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: ConnectionId = ConnectionId { index: 3, generation: 1 };

    #[test]
    fn only_the_owner_finds_what_it_was_told_of() {
        let (owner, other) = (ClientId(1), ClientId(2));
        let mut connections = Connections::<()>::new();
        connections.insert(ID, owner, Stage::Waiting);
        assert!(connections.of_client(ID, owner).is_none());
        connections.get_mut(ID).unwrap().stage = Stage::Told;
        assert!(connections.of_client(ID, owner).is_some());
        assert!(connections.of_client(ID, other).is_none());
        assert!(connections.of_client(ConnectionId { generation: 0, ..ID }, owner).is_none());
        assert!(connections.remove_client(other).is_empty());
        assert_eq!(connections.remove_client(owner), [ID]);
        assert_eq!(connections.len(), 0);
    }

    #[test]
    fn the_queue_names_each_once_and_forgets_the_gone() {
        let mut connections = Connections::<()>::new();
        let other = ConnectionId { index: 4, ..ID };
        connections.insert(ID, ClientId(1), Stage::Told);
        connections.insert(other, ClientId(1), Stage::Told);
        connections.note(ID, |held| held.finish = Finish::Owed);
        connections.note(ID, |_| {});
        connections.note(other, |_| {});
        connections.remove(ID);
        assert_eq!(connections.next_noted(), Some(other));
        assert_eq!(connections.next_noted(), None);
        connections.note(other, |_| {});
        assert_eq!(connections.next_noted(), Some(other));
    }
}
