//! A segment arrives: the checks of RFC 9293 §3.10.7.4 in their order, with
//! RFC 5961 and RFC 7323. What passes them goes on to `acknowledge` and `text`.

use super::state::{CloseReason, Reaction, State};
use super::subflow::Subflow;
use crate::base::{Context, Instant, Outcome, Packet, SeqNumber};
use crate::wire::{Tcp, TcpFlags};

/// A segment on the scale of the receive side.
pub(super) struct Arrival<'a, P> {
    pub(super) segment: &'a Tcp,
    pub(super) payload: P,
    /// Offset of the first payload byte.
    pub(super) start: i64,
    /// Offset behind the last payload byte, as sent: that of the FIN, if any.
    pub(super) end: i64,
    /// Whether its SYN is the one that is known: only the ACK with it is new.
    pub(super) syn_is_known: bool,
    pub(super) upper_signal: bool,
    pub(super) reaction: Reaction,
}

impl<P: Packet> Arrival<'_, P> {
    pub(super) const fn has(&self, flag: TcpFlags) -> bool {
        self.segment.flags.contains(flag)
    }

    /// Whether it takes sequence numbers.
    pub(super) fn occupies_sequence(&self) -> bool {
        self.end > self.start || self.segment.flags.intersects(TcpFlags::SYN.with(TcpFlags::FIN))
    }
}

impl<P: Packet, T: Copy + PartialEq> Subflow<P, T> {
    /// A segment of this 4-tuple arrived; `payload` is what follows its header.
    /// `upper_signal`: the segment carries an option of the room above that
    /// makes it no duplicate ACK (RFC 8684 §3: a duplicate ACK with an MPTCP
    /// option other than DSS is no congestion signal).
    ///
    /// What it put in order is taken by [`take_received`](Self::take_received)
    /// before the next segment is handled: a reset drops it.
    pub fn handle_segment(
        &mut self,
        cx: &mut Context<'_>,
        segment: &Tcp,
        payload: P,
        upper_signal: bool,
    ) -> Reaction {
        self.counts.segments_received += 1;
        match self.state {
            State::Closed => return Reaction::default(),
            State::SynSent => return self.handle_in_syn_sent(cx, segment),
            _ => {}
        }
        let start = self.receive.offset(segment.sequence);
        let end = start + payload.len() as i64;
        let reaction = Reaction::default();
        let mut arrival =
            Arrival { segment, payload, start, end, syn_is_known: false, upper_signal, reaction };
        if self.is_predicted(&arrival, cx.now) {
            return self.accept_predicted(cx, arrival);
        }
        if self.check(cx, &mut arrival) {
            self.accept_segment(cx, &mut arrival);
        }
        arrival.reaction
    }

    /// The common case: the next data in order, and nothing else to look at.
    fn is_predicted(&self, arrival: &Arrival<'_, P>, now: Instant) -> bool {
        self.state == State::Established
            && arrival.segment.flags.0 & !TcpFlags::PSH.0 == TcpFlags::ACK.0
            && arrival.start == self.receive.next as i64
            && arrival.end > arrival.start
            && arrival.end <= self.receive.edge as i64
            && self.receive.reassembly.is_empty()
            && self.receive.finish.is_none()
            && self.is_acknowledgement_plausible(self.send.offset(arrival.segment.acknowledgement))
            && match arrival.segment.options.timestamps {
                Some(timestamps) => !self.agreed.timestamps || !self.clock.is_old(timestamps.value, now),
                None => !self.agreed.timestamps,
            }
    }

    fn accept_predicted(&mut self, cx: &mut Context<'_>, mut arrival: Arrival<'_, P>) -> Reaction {
        self.hear(cx.now, &arrival);
        arrival.reaction.acceptable = true;
        self.acknowledge(cx, &mut arrival);
        self.deliver(cx, arrival.payload);
        arrival.reaction
    }

