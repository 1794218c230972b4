//! Frames that wait to leave: answers of the host itself, and segments that
//! waited for a neighbour's address.

use crate::base::{ConnectionId, SeqNumber, SubflowId, TransmitOffload};
use crate::wire::MacAddress;
use arrayvec::ArrayVec;
use std::collections::VecDeque;

/// Bytes of the longest header: Ethernet, VLAN, IPv6, TCP with options.
pub(super) const HEADER_BYTES_MOST: usize = 18 + 40 + 60;

/// Ethernet to the innermost header.
pub(super) type HeaderBytes = ArrayVec<u8, HEADER_BYTES_MOST>;

/// A frame that waits.
#[derive(Debug)]
pub(super) struct QueuedFrame<P> {
    pub(super) header: HeaderBytes,
    pub(super) payload: Vec<P>,
    pub(super) offload: TransmitOffload,
    /// The segment in it, if it is one of a connection.
    pub(super) segment: Option<SegmentOf>,
}

/// Whose segment a frame carries.
#[derive(Clone, Copy, Debug)]
pub(super) struct SegmentOf {
    pub(super) connection: ConnectionId,
    pub(super) subflow: SubflowId,
    pub(super) sequence: SeqNumber,
}

impl<P> QueuedFrame<P> {
    /// Addresses the frame.
    pub(super) fn set_destination(&mut self, mac: MacAddress) {
        self.header[..6].copy_from_slice(&mac.0);
    }
}

/// The frames that wait for room in one port, oldest first.
#[derive(Debug)]
pub(super) struct OutputQueue<P> {
    frames: VecDeque<QueuedFrame<P>>,
    limit: usize,
}

impl<P> OutputQueue<P> {
    pub(super) const fn new(limit: usize) -> Self {
        Self { frames: VecDeque::new(), limit }
    }

    /// Appends a frame; `false`: the queue is full and the frame is gone.
    #[must_use]
    pub(super) fn push(&mut self, frame: QueuedFrame<P>) -> bool {
        let room = self.frames.len() < self.limit;
        if room {
            self.frames.push_back(frame);
        }
        room
    }

    pub(super) fn pop(&mut self) -> Option<QueuedFrame<P>> {
        self.frames.pop_front()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.frames.clear();
    }
}
