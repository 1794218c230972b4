//! Descriptors as values: what each submission and completion says.

use crate::layout::{Address, Descriptor, Reason, completion_kind, submission_kind};
use crate::packet::{Pieces, Tickets};
use std::net::SocketAddr;

/// A descriptor as eight words, which is how it crosses a ring.
pub type Words = [u64; 8];

/// Names a connection to both sides. Given by the engine, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionHandle(pub u64);

/// Names a listener to both sides. Given by the engine, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ListenerHandle(pub u64);

/// A run of bytes in one block of an arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockRange {
    /// Which block.
    pub block: u32,
    /// Where in the block.
    pub offset: u32,
    /// How many bytes.
    pub len: u32,
}

/// What a client asks for: see [`submission_kind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are described once, in `layout`")]
pub enum Submission {
    Listen { user_data: u64, address: Address, backlog: u32, flags: u16 },
    CloseListener { listener: ListenerHandle },
    AcceptMore { listener: ListenerHandle, count: u32 },
    Connect { user_data: u64, remote: Address, local: Address, flags: u16 },
    Send { connection: ConnectionHandle, range: BlockRange },
    Release { block: u32 },
    ShutdownWrite { connection: ConnectionHandle },
    Close { connection: ConnectionHandle },
    Abort { connection: ConnectionHandle },
    Info { user_data: u64, connection: ConnectionHandle },
    Want { connection: ConnectionHandle },
    ReleasePacket { tickets: Tickets },
}

/// What an engine says: see [`completion_kind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are described once, in `layout`")]
pub enum Completion {
    Listening { user_data: u64, listener: ListenerHandle, address: SocketAddr },
    Accepted { user_data: u64, connection: ConnectionHandle, local: SocketAddr, remote: SocketAddr },
    Connected { user_data: u64, connection: ConnectionHandle, local: SocketAddr, remote: SocketAddr },
    Received { connection: ConnectionHandle, range: BlockRange },
    ReceivedFin { connection: ConnectionHandle },
    SendDone { block: u32, end: u32 },
    Closed { connection: ConnectionHandle, reason: Reason },
    Failed { user_data: u64, reason: Reason },
    Info { user_data: u64, connection: ConnectionHandle, range: BlockRange },
    HeldBack { connection: ConnectionHandle },
    ReceivedInPlace { connection: ConnectionHandle, ticket: u32, left: u16, pieces: Pieces },
}

/// A descriptor that says nothing known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The kind is not one of this version.
    #[error("descriptor kind {0} is unknown")]
    Kind(u16),
    /// An address that must be there has an unknown family.
    #[error("descriptor kind {0} has an address of no known family")]
    Address(u16),
}

impl Submission {
    /// As it crosses the ring.
    pub fn encode(&self) -> Words {
        use submission_kind as kind;
        let of = Descriptor::of;
        let descriptor = match *self {
            Self::Listen { user_data, address, backlog, flags } => {
                Descriptor { user_data, value: backlog, flags, ..of(kind::LISTEN) }
                    .addresses(address, Address::NONE)
            }
            Self::CloseListener { listener } => Descriptor { handle: listener.0, ..of(kind::CLOSE_LISTENER) },
            Self::AcceptMore { listener, count } => {
                Descriptor { handle: listener.0, value: count, ..of(kind::ACCEPT_MORE) }
            }
            Self::Connect { user_data, remote, local, flags } => {
                Descriptor { user_data, flags, ..of(kind::CONNECT) }.addresses(remote, local)
            }
            Self::Send { connection, range } => {
                Descriptor { handle: connection.0, ..of(kind::SEND) }.range(range)
            }
            Self::Release { block } => of(kind::RELEASE).range(BlockRange { block, offset: 0, len: 0 }),
            Self::ShutdownWrite { connection } => {
                Descriptor { handle: connection.0, ..of(kind::SHUTDOWN_WRITE) }
            }
            Self::Close { connection } => Descriptor { handle: connection.0, ..of(kind::CLOSE) },
            Self::Abort { connection } => Descriptor { handle: connection.0, ..of(kind::ABORT) },
            Self::Info { user_data, connection } => {
                Descriptor { user_data, handle: connection.0, ..of(kind::INFO) }
            }
            Self::Want { connection } => Descriptor { handle: connection.0, ..of(kind::WANT) },
            Self::ReleasePacket { tickets } => {
                Descriptor { body: tickets.to_body(), ..of(kind::RELEASE_PACKET) }
            }
        };
        descriptor.to_words()
    }

