//! What a connection tells the endpoint.

use super::{LocalAddress, Path, TimeWait};
use crate::base::{AddressId, Duration, PackedTuple, SubflowId};
use crate::tcp;
use crate::wire::ResetReason;
use std::net::SocketAddr;

/// Why a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// Both directions ended in order.
    Finished,
    /// The peer reset it.
    Reset,
    /// The peer refused the SYN.
    Refused,
    /// The peer does not answer on any path.
    TimedOut,
    /// An ICMP error says that the peer cannot be reached.
    Unreachable,
    /// We aborted it.
    Aborted,
    /// The peer sent MP_FASTCLOSE.
    FastClosed,
}

/// What the endpoint is told. Polled after each handler and verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The first subflow's handshake is complete: data may flow.
    Established,
    /// `read` will give something new.
    Readable,
    /// `send_capacity` has grown again after it was used up.
    Writable,
    /// Everything that the peer sent is queued for `read`; no more comes.
    PeerFinished,
    /// The path manager wants a subflow: answer with `open_subflow` or
    /// `refuse_subflow`.
    OpenSubflow {
        /// From this address of ours.
        local: LocalAddress,
        /// To this address of the peer.
        remote: SocketAddr,
        /// The id of the peer's address.
        remote_id: AddressId,
    },
    /// A subflow is gone for good: its 4-tuple is free again, unless it is in
    /// TIME_WAIT.
    SubflowClosed {
        /// Its slot, which may be used again.
        subflow: SubflowId,
        /// Its ends.
        tuple: PackedTuple,
        /// What has to be kept for its TIME_WAIT.
        time_wait: Option<TimeWait>,
    },
    /// No data moves in either direction any more. Comes once.
    Closed(CloseReason),
    /// No subflow is left: remove the connection.
    Finished,
}

/// Why a join was refused; the endpoint answers with RST and MP_TCPRST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JoinRefused(pub ResetReason);

/// A subflow for people to look at.
#[derive(Clone, Debug)]
pub struct SubflowInfo {
    /// Its slot.
    pub id: SubflowId,
    /// Its way.
    pub path: Path,
    /// State of its TCP.
    pub state: tcp::State,
    /// Whether either side wants it as backup only.
    pub backup: bool,
    /// Whether it stopped making progress.
    pub stale: bool,
    /// Smoothed round-trip time.
    pub smoothed_rtt: Option<Duration>,
    /// Congestion window.
    pub congestion_window_bytes: usize,
    /// Sent and not yet acknowledged.
    pub in_flight_bytes: usize,
    /// Counts since its start.
    pub statistics: tcp::Statistics,
}
