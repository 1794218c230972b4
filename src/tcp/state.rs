//! States of a subflow, and what a segment did to it.

/// The states of RFC 9293 §3.3.2 (LISTEN is the endpoint's).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// We sent a SYN and have seen none.
    SynSent,
    /// SYNs went both ways; ours is not acknowledged.
    SynReceived,
    /// Data flows both ways.
    Established,
    /// We closed; our FIN is not acknowledged (or not even sent).
    FinWait1,
    /// Our FIN is acknowledged; the peer may go on sending.
    FinWait2,
    /// The peer closed; we may go on sending.
    CloseWait,
    /// Both closed at once; our FIN is not acknowledged.
    Closing,
    /// The peer closed first, then we; our FIN is not acknowledged.
    LastAck,
    /// Both closed; stray segments are waited for.
    TimeWait,
    /// Nothing is left. An RST may still be about to leave.
    Closed,
}

impl State {
    /// Whether SYNs went both ways and ours was acknowledged.
    pub const fn is_synchronized(self) -> bool {
        !matches!(self, Self::SynSent | Self::SynReceived | Self::Closed)
    }

    /// Whether the application may still send.
    pub(super) const fn may_send(self) -> bool {
        matches!(self, Self::Established | Self::CloseWait)
    }

    /// Whether the peer may still send: no FIN came.
    pub(super) const fn may_receive(self) -> bool {
        matches!(self, Self::Established | Self::FinWait1 | Self::FinWait2)
    }

    /// Whether data or a FIN may be on its way.
    pub(super) const fn may_transmit(self) -> bool {
        self.may_send() || matches!(self, Self::FinWait1 | Self::Closing | Self::LastAck)
    }
}

/// Why a subflow is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// Both directions ended in order.
    Finished,
    /// The peer reset it.
    Reset,
    /// The peer refused the SYN by RST.
    Refused,
    /// The peer does not answer.
    TimedOut,
    /// An ICMP error says that it cannot be reached.
    Unreachable,
    /// We aborted it.
    Aborted,
}

/// What a segment did, for the room above. TCP's checks came first: the room
/// above acts on its own options only if `acceptable` (RFC 8684 §3: validity
/// before any MPTCP signal).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reaction {
    /// Sequence and acknowledgement numbers passed every check (RFC 9293
    /// §3.10.7, 5961, 7323 PAWS).
    pub acceptable: bool,
    /// This segment completed the three-way handshake.
    pub established: bool,
    /// It acknowledged new data (or our SYN/FIN).
    pub acknowledged: bool,
    /// It is a duplicate ACK in the sense of RFC 5681: already taken as a
    /// congestion signal unless `upper_signal` was set by the caller.
    pub duplicate_ack: bool,
    /// The peer's FIN has been reached in order, by this segment.
    pub finished: bool,
    /// A valid RST ended the subflow.
    pub reset: bool,
}

/// What is counted for [`Statistics`]; the rest follows from the offsets.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) bytes_sent: u64,
    pub(super) segments_sent: u64,
    pub(super) segments_received: u64,
    pub(super) retransmissions: u32,
    pub(super) timeouts: u32,
}

/// Counts of one subflow since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Payload bytes sent, retransmissions included.
    pub bytes_sent: u64,
    /// Payload bytes received in order.
    pub bytes_received: u64,
    /// Payload bytes that the peer acknowledged.
    pub bytes_acknowledged: u64,
    /// Segments sent, as they are on the wire.
    pub segments_sent: u64,
    /// Segments that arrived, acceptable or not.
    pub segments_received: u64,
    /// Segments sent again.
    pub retransmissions: u64,
    /// Retransmission timeouts.
    pub timeouts: u64,
}
