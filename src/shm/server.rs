//! All clients of one engine thread.

use crate::shm::request::Violation;
use crate::shm::slot::ClientSlot;
use hashbrown::HashMap;

/// A client of one engine thread. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientId(pub u64);

/// The slots of all clients.
#[derive(Debug)]
pub struct Server {
    slots: HashMap<ClientId, ClientSlot>,
    limit: usize,
    added: u64,
}

impl Server {
    /// No client yet, and at most `limit`.
    pub fn new(limit: usize) -> Self {
        Self { slots: HashMap::new(), limit, added: 0 }
    }

    /// Adds a client; gives the slot back if there are too many.
    #[expect(clippy::result_large_err, reason = "a slot that is refused goes back whole")]
    pub fn add(&mut self, slot: ClientSlot) -> Result<ClientId, ClientSlot> {
        if self.slots.len() >= self.limit {
            return Err(slot);
        }
        self.added += 1;
        let id = ClientId(self.added);
        self.slots.insert(id, slot);
        Ok(id)
    }

    /// Takes a client out, so that its connections can be dealt with. Dropping
    /// the slot tells the client that the engine is gone.
    pub fn remove(&mut self, id: ClientId) -> Option<ClientSlot> {
        self.slots.remove(&id)
    }

    /// A client's slot.
    pub fn get_mut(&mut self, id: ClientId) -> Option<&mut ClientSlot> {
        self.slots.get_mut(&id)
    }

    /// Every client.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (ClientId, &mut ClientSlot)> {
        self.slots.iter_mut().map(|(&id, slot)| (id, slot))
    }

    /// Every client that is gone or broke the contract: to be removed.
    pub fn gone(&self) -> impl Iterator<Item = ClientId> + '_ {
        self.slots.iter().filter(|(_, slot)| slot.is_gone()).map(|(&id, _)| id)
    }

    /// Flushes every client; calls `violated` for those that broke the contract.
    /// Returns whether one [waits for devices](ClientSlot::waits_for_devices).
    pub fn flush(&mut self, mut violated: impl FnMut(ClientId, Violation)) -> bool {
        let mut waits = false;
        for (&id, slot) in &mut self.slots {
            if slot.is_gone() {
                continue;
            }
            if let Err(violation) = slot.flush() {
                violated(id, violation);
            }
            waits |= slot.waits_for_devices();
        }
        waits
    }

    /// Says to every client that the engine is about to sleep on their
    /// doorbells. `false` if there is something to do for one of them; call
    /// [`cancel_sleep`](Self::cancel_sleep) in either case when awake.
    pub fn prepare_sleep(&mut self) -> bool {
        self.slots.values_mut().all(|slot| !slot.is_gone() && slot.prepare_sleep() == Ok(true))
    }

    /// Says to every client that the engine is awake, and takes rings off their
    /// doorbells.
    pub fn cancel_sleep(&mut self) {
        for slot in self.slots.values_mut() {
            slot.cancel_sleep();
            slot.hear_doorbell();
        }
    }
}
