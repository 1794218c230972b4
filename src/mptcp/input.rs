//! A segment arrives: TCP's checks first, then MPTCP's signals, then the
//! bytes that it put in order (RFC 8684 §3, §3.3).

use super::attempts::Fate;
use super::connection::{Connection, Mode, Role};
use super::event::Event;
use super::mapping::{Declared, ReceivedMapping, Step, is_fin_genuine};
use super::receive::Placed;
use super::subflow::{ResetSignal, Stage, Subflow};
use crate::base::{Context, DataSeqNumber, Outcome, Packet, SubflowId};
use crate::tcp::Reaction;
use crate::wire::{DataSignal, MappingSignal, MptcpOption, ResetReason, SignalledSequence, Tcp};

impl<P: Packet> Connection<P> {
    /// A segment of a subflow of ours; `payload` is what follows its header.
    pub fn handle_segment(&mut self, cx: &mut Context<'_>, id: SubflowId, segment: &Tcp, payload: P) {
        self.stir(cx.now);
        let Some(subflow) = self.subflow_mut(id) else { return };
        // A duplicate ACK with an option other than DSS is no congestion signal (RFC 8684 §3).
        let is_signal = !segment.options.mptcp.others.is_empty();
        let reaction = subflow.tcp.handle_segment(cx, segment, payload, is_signal);
        if reaction.acceptable {
            if subflow.signal.rare.removal_at.is_some() {
                subflow.signal.rare.removal_at = None;
            }
            self.core.signals.heard();
        }
        if reaction.established {
            self.handle_established(cx, id, segment);
        }
        if reaction.acceptable {
            self.handle_signals(cx, id, segment, &reaction);
        }
        if reaction.acknowledged {
            self.handle_progress(cx, id);
        }
        self.collect(cx, id);
        if reaction.finished {
            self.handle_subflow_finished(cx, id);
        }
        self.core.send.push_wanted = true;
        self.settle(cx);
    }

    fn handle_established(&mut self, cx: &mut Context<'_>, id: SubflowId, segment: &Tcp) {
        match self.subflow(id).map(|subflow| subflow.signal.stage) {
            Some(Stage::JoinSynSent | Stage::JoinSynReceived) => {
                self.handle_join_established(cx, id, segment);
            }
            Some(_) => self.handle_capable_established(cx, id, segment),
            None => {}
        }
    }

    /// MPTCP's signals of a segment that passed TCP's checks.
    fn handle_signals(&mut self, cx: &mut Context<'_>, id: SubflowId, segment: &Tcp, reaction: &Reaction) {
        match self.core.mode {
            Mode::Multipath => {}
            Mode::Plain(_) => return self.handle_plain_progress(cx, id),
            Mode::Negotiating => return,
        }
        if reaction.reset {
            self.handle_reset_reason(cx, id, segment);
        }
        let is_heard = |subflow: &Subflow<P>| {
            subflow.signal.stage.is_authenticated() && (reaction.reset || !subflow.is_aborted())
        };
        if !self.subflow(id).is_some_and(is_heard) {
            return;
        }
        if segment.options.mptcp.malformed {
            cx.count(Outcome::MpOptionMalformed);
        }
        if !reaction.established && !reaction.reset {
            self.handle_join_progress(id, segment);
        }
        for option in &segment.options.mptcp.others {
            self.handle_option(cx, id, option, reaction);
        }
        if reaction.reset {
            return;
        }
        if self.core.is_multipath() {
            match segment.options.mptcp.data_signal {
                Some(signal) => self.handle_data_signal(cx, id, &signal),
                None => self.handle_missing_signal(cx, id, segment, reaction),
            }
        }
        // What a segment acknowledged that made the connection plain, is free now.
        self.handle_plain_progress(cx, id);
    }

    /// MP_TCPRST without T: this pair of addresses will never do (§3.6).
    fn handle_reset_reason(&mut self, cx: &mut Context<'_>, id: SubflowId, segment: &Tcp) {
        let Some((core, subflow)) = self.split(id) else { return };
        for option in &segment.options.mptcp.others {
            let MptcpOption::Reset { transient, .. } = option else { continue };
            cx.count(Outcome::MpResetRx);
            if !transient {
                let tuple = subflow.path.tuple();
                let local = core.local_id_of(tuple.local.ip());
                core.addresses.attempts.note(local, tuple.remote.into(), Fate::Barred);
            }
        }
    }

