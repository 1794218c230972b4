//! The contract between an mpdk engine and a program that uses it: what lies
//! where in the memory that they share. This page is all there is to know.
//!
//! ```text
//! 0                RegionHeader     geometry, then one line of flags per side
//! submission_offset RingHeader      head (engine), tail (client), then Descriptors
//! completion_offset RingHeader      head (client), tail (engine), then Descriptors
//! transmit_offset  transmit arena   blocks that the client fills and the engine sends from
//! receive_offset   receive arena    blocks that the engine fills and the client reads
//! ```
//!
//! Every place is an offset from the region's start; nothing in it is a
//! pointer. Integers have the machine's byte order. One client uses a region,
//! and one engine thread serves it.
//!
//! **A ring** has one producer, which alone stores `tail`, and one consumer,
//! which alone stores `head`. Both count entries from 0 and wrap at 2³²; entry
//! `i` lies in place `i % entries`. The producer fills the entries before it
//! stores `tail`; the consumer copies them out before it stores `head`.
//!
//! **A transmit block** belongs to the client until a `SEND` names it. The
//! client may send several pieces from one block, each starting at or beyond
//! the end of the one before, at a multiple of [`PIECE_ALIGNMENT`]. When
//! nothing of the block is needed any more the engine says `SEND_DONE` with
//! the end of the last piece it took; if that is the last piece that the
//! client sent, the whole block is the client's again.
//!
//! **A receive block** belongs to the engine until a `RECEIVED` or `INFO` names
//! it, and again after the client's `RELEASE`. A client that leaves some
//! connections unread must still be able to read the others: therefore
//! `HELD_BACK` and `WANT`.
//!
//! **Packet memory** is where frames arrive. A client that the engine trusts
//! may read received bytes there instead of in a block. It is then told at
//! attach where packet memory begins in its address space, how many bytes it
//! has and how many tickets there are; it never writes there. A
//! `RECEIVED_IN_PLACE` names pieces of one packet, by their distance from that
//! beginning, and a ticket from 1 to the number of tickets. A packet of more
//! than [`PACKET_PIECES`] pieces takes several with the same ticket, and no
//! other completion of its connection comes between them. The packet's bytes
//! stay as they are until a `RELEASE_PACKET` names the ticket, once for the
//! whole packet; the ticket may then stand for another packet. Tickets
//! outlive their connection. How much a client may hold is the engine's
//! decision, packet by packet: what it does not lend comes in blocks, and the
//! two may alternate within a connection. What is held in place counts as
//! received and not read, and so narrows the window of its connection; what
//! was copied into a block does not.
//!
//! **Sleeping.** Who wants to sleep stores what may wake it into its own
//! `sleeping` word, then looks again whether there is work. Who has moved a
//! ring's index looks at the other's `sleeping` word, and if what it did is
//! asked for there, sets the word to 0 and rings the doorbell: it sends a byte
//! on the stream socket that joins the two sides. The socket's end of file
//! means that the other side is gone.
//!
//! **Order.** Completions of one connection come in this order: `ACCEPTED` or
//! `CONNECTED`, any number of `RECEIVED` and `RECEIVED_IN_PLACE` in the order of
//! the stream, at most one `RECEIVED_FIN`, and one `CLOSED`, after which the
//! handle means nothing. `SEND_DONE` may come later.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::AtomicU32;

#[cfg(not(target_endian = "little"))]
compile_error!("descriptors are packed for little-endian machines");

