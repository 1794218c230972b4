//! Packets that a client reads where they arrived: which it holds, and how many
//! more it may.

use crate::base::{ConnectionId, Packet};
use crate::shm::request::{Violation, connection_handle};
use mpdk_client::layout::{PACKET_PIECES, TICKETS_MOST};
use mpdk_client::{Completion, PacketRange, Pieces};
use std::any::Any;
use std::collections::VecDeque;
use std::sync::Weak;

/// A packet of fewer bytes is copied: a ticket that comes and goes takes some 90 ns
/// more than handing over a copy, in which a kilobyte is copied even if it lies
/// in no near cache.
const BYTES_LEAST: usize = 1024;
/// So is one with fewer bytes in each of its buffers: it would hold them whole.
const BYTES_PER_BUFFER: usize = 512;

/// What a client may read in place, by the engine's decision at attach.
#[derive(Clone, Debug)]
pub struct InPlace {
    /// Where packet memory begins, for the engine.
    pub address: usize,
    /// How many bytes it has.
    pub bytes: usize,
    /// Packet buffers that the client may hold, and tickets that it has.
    pub buffers: u32,
    /// Alive while a client of this process may read there, whether it is still
    /// served or not. Another process cannot read any more when it is gone.
    pub reader: Weak<dyn Any + Send + Sync>,
}

/// Names a packet that a client holds: from 0, and below its number of buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketTicket(u32);

impl PacketTicket {
    /// As an index.
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// As it crosses the rings, where 0 is none.
    const fn number(self) -> u32 {
        self.0 + 1
    }
}

/// A packet that a client has given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Released {
    /// Which: it may stand for another packet from now on.
    pub ticket: PacketTicket,
    /// The connection that it came on, which may be gone.
    pub connection: ConnectionId,
    /// Bytes of the stream that were held.
    pub bytes: usize,
}

#[derive(Debug)]
pub(super) struct PacketTable {
    allowed: InPlace,
    /// By ticket: packets that the client holds.
    lent: Vec<Option<Lent>>,
    /// Tickets that were used before and are free.
    free: Vec<u32>,
    buffers_held: usize,
    /// The pieces of the packet at hand.
    ranges: Vec<PacketRange>,
    /// Given back and not let go of, with the buffers of each.
    released: VecDeque<(Released, usize)>,
}

#[derive(Clone, Copy, Debug)]
struct Lent {
    connection: ConnectionId,
    bytes: usize,
    buffers: usize,
}

impl PacketTable {
    pub(super) fn new(allowed: InPlace) -> Self {
        let buffers = allowed.buffers.min(TICKETS_MOST);
        Self {
            allowed: InPlace { buffers, ..allowed },
            lent: Vec::new(),
            free: Vec::new(),
            buffers_held: 0,
            ranges: Vec::new(),
            released: VecDeque::new(),
        }
    }

    pub(super) const fn allowed(&self) -> &InPlace {
        &self.allowed
    }

    /// Whether the client may have this packet, sees it, and is served better by
    /// it than by a copy: then it can be [lent](Self::lend), at once.
    pub(super) fn accepts(&mut self, packet: &impl Packet) -> bool {
        let (bytes, buffers) = (packet.len(), packet.buffers());
        let is_worth_it = bytes >= BYTES_LEAST.max(BYTES_PER_BUFFER * buffers);
        let has_room = self.buffers_held + buffers <= self.allowed.buffers as usize;
        is_worth_it && has_room && self.find(packet)
    }

    /// Lends the packet that was just accepted: `done` gets what the client is
    /// told, and the packet must be kept.
    pub(super) fn lend(
        &mut self,
        connection: ConnectionId,
        packet: &impl Packet,
        done: &mut VecDeque<Completion>,
    ) -> PacketTicket {
        let (bytes, buffers) = (packet.len(), packet.buffers());
        // Tickets suffice: each packet has a buffer at least.
        let ticket = PacketTicket(self.free.pop().unwrap_or(self.lent.len() as u32));
        let lent = Some(Lent { connection, bytes, buffers });
        match self.lent.get_mut(ticket.index()) {
            Some(place) => *place = lent,
            None => self.lent.push(lent),
        }
        self.buffers_held += buffers;
        self.tell(connection, ticket, done);
        ticket
    }

    /// Finds the pieces of a packet; `false` if one lies elsewhere.
    fn find(&mut self, packet: &impl Packet) -> bool {
        let Self { ranges, allowed, .. } = self;
        ranges.clear();
        let mut is_inside = true;
        packet.for_each_piece(&mut |piece| {
            let range = range_of(allowed, piece);
            is_inside &= range.is_some();
            ranges.extend(range);
        });
        is_inside && ranges.len() <= usize::from(u16::MAX)
    }

    fn tell(&self, connection: ConnectionId, ticket: PacketTicket, done: &mut VecDeque<Completion>) {
        let mut left = self.ranges.len();
        for ranges in self.ranges.chunks(PACKET_PIECES) {
            done.push_back(Completion::ReceivedInPlace {
                connection: connection_handle(connection),
                ticket: ticket.number(),
                left: left as u16,
                pieces: Pieces::of(ranges),
            });
            left -= ranges.len();
        }
    }

    /// The client has read a packet. Returns whose it was.
    pub(super) fn release(&mut self, number: u32) -> Result<ConnectionId, Violation> {
        let index = number.checked_sub(1).ok_or(Violation::PacketNotLent(number))?;
        let lent = self.lent.get_mut(index as usize).and_then(Option::take);
        let Lent { connection, bytes, buffers } = lent.ok_or(Violation::PacketNotLent(number))?;
        self.released.push_back((Released { ticket: PacketTicket(index), connection, bytes }, buffers));
        Ok(connection)
    }

    /// A packet to let go of. Only now may its ticket stand for another.
    pub(super) fn next_released(&mut self) -> Option<Released> {
        let (released, buffers) = self.released.pop_front()?;
        self.buffers_held -= buffers;
        self.free.push(released.ticket.0);
        Some(released)
    }
}

/// Where a piece lies in what the client sees.
fn range_of(allowed: &InPlace, piece: &[u8]) -> Option<PacketRange> {
    let offset = (piece.as_ptr() as usize).checked_sub(allowed.address)?;
    let range = PacketRange { offset: offset as u64, len: u32::try_from(piece.len()).ok()? };
    let is_inside = offset.checked_add(piece.len())? <= allowed.bytes;
    Some(range).filter(|range| is_inside && range.fits())
}
