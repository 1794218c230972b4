//! Listeners, and the connections that wait until their client makes room.

use crate::base::{ConnectionId, ListenerId};
use crate::shm::ClientId;
use hashbrown::HashMap;
use std::collections::VecDeque;

/// A listener of a client.
#[derive(Debug)]
struct Listener {
    client: ClientId,
    /// The most connections that wait.
    backlog: usize,
    waiting: VecDeque<ConnectionId>,
}

/// Every listener that belongs to a client.
#[derive(Debug)]
pub(super) struct Listeners {
    by_id: HashMap<ListenerId, Listener>,
    /// Those for which a connection waits.
    crowded: Vec<ListenerId>,
}

impl Listeners {
    pub(super) fn new() -> Self {
        Self { by_id: HashMap::new(), crowded: Vec::new() }
    }

    pub(super) fn insert(&mut self, id: ListenerId, client: ClientId, backlog: usize) {
        self.by_id.insert(id, Listener { client, backlog, waiting: VecDeque::new() });
    }

    /// Whose listener it is.
    pub(super) fn client(&self, id: ListenerId) -> Option<ClientId> {
        self.by_id.get(&id).map(|listener| listener.client)
    }

    /// Lets a connection wait behind those that came before; `false` if too
    /// many wait.
    pub(super) fn wait(&mut self, id: ListenerId, connection: ConnectionId) -> bool {
        let Some(listener) = self.by_id.get_mut(&id) else { return false };
        if listener.waiting.len() >= listener.backlog {
            return false;
        }
        if listener.waiting.is_empty() {
            self.crowded.push(id);
        }
        listener.waiting.push_back(connection);
        true
    }

    /// Calls `admit` with the listener's client and each connection that waits,
    /// oldest first, until it says `false`: there is no more room.
    pub(super) fn admit_waiting(
        &mut self,
        mut admit: impl FnMut(ListenerId, ClientId, ConnectionId) -> bool,
    ) {
        self.crowded.retain(|&id| {
            let Some(listener) = self.by_id.get_mut(&id) else { return false };
            while let Some(&connection) = listener.waiting.front() {
                if !admit(id, listener.client, connection) {
                    return true;
                }
                listener.waiting.pop_front();
            }
            false
        });
    }

    /// Takes a listener of the client out, with the connections that waited.
    pub(super) fn remove(&mut self, id: ListenerId, client: ClientId) -> Option<VecDeque<ConnectionId>> {
        self.by_id.get(&id).filter(|listener| listener.client == client)?;
        self.by_id.remove(&id).map(|listener| listener.waiting)
    }

    /// Takes out every listener of a client.
    pub(super) fn remove_client(&mut self, client: ClientId) -> Vec<ListenerId> {
        self.by_id.extract_if(|_, listener| listener.client == client).map(|(id, _)| id).collect()
    }

    /// Takes out every listener.
    pub(super) fn clear(&mut self) {
        self.by_id.clear();
        self.crowded.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: ClientId = ClientId(1);
    const ID: ListenerId = ListenerId(9);

    fn connection(index: u32) -> ConnectionId {
        ConnectionId { index, generation: 0 }
    }

    #[test]
    fn connections_wait_in_order_and_are_bounded() {
        let mut listeners = Listeners::new();
        assert!(!listeners.wait(ID, connection(0)));
        listeners.insert(ID, CLIENT, 3);
        assert!((1..=3).all(|index| listeners.wait(ID, connection(index))));
        assert!(!listeners.wait(ID, connection(4)));
        let mut admitted = Vec::new();
        let mut admit = |room: usize| {
            admitted.clear();
            listeners.admit_waiting(|id, client, connection| {
                assert_eq!((id, client), (ID, CLIENT));
                let fits = admitted.len() < room;
                if fits {
                    admitted.push(connection.index);
                }
                fits
            });
            admitted.clone()
        };
        assert!(admit(0).is_empty());
        assert_eq!(admit(2), [1, 2]);
        assert_eq!(admit(2), [3]);
        assert!(admit(2).is_empty());
    }

    #[test]
    fn only_the_owner_closes() {
        let mut listeners = Listeners::new();
        listeners.insert(ID, CLIENT, 1);
        assert!(listeners.wait(ID, connection(1)));
        assert_eq!(listeners.remove(ID, ClientId(2)), None);
        assert!(listeners.remove_client(ClientId(2)).is_empty());
        assert_eq!(listeners.remove(ID, CLIENT), Some([connection(1)].into()));
        assert_eq!(listeners.client(ID), None);
        listeners.admit_waiting(|_, _, _| panic!("a closed listener has nobody waiting"));
    }
}
