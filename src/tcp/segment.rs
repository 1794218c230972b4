//! What goes in and out of a subflow: payload in order, segments, and the
//! options of the room above.

use crate::base::{Packet, SeqNumber};
use crate::wire::{OptionBytes, TcpFlags};

/// Bytes in order, with the sequence number of the first.
#[derive(Debug)]
pub struct Received<P> {
    /// Sequence number of the first byte.
    pub sequence: SeqNumber,
    /// The bytes, at least one.
    pub payload: P,
}

/// What the room above may put its options on.
#[derive(Clone, Copy, Debug)]
pub struct OptionContext<T> {
    /// The segment's control bits. SYN: first or answer; RST; FIN.
    pub flags: TcpFlags,
    /// The tag of the payload, if there is payload.
    pub tag: Option<T>,
    /// Sequence number of the segment.
    pub sequence: SeqNumber,
    /// Payload bytes in this segment at most (less if options take more room).
    pub payload_bytes: usize,
    /// Whether the payload (or the SYN) was sent before.
    pub retransmission: bool,
}

/// Writes the options of the room above into a segment, at emission.
pub trait OptionSource<T> {
    /// Appends at most `room` bytes (a multiple of 4) of whole, padded options to
    /// those that are there.
    /// Called once for each segment that leaves; if more than `room` bytes
    /// are written, none of them leaves.
    fn write_options(&mut self, context: &OptionContext<T>, room: usize, options: &mut OptionBytes);
}

/// No options from above: plain TCP.
#[derive(Clone, Copy, Debug)]
pub struct NoOptions;

impl<T> OptionSource<T> for NoOptions {
    fn write_options(&mut self, _context: &OptionContext<T>, _room: usize, _options: &mut OptionBytes) {}
}

/// A segment on its way out. Filled anew for each, so its vector is allocated once.
#[derive(Debug)]
pub struct OutgoingSegment<P> {
    /// Sequence number of the first byte (or of the SYN or FIN).
    pub sequence: SeqNumber,
    /// Next sequence number expected from the peer; 0 without ACK.
    pub acknowledgement: SeqNumber,
    /// Control bits.
    pub flags: TcpFlags,
    /// Window field, already scaled down.
    pub window: u16,
    /// All options, padded to a multiple of 4.
    pub options: OptionBytes,
    /// Payload pieces in order.
    pub payload: Vec<P>,
    /// Sum of the pieces.
    pub payload_bytes: usize,
    /// Cut into segments of this many payload bytes by the port (TSO); 0: fits one.
    pub segment_bytes: u16,
}

impl<P> OutgoingSegment<P> {
    /// An empty segment, to be filled by `poll_transmit`.
    pub const fn new() -> Self {
        Self {
            sequence: SeqNumber(0),
            acknowledgement: SeqNumber(0),
            flags: TcpFlags(0),
            window: 0,
            options: OptionBytes::new_const(),
            payload: Vec::new(),
            payload_bytes: 0,
            segment_bytes: 0,
        }
    }

    /// Empties it and drops its references; the allocation stays.
    pub fn clear(&mut self) {
        self.sequence = SeqNumber(0);
        self.acknowledgement = SeqNumber(0);
        self.flags = TcpFlags(0);
        self.window = 0;
        self.options.clear();
        self.payload.clear();
        self.payload_bytes = 0;
        self.segment_bytes = 0;
    }
}

impl<P: Packet> OutgoingSegment<P> {
    /// How many segments the port makes of it.
    pub(super) fn segments(&self) -> usize {
        match usize::from(self.segment_bytes) {
            0 => 1,
            bytes => self.payload_bytes.div_ceil(bytes),
        }
    }
}

impl<P> Default for OutgoingSegment<P> {
    fn default() -> Self {
        Self::new()
    }
}
