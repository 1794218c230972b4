//! Which MPTCP options a segment carries (RFC 8684 §3, appendix A): written at
//! emission, so that Data ACK and window are the newest.

use super::connection::{Core, Mode, Role};
use super::handshake::VERSION;
use super::key::{leftmost_64, leftmost_160};
use super::mapping::{Mapping, Tag};
use super::send::DataFin;
use super::subflow::{ResetSignal, Signal, Stage};
use crate::base::{Instant, Outcome, Packet};
use crate::tcp::{OptionContext, OptionSource};
use crate::wire::{
    DataAck, DataSignal, MappingSignal, MpCapable, MpJoin, MptcpOption, OptionBytes, ResetReason, TcpFlags,
};
use arrayvec::ArrayVec;

/// Writes the options of one subflow's segments.
pub(super) struct OptionWriter<'a, P> {
    pub(super) core: &'a mut Core<P>,
    pub(super) signal: &'a mut Signal,
    pub(super) now: Instant,
    /// How long the options of the segment at hand may become.
    pub(super) room: usize,
    /// What was written, to be counted once the segment has left.
    pub(super) outcomes: ArrayVec<Outcome, 4>,
}

impl<P: Packet> OptionSource<Tag> for OptionWriter<'_, P> {
    fn write_options(&mut self, context: &OptionContext<Tag>, room: usize, options: &mut OptionBytes) {
        self.room = options.len() + room;
        if context.flags.contains(TcpFlags::RST) {
            self.write_reset(options);
        } else if context.flags.contains(TcpFlags::SYN) {
            self.write_syn(context, options);
        } else if let Some(tag) = context.tag {
            self.write_data(context, tag, options);
        } else {
            self.write_ack(options);
        }
    }
}

