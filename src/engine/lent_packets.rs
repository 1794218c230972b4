//! Received packets that clients read where they arrived.

use crate::shm::{ClientId, ClientSlot, PacketTicket};
use hashbrown::HashMap;
use std::any::Any;
use std::sync::Weak;

/// Who keeps the buffers of a packet while a client reads it: this does, until
/// the client's ticket comes back. Dropped before the ports.
#[derive(Debug)]
pub(super) struct LentPackets<P> {
    clients: HashMap<ClientId, Vec<Option<P>>>,
    /// Of clients that are gone and may still be reading.
    departed: Vec<Departed<P>>,
}

/// What a client held when it went.
#[derive(Debug)]
struct Departed<P> {
    reader: Weak<dyn Any + Send + Sync>,
    packets: Vec<Option<P>>,
}

impl<P> LentPackets<P> {
    pub(super) fn new() -> Self {
        Self { clients: HashMap::new(), departed: Vec::new() }
    }

    /// Keeps a packet for a client.
    pub(super) fn keep(&mut self, client: ClientId, ticket: PacketTicket, packet: P) {
        let packets = self.clients.entry(client).or_default();
        if packets.len() <= ticket.index() {
            packets.resize_with(ticket.index() + 1, || None);
        }
        packets[ticket.index()] = Some(packet);
    }

    /// The client has read a packet.
    pub(super) fn give_back(&mut self, client: ClientId, ticket: PacketTicket) {
        let place = self.clients.get_mut(&client).and_then(|packets| packets.get_mut(ticket.index()));
        drop(place.and_then(Option::take));
    }

    /// A client is gone. What it holds goes back as soon as nobody reads there:
    /// at once if it was another process.
    pub(super) fn remove(&mut self, client: ClientId, slot: &ClientSlot) {
        if let Some(packets) = self.clients.remove(&client)
            && let Some(allowed) = slot.in_place()
            && packets.iter().any(Option::is_some)
        {
            self.departed.push(Departed { reader: allowed.reader.clone(), packets });
        }
    }

    /// How many packets are kept.
    pub(super) fn count(&self) -> usize {
        let packets = self.clients.values().chain(self.departed.iter().map(|departed| &departed.packets));
        packets.flatten().flatten().count()
    }

    /// Gives back what clients that are gone do not read any more.
    pub(super) fn settle(&mut self) {
        if !self.departed.is_empty() {
            self.departed.retain(|departed| departed.reader.strong_count() > 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shm::{ClientSlot, InPlace, Limits, RegionConfig};
    use std::rc::Rc;
    use std::sync::Arc;

    #[test]
    fn what_a_reader_left_behind_goes_back_when_it_reads_no_more() {
        let reader: Arc<dyn Any + Send + Sync> = Arc::new(());
        let (mut slot, _attachment) =
            ClientSlot::in_process(&RegionConfig::default(), Limits::default()).unwrap();
        let allowed = InPlace { address: 0, bytes: 0, buffers: 1, reader: Arc::downgrade(&reader) };
        slot.allow_in_place(allowed);
        let (client, packet) = (ClientId(1), Rc::new(()));
        let mut lent = LentPackets::new();
        lent.clients.insert(client, vec![None, Some(Rc::clone(&packet))]);
        lent.remove(client, &slot);
        lent.settle();
        assert_eq!(Rc::strong_count(&packet), 2);
        drop(reader);
        lent.settle();
        assert_eq!(Rc::strong_count(&packet), 1);
    }
}
