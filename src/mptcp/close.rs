//! The end of a connection (RFC 8684 §3.3.3): DATA_FIN both ways, then FIN on
//! every subflow; in plain TCP the FINs alone.

use super::attempts::Fate;
use super::connection::{Connection, Core, Mode, Role};
use super::event::{CloseReason, Event};
use super::send::DataFin;
use super::subflow::{ResetSignal, Subflow};
use super::time_wait::TimeWait;
use crate::base::{Context, FourTuple, Instant, Outcome, Packet, SubflowId};
use crate::tcp;
use crate::wire::ResetReason;

/// How far the end got.
#[derive(Debug, Default)]
pub(super) struct Ending {
    reason: Option<CloseReason>,
    /// `PeerFinished` was told.
    peer_finished: bool,
    /// Nobody reads any more.
    pub(super) released: bool,
    /// When the connection gives up waiting: for a subflow, or for the peer's end.
    pub(super) deadline: Option<Instant>,
    /// `Finished` was told.
    told: bool,
}

impl Ending {
    pub(super) const fn is_closed(&self) -> bool {
        self.reason.is_some()
    }

    pub(super) const fn reason(&self) -> Option<CloseReason> {
        self.reason
    }

    /// There is a subflow again: no need to give up waiting for one. Waiting for
    /// the peer's end goes on.
    pub(super) fn found_subflow(&mut self, fin: DataFin) {
        if fin != DataFin::Acknowledged {
            self.deadline = None;
        }
    }

    /// Whether there is nothing to open subflows for.
    pub(super) const fn has_begun(&self) -> bool {
        self.reason.is_some() || self.peer_finished
    }
}

impl<P: Packet> Core<P> {
    /// No data moves any more: told once.
    pub(super) fn closed(&mut self, reason: CloseReason) {
        if self.ending.reason.is_none() {
            self.ending.reason = Some(reason);
            self.ending.deadline = None;
            self.send.clear();
            self.signals.clear();
            self.events.push_back(Event::Closed(reason));
        }
    }
}

impl<P: Packet> Connection<P> {
    /// No more writes: DATA_FIN (or FIN) after what is queued. What the peer
    /// still sends can be read.
    pub fn close(&mut self, cx: &mut Context<'_>) {
        if self.core.send.fin == DataFin::Open {
            self.core.send.fin = DataFin::Wanted;
        }
        self.core.send.push_wanted = true;
        self.settle(cx);
    }

    /// Nobody reads any more either: `close`, and data that still comes ends
    /// the connection with MP_FASTCLOSE or RST (RFC 9293 §3.6.1, RFC 2525 §2.17).
    pub fn release(&mut self, cx: &mut Context<'_>) {
        self.core.ending.released = true;
        if self.core.receive.is_readable() {
            self.abort(cx);
            return;
        }
        self.close(cx);
    }

    /// A subflow's peer sent FIN.
    pub(super) fn handle_subflow_finished(&mut self, cx: &mut Context<'_>, id: SubflowId) {
        // A multipath peer ends its stream with a DATA_FIN first: one that never
        // sent a DSS has fallen back.
        if self.core.is_multipath() && !self.core.data_signal_seen && self.may_lose_options(id) {
            cx.count(Outcome::MpDssFallback);
            self.fall_back(id, true);
        }
        match self.core.mode {
            // Ours follows in `close_half_closed`.
            Mode::Multipath => {}
            Mode::Plain(_) | Mode::Negotiating => {
                let offset = self.core.receive.next();
                self.core.receive.set_fin(offset);
            }
        }
    }

    /// What follows from whatever has changed: called after each handler and verb.
    pub(super) fn settle(&mut self, cx: &mut Context<'_>) {
        self.refuse_unread(cx);
        self.tell_peer_finished();
        self.close_half_closed(cx);
        self.drive_end(cx);
        self.reap(cx);
        self.manage_paths();
        self.request_signal_ack();
        self.tell_finished();
    }

