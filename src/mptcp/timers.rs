//! Deadlines of a connection and of its subflows.

use super::connection::{Connection, Mode};
use super::send::DataFin;
use crate::base::{Context, Duration, Instant, Outcome, Packet, SubflowId};

/// Data-level retransmissions back off up to this many doublings.
const DATA_BACKOFF_MAX: u32 = 8;

/// How long nothing must have moved before memory is given back: a connection
/// that is used every now and then does not allocate each time.
const REST: Duration = Duration::from_secs(10);

/// How often a DATA_FIN is repeated.
const DATA_FIN_TRIES: u32 = 8;

impl<P: Packet> Connection<P> {
    /// The earliest deadline of the connection and its subflows.
    pub fn poll_deadline(&self) -> Option<Instant> {
        let core = &self.core;
        let own = [core.send.deadline, core.signals.deadline(), core.ending.deadline, core.rest_at];
        self.all().fold(Instant::earliest(own), |earliest, subflow| {
            let rare = &subflow.signal.rare;
            Instant::earliest([earliest, subflow.tcp.poll_deadline(), rare.join.again_at, rare.removal_at])
        })
    }

    /// A deadline passed. A call too early does nothing.
    pub fn handle_timeout(&mut self, cx: &mut Context<'_>) {
        for slot in 0..self.subflows.len() {
            self.handle_subflow_timeout(cx, SubflowId(slot as u8));
        }
        self.handle_data_timeout(cx);
        self.core.signals.handle_timeout(cx.now);
        self.handle_close_timeout(cx);
        self.handle_rest(cx.now);
        self.core.send.push_wanted = true;
        self.settle(cx);
    }

    /// Something moves.
    pub(super) fn stir(&mut self, now: Instant) {
        self.core.rest_at.get_or_insert(now + REST);
    }

    /// Gives back what an idle connection does not need, unless something moved
    /// since the timer was set: then it waits on.
    fn handle_rest(&mut self, now: Instant) {
        if self.core.rest_at.is_none_or(|at| at > now) {
            return;
        }
        let moved_at = self.all().map(|subflow| subflow.tcp.moved_at()).max();
        self.core.rest_at = moved_at.map(|at| at + REST).filter(|&at| at > now);
        if self.core.rest_at.is_none() {
            self.all_mut().for_each(|subflow| subflow.rest(now));
            self.core.send.rest();
            self.core.receive.rest();
            self.core.events.rest();
            self.core.macs.rest();
        }
    }

    fn handle_subflow_timeout(&mut self, cx: &mut Context<'_>, id: SubflowId) {
        let Some(subflow) = self.subflow_mut(id) else { return };
        if subflow.tcp.poll_deadline().is_some_and(|deadline| deadline <= cx.now) {
            let before = subflow.tcp.consecutive_timeouts();
            subflow.tcp.handle_timeout(cx);
            if subflow.tcp.consecutive_timeouts() > before && subflow.may_send() {
                self.mark_stale(cx, id);
            }
        }
        self.repeat_third_ack(cx, id);
        self.end_removed(cx, id);
    }

    /// The peer removed the address and does not answer on it (RFC 8684 §3.4.2).
    fn end_removed(&mut self, cx: &mut Context<'_>, id: SubflowId) {
        let Some(subflow) = self.subflow(id) else { return };
        if subflow.signal.rare.removal_at.is_some_and(|at| at <= cx.now) {
            cx.count(Outcome::MpRemoveSubflow);
            let reset = super::subflow::ResetSignal::Reason(crate::wire::ResetReason::Unspecified);
            self.abort_subflow(cx, id, reset);
        }
    }

    /// Starts the connection-level timer if something waits for a Data ACK
    /// and it does not run (§3.3.6).
    pub(super) fn arm_data_timer(&mut self, cx: &mut Context<'_>) {
        let waits = self.core.send.is_outstanding() || self.core.send.fin == DataFin::Sent;
        let given_up = self.core.send.timeouts > DATA_FIN_TRIES && !self.core.send.is_outstanding();
        if self.core.mode != Mode::Multipath || !waits || given_up {
            self.core.send.deadline = None;
            return;
        }
        if self.core.send.deadline.is_none() {
            let backoff = self.core.send.timeouts.min(DATA_BACKOFF_MAX);
            let wait = self.data_timeout().backed_off(backoff).min(self.core.config.tcp.rto_max);
            self.core.send.deadline = Some(cx.now + wait);
        }
    }

    /// Longer than any subflow's own timer, which comes first.
    fn data_timeout(&self) -> Duration {
        let slowest = self
            .all()
            .filter(|subflow| subflow.may_send() && !subflow.signal.stale)
            .map(|subflow| subflow.tcp.rto())
            .max();
        slowest.unwrap_or(self.core.config.tcp.rto_initial) * 2
    }

    /// Nothing new was acknowledged at data level for long: the head of the
    /// stream, or the DATA_FIN, goes again.
    fn handle_data_timeout(&mut self, cx: &mut Context<'_>) {
        if self.core.send.deadline.is_none_or(|deadline| deadline > cx.now) {
            return;
        }
        self.core.send.deadline = None;
        self.core.send.timeouts += 1;
        if self.core.send.is_outstanding() {
            let start = self.core.send.unacknowledged();
            // Whoever still carries it retransmits it: only data that every
            // subflow has delivered, or lost, needs a new mapping.
            let alone = self.all().filter(|subflow| subflow.may_send()).count() <= 1;
            let carried =
                self.all().any(|subflow| subflow.carries(start) && (alone || !subflow.signal.stale));
            if !carried {
                let end = start + super::mapping::MAPPING_BYTES_MAX as u64;
                if self.core.send.reinject(start, end) > 0 {
                    cx.count(Outcome::MpDataRetransmit);
                }
            }
        } else if self.core.send.fin == DataFin::Sent {
            self.repeat_data_fin(cx);
        }
        self.arm_data_timer(cx);
    }

    /// Sends the DATA_FIN again. With nothing else outstanding the subflows may
    /// be closed without its acknowledgement (§3.3.3): a peer that never gives
    /// one has fallen back and waits for FINs.
    fn repeat_data_fin(&mut self, cx: &mut Context<'_>) {
        if self.core.send.timeouts > DATA_FIN_TRIES {
            self.all_mut().for_each(|subflow| subflow.close(cx.now));
        } else {
            self.signal_data_fin();
        }
    }
}
