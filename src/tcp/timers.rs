//! Every timer of a subflow, and what it does.

use super::recovery::News;
use super::state::{CloseReason, State};
use super::subflow::{Probe, Subflow};
use crate::base::{Context, Duration, Instant, Outcome, Packet};

/// Deadlines; none of them if nothing is waited for.
#[derive(Debug, Default)]
pub(super) struct Timers {
    /// RFC 6298: runs while anything is unacknowledged.
    pub(super) retransmit: Option<Instant>,
    /// The window is closed and nothing is in flight (RFC 9293 §3.8.6.1).
    pub(super) persist: Option<Instant>,
    pub(super) delayed_ack: Option<Instant>,
    /// Probes into a closed window: how long the next one waits.
    persist_back_off: u8,
    /// Probes that nothing answered.
    unanswered: u16,
    /// Keepalive probes that nothing answered.
    keepalive_probes: u8,
}

impl Timers {
    /// The peer said something.
    pub(super) const fn heard(&mut self) {
        self.unanswered = 0;
        self.keepalive_probes = 0;
    }

    /// The window takes something again.
    pub(super) const fn window_opened(&mut self) {
        self.persist = None;
        self.persist_back_off = 0;
    }
}

impl<P: Packet, T: Copy + PartialEq> Subflow<P, T> {
    /// The next deadline of any timer.
    pub fn poll_deadline(&self) -> Option<Instant> {
        let timers = &self.timers;
        Instant::earliest([timers.retransmit, timers.persist, timers.delayed_ack, self.silence_deadline()])
    }

    /// The deadline passed. Spurious calls do nothing.
    pub fn handle_timeout(&mut self, cx: &mut Context<'_>) {
        let now = cx.now;
        let expired = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= now);
        if expired(self.timers.delayed_ack) {
            self.timers.delayed_ack = None;
            self.delayed_ack_expired(cx);
        }
        if expired(self.timers.retransmit) {
            self.timers.retransmit = None;
            self.retransmission_timer_expired(cx);
        }
        if expired(self.timers.persist) {
            self.timers.persist = None;
            self.persist_timer_expired(cx);
        }
        if expired(self.silence_deadline()) {
            match self.state {
                State::FinWait2 | State::TimeWait => self.close_timer_expired(),
                _ => self.keepalive_timer_expired(cx),
            }
        }
    }

    /// When the peer was silent for too long: the end of TIME_WAIT and
    /// FIN_WAIT_2, and the next keepalive.
    fn silence_deadline(&self) -> Option<Instant> {
        let wait = match self.state {
            State::Established | State::CloseWait => return self.keepalive_deadline(),
            State::FinWait2 => self.config.fin_wait_2,
            State::TimeWait => self.config.time_wait,
            _ => return None,
        };
        Some(self.receive.last_heard + wait)
    }

    fn delayed_ack_expired(&mut self, cx: &mut Context<'_>) {
        if self.receive.schedule.is_delayed() {
            cx.count(Outcome::TcpDelayedAck);
            self.receive.schedule.hurry();
        }
    }

    fn retransmission_timer_expired(&mut self, cx: &mut Context<'_>) {
        let syn = matches!(self.state, State::SynSent | State::SynReceived);
        let limit = if syn { self.config.syn_retries } else { self.config.retries };
        if self.recovery.timeouts >= u32::from(limit) {
            self.time_out(cx);
            return;
        }
        cx.count(Outcome::TcpTimeout);
        self.counts.timeouts += 1;
        if syn {
            self.duties.syn = true;
        } else {
            self.lose_everything(cx.now);
        }
        self.recovery.timeouts += 1;
        // RFC 6298 §5.5, §5.6
        self.rtt.back_off();
        self.arm_retransmission_timer(cx.now);
    }

    fn time_out(&mut self, cx: &mut Context<'_>) {
        cx.count(Outcome::TcpTimedOut);
        self.end(CloseReason::TimedOut);
    }

    /// RFC 6298 §5.1: if it does not run.
    pub(super) fn arm_retransmission_timer(&mut self, now: Instant) {
        let deadline = now + self.retransmission_timeout();
        self.timers.retransmit.get_or_insert(deadline);
    }

    /// RFC 6298 §5.2, §5.3. A peer that answers with a window of zero is there:
    /// its silence on the data is no reason to give up (RFC 9293 §3.8.6.1).
    pub(super) fn restart_retransmission_timer(&mut self, now: Instant, news: &News) {
        if self.send.unacknowledged == self.send.next {
            self.timers.retransmit = None;
        } else if news.advanced > 0 {
            self.timers.retransmit = Some(now + self.retransmission_timeout());
        } else if self.send.window_bytes == 0 && self.recovery.timeouts > 0 {
            self.recovery.timeouts = 0;
        }
    }

    /// Data waits for a window, and nothing in flight will bring an ACK.
    pub(super) fn arm_persist_timer(&mut self, now: Instant) {
        if self.timers.persist.is_none() {
            self.timers.persist = Some(now + self.persist_timeout());
        }
    }

    /// RFC 9293 §3.8.6.1: exponentially longer.
    fn persist_timeout(&self) -> Duration {
        self.retransmission_timeout()
            .backed_off(u32::from(self.timers.persist_back_off))
            .min(self.config.rto_max)
    }

    fn persist_timer_expired(&mut self, cx: &mut Context<'_>) {
        if self.timers.unanswered > u16::from(self.config.retries) {
            self.time_out(cx);
            return;
        }
        if self.send.window_room() > 0 {
            self.duties.small_segment = true;
        } else {
            self.timers.unanswered = self.timers.unanswered.saturating_add(1);
            self.timers.persist_back_off = (self.timers.persist_back_off + 1).min(32);
            self.duties.probe = Some(Probe::ZeroWindow);
        }
    }

    /// Runs while nothing else would notice that the peer is gone.
    fn keepalive_deadline(&self) -> Option<Instant> {
        let keepalive = self.config.keepalive?;
        let idle = self.send.unacknowledged == self.send.next && self.timers.persist.is_none();
        if !idle {
            return None;
        }
        let probes = u64::from(self.timers.keepalive_probes);
        Some(self.receive.last_heard + keepalive.idle + keepalive.interval * probes)
    }

    fn keepalive_timer_expired(&mut self, cx: &mut Context<'_>) {
        let limit = self.config.keepalive.map_or(0, |keepalive| keepalive.probes);
        if self.timers.keepalive_probes >= limit {
            self.time_out(cx);
            return;
        }
        self.timers.keepalive_probes += 1;
        self.duties.probe = Some(Probe::Keepalive);
    }
}
