//! What a client asks of the engine, after it was checked.

use crate::base::{ConnectionId, ListenerId};
use crate::shm::transmit::ArenaSlice;
use mpdk_client::{ConnectionHandle, Corrupt};
use std::net::SocketAddr;

/// One checked request.
#[derive(Debug)]
pub enum Request {
    /// Listen, and answer by `listening` or `failed`.
    Listen {
        /// For the answer.
        ticket: Ticket,
        /// Where; port 0 asks for any.
        address: SocketAddr,
        /// How many connections may wait for the client.
        backlog: u32,
        /// Accept plain TCP only.
        plain_tcp: bool,
    },
    /// Listen no more. The listener's connections that the client has not
    /// taken yet it ends itself.
    CloseListener {
        /// Which.
        listener: ListenerId,
    },
    /// Connect, and answer by `connected` or `failed`.
    Connect {
        /// For the answer.
        ticket: Ticket,
        /// Where to.
        remote: SocketAddr,
        /// Where from, if the client cares.
        local: Option<SocketAddr>,
        /// Do not offer MPTCP.
        plain_tcp: bool,
    },
    /// Send these bytes after those before.
    Send {
        /// On which connection.
        connection: ConnectionId,
        /// A reference to the bytes in the transmit arena.
        data: ArenaSlice,
    },
    /// Send DATA_FIN or FIN after all data.
    ShutdownWrite {
        /// On which connection.
        connection: ConnectionId,
    },
    /// The client has no more interest: deliver what was sent, close both
    /// directions, and say `closed` at the end.
    Close {
        /// Which connection.
        connection: ConnectionId,
    },
    /// End it now by MP_FASTCLOSE or RST, and say `closed`.
    Abort {
        /// Which connection.
        connection: ConnectionId,
    },
    /// Describe it: answer by `info` or `failed`.
    Info {
        /// For the answer.
        ticket: Ticket,
        /// Which connection.
        connection: ConnectionId,
    },
}

/// A question that must be answered, once.
#[derive(Debug)]
#[must_use = "the client waits for an answer"]
pub struct Ticket {
    user_data: u64,
    question: Question,
}

impl Ticket {
    pub(super) fn new(user_data: u64, question: Question) -> Self {
        Self { user_data, question }
    }

    /// Who asked what. Nobody can answer again.
    pub(super) fn redeem(self) -> (u64, Question) {
        (self.user_data, self.question)
    }
}

/// What a ticket is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    Listen,
    Connect,
    Info,
}

/// What an honest client cannot do. Whoever does it is detached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A ring's index is impossible.
    #[error("the client broke a ring: {0}")]
    Ring(#[from] Corrupt),
    /// A submission of no known kind.
    #[error("the client submitted something of unknown kind {0}")]
    UnknownKind(u16),
    /// A piece to send that is empty, misaligned or not inside a block.
    #[error("the client sent {len} bytes at {offset} of transmit block {block}, which cannot be")]
    SendRange {
        /// The block it named.
        block: u32,
        /// Where in the block.
        offset: u32,
        /// How many bytes.
        len: u32,
    },
    /// A piece to send that lies over one still in use.
    #[error("the client sent from offset {offset} of transmit block {block}, in use up to {end}")]
    SendOverlap {
        /// The block it named.
        block: u32,
        /// Where in the block.
        offset: u32,
        /// Up to where the block is in use.
        end: u32,
    },
    /// A receive block given back that the client does not have.
    #[error("the client released receive block {0}, which it does not have")]
    ReleaseNotLent(u32),
    /// A packet given back that the client does not have.
    #[error("the client released packet {0}, which it does not have")]
    PacketNotLent(u32),
}

/// How much of the engine one client may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections, those being opened included.
    pub connections: usize,
    /// Listeners, those being opened included.
    pub listeners: usize,
    /// The largest backlog of a listener.
    pub backlog: u32,
    /// Answers that may wait for room before no more requests are taken.
    pub waiting_answers: usize,
    /// Packet buffers whose bytes it reads in place; 0 copies all to it. Only for
    /// clients that may see the bytes of others.
    pub in_place_buffers: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 65536, listeners: 256, backlog: 4096, waiting_answers: 1024, in_place_buffers: 0 }
    }
}

pub(super) fn connection_handle(id: ConnectionId) -> ConnectionHandle {
    ConnectionHandle(u64::from(id.generation) << 32 | u64::from(id.index))
}

pub(super) fn connection_id(handle: ConnectionHandle) -> ConnectionId {
    ConnectionId { index: handle.0 as u32, generation: (handle.0 >> 32) as u32 }
}
