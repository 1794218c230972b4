//! Falling back to plain TCP, and what a middlebox did that makes us
//! (RFC 8684 §3.7).

use super::connection::{Connection, Mode};
use super::mapping::Mapping;
use super::send::DataFin;
use super::subflow::ResetSignal;
use crate::base::{Context, DataSeqNumber, Outcome, Packet, SubflowId};
use crate::wire::{MappingSignal, ResetReason};

impl<P: Packet> Connection<P> {
    /// Plain TCP from the handshake on: byte 0 follows the SYN.
    pub(super) fn become_plain(&mut self) {
        let Some(subflow) = self.all().next() else { return };
        let sequence = subflow.signal.initial_send_sequence + 1;
        self.core.mode = Mode::Plain(sequence);
        self.core.checksum = false;
        self.core.signals.clear();
    }

    /// Whether plain TCP can go on with this subflow: it is the only one, and
    /// what is in flight lies on it in order, in both directions.
    pub(super) fn may_fall_back(&self, id: SubflowId) -> bool {
        let alone = self.all().all(|subflow| subflow.signal.id == id || !subflow.may_hold_data());
        alone && self.core.send.is_contiguous() && !self.core.receive.has_gap()
    }

    /// Whether options that are lost on this subflow make the connection plain:
    /// on the first one. A join is reset (§3.7).
    pub(super) fn may_lose_options(&self, id: SubflowId) -> bool {
        self.may_fall_back(id) && self.subflow(id).is_some_and(|subflow| !subflow.signal.is_join)
    }

    /// Plain TCP from here on, for good. `announce`: the next payload declares
    /// an infinite mapping, in case options pass in one direction only.
    pub(super) fn fall_back(&mut self, id: SubflowId, announce: bool) {
        let Some((core, subflow)) = self.split(id) else { return };
        // The subflow has everything up to the last mapped byte, in order.
        let sequence = subflow.tcp.next_push_sequence();
        let mapped = core.send.unmapped(false).0;
        let unacknowledged = core.send.unacknowledged();
        // Bytes acknowledged by the subflow but not at data level are freed by
        // the next ACK: count from the oldest byte of ours it may still hold.
        let sequence = sequence - (mapped - unacknowledged) as usize;
        // The infinite mapping acts from what was Data-ACKed last (§3.7).
        core.announce = announce.then(|| {
            Box::new(Mapping {
                offset: unacknowledged,
                subflow_offset: sequence.0.wrapping_sub(subflow.signal.initial_send_sequence.0),
                length: 0,
                checksum: core.checksum.then_some(0),
            })
        });
        core.mode = Mode::Plain(sequence);
        core.signals.clear();
        core.send.deadline = None;
        // The ends of both streams are the subflow's FINs from now on.
        if matches!(core.send.fin, DataFin::Sent | DataFin::Acknowledged) {
            core.send.fin = DataFin::Wanted;
        }
        core.receive.forget_fin();
        for payload in subflow.incoming.drain() {
            core.receive.append(payload);
        }
        subflow.sent.clear();
        core.send.push_wanted = true;
        // Only one subflow is left (§3.7): joins under way end.
        self.all_mut()
            .filter(|subflow| subflow.signal.id != id)
            .for_each(|subflow| subflow.abort(ResetSignal::Reason(ResetReason::Mptcp)));
    }

    /// Bytes without a mapping: the path stopped passing options.
    pub(super) fn handle_unmapped(&mut self, cx: &mut Context<'_>, id: SubflowId) -> bool {
        cx.count(Outcome::MpUnmappedData);
        if !self.core.data_signal_seen && self.may_lose_options(id) {
            cx.count(Outcome::MpCapableDataFallback);
            self.fall_back(id, true);
            return true;
        }
        cx.count(Outcome::MpMiddleboxReset);
        self.abort_subflow(cx, id, ResetSignal::Reason(ResetReason::Middlebox));
        false
    }

    /// A mapping's checksum is wrong: its data was changed on the way.
    pub(super) fn handle_bad_checksum(
        &mut self,
        cx: &mut Context<'_>,
        id: SubflowId,
        sequence: DataSeqNumber,
    ) -> bool {
        cx.count(Outcome::MpDataChecksumError);
        if self.may_fall_back(id) {
            cx.count(Outcome::MpDssCorruptionFallback);
            self.signal_failure(id, sequence);
            self.fall_back(id, true);
            return true;
        }
        // Several subflows, or a gap: nothing after it can be trusted, and what
        // is not acknowledged comes again elsewhere.
        cx.count(Outcome::MpDssCorruptionReset);
        self.abort_subflow(cx, id, ResetSignal::Failed(sequence));
        false
    }

    fn signal_failure(&mut self, id: SubflowId, sequence: DataSeqNumber) {
        if let Some(subflow) = self.subflow_mut(id) {
            subflow.signal.rare.fail_pending = Some(sequence);
            subflow.tcp.request_signal_ack();
        }
    }

    /// MP_FAIL: the peer found our data changed. On an RST the subflow is gone
    /// anyway; else both sides answer and revert entirely.
    pub(super) fn handle_fail(
        &mut self,
        cx: &mut Context<'_>,
        id: SubflowId,
        _sequence: DataSeqNumber,
        reset: bool,
    ) {
        cx.count(Outcome::MpFailRx);
        if reset {
            return;
        }
        if self.may_fall_back(id) {
            let answer = self.core.receive.acknowledgement();
            self.signal_failure(id, answer);
            self.fall_back(id, true);
        } else {
            let sequence = self.core.send.unacknowledged_sequence();
            self.abort_subflow(cx, id, ResetSignal::Failed(sequence));
        }
    }

    /// An infinite mapping: the peer has fallen back. It acts from its number on,
    /// also for what waits without a mapping (§3.3.1, §3.7).
    pub(super) fn handle_infinite_mapping(
        &mut self,
        cx: &mut Context<'_>,
        id: SubflowId,
        signal: &MappingSignal,
    ) {
        cx.count(Outcome::MpInfiniteMapRx);
        if self.may_fall_back(id) && self.skip_delivered(id, signal) {
            self.fall_back(id, false);
        } else {
            cx.count(Outcome::MpMiddleboxReset);
            self.abort_subflow(cx, id, ResetSignal::Reason(ResetReason::Middlebox));
        }
    }

    /// Drops what waits on the subflow and was delivered before; `false` if an
    /// infinite mapping would leave a hole in the stream.
    fn skip_delivered(&mut self, id: SubflowId, signal: &MappingSignal) -> bool {
        let Some((core, subflow)) = self.split(id) else { return false };
        let initial = subflow.tcp.initial_receive_sequence();
        let sequence = signal.data_sequence.promote(core.receive.expected());
        let first = subflow.incoming.first(initial + 1);
        let into_mapping = first.distance(initial + signal.subflow_offset as usize);
        let offset = core.receive.offset_of(sequence).wrapping_add_signed(i64::from(into_mapping));
        let delivered = core.receive.next().checked_sub(offset);
        delivered
            .and_then(|bytes| usize::try_from(bytes).ok())
            .is_some_and(|bytes| subflow.incoming.skip(bytes))
    }
}
