//! MP_JOIN in both roles (RFC 8684 §3.2).

use super::config::Path;
use super::connection::{Connection, Mode};
use super::event::JoinRefused;
use super::key::{equal, leftmost_64, leftmost_160};
use super::subflow::{JoinHandshake, ResetSignal, Stage};
use crate::base::{AddressId, Context, Key, Outcome, Packet, SeqNumber, SubflowId};
use crate::tcp;
use crate::wire::{MpJoin, MptcpOption, ResetReason, Tcp};

/// How often the third ACK is sent again before the join is given up.
const THIRD_ACK_TRIES: u8 = 6;

/// The first MP_JOIN of a segment.
pub(super) fn join_of(segment: &Tcp) -> Option<MpJoin> {
    segment.options.mptcp.others.iter().find_map(|option| match option {
        MptcpOption::Join(join) => Some(*join),
        _ => None,
    })
}

impl<P: Packet> Connection<P> {
    /// A SYN with MP_JOIN and our token: answered with SYN/ACK.
    ///
    /// # Errors
    /// The reason for the RST (§3.2: unknown token or refusal by policy).
    pub fn handle_join(
        &mut self,
        cx: &mut Context<'_>,
        path: Path,
        initial_sequence: SeqNumber,
        syn: &Tcp,
    ) -> Result<SubflowId, JoinRefused> {
        cx.count(Outcome::MpJoinSynRx);
        let refused = self.refusal_of_join(&path, syn);
        let (Some(_), Some(MpJoin::Syn { backup, address_id, nonce, .. }), None) =
            (self.both_keys(), join_of(syn), refused)
        else {
            cx.count(Outcome::MpJoinRejected);
            return Err(JoinRefused(refused.unwrap_or(ResetReason::Mptcp)));
        };
        let own_nonce = cx.random.next_u32();
        let tcp = tcp::Subflow::accept(
            self.core.config.tcp.clone(),
            path.mss_bytes(),
            initial_sequence,
            syn,
            cx.now,
        );
        let Some(id) = self.add_subflow(tcp, path, Stage::JoinSynReceived) else {
            cx.count(Outcome::MpJoinRejected);
            return Err(JoinRefused(ResetReason::Resources));
        };
        let local_id = self.core.local_id_of(path.tuple.local.ip());
        let asks_backup = self.core.is_backup_address(local_id);
        if let Some(subflow) = self.subflow_mut(id) {
            subflow.signal.local_id = local_id;
            subflow.signal.remote_id = address_id;
            subflow.signal.rare.join =
                JoinHandshake { local_nonce: own_nonce, remote_nonce: nonce, ..JoinHandshake::default() };
            subflow.signal.backup_by_remote = backup;
            subflow.signal.backup_by_local = asks_backup;
        }
        Ok(id)
    }

    fn refusal_of_join(&self, path: &Path, syn: &Tcp) -> Option<ResetReason> {
        if self.core.mode != Mode::Multipath || self.core.ending.is_closed() || syn.options.mptcp.malformed {
            return Some(ResetReason::Mptcp);
        }
        let is_full = self.subflows_in_use() >= usize::from(self.core.config.max_subflows);
        if is_full || self.core.is_withdrawn(path.tuple.local.ip()) {
            return Some(ResetReason::Prohibited);
        }
        None
    }

    /// Subflows that count against the limit: all but those in TIME_WAIT.
    pub(super) fn subflows_in_use(&self) -> usize {
        self.all()
            .filter(|subflow| !matches!(subflow.tcp.state(), tcp::State::TimeWait | tcp::State::Closed))
            .count()
    }

    /// Ours and the peer's.
    pub(super) fn both_keys(&self) -> Option<(Key, Key)> {
        Some((self.core.keys.local, self.core.keys.remote?))
    }

    /// Answers `Event::OpenSubflow`: a SYN with MP_JOIN leaves. `None` if there
    /// is no room for it any more, the address was withdrawn, or too many failed.
    pub fn open_subflow(
        &mut self,
        cx: &mut Context<'_>,
        path: Path,
        local_id: AddressId,
        remote_id: AddressId,
        initial_sequence: SeqNumber,
    ) -> Option<SubflowId> {
        self.answered();
        let is_initial = path.tuple.local.ip() == self.core.addresses.initial().local.ip();
        let local_id = if is_initial { AddressId(0) } else { local_id };
        self.core.addresses.attempts.remember(local_id, path.tuple.remote.into());
        let is_over = self.core.mode != Mode::Multipath || self.core.ending.is_closed();
        if is_over || self.core.is_withdrawn(path.tuple.local.ip()) || self.core.addresses.attempts.is_spent()
        {
            return None;
        }
        let nonce = cx.random.next_u32();
        let tcp =
            tcp::Subflow::connect(self.core.config.tcp.clone(), path.mss_bytes(), initial_sequence, cx.now);
        let id = self.add_subflow(tcp, path, Stage::JoinSynSent)?;
        self.core.addresses.attempts.spend();
        let asks_backup = self.core.is_backup_address(local_id);
        if let Some(subflow) = self.subflow_mut(id) {
            subflow.signal.local_id = local_id;
            subflow.signal.remote_id = remote_id;
            subflow.signal.rare.join.local_nonce = nonce;
            subflow.signal.backup_by_local = asks_backup;
        }
        cx.count(Outcome::MpJoinSynTx);
        Some(id)
    }