    /// The first to the fifth check. `false`: the segment goes no further.
    fn check(&mut self, cx: &mut Context<'_>, arrival: &mut Arrival<'_, P>) -> bool {
        self.check_repeated_syn(arrival)
            && self.check_timestamp(cx, arrival)
            && self.check_sequence(cx, arrival)
            && self.check_reset(cx, arrival)
            && self.check_syn(cx, arrival)
            && self.check_acknowledgement(cx, arrival)
    }

    fn accept_segment(&mut self, cx: &mut Context<'_>, arrival: &mut Arrival<'_, P>) {
        self.hear(cx.now, arrival);
        arrival.reaction.acceptable = true;
        self.acknowledge(cx, arrival);
        // Sixth check, URG: urgent data is data in its place in the sequence;
        // the pointer is not used (RFC 6093).
        // Seventh and eighth check.
        self.accept_text(cx, arrival);
        self.accept_finish(cx, arrival);
    }

    /// In SYN_RECEIVED the peer's SYN may come again: alone because our SYN/ACK
    /// was lost, or with an ACK in a simultaneous open (§3.5, figure 8), where
    /// it is taken as the ACK that it carries.
    fn check_repeated_syn(&mut self, arrival: &mut Arrival<'_, P>) -> bool {
        let repeated = self.state == State::SynReceived && arrival.has(TcpFlags::SYN) && arrival.start == 0;
        if !repeated {
            return true;
        }
        if !arrival.has(TcpFlags::ACK) {
            self.duties.syn = true;
            return false;
        }
        // The SYN takes the first number, payload and FIN of it are not taken.
        arrival.start = 1;
        arrival.end = 1;
        arrival.payload.truncate(0);
        arrival.syn_is_known = true;
        true
    }

    /// PAWS (RFC 7323 §5.3 R1); resets are never subject to it (§5.2).
    fn check_timestamp(&mut self, cx: &mut Context<'_>, arrival: &Arrival<'_, P>) -> bool {
        if !self.agreed.timestamps || arrival.has(TcpFlags::RST) {
            return true;
        }
        match arrival.segment.options.timestamps {
            Some(timestamps) if !self.clock.is_old(timestamps.value, cx.now) => return true,
            Some(_) => self.answer_unacceptable(cx, arrival),
            // §3.2: a segment that lost its timestamp is silently dropped.
            None => {}
        }
        cx.count(Outcome::TcpPawsRejected);
        false
    }

    /// First check: the sequence number. What was acknowledged before but not
    /// before the last ACK that left is let through for its acknowledgement;
    /// what lies at the very edge, for its acknowledgement and FIN (§3.10.7.4:
    /// with a window of zero, valid ACKs and RSTs are still taken).
    fn check_sequence(&mut self, cx: &mut Context<'_>, arrival: &Arrival<'_, P>) -> bool {
        let end = arrival.end + i64::from(arrival.has(TcpFlags::FIN)) + i64::from(arrival.has(TcpFlags::SYN));
        let edge = self.receive.edge.max(self.receive.next) as i64;
        if end >= self.receive.acknowledged as i64 && arrival.start <= edge {
            return true;
        }
        if arrival.has(TcpFlags::RST) {
            cx.count(Outcome::TcpResetIgnored);
            return false;
        }
        self.restart_time_wait(cx.now, arrival);
        if arrival.start < self.receive.next as i64 && arrival.end > arrival.start {
            cx.count(Outcome::TcpDuplicate);
            self.report_duplicate(arrival.start, arrival.end);
        } else {
            cx.count(Outcome::TcpOutOfWindow);
        }
        self.answer_unacceptable(cx, arrival);
        false
    }

    /// An unacceptable segment is answered by an ACK. One without data could be
    /// the same answer of the other side to us: that loop is limited.
    fn answer_unacceptable(&mut self, cx: &mut Context<'_>, arrival: &Arrival<'_, P>) {
        if arrival.occupies_sequence() {
            self.receive.schedule.hurry();
        } else {
            self.challenge(cx);
        }
    }