    fn handle_option(
        &mut self,
        cx: &mut Context<'_>,
        id: SubflowId,
        option: &MptcpOption,
        reaction: &Reaction,
    ) {
        match *option {
            MptcpOption::Capable(capable) => {
                // First data of the active side: as good as a mapping (§3.1).
                let is_first = self.subflow(id).is_some_and(|subflow| !subflow.signal.is_join);
                let is_ours = is_first && self.core.role == Role::Passive;
                if let Some(length) = capable.data_length.filter(|_| is_ours) {
                    let mapping = MappingSignal {
                        data_sequence: SignalledSequence::Long(self.core.receive.sequence_of(0)),
                        subflow_offset: 1,
                        length,
                        checksum: capable.checksum,
                    };
                    self.handle_mapping(cx, id, &mapping, false);
                }
            }
            MptcpOption::AddAddress(add) => {
                if self.handle_add_address(cx, id, &add) {
                    self.confirm_keys(id);
                }
            }
            MptcpOption::RemoveAddress(ids) => self.handle_remove_address(cx, &ids),
            MptcpOption::Priority { backup } => {
                cx.count(Outcome::MpPrioRx);
                if let Some(subflow) = self.subflow_mut(id) {
                    subflow.signal.backup_by_remote = backup;
                }
            }
            MptcpOption::Fail(sequence) => self.handle_fail(cx, id, sequence, reaction.reset),
            MptcpOption::FastClose(key) => self.handle_fast_close(cx, key),
            // MP_TCPRST says nothing without an RST; with one it was looked at first.
            MptcpOption::Join(_) | MptcpOption::Reset { .. } => {}
        }
    }

    fn handle_data_signal(&mut self, cx: &mut Context<'_>, id: SubflowId, signal: &DataSignal) {
        self.core.data_signal_seen = true;
        self.confirm_keys(id);
        if let Some(acknowledgement) = signal.data_ack {
            self.handle_data_ack(cx, id, acknowledgement);
        }
        if let Some(mapping) = &signal.mapping {
            self.handle_mapping(cx, id, mapping, signal.data_fin);
        }
    }

    fn handle_mapping(
        &mut self,
        cx: &mut Context<'_>,
        id: SubflowId,
        signal: &MappingSignal,
        data_fin: bool,
    ) {
        if signal.length == 0 {
            self.handle_infinite_mapping(cx, id, signal);
            return;
        }
        let sequence = signal.data_sequence.promote(self.core.receive.expected());
        let data_bytes = signal.length - u16::from(data_fin);
        // Present though not agreed, or absent though agreed: reset (§3.3).
        if signal.checksum.is_some() != self.core.checksum {
            cx.count(Outcome::MpDssChecksumMismatch);
            self.abort_subflow(cx, id, ResetSignal::Reason(ResetReason::Mptcp));
            return;
        }
        // A mapping of nothing but the DATA_FIN has no place in the subflow (§3.3.3).
        if data_bytes > 0 {
            self.declare(cx, id, signal, sequence, data_bytes);
        } else if !is_fin_genuine::<P>(signal, sequence) {
            // No data was changed: the DATA_FIN comes again.
            cx.count(Outcome::MpDataChecksumError);
            return;
        }
        if data_fin {
            let offset = self.core.receive.offset_of(sequence + usize::from(data_bytes));
            self.core.receive.set_fin(offset);
            if let Some(subflow) = self.subflow_mut(id) {
                subflow.tcp.request_ack();
            }
        }
    }

    fn declare(
        &mut self,
        cx: &mut Context<'_>,
        id: SubflowId,
        signal: &MappingSignal,
        sequence: DataSeqNumber,
        data_bytes: u16,
    ) {
        let Some((core, subflow)) = self.split(id) else { return };
        let mapping = ReceivedMapping {
            start: subflow.tcp.initial_receive_sequence() + signal.subflow_offset as usize,
            subflow_offset: signal.subflow_offset,
            offset: core.receive.offset_of(sequence),
            sequence,
            data_bytes,
            length: signal.length,
            checksum: signal.checksum,
        };
        let limit = usize::from(core.config.tcp.reassembly_segments) * 2;
        let first = subflow.tcp.initial_receive_sequence() + 1;
        match subflow.incoming.declare(mapping, first, limit) {
            Declared::Taken => {}
            Declared::Conflict => {
                cx.count(Outcome::MpDssNotMatching);
                self.abort_subflow(cx, id, ResetSignal::Reason(ResetReason::Mptcp));
            }
            // Its data will be unmapped and sent again.
            Declared::Full => cx.count(Outcome::MpOutOfOrderFull),
        }
    }