impl<P: Packet> OptionWriter<'_, P> {
    /// Writes an option if there is room for it.
    fn emit(&mut self, option: &MptcpOption, options: &mut OptionBytes, outcome: Option<Outcome>) {
        if options.len() + option.encoded_len() <= self.room
            && option.emit(options)
            && let Some(outcome) = outcome
        {
            // Four are more than fit into one segment.
            let _ = self.outcomes.try_push(outcome);
        }
    }

    fn write_syn(&mut self, context: &OptionContext<Tag>, options: &mut OptionBytes) {
        match self.signal.stage {
            Stage::CapableSynSent { syns } if !context.flags.contains(TcpFlags::ACK) => {
                self.signal.stage = Stage::CapableSynSent { syns: syns.saturating_add(1) };
                if self.core.offers_capable(syns) {
                    let capable = self.capable(false, false);
                    self.emit(&capable, options, Some(Outcome::MpCapableSynTx));
                }
            }
            Stage::CapableSynReceived if self.core.mode == Mode::Negotiating => {
                let capable = self.capable(true, false);
                self.emit(&capable, options, None);
            }
            Stage::JoinSynSent => self.write_join_syn(self.signal.rare.join.local_nonce, options),
            Stage::JoinSynReceived => {
                let Some(hmac) = self.join_hmac() else { return };
                let join = MpJoin::SynAck {
                    backup: self.signal.backup_by_local,
                    address_id: self.signal.local_id,
                    hmac: leftmost_64(&hmac),
                    nonce: self.signal.rare.join.local_nonce,
                };
                self.emit(&MptcpOption::Join(join), options, None);
            }
            _ => {}
        }
    }

    /// The HMAC by which we show the peer of a join that we have the keys.
    fn join_hmac(&mut self) -> Option<[u8; 32]> {
        let (keys, join) = (&self.core.keys, &self.signal.rare.join);
        Some(self.core.macs.join((keys.local, keys.remote?), join.local_nonce, join.remote_nonce))
    }

    fn write_join_syn(&mut self, nonce: u32, options: &mut OptionBytes) {
        if self.core.keys.remote.is_none() {
            return;
        }
        let join = MpJoin::Syn {
            backup: self.signal.backup_by_local,
            address_id: self.signal.local_id,
            token: self.core.keys.remote_token,
            nonce,
        };
        self.emit(&MptcpOption::Join(join), options, None);
    }

    /// MP_CAPABLE with our key, with both, or with none.
    fn capable(&self, with_local: bool, with_remote: bool) -> MptcpOption {
        let checksum = if self.core.checksum { MpCapable::CHECKSUM } else { 0 };
        MptcpOption::Capable(MpCapable {
            version: VERSION,
            flags: checksum | MpCapable::HMAC_SHA256,
            sender_key: with_local.then_some(self.core.keys.local),
            receiver_key: self.core.keys.remote.filter(|_| with_remote),
            data_length: None,
            checksum: None,
        })
    }

    fn write_data(&mut self, context: &OptionContext<Tag>, tag: Tag, options: &mut OptionBytes) {
        match tag {
            // A mapping is never changed: what was mapped before a fallback still is, for a peer
            // that has not noticed yet. Data ACKs end with the fallback (§3.7).
            Tag::Mapped(mapping) if self.core.mode != Mode::Multipath => {
                DataSignal { data_fin: false, data_ack: None, mapping: Some(self.mapping_signal(&mapping)) }
                    .emit(options);
            }
            Tag::Mapped(mapping) => {
                let first = context.sequence == self.signal.initial_send_sequence + 1;
                let is_initial =
                    self.core.role == Role::Active && mapping.offset == 0 && mapping.subflow_offset == 1;
                if first && is_initial && matches!(self.signal.stage, Stage::CapableUnconfirmed { .. }) {
                    self.write_first_data(&mapping, options);
                } else {
                    let signal = self.data_signal(Some(self.mapping_signal(&mapping)), false);
                    signal.emit(options);
                }
            }
            Tag::Infinite(mapping) => {
                let signal = DataSignal {
                    data_fin: false,
                    data_ack: None,
                    mapping: Some(self.mapping_signal(&mapping)),
                };
                if signal.emit(options) {
                    let _ = self.outcomes.try_push(Outcome::MpInfiniteMapTx);
                }
            }
            Tag::Plain => {}
        }
    }

    /// The first data repeats MP_CAPABLE with its length instead of a DSS (§3.1).
    fn write_first_data(&mut self, mapping: &Mapping, options: &mut OptionBytes) {
        let MptcpOption::Capable(mut capable) = self.capable(true, true) else { return };
        capable.data_length = Some(mapping.length);
        capable.checksum = mapping.checksum;
        self.emit(&MptcpOption::Capable(capable), options, None);
    }

    fn mapping_signal(&self, mapping: &Mapping) -> MappingSignal {
        MappingSignal {
            // Always 64 bits: 32 could wrap within a segment's life (§3.3.1).
            data_sequence: DataAck::Long(self.core.send.sequence_of(mapping.offset)),
            subflow_offset: mapping.subflow_offset,
            length: mapping.length,
            checksum: mapping.checksum,
        }
    }

    fn data_signal(&self, mapping: Option<MappingSignal>, data_fin: bool) -> DataSignal {
        DataSignal { data_fin, data_ack: Some(DataAck::Long(self.core.receive.acknowledgement())), mapping }
    }

    fn write_ack(&mut self, options: &mut OptionBytes) {
        if let Some(sequence) = self.signal.rare.fail_pending {
            self.signal.rare.fail_pending = None;
            self.emit(&MptcpOption::Fail(sequence), options, Some(Outcome::MpFailTx));
        }
        if self.core.mode != Mode::Multipath {
            return;
        }
        match self.signal.stage {
            // A DATA_FIN does not fit beside the keys: they take turns.
            Stage::CapableUnconfirmed { keys_sent: true } if self.core.send.fin == DataFin::Sent => {
                self.signal.stage = Stage::CapableUnconfirmed { keys_sent: false };
                self.write_established_ack(options);
            }
            Stage::CapableUnconfirmed { .. } => {
                let capable = self.capable(true, true);
                self.emit(&capable, options, None);
                self.signal.stage = Stage::CapableUnconfirmed { keys_sent: true };
            }
            Stage::JoinPreEstablished => {
                let Some(hmac) = self.join_hmac() else { return };
                let hmac = leftmost_160(&hmac);
                self.emit(&MptcpOption::Join(MpJoin::Ack { hmac }), options, None);
            }
            _ => self.write_established_ack(options),
        }
    }

    /// Signals that wait come first; a Data ACK beside them if there is room.
    fn write_established_ack(&mut self, options: &mut OptionBytes) {
        let before = options.len();
        self.write_waiting(options);
        let is_crowded = options.len() > before;
        let fin =
            (self.core.send.fin == DataFin::Sent).then(|| self.data_signal(Some(self.fin_mapping()), true));
        let acknowledgement = self.data_signal(None, false);
        let best = fin.filter(|signal| options.len() + signal.encoded_len() <= self.room);
        // What kept the DATA_FIN out has left now; room that TCP itself needs is waited for.
        self.core.send.fin_due &= is_crowded && best.is_none();
        let signal = best.unwrap_or(acknowledgement);
        if options.len() + signal.encoded_len() <= self.room {
            signal.emit(options);
        }
    }

    fn write_waiting(&mut self, options: &mut OptionBytes) {
        let room = self.room - options.len();
        let priority = MptcpOption::Priority { backup: self.signal.backup_by_local };
        if self.signal.priority_pending && priority.encoded_len() <= room {
            self.signal.priority_pending = false;
            self.emit(&priority, options, Some(Outcome::MpPrioTx));
            return;
        }
        let Some(remote) = self.core.keys.remote else { return };
        let keys = (self.core.keys.local, remote);
        let timeout = self.core.config.add_address_timeout;
        let keyed = (keys, &mut self.core.macs);
        let Some(option) = self.core.signals.take(room, keyed, self.now, timeout) else { return };
        let outcome = match option {
            MptcpOption::AddAddress(add) if add.hmac.is_none() => Outcome::MpEchoAddTx,
            MptcpOption::AddAddress(_) => Outcome::MpAddAddrTx,
            _ => Outcome::MpRemoveAddrTx,
        };
        self.emit(&option, options, Some(outcome));
    }

    /// A DATA_FIN without data: subflow offset 0, length 1, and a checksum over
    /// the pseudo-header alone (§3.3.3).
    fn fin_mapping(&self) -> MappingSignal {
        let sequence = self.core.send.fin_sequence();
        let checksum = self
            .core
            .checksum
            .then(|| super::mapping::data_checksum(sequence, 0, 1, std::iter::empty::<&P>()));
        MappingSignal { data_sequence: DataAck::Long(sequence), subflow_offset: 0, length: 1, checksum }
    }

    fn write_reset(&mut self, options: &mut OptionBytes) {
        let reason = match self.signal.rare.reset {
            ResetSignal::Plain => return,
            ResetSignal::FastClose(key) => {
                self.emit(&MptcpOption::FastClose(key), options, Some(Outcome::MpFastcloseTx));
                return;
            }
            ResetSignal::Failed(sequence) => {
                self.emit(&MptcpOption::Fail(sequence), options, Some(Outcome::MpFailTx));
                ResetReason::Middlebox
            }
            ResetSignal::Reason(reason) => reason,
        };
        let transient = may_pass(reason);
        self.emit(&MptcpOption::Reset { transient, reason }, options, Some(Outcome::MpResetTx));
    }
}

/// The T flag: a path that changes what it carries, or a peer without the keys,
/// stays so; an address that is gone may come back (§3.6).
const fn may_pass(reason: ResetReason) -> bool {
    match reason {
        ResetReason::Mptcp | ResetReason::Prohibited | ResetReason::Middlebox => false,
        ResetReason::Unspecified
        | ResetReason::Resources
        | ResetReason::Outstanding
        | ResetReason::Performance => true,
    }
}