    /// Data came after the reader was gone.
    fn refuse_unread(&mut self, cx: &mut Context<'_>) {
        if self.core.ending.released && self.core.receive.is_readable() && !self.core.ending.is_closed() {
            cx.count(Outcome::TcpDataAfterClose);
            self.abort_all(cx, CloseReason::Aborted);
        }
    }

    /// A subflow that the peer closed carries nothing new from it: ours follows,
    /// after what it holds. Not on the last one while data is outstanding: the
    /// peer still takes it there (§3.3.3).
    fn close_half_closed(&mut self, cx: &mut Context<'_>) {
        if !self.core.is_multipath() {
            return;
        }
        let is_safe = self.core.send.buffered() == 0 || self.all().any(Subflow::is_live);
        let now = cx.now;
        self.all_mut()
            .filter(|subflow| is_safe && subflow.tcp.state() == tcp::State::CloseWait)
            .for_each(|subflow| subflow.close(now));
    }

    fn tell_peer_finished(&mut self) {
        if !self.core.ending.peer_finished && self.core.receive.is_finished() {
            self.core.ending.peer_finished = true;
            self.core.events.push_back(Event::PeerFinished);
        }
    }

    /// Moves our end forward as far as it goes.
    fn drive_end(&mut self, cx: &mut Context<'_>) {
        if self.core.ending.is_closed() {
            return;
        }
        match self.core.mode {
            Mode::Multipath => self.drive_data_fin(cx),
            Mode::Plain(_) | Mode::Negotiating => self.drive_fin(cx),
        }
    }

    fn drive_data_fin(&mut self, cx: &mut Context<'_>) {
        if self.core.send.fin == DataFin::Wanted && self.core.send.is_all_mapped() && self.core.established {
            self.core.send.fin = DataFin::Sent;
            self.signal_data_fin();
            self.arm_data_timer(cx);
        }
        if self.core.send.fin != DataFin::Acknowledged {
            return;
        }
        if self.core.receive.is_finished() {
            // Both DATA_FINs are acknowledged once ours to the peer's has left,
            // which the FINs carry along (§3.3.3).
            self.all_mut().for_each(|subflow| subflow.close(cx.now));
            self.core.closed(CloseReason::Finished);
        } else if self.core.ending.released && self.core.ending.deadline.is_none() {
            self.core.ending.deadline = Some(cx.now + self.core.config.close_timeout);
        }
    }

    /// Asks for an ACK that carries the DATA_FIN.
    pub(super) fn signal_data_fin(&mut self) {
        self.core.send.fin_due = true;
        if let Some(id) = self.signalling_subflow()
            && let Some(subflow) = self.subflow_mut(id)
        {
            subflow.tcp.request_signal_ack();
        }
    }

    fn drive_fin(&mut self, cx: &mut Context<'_>) {
        let all_pushed = self.core.send.is_all_mapped();
        if self.core.send.fin == DataFin::Wanted && all_pushed {
            self.core.send.fin = DataFin::Sent;
            self.all_mut().for_each(|subflow| subflow.close(cx.now));
        }
        let ended = self.all().all(|subflow| matches!(subflow.tcp.state(), tcp::State::TimeWait));
        if self.core.send.fin == DataFin::Sent
            && self.core.receive.is_finished()
            && ended
            && self.all().count() > 0
        {
            self.core.closed(CloseReason::Finished);
        }
    }

    /// Takes out subflows that are closed, and those in TIME_WAIT whose last ACK
    /// has left, and draws the consequences.
    fn reap(&mut self, cx: &mut Context<'_>) {
        for slot in 0..self.subflows.len() {
            let Some(subflow) = &self.subflows[slot] else { continue };
            let time_wait = match subflow.tcp.state() {
                tcp::State::Closed if !subflow.tcp.owes_reset() => None,
                tcp::State::TimeWait => match TimeWait::of(&self.core, subflow) {
                    Some(time_wait) => Some(time_wait),
                    None => continue,
                },
                _ => continue,
            };
            let id = SubflowId(slot as u8);
            self.reinject_from(cx, id);
            let Some(subflow) = self.subflows[slot].take() else { continue };
            let (tuple, reason) = (subflow.path.tuple(), subflow.tcp.close_reason());
            let event = Event::SubflowClosed { subflow: id, tuple: tuple.into(), time_wait };
            self.core.events.push_back(event);
            let reason = reason.unwrap_or(tcp::CloseReason::Finished);
            if subflow.signal.is_joining() {
                self.handle_join_gone(cx, &tuple, reason);
            } else {
                self.handle_subflow_gone(cx, reason);
            }
        }
    }

