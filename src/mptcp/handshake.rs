//! MP_CAPABLE in both roles (RFC 8684 §3.1).

use super::connection::{Connection, Core, Mode, Role};
use super::event::Event;
use super::key::HashedKey;
use super::subflow::Stage;
use crate::base::{Context, Key, Outcome, Packet, SubflowId};
use crate::wire::{MpCapable, MptcpOption, Tcp, TcpFlags};

/// Version 1 is RFC 8684.
pub(super) const VERSION: u8 = 1;

/// The first MP_CAPABLE of a segment.
pub(super) fn capable_of(segment: &Tcp) -> Option<MpCapable> {
    segment.options.mptcp.others.iter().find_map(|option| match option {
        MptcpOption::Capable(capable) => Some(*capable),
        _ => None,
    })
}

/// Whether the flags offer something that we can accept: B is 0, and SHA-256
/// is among the algorithms (RFC 8684 §3.1).
const fn is_acceptable(capable: &MpCapable) -> bool {
    capable.flags & MpCapable::EXTENSIBILITY == 0 && capable.flags & MpCapable::HMAC_SHA256 != 0
}

impl<P: Packet> Connection<P> {
    /// Decides before the first segment whether MPTCP is spoken at all.
    pub(super) fn start_negotiation(&mut self) {
        if !self.core.config.enabled {
            self.become_plain();
        }
    }

    /// Passive: what the SYN offers.
    pub(super) fn handle_offer(&mut self, cx: &mut Context<'_>, syn: &Tcp) {
        if !self.core.config.enabled {
            return;
        }
        let Some(capable) = capable_of(syn) else {
            self.become_plain();
            return;
        };
        cx.count(Outcome::MpCapableSynRx);
        // A higher version is answered with ours; a lower one cannot be.
        let is_syn_form = capable.sender_key.is_none() && capable.version >= VERSION;
        if !is_syn_form || !is_acceptable(&capable) {
            cx.count(Outcome::MpCapableRefused);
            self.become_plain();
            return;
        }
        self.core.take_flags(&capable);
    }

    /// The first subflow's three-way handshake is complete.
    pub(super) fn handle_capable_established(&mut self, cx: &mut Context<'_>, id: SubflowId, segment: &Tcp) {
        if self.core.mode == Mode::Negotiating {
            match self.core.role {
                Role::Active => self.handle_capable_answer(cx, id, segment),
                Role::Passive => self.handle_capable_confirmation(cx, segment),
            }
        }
        if let Some(subflow) = self.subflow_mut(id) {
            if !matches!(subflow.signal.stage, Stage::CapableUnconfirmed { .. }) {
                subflow.signal.stage = Stage::Established;
            }
            let window = subflow.tcp.peer_window();
            let base = self.core.send.sequence_of(0);
            self.core.send.set_window(base, window);
        }
        self.core.established = true;
        self.core.send.push_wanted = true;
        self.core.events.push_back(Event::Established);
        if self.core.is_multipath() {
            self.queue_announcements();
        }
    }

    /// Active: the SYN/ACK.
    fn handle_capable_answer(&mut self, cx: &mut Context<'_>, id: SubflowId, segment: &Tcp) {
        let answer =
            capable_of(segment).filter(|_| segment.flags.contains(TcpFlags::SYN.with(TcpFlags::ACK)));
        let key = answer.and_then(|capable| capable.sender_key);
        let (Some(capable), Some(key)) = (answer, key) else {
            cx.count(Outcome::MpCapableFallbackSynAck);
            self.become_plain();
            return;
        };
        if capable.version != VERSION || !is_acceptable(&capable) || !self.core.offered(self.stage_of(id)) {
            cx.count(Outcome::MpCapableRefused);
            self.become_plain();
            return;
        }
        cx.count(Outcome::MpCapableSynAckRx);
        self.core.take_flags(&capable);
        self.core.take_remote_key(key);
        if let Some(subflow) = self.subflow_mut(id) {
            subflow.signal.stage = Stage::CapableUnconfirmed { keys_sent: false };
            // The third ACK carries both keys even if no data is ready (§3.1).
            subflow.tcp.request_ack();
        }
    }

    fn stage_of(&self, id: SubflowId) -> Option<Stage> {
        self.subflow(id).map(|subflow| subflow.signal.stage)
    }

    /// Passive: the third ACK, with or without data.
    fn handle_capable_confirmation(&mut self, cx: &mut Context<'_>, segment: &Tcp) {
        let capable = capable_of(segment);
        let keys = capable.and_then(|capable| Some((capable.sender_key?, capable.receiver_key?)));
        match keys {
            Some((remote, local)) if local == self.core.keys.local => {
                cx.count(Outcome::MpCapableAckRx);
                if capable.is_some_and(|capable| capable.flags & MpCapable::CHECKSUM != 0) {
                    self.core.checksum = true;
                }
                self.core.take_remote_key(remote);
            }
            // Missing, or the handshake was tampered with (§3.1): no more MPTCP.
            _ => {
                cx.count(Outcome::MpCapableFallbackAck);
                self.become_plain();
            }
        }
    }

    /// Active: the peer has shown that it has the keys.
    pub(super) fn confirm_keys(&mut self, id: SubflowId) {
        if let Some(subflow) = self.subflow_mut(id)
            && matches!(subflow.signal.stage, Stage::CapableUnconfirmed { .. })
        {
            subflow.signal.stage = Stage::Established;
            self.core.send.push_wanted = true;
        }
    }
}

impl<P: Packet> Core<P> {
    fn take_flags(&mut self, capable: &MpCapable) {
        // Checksums are used if either side asks for them (§3.1).
        self.checksum |= capable.flags & MpCapable::CHECKSUM != 0;
        if capable.flags & MpCapable::NO_JOIN_HERE != 0 {
            self.addresses.forbid_initial_remote();
        }
    }

    fn take_remote_key(&mut self, key: Key) {
        let hashed = HashedKey::of(key);
        self.keys.remote = Some(key);
        self.keys.remote_token = hashed.token;
        self.receive.set_initial(hashed.initial_data_sequence);
        self.mode = Mode::Multipath;
    }

    /// Whether the last SYN carried MP_CAPABLE: after several without an answer
    /// plain ones are sent (§3.1), and an MP_CAPABLE that answers one of those
    /// was made up on the way.
    fn offered(&self, stage: Option<Stage>) -> bool {
        matches!(stage, Some(Stage::CapableSynSent { syns }) if self.offers_capable(syns.saturating_sub(1)))
    }

    /// Whether the SYN number `syns` (from 0) carries MP_CAPABLE.
    pub(super) fn offers_capable(&self, syns: u8) -> bool {
        self.mode == Mode::Negotiating && syns <= self.config.capable_syn_retries
    }
}
