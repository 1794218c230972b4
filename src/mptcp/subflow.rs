//! One subflow as its connection sees it: TCP, and what MPTCP knows of it.

use super::config::{KeptPath, Path};
use super::mapping::{Incoming, Tag};
use crate::base::{
    AddressId, Blank, DataSeqNumber, Duration, Instant, Key, OnDemand, Queue, SeqNumber, SubflowId,
};
use crate::tcp;
use crate::wire::ResetReason;

/// How far the handshake of a subflow got (RFC 8684 §3.1, §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// First subflow, active: our SYN is out. `syns` counts those sent.
    CapableSynSent { syns: u8 },
    /// First subflow, passive: the SYN/ACK is out.
    CapableSynReceived,
    /// First subflow, active: the third ACK is out, and the peer has not shown
    /// yet that it has the keys. ACKs repeat them.
    CapableUnconfirmed { keys_sent: bool },
    /// Join, active: our SYN is out.
    JoinSynSent,
    /// Join, passive: the SYN/ACK is out.
    JoinSynReceived,
    /// Join, active: the third ACK is out and sent again until answered; no
    /// data until then (PRE_ESTABLISHED).
    JoinPreEstablished,
    /// Data may flow.
    Established,
}

/// The handshake of a join. Its HMACs follow from the nonces and the keys, and
/// are computed when they are needed.
#[derive(Debug, Default)]
pub(super) struct JoinHandshake {
    /// Drawn by us, and by the peer.
    pub(super) local_nonce: u32,
    pub(super) remote_nonce: u32,
    /// When the third ACK is sent again, and how often it was.
    pub(super) again_at: Option<Instant>,
    pub(super) tries: u8,
}

/// What few subflows have, or not for long.
#[derive(Debug)]
pub(super) struct RareSignals {
    pub(super) join: JoinHandshake,
    /// An MP_FAIL waits to leave.
    pub(super) fail_pending: Option<DataSeqNumber>,
    /// What an RST would say.
    pub(super) reset: ResetSignal,
    /// REMOVE_ADDR named its address: it ends then unless the peer answers
    /// (§3.4.2).
    pub(super) removal_at: Option<Instant>,
}

const NO_SIGNALS: RareSignals = RareSignals {
    join: JoinHandshake { local_nonce: 0, remote_nonce: 0, again_at: None, tries: 0 },
    fail_pending: None,
    reset: ResetSignal::Plain,
    removal_at: None,
};

impl Default for RareSignals {
    fn default() -> Self {
        NO_SIGNALS
    }
}

impl Blank for RareSignals {
    const BLANK: &'static Self = &NO_SIGNALS;
}

impl Stage {
    /// Whether the other end has shown that it is the connection's peer. What a
    /// join says before that is a stranger's word (RFC 8684 §3.2).
    pub(super) const fn is_authenticated(self) -> bool {
        matches!(self, Self::Established | Self::CapableUnconfirmed { .. } | Self::JoinPreEstablished)
    }

    /// Whether it is a join on which neither side can have sent data yet.
    pub(super) const fn is_handshake_of_join(self) -> bool {
        matches!(self, Self::JoinSynSent | Self::JoinSynReceived)
    }
}

/// Which MPTCP option an RST of ours carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ResetSignal {
    /// None: plain TCP.
    Plain,
    /// MP_TCPRST (RFC 8684 §3.6).
    Reason(ResetReason),
    /// MP_FAIL and MP_TCPRST: the checksum of the mapping at this number was
    /// wrong (§3.7).
    Failed(DataSeqNumber),
    /// MP_FASTCLOSE with the peer's key (§3.5).
    FastClose(Key),
}

/// A mapping that was handed to the subflow and is not yet acknowledged by it.
#[derive(Clone, Copy, Debug)]
pub(super) struct SentMapping {
    /// End of its bytes in the subflow.
    pub(super) end: SeqNumber,
    /// Where they lie in the stream.
    pub(super) offset: u64,
    /// How many.
    pub(super) bytes: u32,
}

/// What MPTCP knows of a subflow, besides its TCP.
#[derive(Debug)]
pub(super) struct Signal {
    pub(super) id: SubflowId,
    pub(super) stage: Stage,
    /// Whether it began with MP_JOIN.
    pub(super) is_join: bool,
    /// Id of our address and of the peer's.
    pub(super) local_id: AddressId,
    pub(super) remote_id: AddressId,
    /// The peer asked us to use it as backup; we asked the peer.
    pub(super) backup_by_remote: bool,
    pub(super) backup_by_local: bool,
    /// An MP_PRIO waits to leave.
    pub(super) priority_pending: bool,
    pub(super) rare: OnDemand<RareSignals>,
    /// It makes no progress: its data went elsewhere.
    pub(super) stale: bool,
    /// The port has no link.
    pub(super) link_down: bool,
    /// A Data ACK came on it: options pass in both directions (§3.7).
    pub(super) data_ack_seen: bool,
    /// First sequence number of ours: offsets of mappings count from it.
    pub(super) initial_send_sequence: SeqNumber,
}

