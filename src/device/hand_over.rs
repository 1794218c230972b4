//! Packets that go from one thread to another.

use crate::base::{HeapPacket, Packet};
use std::fmt::Debug;

/// Packets that can change threads.
pub trait HandOver: Packet {
    /// A packet on its way.
    type Parcel: Send + Debug;

    /// For another thread, if nobody else holds any of the packet's buffers.
    ///
    /// # Errors
    /// The packet itself, because it is shared.
    fn hand_over(self) -> Result<Self::Parcel, Self>;

    /// The packet, in the thread that it was handed to.
    fn take_over(parcel: Self::Parcel) -> Self;
}

/// On the heap bytes are cheap: what goes to another thread is a copy.
impl HandOver for HeapPacket {
    type Parcel = Box<[u8]>;

    fn hand_over(self) -> Result<Self::Parcel, Self> {
        Ok(self.as_slice().into())
    }

    fn take_over(parcel: Self::Parcel) -> Self {
        Self::new(&parcel)
    }
}