    /// Brings what the subflow put in order to the stream.
    fn collect(&mut self, cx: &mut Context<'_>, id: SubflowId) {
        let waits = |subflow: &Subflow<P>| subflow.tcp.has_received() || subflow.incoming.is_waiting();
        if !self.subflow(id).is_some_and(waits) {
            return;
        }
        let readable = self.core.receive.is_readable();
        while let Some((core, subflow)) = self.split(id) {
            match core.mode {
                Mode::Negotiating => break,
                Mode::Plain(_) => {
                    while let Some(received) = subflow.tcp.take_received() {
                        core.receive.append(received.payload);
                    }
                    break;
                }
                Mode::Multipath => {}
            }
            while let Some(received) = subflow.tcp.take_received() {
                subflow.incoming.append(received);
            }
            if !self.collect_mapped(cx, id) {
                break;
            }
        }
        if !readable && self.core.receive.is_readable() {
            self.core.events.push_back(Event::Readable);
        }
    }

    /// Whether the mode changed, so that what is left is to be looked at again.
    fn collect_mapped(&mut self, cx: &mut Context<'_>, id: SubflowId) -> bool {
        loop {
            let Some((core, subflow)) = self.split(id) else { return false };
            match subflow.incoming.step() {
                Step::Data { offset, payload } => {
                    let outcome = match core.receive.place(offset, payload) {
                        Placed::InOrder => continue,
                        Placed::OutOfOrder => Outcome::MpOutOfOrder,
                        Placed::Duplicate => Outcome::MpDuplicateData,
                        Placed::OutOfWindow => Outcome::MpNoDssInWindow,
                        Placed::Full => Outcome::MpOutOfOrderFull,
                        Placed::Unread => Outcome::MpReceiveFull,
                    };
                    cx.count(outcome);
                }
                Step::Wait => return self.handle_waiting_data(cx, id),
                Step::Unmapped => return self.handle_unmapped(cx, id),
                Step::BadChecksum(sequence) => return self.handle_bad_checksum(cx, id, sequence),
            }
        }
    }

    /// Data waits for a mapping. Before any DSS came at all there is none to
    /// wait for: the path drops options (§3.7).
    fn handle_waiting_data(&mut self, cx: &mut Context<'_>, id: SubflowId) -> bool {
        let waits = self.subflow(id).is_some_and(|subflow| subflow.incoming.is_unmapped());
        let is_first = !self.core.data_signal_seen && self.core.receive.next() == 0;
        if waits && is_first && self.may_lose_options(id) {
            cx.count(Outcome::MpCapableDataFallback);
            self.fall_back(id, true);
            return true;
        }
        false
    }

    /// An ACK without a DSS (§3.7).
    fn handle_missing_signal(
        &mut self,
        cx: &mut Context<'_>,
        id: SubflowId,
        segment: &Tcp,
        reaction: &Reaction,
    ) {
        let Some(subflow) = self.subflow(id) else { return };
        let first_data = subflow.signal.initial_send_sequence + 1;
        let acknowledges_data = reaction.acknowledged && subflow.tcp.unacknowledged().after(first_data);
        // An option of another kind (ADD_ADDR of IPv6 leaves no room for a DSS)
        // shows that the path lets options through.
        let has_option = !segment.options.mptcp.others.is_empty();
        if subflow.signal.data_ack_seen || !acknowledges_data || has_option || subflow.closing {
            return;
        }
        if self.may_lose_options(id) {
            cx.count(Outcome::MpDssFallback);
            self.fall_back(id, true);
        } else {
            cx.count(Outcome::MpMiddleboxReset);
            self.abort_subflow(cx, id, ResetSignal::Reason(ResetReason::Middlebox));
        }
    }

    /// The subflow acknowledged new bytes.
    fn handle_progress(&mut self, cx: &mut Context<'_>, id: SubflowId) {
        let Some(subflow) = self.subflow_mut(id) else { return };
        subflow.drop_acknowledged();
        if subflow.signal.stale && subflow.tcp.consecutive_timeouts() == 0 {
            subflow.signal.stale = false;
            cx.count(Outcome::MpSubflowRecover);
        }
    }
}
