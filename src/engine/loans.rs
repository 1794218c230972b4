//! Clients' memory that the devices read in place.

use super::{Bytes, Reclaim};
use crate::base::Packet;
use crate::device::{ClientMemory, LentBlocks};
use crate::shm::{Arena, ArenaSlice, ClientId, ClientSlot, Region};
use hashbrown::HashMap;
use std::rc::Rc;
use std::sync::Arc;

/// A client's transmit blocks, as the devices' packets.
type Blocks<P> = Rc<dyn LentBlocks<P>>;

/// Which clients' transmit blocks the devices read in place. Dropped behind the
/// ports, which may hold frames that refer to them.
#[derive(Debug)]
pub(super) struct Loans<P> {
    memory: Option<Arc<dyn ClientMemory<P>>>,
    live: HashMap<ClientId, Blocks<P>>,
    /// Of clients that are gone, with how many blocks each has: kept until no
    /// device reads them.
    departed: Vec<(Blocks<P>, u32)>,
    pub(super) reclaim: Reclaim,
}

impl<P: Packet + 'static> Loans<P> {
    /// No client yet; without `memory` every client's bytes are copied.
    pub(super) fn new(memory: Option<Arc<dyn ClientMemory<P>>>) -> Self {
        Self { memory, live: HashMap::new(), departed: Vec::new(), reclaim: Reclaim::default() }
    }

    /// The blocks of a new client, if its region lies in the devices' memory.
    pub(super) fn lend(&self, slot: &ClientSlot) -> Option<Blocks<P>> {
        let region = slot.region();
        let (bytes, count) = (region.block_bytes(Arena::Transmit), region.blocks(Arena::Transmit));
        let memory = self.memory.as_ref().filter(|_| region.is_lent())?;
        let blocks: Blocks<P> = memory.blocks(region.address(Arena::Transmit), bytes, count)?.into();
        let for_slot = Rc::clone(&blocks);
        slot.wait_for_devices(move |block| for_slot.is_free(block));
        Some(blocks)
    }

    /// They are this client's.
    pub(super) fn insert(&mut self, client: ClientId, blocks: Blocks<P>) {
        self.live.insert(client, blocks);
    }

    /// What the client sent, as the devices see it.
    pub(super) fn bytes(&self, client: ClientId, data: ArenaSlice) -> Bytes<P> {
        let Some(blocks) = self.live.get(&client) else { return Bytes::Arena(data) };
        let range = data.range();
        let packet = blocks.packet(range.block).slice(range.offset as usize, range.len as usize);
        Bytes::Lent(packet, data.into_hold())
    }

    /// A client is gone.
    pub(super) fn remove(&mut self, client: ClientId, region: &Region) {
        if let Some(blocks) = self.live.remove(&client) {
            self.departed.push((blocks, region.blocks(Arena::Transmit)));
        }
        self.departed.retain(|(blocks, count)| !(0..*count).all(|block| blocks.is_free(block)));
    }
}