/// The first eight bytes of a region.
pub const MAGIC: u64 = u64::from_le_bytes(*b"mpdk-shm");
/// Which contract this is. Sides with different versions refuse each other.
pub const VERSION: u32 = 3;
/// What is written by different sides lies on different cache lines.
pub const CACHE_LINE_BYTES: usize = 64;
/// Arenas start at multiples of this.
pub const ARENA_ALIGNMENT: usize = 4096;
/// A piece of a transmit block starts at a multiple of this.
pub const PIECE_ALIGNMENT: u32 = 64;
/// How many entries a ring may have: a power of two in this range.
pub const RING_ENTRIES: std::ops::RangeInclusive<u32> = 2..=65536;
/// How large a block may be: a power of two in this range. Below it a
/// [`ConnectionInfo`] would not fit, above it the length of an external buffer
/// of DPDK (16 bits).
pub const BLOCK_BYTES: std::ops::RangeInclusive<u32> = 2048..=32768;
/// How many blocks an arena may have.
pub const ARENA_BLOCKS: std::ops::RangeInclusive<u32> = 4..=65536;
/// How many pieces one `RECEIVED_IN_PLACE` names.
pub const PACKET_PIECES: usize = 5;
/// Bits of a piece's offset in packet memory; its length has those above.
pub const PIECE_OFFSET_BITS: u32 = 48;
/// How many tickets one `RELEASE_PACKET` gives back.
pub const RELEASED_TICKETS: usize = 10;
/// How many tickets a client may have.
pub const TICKETS_MOST: u32 = 1 << 21;

/// What lies where. Written once, before the region is shared.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// [`MAGIC`].
    pub magic: u64,
    /// [`VERSION`].
    pub version: u32,
    /// Size of [`RegionHeader`].
    pub header_bytes: u32,
    /// Bytes of the whole region.
    pub region_bytes: u64,
    /// Where the submission ring's [`RingHeader`] lies.
    pub submission_offset: u64,
    /// Where the completion ring's [`RingHeader`] lies.
    pub completion_offset: u64,
    /// Where the first transmit block lies.
    pub transmit_offset: u64,
    /// Where the first receive block lies.
    pub receive_offset: u64,
    /// Entries of the submission ring.
    pub submission_entries: u32,
    /// Entries of the completion ring.
    pub completion_entries: u32,
    /// Blocks of the transmit arena.
    pub transmit_blocks: u32,
    /// Bytes of one transmit block.
    pub transmit_block_bytes: u32,
    /// Blocks of the receive arena.
    pub receive_blocks: u32,
    /// Bytes of one receive block.
    pub receive_block_bytes: u32,
    /// Zero.
    pub reserved: [u64; 6],
}

/// One side's line of flags.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct SideFlags {
    /// What may wake this side: 0 while it is awake, else [`WAKE_ON_ENTRIES`]
    /// and [`WAKE_ON_ROOM`]. The side sets it, the other clears it and rings.
    pub sleeping: AtomicU32,
    /// Not 0: this side is gone and looks at nothing any more. What it put on
    /// its ring before is still valid.
    pub closed: AtomicU32,
}

/// Wake me when there are entries on the ring that I consume.
pub const WAKE_ON_ENTRIES: u32 = 1;
/// Wake me when there is room on the ring that I produce.
pub const WAKE_ON_ROOM: u32 = 2;

/// How a region starts.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct RegionHeader {
    /// What lies where.
    pub geometry: Geometry,
    /// The engine's flags.
    pub engine: SideFlags,
    /// The client's flags.
    pub client: SideFlags,
}

/// How a ring starts; its [`Descriptor`]s follow.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct RingHeader {
    /// Entries taken since the start. The consumer stores it.
    pub head: AtomicU32,
    /// Keeps the two on different lines.
    pub head_line: [u32; 15],
    /// Entries put since the start. The producer stores it.
    pub tail: AtomicU32,
    /// Fills the line.
    pub tail_line: [u32; 15],
}

/// One entry of a ring. What `flags`, `value`, `handle` and `body` mean is said
/// at each kind; what is not named there is 0.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Descriptor {
    /// One of [`submission_kind`] or [`completion_kind`].
    pub kind: u16,
    /// Bits of [`open_flags`], or a count of pieces.
    pub flags: u16,
    /// A count, a [`Reason`] or a ticket.
    pub value: u32,
    /// Chosen by the client; an answer carries that of its question.
    pub user_data: u64,
    /// A connection or a listener: given by the engine, never used twice.
    pub handle: u64,
    /// Two [`Address`]es; or block, offset and length; or pieces or tickets of
    /// packets.
    pub body: [u32; 10],
}

