//! What the room above asks for.

use super::segment::Received;
use super::state::State;
use super::subflow::{Probe, Subflow};
use crate::base::{Instant, Packet};

impl<P: Packet, T: Copy + PartialEq> Subflow<P, T> {
    /// Appends payload. The caller looks at `send_room` first; what it pushes
    /// beyond waits here. After `close` or `abort`, or once the subflow has
    /// ended, the payload is dropped.
    pub fn push(&mut self, payload: P, tag: T) {
        let is_open = matches!(self.state, State::SynSent | State::SynReceived) || self.state.may_send();
        if is_open && !self.send.finishing {
            self.send.queue.push(payload, tag);
        }
    }

    /// Whether anything in order waits to be taken.
    pub fn has_received(&self) -> bool {
        !self.receive.ready.is_empty()
    }

    /// The next payload in order.
    pub fn take_received(&mut self) -> Option<Received<P>> {
        self.receive.ready.pop_front()
    }

    /// A pure ACK leaves at the next `poll_transmit` (unless a data segment does first).
    pub fn request_ack(&mut self) {
        if self.state.is_synchronized() {
            self.receive.schedule.hurry();
        }
    }

    /// A pure ACK leaves at the next `poll_transmit`, before any data, whatever
    /// else is sent: the room above has options for it. All option bytes but
    /// the timestamps' are the room above's; SACK blocks wait.
    pub fn request_signal_ack(&mut self) {
        if self.state.is_synchronized() {
            self.receive.schedule.signal();
        }
    }

    /// A keepalive probe leaves at the next `poll_transmit`.
    pub fn request_probe(&mut self) {
        if self.state.is_synchronized() {
            self.duties.probe = Some(Probe::Keepalive);
        }
    }

    /// The SYN leaves only now, after a wait for the next hop's address, which is
    /// no part of the round trip.
    pub fn handle_late_departure(&mut self, now: Instant) {
        if matches!(self.state, State::SynSent | State::SynReceived) && self.send.next > 0 {
            self.send.last_sent = now;
            self.timers.retransmit = None;
            self.arm_retransmission_timer(now);
        }
    }

    /// When a segment last came or left.
    pub fn moved_at(&self) -> Instant {
        self.receive.last_heard.max(self.send.last_sent)
    }

    /// Nothing moved for a while: gives back what memory nothing lies in.
    pub fn rest(&mut self, now: Instant) {
        self.send.queue.rest();
        if self.send.scoreboard.is_empty() {
            self.send.scoreboard.discard();
        }
        self.receive.ready.rest();
        self.receive.reassembly.rest();
        if !self.receive.report.is_waiting() {
            self.receive.report.discard();
        }
        if self.send.scoreboard.is_empty() && self.recovery.is_over(self.agreed.sack) {
            self.recovery.discard();
        }
        if self.challenges.is_over(now) {
            self.challenges.discard();
        }
    }

    /// The path works again after an outage: what is outstanding is sent again
    /// at once, in slow start, without waiting for a timer that backed off.
    pub fn retry_now(&mut self, now: Instant) {
        if self.send.unacknowledged == self.send.next && self.timers.persist.is_none() {
            return;
        }
        self.rtt.forget_back_off();
        match self.state {
            State::Closed => return,
            State::SynSent | State::SynReceived => self.duties.syn = true,
            _ if self.timers.persist.is_some() => self.timers.persist = Some(now),
            _ => self.lose_everything(now),
        }
        // With a short timer those that may still fail would be gone at once. It is
        // not the first loss, though.
        self.recovery.timeouts = self.recovery.timeouts.min(1);
        self.timers.retransmit = None;
        if self.send.unacknowledged != self.send.next {
            self.arm_retransmission_timer(now);
        }
    }
}