    /// Second check: RST (RFC 5961 §3.2: only the exact number resets).
    fn check_reset(&mut self, cx: &mut Context<'_>, arrival: &mut Arrival<'_, P>) -> bool {
        if !arrival.has(TcpFlags::RST) {
            return true;
        }
        if self.state == State::TimeWait {
            // RFC 1337: it must not cut TIME_WAIT short.
            cx.count(Outcome::TcpResetIgnored);
        } else if arrival.start == self.receive.next as i64 {
            cx.count(Outcome::TcpResetReceived);
            let refused = self.active && self.state == State::SynReceived;
            self.end(if refused { CloseReason::Refused } else { CloseReason::Reset });
            arrival.reaction.acceptable = true;
            arrival.reaction.reset = true;
        } else if arrival.start > self.receive.next as i64 {
            self.challenge(cx);
        } else {
            cx.count(Outcome::TcpResetIgnored);
        }
        false
    }

    /// Fourth check: SYN (RFC 5961 §4.2: a challenge, whatever its number).
    fn check_syn(&mut self, cx: &mut Context<'_>, arrival: &Arrival<'_, P>) -> bool {
        if !arrival.has(TcpFlags::SYN) || arrival.syn_is_known {
            return true;
        }
        cx.count(Outcome::TcpSynChallenge);
        self.challenge(cx);
        false
    }

    /// Fifth check: the acknowledgement (RFC 5961 §5.2).
    fn check_acknowledgement(&mut self, cx: &mut Context<'_>, arrival: &mut Arrival<'_, P>) -> bool {
        if !arrival.has(TcpFlags::ACK) {
            cx.count(Outcome::TcpFlagsInvalid);
            return false;
        }
        let acknowledged = self.send.offset(arrival.segment.acknowledgement);
        if self.state == State::SynReceived {
            return self.check_handshake_end(cx, arrival, acknowledged);
        }
        if self.is_acknowledgement_plausible(acknowledged) {
            return true;
        }
        cx.count(Outcome::TcpAckInvalid);
        self.challenge(cx);
        false
    }

    fn check_handshake_end(
        &mut self,
        cx: &mut Context<'_>,
        arrival: &mut Arrival<'_, P>,
        acknowledged: i64,
    ) -> bool {
        if acknowledged < 1 || acknowledged > self.send.next as i64 {
            cx.count(Outcome::TcpAckInvalid);
            self.refuse(arrival.segment.acknowledgement);
            return false;
        }
        self.establish(cx.now, arrival.segment);
        arrival.reaction.established = true;
        arrival.reaction.acknowledged = true;
        true
    }

    /// Not more than was sent, and not older than a window.
    fn is_acknowledgement_plausible(&self, acknowledged: i64) -> bool {
        let oldest = self.send.unacknowledged as i64 - i64::from(self.send.max_window_bytes);
        acknowledged >= oldest && acknowledged <= self.send.next as i64
    }

    /// The peer is there. Its timestamp is echoed if it belongs to what is
    /// acknowledged next (RFC 7323 §4.3).
    fn hear(&mut self, now: Instant, arrival: &Arrival<'_, P>) {
        self.receive.last_heard = now;
        self.timers.heard();
        let next_acknowledged = arrival.start <= self.receive.acknowledged as i64;
        let stamp =
            arrival.segment.options.timestamps.filter(|_| self.agreed.timestamps && next_acknowledged);
        if let Some(timestamps) = stamp {
            self.clock.take(timestamps.value, now);
        }
    }

    /// An RST with this number is due, which changes nothing here.
    pub(super) const fn refuse(&mut self, number: SeqNumber) {
        self.duties.reset = true;
        self.receive.refused = number;
    }

    /// A challenge ACK, if this second has one left (RFC 5961 §7).
    fn challenge(&mut self, cx: &mut Context<'_>) {
        if self.challenges.take(cx.now) {
            cx.count(Outcome::TcpChallengeAck);
            self.receive.schedule.hurry();
        } else {
            cx.count(Outcome::TcpChallengeAckLimited);
        }
    }
}