/// What a client asks for.
pub mod submission_kind {
    /// `user_data`, `value` = backlog, `flags`, address (port 0: any).
    /// Answer: `LISTENING` or `FAILED`. Up to the backlog, connections are
    /// accepted before the client says `ACCEPT_MORE`.
    pub const LISTEN: u16 = 1;
    /// `handle` = listener. No answer; `ACCEPTED` may still cross it.
    pub const CLOSE_LISTENER: u16 = 2;
    /// `handle` = listener, `value` = how many `ACCEPTED` are dealt with, so
    /// that as many more may come.
    pub const ACCEPT_MORE: u16 = 3;
    /// `user_data`, `flags`, remote address, local address or none.
    /// Answer: `CONNECTED` or `FAILED`.
    pub const CONNECT: u16 = 4;
    /// `handle` = connection, block, offset, length. Answer: `SEND_DONE`, some
    /// time after the last reference is gone.
    pub const SEND: u16 = 5;
    /// block: a receive block has been read. No answer.
    pub const RELEASE: u16 = 6;
    /// `handle` = connection: nothing more will be sent (DATA_FIN or FIN
    /// after all data). No answer.
    pub const SHUTDOWN_WRITE: u16 = 7;
    /// `handle` = connection: no more interest. What was sent is still
    /// delivered. Answer: `CLOSED`.
    pub const CLOSE: u16 = 8;
    /// `handle` = connection: end it now (MP_FASTCLOSE or RST).
    /// Answer: `CLOSED`.
    pub const ABORT: u16 = 9;
    /// `user_data`, `handle` = connection. Answer: `INFO` or `FAILED`.
    pub const INFO: u16 = 10;
    /// `handle` = connection: somebody waits for the bytes that a `HELD_BACK`
    /// was about. No answer but `RECEIVED`.
    pub const WANT: u16 = 11;
    /// body: up to [`RELEASED_TICKETS`](super::RELEASED_TICKETS) tickets of
    /// packets that have been read, 0 for none. No answer.
    pub const RELEASE_PACKET: u16 = 12;
}

/// What an engine says.
pub mod completion_kind {
    /// `user_data`, `handle` = the new listener, its address and port.
    pub const LISTENING: u16 = 1;
    /// `user_data` of the `LISTEN`, `handle` = the new connection, local and
    /// remote address.
    pub const ACCEPTED: u16 = 2;
    /// `user_data`, `handle` = the new connection, local and remote address.
    pub const CONNECTED: u16 = 3;
    /// `handle` = connection, block, offset, length: the next bytes of the
    /// stream. The block is the client's until `RELEASE`.
    pub const RECEIVED: u16 = 4;
    /// `handle` = connection: the peer sends no more.
    pub const RECEIVED_FIN: u16 = 5;
    /// block, offset = the end of the last piece that the engine took from it.
    pub const SEND_DONE: u16 = 6;
    /// `handle` = connection, `value` = why, 0 for an orderly end.
    pub const CLOSED: u16 = 7;
    /// `user_data`, `value` = why.
    pub const FAILED: u16 = 8;
    /// `user_data`, `handle` = connection, block, offset, length: a
    /// [`ConnectionInfo`](super::ConnectionInfo). The block is the client's
    /// until `RELEASE`.
    pub const INFO: u16 = 9;
    /// `handle` = connection: bytes have come for it, and the client has not
    /// read enough of others' for a block to be free. A few blocks are kept
    /// for connections that the client says to `WANT`.
    pub const HELD_BACK: u16 = 10;
    /// `handle` = connection, `value` = ticket, `flags` = how many pieces of the
    /// packet are still to be named, those here counted; body: up to
    /// [`PACKET_PIECES`](super::PACKET_PIECES) pieces of two words each, the
    /// lower first. Of these 64 bits the lower
    /// [`PIECE_OFFSET_BITS`](super::PIECE_OFFSET_BITS) are the offset in packet
    /// memory, the others the length, 0 for no piece: the next bytes of the
    /// stream, the client's until `RELEASE_PACKET`.
    pub const RECEIVED_IN_PLACE: u16 = 11;
}