    /// What `words` ask for. Indices and lengths are as they came: whoever
    /// knows the arenas checks them.
    pub fn decode(words: &Words) -> Result<Self, Malformed> {
        use submission_kind as kind;
        let descriptor = Descriptor::from_words(words);
        let Descriptor { user_data, value, flags, handle, .. } = descriptor;
        let connection = ConnectionHandle(handle);
        let listener = ListenerHandle(handle);
        let (first, second) = (descriptor.address(0), descriptor.address(1));
        let range = descriptor.block_range();
        Ok(match descriptor.kind {
            kind::LISTEN => Self::Listen { user_data, address: first, backlog: value, flags },
            kind::CLOSE_LISTENER => Self::CloseListener { listener },
            kind::ACCEPT_MORE => Self::AcceptMore { listener, count: value },
            kind::CONNECT => Self::Connect { user_data, remote: first, local: second, flags },
            kind::SEND => Self::Send { connection, range },
            kind::RELEASE => Self::Release { block: range.block },
            kind::SHUTDOWN_WRITE => Self::ShutdownWrite { connection },
            kind::CLOSE => Self::Close { connection },
            kind::ABORT => Self::Abort { connection },
            kind::INFO => Self::Info { user_data, connection },
            kind::WANT => Self::Want { connection },
            kind::RELEASE_PACKET => Self::ReleasePacket { tickets: Tickets::from_body(&descriptor.body) },
            unknown => return Err(Malformed::Kind(unknown)),
        })
    }
}

impl Completion {
    /// As it crosses the ring.
    pub fn encode(&self) -> Words {
        use completion_kind as kind;
        let of = Descriptor::of;
        let descriptor = match *self {
            Self::Listening { user_data, listener, address } => {
                Descriptor { user_data, handle: listener.0, ..of(kind::LISTENING) }
                    .addresses(address.into(), Address::NONE)
            }
            Self::Accepted { user_data, connection, local, remote } => {
                Descriptor { user_data, handle: connection.0, ..of(kind::ACCEPTED) }
                    .addresses(local.into(), remote.into())
            }
            Self::Connected { user_data, connection, local, remote } => {
                Descriptor { user_data, handle: connection.0, ..of(kind::CONNECTED) }
                    .addresses(local.into(), remote.into())
            }
            Self::Received { connection, range } => {
                Descriptor { handle: connection.0, ..of(kind::RECEIVED) }.range(range)
            }
            Self::ReceivedFin { connection } => Descriptor { handle: connection.0, ..of(kind::RECEIVED_FIN) },
            Self::SendDone { block, end } => {
                of(kind::SEND_DONE).range(BlockRange { block, offset: end, len: 0 })
            }
            Self::Closed { connection, reason } => {
                Descriptor { handle: connection.0, value: reason.0, ..of(kind::CLOSED) }
            }
            Self::Failed { user_data, reason } => {
                Descriptor { user_data, value: reason.0, ..of(kind::FAILED) }
            }
            Self::Info { user_data, connection, range } => {
                Descriptor { user_data, handle: connection.0, ..of(kind::INFO) }.range(range)
            }
            Self::HeldBack { connection } => Descriptor { handle: connection.0, ..of(kind::HELD_BACK) },
            Self::ReceivedInPlace { connection, ticket, left, pieces } => Descriptor {
                handle: connection.0,
                value: ticket,
                flags: left,
                body: pieces.to_body(),
                ..of(kind::RECEIVED_IN_PLACE)
            },
        };
        descriptor.to_words()
    }

