//! Received bytes on their way to the clients, and the ends behind them.

use super::Bytes;
use super::connections::{Finish, Held, Stage};
use super::host::Host;
use super::lent_packets::LentPackets;
use crate::base::{ConnectionId, Outcome, Packet};
use crate::endpoint::Endpoint;
use crate::shm::{ClientSlot, Server};

/// Packets of one connection before it is the next one's turn.
const PACKETS_PER_CONNECTION: usize = 64;
/// Connections served in one turn of the loop.
const CONNECTIONS_PER_TURN: usize = 64;

/// How far a connection's bytes came.
enum Progress {
    /// There are none left.
    Drained,
    /// There may be more.
    More,
    /// The client has no room for more; its slot says when it has.
    Held,
}

/// How many bytes went to a client, and how.
#[derive(Clone, Copy, Default)]
struct Moved {
    copied_bytes: usize,
    lent_bytes: usize,
}

impl<D: Packet + 'static> Host<D> {
    /// Hands what was received to the clients: lends it where it lies, or copies
    /// it, as it does all if `buffers_run_low`. Returns how many connections were
    /// served.
    pub(super) fn deliver(&mut self, server: &mut Server, buffers_run_low: bool) -> usize {
        let turns = self.connections.noted().min(CONNECTIONS_PER_TURN);
        for served in 0..turns {
            let Some(id) = self.connections.next_noted() else { return served };
            self.deliver_to(server, id, buffers_run_low);
        }
        turns
    }

    fn deliver_to(&mut self, server: &mut Server, id: ConnectionId, buffers_run_low: bool) {
        let Some(held) = self.connections.get_mut(id) else { return };
        // Who becomes known later is noted again then.
        let Stage::Told = held.stage else { return };
        let Some(slot) = server.get_mut(held.client) else { return };
        let lent = Some(&mut self.lent).filter(|_| !buffers_run_low);
        let (progress, moved) = hand_over(&mut self.endpoint, held, slot, id, lent);
        let Moved { copied_bytes, lent_bytes } = moved;
        self.world.counters.add(Outcome::PayloadBytesLent, lent_bytes as u64);
        if copied_bytes > 0 {
            self.world.counters.add(Outcome::PayloadBytesCopied, copied_bytes as u64);
            // From here on the client's receive blocks bound what it holds. What
            // it was lent is consumed when it comes back: else a client that
            // reads slowly would hold ever more buffers.
            self.endpoint.consumed(id, copied_bytes);
        }
        match progress {
            Progress::Held => {}
            Progress::More => self.connections.note(id, |_| {}),
            Progress::Drained => self.tell_end(server, id),
        }
    }

    /// Every byte is delivered: the client hears of an end that waited for this.
    fn tell_end(&mut self, server: &mut Server, id: ConnectionId) {
        let Some(held) = self.connections.get_mut(id) else { return };
        let Some(slot) = server.get_mut(held.client) else { return };
        if held.finish == Finish::Owed {
            held.finish = Finish::Told;
            slot.received_fin(id);
        }
        if let Some(reason) = held.closed {
            slot.closed(id, reason);
            self.connections.remove(id);
            self.endpoint.release(&mut self.world.cx(), id);
        }
    }
}

/// Hands a connection's next packets to its client, in place as far as there is
/// `lent` to keep them.
fn hand_over<D: Packet>(
    endpoint: &mut Endpoint<Bytes<D>>,
    held: &mut Held<Bytes<D>>,
    slot: &mut ClientSlot,
    id: ConnectionId,
    mut lent: Option<&mut LentPackets<Bytes<D>>>,
) -> (Progress, Moved) {
    let mut moved = Moved::default();
    for _ in 0..PACKETS_PER_CONNECTION {
        let Some(mut packet) = held.rest.take().or_else(|| endpoint.read(id)) else {
            return (Progress::Drained, moved);
        };
        if let Some(lent) = &mut lent
            && let Bytes::Device(..) = packet
            && let Some(ticket) = slot.lend(id, &packet)
        {
            moved.lent_bytes += packet.len();
            lent.keep(held.client, ticket, packet);
            continue;
        }
        let taken = slot.copy_in(id, &packet);
        moved.copied_bytes += taken;
        if taken < packet.len() {
            packet.trim_front(taken);
            held.rest = Some(packet);
            return (Progress::Held, moved);
        }
    }
    (Progress::More, moved)
}