/// Bits of `flags` in `LISTEN` and `CONNECT`.
pub mod open_flags {
    /// Plain TCP: no MPTCP is offered or accepted.
    pub const PLAIN_TCP: u16 = 1;
}

/// An IP address and port. IPv6 scope and flow label are not carried.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Address {
    /// 4, 6, or 0 for none.
    pub family: u16,
    /// The port, in the machine's byte order.
    pub port: u16,
    /// The address in network order; IPv4 uses the first four bytes.
    pub bytes: [u8; 16],
}

/// Why something failed or ended: 0 for an orderly end, else Linux's `errno`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reason(pub u32);

/// How many subflows a [`ConnectionInfo`] describes.
pub const INFO_SUBFLOWS: usize = 8;

/// One connection and its subflows, at one moment.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionInfo {
    /// The local token (RFC 8684 §3.2); 0 for plain TCP.
    pub token: u32,
    /// 1 if the connection is plain TCP, or fell back to it (§3.7).
    pub fallback: u8,
    /// How many of `subflows` are filled.
    pub subflow_count: u8,
    /// Zero.
    pub reserved: [u8; 2],
    /// Bytes of the stream handed to subflows, without retransmissions.
    pub bytes_sent: u64,
    /// Bytes of the stream received in order.
    pub bytes_received: u64,
    /// Bytes of the stream that the peer has acknowledged at data level.
    pub bytes_acked: u64,
    /// How often data was reinjected onto another subflow.
    pub retransmits: u64,
    /// Frames that another core of the engine received and handed over.
    pub taken_over_frames: u64,
    /// The subflows.
    pub subflows: [SubflowInfo; INFO_SUBFLOWS],
}

/// One subflow of a [`ConnectionInfo`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SubflowInfo {
    /// Its TCP state, numbered as Linux does: [`SubflowInfo::state_name`].
    pub state: u8,
    /// The NIC port it uses, in the order of the configuration.
    pub port_index: u8,
    /// 1 if it is a backup (RFC 8684 §3.3.8).
    pub backup: u8,
    /// Zero.
    pub reserved: u8,
    /// Smoothed round-trip time (RFC 6298).
    pub srtt_us: u32,
    /// Bytes sent, retransmissions included.
    pub bytes_sent: u64,
    /// Bytes received in order.
    pub bytes_received: u64,
    /// Segments sent again.
    pub retransmits: u64,
    /// Congestion window.
    pub cwnd_bytes: u32,
    /// Bytes sent and not yet acknowledged.
    pub in_flight_bytes: u32,
    /// Our address.
    pub local: Address,
    /// The peer's address.
    pub remote: Address,
    /// The interface's name, padded with zeros.
    pub interface: [u8; 16],
}

/// The sizes are part of the contract.
const _: () = {
    assert!(size_of::<Geometry>() == 128);
    assert!(size_of::<SideFlags>() == CACHE_LINE_BYTES);
    assert!(size_of::<RegionHeader>() == 256);
    assert!(size_of::<RingHeader>() == 2 * CACHE_LINE_BYTES);
    assert!(std::mem::offset_of!(RingHeader, tail) == CACHE_LINE_BYTES);
    assert!(size_of::<Descriptor>() == CACHE_LINE_BYTES);
    assert!(std::mem::offset_of!(Descriptor, body) == 24);
    assert!(PACKET_PIECES * size_of::<u64>() == size_of::<[u32; 10]>());
    assert!(RELEASED_TICKETS * size_of::<u32>() == size_of::<[u32; 10]>());
    assert!(size_of::<Address>() == 20);
    assert!(size_of::<SubflowInfo>() == 96);
    assert!(size_of::<ConnectionInfo>() == 48 + INFO_SUBFLOWS * 96);
    assert!(size_of::<ConnectionInfo>() <= *BLOCK_BYTES.start() as usize);
};

