//! Capture files: pcapng is written, pcapng and classic pcap are read.

mod block;
mod read;
mod write;

pub use read::FrameReader;
pub use write::{PcapngWriter, WriterConfig};

use std::time::Duration;

/// Which way a frame went, as seen from the capturing device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Received.
    Inbound,
    /// Sent.
    Outbound,
}

/// A frame of a capture file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapturedFrame {
    /// When, since the Unix epoch. Files that count in smaller units than
    /// nanoseconds are rounded down.
    pub time: Duration,
    /// Which way, if the file says.
    pub direction: Option<Direction>,
    /// Bytes of the whole frame on the wire.
    pub wire_bytes: u32,
    /// What was captured of it.
    pub bytes: Vec<u8>,
}

/// Why a capture file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PcapError {
    /// The file cannot be read at all.
    #[error("reading the capture: {0}")]
    Io(#[from] std::io::Error),
    /// The first bytes are those of no capture file.
    #[error("neither pcap nor pcapng: the file begins with {0:#010x}")]
    UnknownFormat(u32),
    /// The frames are not Ethernet.
    #[error("link type {0} is not Ethernet")]
    NotEthernet(u32),
    /// A record says it is longer than any frame can be.
    #[error("a record of {0} bytes is too long")]
    TooLong(u32),
    /// The file ends inside a record.
    #[error("the file ends inside a record")]
    Truncated,
    /// A block contradicts itself.
    #[error("malformed {0}")]
    Malformed(&'static str),
}
