//! Writing pcapng: one section, one interface, one block per frame with its
//! direction and nanoseconds.

use super::Direction;
use super::block::*;
use std::io::{self, Write};
use std::time::Duration;

/// What to write.
#[derive(Clone, Debug)]
pub struct WriterConfig {
    /// The interface's name in the file.
    pub interface: String,
    /// At most this many bytes of each frame.
    pub snap_bytes: u32,
    /// At most this many bytes of file; frames beyond are counted, not written.
    pub limit_bytes: u64,
}

impl WriterConfig {
    /// Whole frames of `interface`, up to 1 GiB of them.
    pub fn new(interface: &str) -> Self {
        Self { interface: interface.into(), snap_bytes: 1 << 18, limit_bytes: 1 << 30 }
    }
}

/// Writes frames to a pcapng file, which Wireshark and tcpdump read.
#[derive(Debug)]
pub struct PcapngWriter<W: Write> {
    out: W,
    block: Vec<u8>,
    snap_bytes: u32,
    left_bytes: u64,
    omitted: u64,
}

impl<W: Write> PcapngWriter<W> {
    /// Begins a file. `out` should be buffered.
    ///
    /// # Errors
    /// If `out` fails.
    pub fn new(mut out: W, config: &WriterConfig) -> io::Result<Self> {
        let header = [section_header(), interface_description(config)].concat();
        out.write_all(&header)?;
        let left_bytes = config.limit_bytes.saturating_sub(header.len() as u64);
        let snap_bytes = config.snap_bytes.min(LIMIT_BYTES / 2);
        Ok(Self { out, block: Vec::new(), snap_bytes, left_bytes, omitted: 0 })
    }

    /// Writes a frame that consists of `pieces`. `time` is since the Unix epoch.
    ///
    /// # Errors
    /// If the file cannot be written; it may then end inside a block.
    pub fn write<'a>(
        &mut self,
        time: Duration,
        direction: Direction,
        pieces: impl Iterator<Item = &'a [u8]>,
    ) -> io::Result<()> {
        self.begin_block(time);
        let (captured, total) = self.append_pieces(pieces);
        self.block[20..24].copy_from_slice(&captured.to_ne_bytes());
        self.block[24..28].copy_from_slice(&total.to_ne_bytes());
        self.end_block(direction);
        if self.block.len() as u64 > self.left_bytes {
            self.omitted += 1;
            return Ok(());
        }
        self.left_bytes -= self.block.len() as u64;
        self.out.write_all(&self.block)
    }

    /// Frames that were not written because the file reached its limit.
    pub fn omitted(&self) -> u64 {
        self.omitted
    }

    /// Hands buffered bytes to the file.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn begin_block(&mut self, time: Duration) {
        let ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.block.clear();
        // Length, captured bytes and wire bytes are filled in later.
        for word in [ENHANCED_PACKET, 0, 0, (ns >> 32) as u32, ns as u32, 0, 0] {
            self.block.extend_from_slice(&word.to_ne_bytes());
        }
    }

    fn append_pieces<'a>(&mut self, pieces: impl Iterator<Item = &'a [u8]>) -> (u32, u32) {
        let (mut captured, mut total) = (0, 0);
        for piece in pieces {
            let room = (self.snap_bytes - captured) as usize;
            let take = piece.len().min(room);
            self.block.extend_from_slice(&piece[..take]);
            captured += take as u32;
            total += piece.len() as u32;
        }
        pad(&mut self.block);
        (captured, total)
    }

    fn end_block(&mut self, direction: Direction) {
        let flags = match direction {
            Direction::Inbound => FLAG_INBOUND,
            Direction::Outbound => FLAG_OUTBOUND,
        };
        option(&mut self.block, OPTION_PACKET_FLAGS, &flags.to_ne_bytes());
        option(&mut self.block, OPTION_END, &[]);
        close(&mut self.block);
    }
}

fn section_header() -> Vec<u8> {
    let mut block = Vec::new();
    for word in [SECTION_HEADER, 0, BYTE_ORDER] {
        block.extend_from_slice(&word.to_ne_bytes());
    }
    // Version 1.0, and a section of unknown length.
    block.extend_from_slice(&1_u16.to_ne_bytes());
    block.extend_from_slice(&0_u16.to_ne_bytes());
    block.extend_from_slice(&u64::MAX.to_ne_bytes());
    close(&mut block);
    block
}

fn interface_description(config: &WriterConfig) -> Vec<u8> {
    let mut block = Vec::new();
    block.extend_from_slice(&INTERFACE.to_ne_bytes());
    block.extend_from_slice(&0_u32.to_ne_bytes());
    block.extend_from_slice(&(ETHERNET as u16).to_ne_bytes());
    block.extend_from_slice(&0_u16.to_ne_bytes());
    block.extend_from_slice(&config.snap_bytes.to_ne_bytes());
    let name = config.interface.as_bytes();
    option(&mut block, OPTION_INTERFACE_NAME, &name[..name.len().min(255)]);
    // Times are in units of 10^-9 seconds.
    option(&mut block, OPTION_RESOLUTION, &[9]);
    option(&mut block, OPTION_END, &[]);
    close(&mut block);
    block
}

fn option(block: &mut Vec<u8>, code: u16, value: &[u8]) {
    block.extend_from_slice(&code.to_ne_bytes());
    block.extend_from_slice(&(value.len() as u16).to_ne_bytes());
    block.extend_from_slice(value);
    pad(block);
}

fn pad(block: &mut Vec<u8>) {
    block.resize(block.len().next_multiple_of(4), 0);
}

/// Writes the block's length behind its type and again at its end.
fn close(block: &mut Vec<u8>) {
    let len = (block.len() as u32 + 4).to_ne_bytes();
    block[4..8].copy_from_slice(&len);
    block.extend_from_slice(&len);
}
