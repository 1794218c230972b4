//! The receive window: what is announced, and when a change is worth an ACK
//! of its own (RFC 9293 §3.8.6.2.2).

use super::subflow::Subflow;
use crate::base::Packet;

impl<P: Packet, T: Copy + PartialEq> Subflow<P, T> {
    /// What the ACKs announce from now on, in bytes; the room above keeps the
    /// right edge from shrinking. Segments are accepted up to the furthest edge
    /// ever announced.
    ///
    /// If the window at least doubles for a peer that used it, and by a segment,
    /// an ACK leaves at the next `poll_transmit`: the peer may be waiting for it.
    pub fn set_receive_window(&mut self, window_bytes: u32) {
        let is_same = self.receive.window_bytes == window_bytes;
        self.receive.window_bytes = window_bytes;
        // What was announced last is still true, or nobody sends into it any more.
        if (is_same && self.receive.acknowledged == self.receive.next) || !self.state.may_receive() {
            return;
        }
        let left = self.receive.announced.saturating_sub(self.receive.next);
        let now = self.announceable();
        let segment = self.full_segment() as u64;
        // What a SYN could not say, its field not being scaled, the first ACK of data says.
        let is_used = self.receive.next > 1 || left < segment;
        if is_used && now >= left * 2 && now >= left + segment {
            self.receive.schedule.hurry();
        }
    }

    /// What of the window the window field can say.
    fn announceable(&self) -> u64 {
        u64::from(self.window_field()) << self.agreed.receive_scale
    }

    /// The window field of a segment other than a SYN (RFC 7323 §2.2, §2.3).
    pub(super) fn window_field(&self) -> u16 {
        u16::try_from(self.receive.window_bytes >> self.agreed.receive_scale).unwrap_or(u16::MAX)
    }

    /// The window field of a SYN, which is never scaled (RFC 7323 §2.2).
    pub(super) fn syn_window_field(&self) -> u16 {
        u16::try_from(self.receive.window_bytes).unwrap_or(u16::MAX)
    }

    /// A segment with ACK and this window leaves.
    pub(super) fn announced(&mut self, window_bytes: u64) {
        self.receive.acknowledged = self.receive.next;
        self.receive.announced = self.receive.next + window_bytes;
        self.receive.edge = self.receive.edge.max(self.receive.announced);
        self.timers.delayed_ack = None;
    }
}
