//! Data ACKs and the shared send window (RFC 8684 §3.3.2, §3.3.5).

use super::connection::{Connection, Mode};
use super::event::Event;
use crate::base::{Context, Outcome, Packet, SubflowId};
use crate::wire::DataAck;

impl<P: Packet> Connection<P> {
    pub(super) fn handle_data_ack(&mut self, cx: &mut Context<'_>, id: SubflowId, signal: DataAck) {
        let Some((core, subflow)) = self.split(id) else { return };
        let acknowledgement = signal.promote(core.send.unacknowledged_sequence());
        let Some(advanced) = core.send.acknowledge(acknowledgement) else {
            cx.count(Outcome::MpDataAckInvalid);
            return;
        };
        subflow.signal.data_ack_seen = true;
        // A window counts at connection level only beside a Data ACK (§3.3.2).
        core.send.set_window(acknowledgement, subflow.tcp.peer_window());
        if advanced {
            self.handle_data_progress(cx);
        }
    }

    /// In a plain connection the subflow's ACKs free what was sent (§3.7).
    pub(super) fn handle_plain_progress(&mut self, cx: &mut Context<'_>, id: SubflowId) {
        let Some((core, subflow)) = self.split(id) else { return };
        let Mode::Plain(first) = core.mode else { return };
        let acknowledged = subflow.tcp.unacknowledged().bytes_since(first) as u64;
        let before = core.send.unacknowledged();
        let offset = (before + acknowledged).min(core.send.unmapped(false).0);
        if offset > before {
            core.send.release(offset);
            // Moves along: distances of sequence numbers count no more than 2 GiB.
            core.mode = Mode::Plain(first + (offset - before) as usize);
            self.handle_data_progress(cx);
        }
    }

    /// The peer has more of our data.
    fn handle_data_progress(&mut self, cx: &mut Context<'_>) {
        self.core.send.timeouts = 0;
        self.core.send.deadline = None;
        self.arm_data_timer(cx);
        if self.core.send.writer_waits && self.send_capacity() >= self.core.config.send_buffer_bytes / 4 {
            self.core.send.writer_waits = false;
            self.core.events.push_back(Event::Writable);
        }
    }
}