    /// A join's three-way handshake is complete at TCP; MP_JOIN decides.
    pub(super) fn handle_join_established(&mut self, cx: &mut Context<'_>, id: SubflowId, segment: &Tcp) {
        match self.subflow(id).map(|subflow| subflow.signal.stage) {
            Some(Stage::JoinSynSent) => self.handle_join_answer(cx, id, segment),
            Some(Stage::JoinSynReceived) => self.handle_join_confirmation(cx, id, segment),
            _ => {}
        }
    }

    /// Active: the SYN/ACK.
    fn handle_join_answer(&mut self, cx: &mut Context<'_>, id: SubflowId, segment: &Tcp) {
        let Some((local, remote)) = self.both_keys() else { return };
        let Some(nonce) = self.subflow(id).map(|subflow| subflow.signal.rare.join.local_nonce) else {
            return;
        };
        let Some(MpJoin::SynAck { backup, address_id, hmac, nonce: remote_nonce }) = join_of(segment) else {
            cx.count(Outcome::MpJoinMissing);
            self.abort_subflow(cx, id, ResetSignal::Reason(ResetReason::Mptcp));
            return;
        };
        cx.count(Outcome::MpJoinSynAckRx);
        let expected = leftmost_64(&self.core.macs.join((remote, local), remote_nonce, nonce));
        if !equal(&hmac.to_be_bytes(), &expected.to_be_bytes()) {
            cx.count(Outcome::MpJoinSynAckHmacFailure);
            self.abort_subflow(cx, id, ResetSignal::Reason(ResetReason::Mptcp));
            return;
        }
        let Some(subflow) = self.subflow_mut(id) else { return };
        subflow.signal.backup_by_remote = backup;
        subflow.signal.remote_id = address_id;
        subflow.signal.stage = Stage::JoinPreEstablished;
        let again_at = cx.now + subflow.tcp.rto();
        let join = &mut subflow.signal.rare.join;
        (join.remote_nonce, join.again_at) = (remote_nonce, Some(again_at));
        subflow.tcp.request_signal_ack();
    }

    /// Passive: the third ACK.
    fn handle_join_confirmation(&mut self, cx: &mut Context<'_>, id: SubflowId, segment: &Tcp) {
        let (Some((local, remote)), Some((core, subflow))) = (self.both_keys(), self.split(id)) else {
            return;
        };
        let join = &subflow.signal.rare.join;
        let expected = leftmost_160(&core.macs.join((remote, local), join.remote_nonce, join.local_nonce));
        let Some(MpJoin::Ack { hmac }) = join_of(segment) else {
            cx.count(Outcome::MpJoinMissing);
            self.abort_subflow(cx, id, ResetSignal::Reason(ResetReason::Mptcp));
            return;
        };
        cx.count(Outcome::MpJoinAckRx);
        if !equal(&hmac, &expected) {
            cx.count(Outcome::MpJoinAckHmacFailure);
            self.abort_subflow(cx, id, ResetSignal::Reason(ResetReason::Mptcp));
            return;
        }
        self.join_complete(id);
    }

    /// The subflow carries data from now on.
    fn join_complete(&mut self, id: SubflowId) {
        let Some(subflow) = self.subflow_mut(id) else { return };
        subflow.signal.stage = Stage::Established;
        // The third ACK is delivered reliably: it is answered (§3.2).
        subflow.tcp.request_ack();
        self.core.send.push_wanted = true;
        self.core.ending.found_subflow(self.core.send.fin);
    }

    /// An acceptable segment after the handshake: the fourth ACK, or the third
    /// one again because ours was lost.
    pub(super) fn handle_join_progress(&mut self, id: SubflowId, segment: &Tcp) {
        let Some(subflow) = self.subflow_mut(id) else { return };
        match subflow.signal.stage {
            // A SYN/ACK again does not show that our third ACK arrived.
            Stage::JoinPreEstablished if !segment.flags.contains(crate::wire::TcpFlags::SYN) => {
                subflow.signal.stage = Stage::Established;
                subflow.signal.rare.join.again_at = None;
                self.core.send.push_wanted = true;
                self.core.addresses.attempts.succeeded();
                self.core.ending.found_subflow(self.core.send.fin);
            }
            Stage::Established if matches!(join_of(segment), Some(MpJoin::Ack { .. })) => {
                subflow.tcp.request_ack();
            }
            _ => {}
        }
    }

    /// Active: sends the third ACK again, or gives the join up.
    pub(super) fn repeat_third_ack(&mut self, cx: &mut Context<'_>, id: SubflowId) {
        let Some(subflow) = self.subflow_mut(id) else { return };
        let JoinHandshake { again_at, tries, .. } = subflow.signal.rare.join;
        if again_at.is_none_or(|at| at > cx.now) {
            return;
        }
        if tries >= THIRD_ACK_TRIES {
            self.abort_subflow(cx, id, ResetSignal::Reason(ResetReason::Performance));
            return;
        }
        let again_at = cx.now + subflow.tcp.rto().backed_off(u32::from(tries) + 1);
        let join = &mut subflow.signal.rare.join;
        (join.again_at, join.tries) = (Some(again_at), tries + 1);
        subflow.tcp.request_signal_ack();
    }
}
