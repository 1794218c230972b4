//! What a program links to use an mpdk endpoint: the shared-memory contract in
//! [`layout`], the rings and regions that keep it, for both sides, and an async
//! API on top of them ([`Context`], [`Listener`], [`Stream`]).
#![cfg_attr(not(all(feature = "tokio", not(loom))), doc = "(The async API is not part of this build.)")]
#![deny(unsafe_code)]

pub mod layout;

#[allow(unsafe_code)]
mod doorbell;
mod geometry;
#[allow(unsafe_code)]
mod info;
mod message;
#[cfg(all(test, loom))]
#[allow(unsafe_code)]
mod models;
mod packet;
#[allow(unsafe_code)]
mod region;
mod ring;
#[cfg(all(feature = "tokio", not(loom)))]
mod sockets;
#[allow(unsafe_code)]
mod view;
mod wake;

pub use doorbell::{Doorbell, Heard};
pub use geometry::{RegionConfig, RegionError};
pub use message::{BlockRange, Completion, ConnectionHandle, ListenerHandle, Malformed, Submission, Words};
pub use packet::{PacketRange, Pieces, Tickets};
pub use region::{Arena, Region, Ring};
pub use ring::{Consumer, Corrupt, Producer, RingMemory, SharedWord};
#[cfg(all(feature = "tokio", not(loom)))]
pub use sockets::{Chunk, ConnectOptions, Context, Driver, ListenOptions, Listener, Observer, Stream};
pub use view::PacketView;
pub use wake::{announce_sleep, cancel_sleep, must_ring};

/// What a client gets from an engine.
#[derive(Debug)]
pub struct Attachment {
    /// The memory, attached.
    pub region: Region,
    /// The client's end of the doorbell.
    pub doorbell: Doorbell,
    /// Where received bytes may be read in place, if the engine lets the client.
    pub packets: Option<PacketView>,
}