impl Address {
    /// No address.
    pub const NONE: Self = Self { family: 0, port: 0, bytes: [0; 16] };

    /// As the standard library has it; `None` if there is none or the family
    /// is unknown.
    pub fn to_socket_addr(self) -> Option<SocketAddr> {
        let ip = match self.family {
            4 => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(&self.bytes[..4]).ok()?)),
            6 => IpAddr::V6(Ipv6Addr::from(self.bytes)),
            _ => return None,
        };
        Some(SocketAddr::new(ip, self.port))
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        let mut bytes = [0; 16];
        let family = match address.ip() {
            IpAddr::V4(ip) => {
                bytes[..4].copy_from_slice(&ip.octets());
                4
            }
            IpAddr::V6(ip) => {
                bytes = ip.octets();
                6
            }
        };
        Self { family, port: address.port(), bytes }
    }
}

impl From<Option<SocketAddr>> for Address {
    fn from(address: Option<SocketAddr>) -> Self {
        address.map_or(Self::NONE, Self::from)
    }
}

impl Reason {
    /// An orderly end.
    pub const NONE: Self = Self(0);
    /// The configuration does not allow it.
    pub const NOT_ALLOWED: Self = Self(libc::EACCES as u32);
    /// An argument makes no sense.
    pub const INVALID: Self = Self(libc::EINVAL as u32);
    /// A limit on connections or listeners is reached.
    pub const TOO_MANY: Self = Self(libc::EMFILE as u32);
    /// The address is in use.
    pub const ADDRESS_IN_USE: Self = Self(libc::EADDRINUSE as u32);
    /// The address is none of the endpoint's.
    pub const ADDRESS_NOT_AVAILABLE: Self = Self(libc::EADDRNOTAVAIL as u32);
    /// No route leads there.
    pub const UNREACHABLE: Self = Self(libc::EHOSTUNREACH as u32);
    /// This side ended the connection.
    pub const ABORTED: Self = Self(libc::ECONNABORTED as u32);
    /// The peer ended the connection.
    pub const RESET: Self = Self(libc::ECONNRESET as u32);
    /// The peer does not answer.
    pub const TIMED_OUT: Self = Self(libc::ETIMEDOUT as u32);
    /// Nobody listens there.
    pub const REFUSED: Self = Self(libc::ECONNREFUSED as u32);
    /// There is no such connection (any more).
    pub const NOT_CONNECTED: Self = Self(libc::ENOTCONN as u32);
    /// No block is free for the answer; ask again later.
    pub const NO_BUFFERS: Self = Self(libc::ENOBUFS as u32);
}

impl SubflowInfo {
    /// The name of `state` (RFC 9293 §3.3.2), or `"UNKNOWN"`.
    pub fn state_name(&self) -> &'static str {
        const NAMES: [&str; 12] = [
            "UNKNOWN",
            "ESTABLISHED",
            "SYN-SENT",
            "SYN-RECEIVED",
            "FIN-WAIT-1",
            "FIN-WAIT-2",
            "TIME-WAIT",
            "CLOSED",
            "CLOSE-WAIT",
            "LAST-ACK",
            "LISTEN",
            "CLOSING",
        ];
        NAMES.get(usize::from(self.state)).copied().unwrap_or(NAMES[0])
    }

    /// The interface's name as text, without the zeros.
    pub fn interface_name(&self) -> String {
        let len = self.interface.iter().position(|&byte| byte == 0).unwrap_or(self.interface.len());
        String::from_utf8_lossy(&self.interface[..len]).into_owned()
    }
}

impl ConnectionInfo {
    /// The subflows that there are.
    pub fn subflows(&self) -> &[SubflowInfo] {
        &self.subflows[..usize::from(self.subflow_count).min(INFO_SUBFLOWS)]
    }
}