    /// A join failed: not to be tried again until the address is announced anew
    /// (§3.9.3).
    fn handle_join_gone(&mut self, cx: &mut Context<'_>, tuple: &FourTuple, reason: tcp::CloseReason) {
        let fate = match reason {
            tcp::CloseReason::TimedOut | tcp::CloseReason::Unreachable => Fate::Unanswered,
            _ => Fate::Refused,
        };
        let local = self.core.local_id_of(tuple.local.ip());
        self.core.addresses.attempts.note(local, tuple.remote.into(), fate);
        // Who fails to join us may be a stranger: that ends no connection which waits for its peer.
        let reason = if self.core.role == Role::Passive { tcp::CloseReason::TimedOut } else { reason };
        self.handle_subflow_gone(cx, reason);
    }

    /// A subflow is gone; was it the last?
    pub(super) fn handle_subflow_gone(&mut self, cx: &mut Context<'_>, reason: tcp::CloseReason) {
        if self.core.ending.is_closed() || self.all().next().is_some() {
            return;
        }
        let all_done = self.core.receive.is_finished()
            && matches!(self.core.send.fin, DataFin::Sent | DataFin::Acknowledged)
            && !self.core.send.is_outstanding();
        // FINs without DATA_FINs, or a path that died: break before make (§3.3.3).
        let may_come_back = match reason {
            tcp::CloseReason::Finished => !all_done,
            tcp::CloseReason::TimedOut | tcp::CloseReason::Unreachable => true,
            _ => false,
        };
        if self.core.is_multipath() && may_come_back {
            self.core.ending.deadline.get_or_insert(cx.now + self.core.config.close_timeout);
            if self.core.role == Role::Active {
                self.core.addresses.attempts.forget_dead();
            }
            return;
        }
        let reason = match reason {
            // A peer that has everything may have forgotten the connection already.
            tcp::CloseReason::Finished | tcp::CloseReason::Reset if all_done => CloseReason::Finished,
            tcp::CloseReason::Finished | tcp::CloseReason::Reset => CloseReason::Reset,
            tcp::CloseReason::Refused => CloseReason::Refused,
            tcp::CloseReason::TimedOut => CloseReason::TimedOut,
            tcp::CloseReason::Unreachable => CloseReason::Unreachable,
            tcp::CloseReason::Aborted => CloseReason::Aborted,
        };
        self.core.closed(reason);
    }

    /// The connection waited long enough.
    pub(super) fn handle_close_timeout(&mut self, cx: &mut Context<'_>) {
        if self.core.ending.deadline.is_some_and(|deadline| deadline <= cx.now) {
            self.core.ending.deadline = None;
            self.abort_all(cx, CloseReason::TimedOut);
        }
    }

    /// Resets every subflow and ends the connection for `reason`.
    pub(super) fn abort_all(&mut self, _cx: &mut Context<'_>, reason: CloseReason) {
        let reset = match (self.core.mode, self.core.keys.remote) {
            (Mode::Multipath, Some(key)) if reason != CloseReason::FastClosed => ResetSignal::FastClose(key),
            (Mode::Multipath, _) => ResetSignal::Reason(ResetReason::Unspecified),
            _ => ResetSignal::Plain,
        };
        self.all_mut()
            .filter(|subflow| subflow.tcp.state() != tcp::State::TimeWait)
            .for_each(|subflow| subflow.abort(reset));
        self.core.receive.clear();
        self.core.closed(reason);
    }

    fn tell_finished(&mut self) {
        if self.core.ending.is_closed() && self.all().next().is_none() && !self.core.ending.told {
            self.core.ending.told = true;
            self.core.events.push_back(Event::Finished);
        }
    }
}
