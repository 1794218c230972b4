//! What the room above may look at.

use super::state::{CloseReason, State, Statistics};
use super::subflow::Subflow;
use crate::base::{Duration, Packet, SeqNumber};
use crate::congestion::Controller;

impl<P: Packet, T: Copy + PartialEq> Subflow<P, T> {
    /// The state (RFC 9293 §3.3.2).
    pub const fn state(&self) -> State {
        self.state
    }

    /// Set once the state is Closed.
    pub const fn close_reason(&self) -> Option<CloseReason> {
        self.close_reason
    }

    /// Whether an RST of ours waits for `poll_transmit`, after
    /// [`abort`](Self::abort).
    pub const fn owes_reset(&self) -> bool {
        self.duties.abort
    }

    /// Our SYN's number: offsets of mappings count from it.
    pub const fn initial_send_sequence(&self) -> SeqNumber {
        self.send.initial
    }

    /// The peer's SYN's number: offsets of mappings count from it. 0 before it came.
    pub const fn initial_receive_sequence(&self) -> SeqNumber {
        self.receive.initial
    }

    /// Sequence number that the next pushed byte gets.
    pub fn next_push_sequence(&self) -> SeqNumber {
        self.send.sequence(self.send.queue.end())
    }

    /// Oldest unacknowledged.
    pub fn unacknowledged(&self) -> SeqNumber {
        self.send.sequence(self.send.unacknowledged)
    }

    /// Next in order from the peer.
    pub fn receive_next(&self) -> SeqNumber {
        self.receive.sequence(self.receive.next)
    }

    /// Bytes that would leave at once if pushed: min(congestion window, peer's
    /// window) - in flight - queued. 0 while a handshake or recovery forbids.
    pub fn send_room(&self) -> usize {
        if !self.state.may_send() {
            return 0;
        }
        let credit = self.credit().saturating_sub(self.send.scoreboard.lost_bytes());
        credit.min(self.send.window_room()).saturating_sub(self.send.unsent()) as usize
    }

    /// Bytes pushed and not yet acknowledged (sent or not).
    pub fn outstanding(&self) -> usize {
        match self.state {
            State::Closed => 0,
            _ => self.send.queue.end().saturating_sub(self.send.unacknowledged.max(1)) as usize,
        }
    }

    /// Bytes pushed and not yet sent once.
    pub const fn queued(&self) -> usize {
        match self.state {
            State::Closed => 0,
            _ => self.send.unsent() as usize,
        }
    }

    /// Bytes believed to be in the network: sent, and neither acknowledged nor
    /// SACKed nor lost.
    pub fn in_flight(&self) -> usize {
        self.pipe() as usize
    }

    /// The congestion window in bytes.
    pub fn congestion_window(&self) -> usize {
        self.congestion.window_bytes()
    }

    /// The window field of the last acceptable segment, scaled up.
    pub const fn peer_window(&self) -> usize {
        self.send.last_window_bytes as usize
    }

    /// The smoothed round-trip time (RFC 6298).
    pub const fn smoothed_rtt(&self) -> Option<Duration> {
        self.rtt.smoothed()
    }

    /// The retransmission timeout, with back-off.
    pub fn rto(&self) -> Duration {
        self.retransmission_timeout()
    }

    /// Retransmission timeouts since the last progress: the path looks dead.
    pub fn consecutive_timeouts(&self) -> u32 {
        self.recovery.timeouts
    }

    /// Payload bytes per segment now, with `option_bytes` of options of the
    /// room above; the timestamps' are taken off here.
    pub fn segment_payload(&self, option_bytes: usize) -> usize {
        self.mss().saturating_sub(self.timestamp_bytes() + option_bytes).max(1)
    }

    /// Whether timestamps were agreed (12 of the 40 option bytes are taken).
    pub const fn has_timestamps(&self) -> bool {
        self.agreed.timestamps
    }

    /// Counts since the start.
    pub fn statistics(&self) -> Statistics {
        // The SYN takes the first number, a FIN that was reached the last.
        let finished = self.receive.finish.is_some_and(|finish| finish.get() < self.receive.next);
        Statistics {
            bytes_sent: self.counts.bytes_sent,
            bytes_received: self.receive.next.saturating_sub(1 + u64::from(finished)),
            bytes_acknowledged: self.send.unacknowledged.min(self.send.queue.end()).saturating_sub(1),
            segments_sent: self.counts.segments_sent,
            segments_received: self.counts.segments_received,
            retransmissions: u64::from(self.counts.retransmissions),
            timeouts: u64::from(self.counts.timeouts),
        }
    }

    /// Payload and options of a segment at most: 48 at least.
    pub(super) fn mss(&self) -> usize {
        usize::from(self.send.path_mss.min(self.send.peer_mss))
    }
}
