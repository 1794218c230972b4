//! The end of a subflow: FINs both ways, TIME_WAIT, and the ends that are not
//! in order (RFC 9293 §3.6, §3.10.7.4).

use super::arrival::Arrival;
use super::state::{CloseReason, State};
use super::subflow::{Duties, Subflow};
use super::timers::Timers;
use crate::base::{Instant, Packet};
use crate::wire::TcpFlags;

impl<P: Packet, T: Copy + PartialEq> Subflow<P, T> {
    /// No more data: FIN after what is queued. What is pushed afterwards is
    /// dropped. The peer may go on sending.
    pub fn close(&mut self, _now: Instant) {
        match self.state {
            State::SynSent => self.end(CloseReason::Aborted),
            // The FIN follows the handshake (RFC 9293 §3.10.4).
            State::SynReceived => self.send.finishing = true,
            State::Established => self.finish_sending(State::FinWait1),
            State::CloseWait => self.finish_sending(State::LastAck),
            _ => {}
        }
    }

    /// RST at the next `poll_transmit` (where the state asks for one), then Closed.
    pub fn abort(&mut self) {
        // RFC 9293 §3.10.5
        let resets = matches!(
            self.state,
            State::SynReceived | State::Established | State::FinWait1 | State::FinWait2 | State::CloseWait
        );
        if self.state != State::Closed {
            self.end(CloseReason::Aborted);
            self.duties.abort = resets;
        }
    }

    fn finish_sending(&mut self, state: State) {
        self.send.finishing = true;
        self.state = state;
    }

    /// The peer's FIN is the next in order.
    pub(super) fn finish_receiving(&mut self) {
        self.receive.next += 1;
        self.receive.reassembly.clear();
        self.receive.report.discard();
        self.receive.schedule.hurry();
        match self.state {
            State::Established => self.state = State::CloseWait,
            State::FinWait1 => self.state = State::Closing,
            State::FinWait2 => self.enter_time_wait(),
            _ => {}
        }
    }

    /// Our FIN is acknowledged.
    pub(super) fn finish_acknowledged(&mut self) {
        match self.state {
            State::FinWait1 => self.state = State::FinWait2,
            State::Closing => self.enter_time_wait(),
            State::LastAck => self.end_in_order(),
            _ => {}
        }
    }

    fn enter_time_wait(&mut self) {
        self.state = State::TimeWait;
        // Both directions are through: a minute is long to keep room for more.
        self.send.queue.clear();
        self.send.scoreboard.discard();
        self.receive.reassembly.clear();
        self.timers = Timers::default();
    }

    /// The peer's FIN came again: our last ACK was lost (RFC 9293 §3.10.7.4,
    /// eighth check).
    pub(super) fn restart_time_wait(&mut self, now: Instant, arrival: &Arrival<'_, P>) {
        if self.state == State::TimeWait
            && arrival.has(TcpFlags::FIN)
            && arrival.start < self.receive.next as i64
        {
            self.receive.last_heard = now;
        }
    }

    /// TIME_WAIT or FIN_WAIT_2 is over.
    pub(super) fn close_timer_expired(&mut self) {
        match self.state {
            State::TimeWait => self.end_in_order(),
            _ => self.end(CloseReason::TimedOut),
        }
    }

    /// Both directions ended: what was received in order stays to be taken.
    fn end_in_order(&mut self) {
        let ready = std::mem::take(&mut self.receive.ready);
        self.end(CloseReason::Finished);
        self.receive.ready = ready;
    }

    /// Nothing is left: no memory is held, no timer runs.
    pub(super) fn end(&mut self, reason: CloseReason) {
        self.state = State::Closed;
        self.close_reason = Some(reason);
        self.send.queue.clear();
        self.send.scoreboard.discard();
        self.receive.reassembly.clear();
        self.receive.report.discard();
        self.receive.schedule.clear();
        self.receive.ready.discard();
        self.timers = Timers::default();
        self.duties = Duties::default();
    }
}
