//! Segments without payload: RST, SYN, probe and ACK.

use super::segment::{OptionContext, OptionSource, OutgoingSegment};
use super::state::State;
use super::subflow::{Probe, Subflow};
use crate::base::{Context, Outcome, Packet};
use crate::wire::TcpFlags;

impl<P: Packet, T: Copy + PartialEq> Subflow<P, T> {
    /// An RST that answers a wrong acknowledgement in a handshake: it is about
    /// the other side's state, not ours (RFC 9293 §3.10.7.3, §3.10.7.4).
    pub(super) fn transmit_reset(&mut self, cx: &mut Context<'_>, segment: &mut OutgoingSegment<P>) -> bool {
        if !std::mem::take(&mut self.duties.reset) {
            return false;
        }
        cx.count(Outcome::TcpResetSent);
        segment.sequence = self.receive.refused;
        segment.flags = TcpFlags::RST;
        true
    }

    /// The RST of an abort, once (RFC 9293 §3.10.5).
    pub(super) fn transmit_abort(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut impl OptionSource<T>,
        segment: &mut OutgoingSegment<P>,
    ) -> bool {
        if !std::mem::take(&mut self.duties.abort) {
            return false;
        }
        cx.count(Outcome::TcpResetSent);
        let flags = TcpFlags::RST.with(TcpFlags::ACK);
        let context = self.control_context(flags, self.send.next);
        self.lay_out_data(source, &context, cx.now, &mut segment.options);
        segment.sequence = context.sequence;
        segment.acknowledgement = self.receive.sequence(self.receive.next);
        segment.flags = flags;
        true
    }

    /// SYN or SYN/ACK.
    pub(super) fn transmit_syn(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut impl OptionSource<T>,
        segment: &mut OutgoingSegment<P>,
    ) -> bool {
        if !std::mem::take(&mut self.duties.syn) {
            return false;
        }
        let answers = self.state == State::SynReceived;
        let flags = if answers { TcpFlags::SYN.with(TcpFlags::ACK) } else { TcpFlags::SYN };
        let again = self.send.next > 0;
        let context = OptionContext { retransmission: again, ..self.control_context(flags, 0) };
        self.lay_out_syn(source, &context, cx.now, &mut segment.options);
        segment.sequence = self.send.initial;
        segment.flags = flags;
        segment.window = self.syn_window_field();
        if answers {
            segment.acknowledgement = self.receive.sequence(self.receive.next);
        }
        self.announced(u64::from(segment.window));
        self.syn_left(cx, again);
        true
    }

    fn syn_left(&mut self, cx: &mut Context<'_>, again: bool) {
        self.send.next = self.send.next.max(1);
        self.send.last_sent = cx.now;
        // Karn: only one that left once measures a round trip.
        self.send.syn_left_once = !again;
        if again {
            cx.count(Outcome::TcpSynRetransmit);
            self.counts.retransmissions += 1;
        }
        self.arm_retransmission_timer(cx.now);
    }

    /// An ACK for the sake of its options: before any data.
    pub(super) fn transmit_signal(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut impl OptionSource<T>,
        segment: &mut OutgoingSegment<P>,
    ) -> bool {
        let due = self.receive.schedule.is_signal_due();
        if due {
            self.transmit_empty(cx, source, self.send.next, segment);
        }
        due
    }

    /// A segment that the peer must answer, because its number lies before
    /// everything that is expected (RFC 9293 §3.8.4; also into a closed window).
    pub(super) fn transmit_probe(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut impl OptionSource<T>,
        segment: &mut OutgoingSegment<P>,
    ) -> bool {
        let Some(probe) = self.duties.probe.take() else { return false };
        cx.count(match probe {
            Probe::ZeroWindow => Outcome::TcpZeroWindowProbe,
            Probe::Keepalive => Outcome::TcpKeepalive,
        });
        self.transmit_empty(cx, source, self.send.unacknowledged.saturating_sub(1), segment);
        true
    }

    /// A pure ACK, if one is due that no data carried.
    pub(super) fn transmit_ack(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut impl OptionSource<T>,
        segment: &mut OutgoingSegment<P>,
    ) -> bool {
        let due = self.receive.schedule.is_due() || (self.agreed.sack && self.receive.report.is_due());
        if due {
            self.transmit_empty(cx, source, self.send.next, segment);
        }
        due
    }

    fn transmit_empty(
        &mut self,
        cx: &Context<'_>,
        source: &mut impl OptionSource<T>,
        offset: u64,
        segment: &mut OutgoingSegment<P>,
    ) {
        let context = self.control_context(TcpFlags::ACK, offset);
        self.lay_out_ack(source, &context, cx.now, &mut segment.options);
        self.stamp_header(offset, TcpFlags::ACK, segment);
        self.receive.schedule.acknowledged_alone();
    }

    /// What the room above is told of a segment without payload.
    pub(super) fn control_context(&self, flags: TcpFlags, offset: u64) -> OptionContext<T> {
        OptionContext {
            flags,
            tag: None,
            sequence: self.send.sequence(offset),
            payload_bytes: 0,
            retransmission: false,
        }
    }
}
