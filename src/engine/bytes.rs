//! The packet memory of a running endpoint.

use super::gauge::Share;
use crate::base::{HeapPacket, Packet};
use crate::device::InDevice;
use crate::shm::{ArenaSlice, BlockHold};

/// Bytes by reference, wherever they lie.
#[derive(Debug)]
pub enum Bytes<D> {
    /// A frame in a device's buffer.
    Device(D, Share),
    /// A received frame that was copied, because device buffers ran short.
    Heap(HeapPacket, Share),
    /// What a client wrote into its transmit arena, which no device sees.
    Arena(ArenaSlice),
    /// What a client wrote into its transmit arena, in a device's memory.
    Lent(D, BlockHold),
    /// What a program inside the engine holds in a device's buffer to send it.
    Resident(D),
}

impl<D: Packet> InDevice<D> for Bytes<D> {
    fn in_device(&self) -> Option<&D> {
        match self {
            Self::Device(packet, _) | Self::Lent(packet, _) | Self::Resident(packet) => Some(packet),
            Self::Heap(..) | Self::Arena(_) => None,
        }
    }
}

impl<D: Packet> Packet for Bytes<D> {
    fn len(&self) -> usize {
        match self {
            Self::Device(packet, _) => packet.len(),
            Self::Heap(packet, _) => packet.len(),
            Self::Arena(slice) => slice.len(),
            Self::Lent(packet, _) => packet.len(),
            Self::Resident(packet) => packet.len(),
        }
    }

    fn head(&self) -> &[u8] {
        match self {
            Self::Device(packet, _) => packet.head(),
            Self::Heap(packet, _) => packet.head(),
            Self::Arena(slice) => slice.head(),
            Self::Lent(packet, _) => packet.head(),
            Self::Resident(packet) => packet.head(),
        }
    }

    fn for_each_piece(&self, visit: &mut dyn FnMut(&[u8])) {
        match self {
            Self::Device(packet, _) => packet.for_each_piece(visit),
            Self::Heap(packet, _) => packet.for_each_piece(visit),
            Self::Arena(slice) => slice.for_each_piece(visit),
            Self::Lent(packet, _) => packet.for_each_piece(visit),
            Self::Resident(packet) => packet.for_each_piece(visit),
        }
    }

    fn share(&self) -> Self {
        match self {
            Self::Device(packet, share) => Self::Device(packet.share(), share.clone()),
            Self::Heap(packet, share) => Self::Heap(packet.share(), share.clone()),
            Self::Arena(slice) => Self::Arena(slice.share()),
            Self::Lent(packet, hold) => Self::Lent(packet.share(), hold.clone()),
            Self::Resident(packet) => Self::Resident(packet.share()),
        }
    }

    fn trim_front(&mut self, count: usize) {
        match self {
            Self::Device(packet, _) => packet.trim_front(count),
            Self::Heap(packet, _) => packet.trim_front(count),
            Self::Arena(slice) => slice.trim_front(count),
            Self::Lent(packet, _) => packet.trim_front(count),
            Self::Resident(packet) => packet.trim_front(count),
        }
    }

    fn append(&mut self, tail: Self) -> Result<(), Self> {
        match (self, tail) {
            (Self::Device(packet, share), Self::Device(tail, tail_share)) => {
                packet.append(tail).map_err(|tail| Self::Device(tail, tail_share.clone()))?;
                share.absorb(tail_share);
                Ok(())
            }
            (_, tail) => Err(tail),
        }
    }

    fn truncate(&mut self, len: usize) {
        match self {
            Self::Device(packet, _) => packet.truncate(len),
            Self::Heap(packet, _) => packet.truncate(len),
            Self::Arena(slice) => slice.truncate(len),
            Self::Lent(packet, _) => packet.truncate(len),
            Self::Resident(packet) => packet.truncate(len),
        }
    }
}