impl Signal {
    /// Whether its ACKs have room for options that wait: until the peer has
    /// confirmed them, the keys take it.
    pub(super) const fn carries_signals(&self) -> bool {
        matches!(self.stage, Stage::Established)
    }

    /// Whether it is a join that is not complete.
    pub(super) const fn is_joining(&self) -> bool {
        self.is_join && !matches!(self.stage, Stage::Established)
    }
}

/// A subflow.
#[derive(Debug)]
pub(super) struct Subflow<P> {
    pub(super) tcp: tcp::Subflow<P, Tag>,
    pub(super) path: KeptPath,
    pub(super) signal: Signal,
    pub(super) incoming: Incoming<P>,
    /// Mappings not yet acknowledged by the subflow, in its order.
    pub(super) sent: Queue<SentMapping>,
    /// Whether FIN was asked for.
    pub(super) closing: bool,
}

impl<P: crate::base::Packet> Subflow<P> {
    pub(super) fn new(id: SubflowId, tcp: tcp::Subflow<P, Tag>, path: Path, stage: Stage) -> Self {
        let initial_send_sequence = tcp.initial_send_sequence();
        Self {
            tcp,
            path: path.into(),
            signal: Signal {
                id,
                stage,
                is_join: stage.is_handshake_of_join(),
                local_id: AddressId(0),
                remote_id: AddressId(0),
                backup_by_remote: false,
                backup_by_local: false,
                priority_pending: false,
                rare: OnDemand::default(),
                stale: false,
                link_down: false,
                data_ack_seen: false,
                initial_send_sequence,
            },
            incoming: Incoming::new(),
            sent: Queue::new(),
            closing: false,
        }
    }

    /// Whether data may be handed to it.
    pub(super) fn may_send(&self) -> bool {
        let open = matches!(self.tcp.state(), tcp::State::Established | tcp::State::CloseWait);
        let ready = matches!(self.signal.stage, Stage::Established | Stage::CapableUnconfirmed { .. });
        open && ready && !self.closing
    }

    /// Whether data may be, or may have been, on it.
    pub(super) fn may_hold_data(&self) -> bool {
        !self.signal.stage.is_handshake_of_join() && self.tcp.state() != tcp::State::Closed
    }

    /// Whether it is established and neither side has begun to close it.
    pub(super) fn is_live(&self) -> bool {
        self.may_send() && self.tcp.state() == tcp::State::Established
    }

    /// Whether we reset it.
    pub(super) fn is_aborted(&self) -> bool {
        self.tcp.close_reason() == Some(tcp::CloseReason::Aborted)
    }

    /// Whether either side wants it only when no other works (RFC 8684 §3.3.8).
    pub(super) const fn is_backup(&self) -> bool {
        self.signal.backup_by_remote || self.signal.backup_by_local
    }

    /// Whether it carries this offset unacknowledged.
    pub(super) fn carries(&self, offset: u64) -> bool {
        self.sent.iter().any(|sent| sent.offset <= offset && offset < sent.offset + u64::from(sent.bytes))
    }

    /// Forgets mappings that the subflow's peer has acknowledged.
    pub(super) fn drop_acknowledged(&mut self) {
        let unacknowledged = self.tcp.unacknowledged();
        while self.sent.front().is_some_and(|sent| !sent.end.after(unacknowledged)) {
            self.sent.pop_front();
        }
    }

    /// Nothing moves for a while: no memory is kept for it.
    pub(super) fn rest(&mut self, now: Instant) {
        self.tcp.rest(now);
        self.incoming.rest();
        self.sent.rest();
        let rare = &self.signal.rare;
        let is_plain = rare.fail_pending.is_none() && rare.reset == ResetSignal::Plain;
        if self.signal.stage == Stage::Established && is_plain && rare.removal_at.is_none() {
            self.signal.rare.discard();
        }
    }

    /// FIN after what is queued, once.
    pub(super) fn close(&mut self, now: Instant) {
        if !self.closing {
            self.closing = true;
            self.tcp.close(now);
        }
    }

    /// RST with what `reset` says.
    pub(super) fn abort(&mut self, reset: ResetSignal) {
        self.signal.rare.reset = reset;
        self.signal.rare.join.again_at = None;
        self.closing = true;
        self.sent.clear();
        // What it brought and was not placed is not trusted any more.
        self.incoming = Incoming::new();
        self.tcp.abort();
    }

    /// How long the peer may take to answer a probe.
    pub(super) fn answer_time(&self) -> Duration {
        self.tcp.rto() * 4
    }
}