    /// What `words` say. Indices and lengths are as they came.
    pub fn decode(words: &Words) -> Result<Self, Malformed> {
        use completion_kind as kind;
        let descriptor = Descriptor::from_words(words);
        let Descriptor { user_data, value, flags, handle, .. } = descriptor;
        let connection = ConnectionHandle(handle);
        let reason = Reason(value);
        let range = descriptor.block_range();
        let address =
            |index| descriptor.address(index).to_socket_addr().ok_or(Malformed::Address(descriptor.kind));
        Ok(match descriptor.kind {
            kind::LISTENING => {
                Self::Listening { user_data, listener: ListenerHandle(handle), address: address(0)? }
            }
            kind::ACCEPTED => {
                Self::Accepted { user_data, connection, local: address(0)?, remote: address(1)? }
            }
            kind::CONNECTED => {
                Self::Connected { user_data, connection, local: address(0)?, remote: address(1)? }
            }
            kind::RECEIVED => Self::Received { connection, range },
            kind::RECEIVED_FIN => Self::ReceivedFin { connection },
            kind::SEND_DONE => Self::SendDone { block: range.block, end: range.offset },
            kind::CLOSED => Self::Closed { connection, reason },
            kind::FAILED => Self::Failed { user_data, reason },
            kind::INFO => Self::Info { user_data, connection, range },
            kind::HELD_BACK => Self::HeldBack { connection },
            kind::RECEIVED_IN_PLACE => {
                let pieces = Pieces::from_body(&descriptor.body);
                Self::ReceivedInPlace { connection, ticket: value, left: flags, pieces }
            }
            unknown => return Err(Malformed::Kind(unknown)),
        })
    }
}

impl Descriptor {
    fn of(kind: u16) -> Self {
        Self { kind, ..Self::default() }
    }

    fn addresses(mut self, first: Address, second: Address) -> Self {
        for (body, address) in self.body.chunks_exact_mut(5).zip([first, second]) {
            body[0] = u32::from(address.family) | u32::from(address.port) << 16;
            for (word, bytes) in body[1..].iter_mut().zip(address.bytes.as_chunks().0) {
                *word = u32::from_le_bytes(*bytes);
            }
        }
        self
    }

    fn address(&self, index: usize) -> Address {
        let body = &self.body[index * 5..][..5];
        let mut bytes = [0; 16];
        for (bytes, word) in bytes.as_chunks_mut().0.iter_mut().zip(&body[1..]) {
            *bytes = word.to_le_bytes();
        }
        Address { family: body[0] as u16, port: (body[0] >> 16) as u16, bytes }
    }

    fn range(mut self, range: BlockRange) -> Self {
        self.body[..3].copy_from_slice(&[range.block, range.offset, range.len]);
        self
    }

    fn block_range(&self) -> BlockRange {
        BlockRange { block: self.body[0], offset: self.body[1], len: self.body[2] }
    }

    /// The same bytes as words.
    pub fn to_words(&self) -> Words {
        let mut words = [0; 8];
        words[0] = u64::from(self.kind) | u64::from(self.flags) << 16 | u64::from(self.value) << 32;
        words[1] = self.user_data;
        words[2] = self.handle;
        for (word, pair) in words[3..].iter_mut().zip(self.body.as_chunks::<2>().0) {
            *word = u64::from(pair[0]) | u64::from(pair[1]) << 32;
        }
        words
    }

    /// The same bytes as fields.
    pub fn from_words(words: &Words) -> Self {
        let mut body = [0; 10];
        for (pair, word) in body.as_chunks_mut::<2>().0.iter_mut().zip(&words[3..]) {
            *pair = [*word as u32, (*word >> 32) as u32];
        }
        Self {
            kind: words[0] as u16,
            flags: (words[0] >> 16) as u16,
            value: (words[0] >> 32) as u32,
            user_data: words[1],
            handle: words[2],
            body,
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
