//! The server's half of the shared memory: what one engine thread does with
//! the regions of its clients. The contract is `mpdk_client::layout`.
//!
//! Nothing that a client writes is believed. Descriptors are copied out and
//! then checked; what an honest client cannot have written is a [`Violation`],
//! after which the slot does nothing more. What the engine knows of blocks,
//! connections and listeners it keeps in its own memory.
//!
//! An engine does this with each [`ClientSlot`], once per turn of its loop:
//! 1. [`next_request`](ClientSlot::next_request) until it has none, and act;
//! 2. [`next_released`](ClientSlot::next_released) until it has none: packets
//!    that the client has read in place;
//! 3. [`next_receivable`](ClientSlot::next_receivable) until it has none:
//!    connections whose bytes were held back and may be copied in now;
//! 4. answers, [`lend`](ClientSlot::lend) and [`copy_in`](ClientSlot::copy_in) as
//!    things happen;
//! 5. [`flush`](ClientSlot::flush), which also wakes the client.
//!
//! Before it sleeps it asks [`prepare_sleep`](ClientSlot::prepare_sleep), and
//! after it calls [`cancel_sleep`](ClientSlot::cancel_sleep). Now and then, and
//! when the doorbell's socket is readable, it calls
//! [`hear_doorbell`](ClientSlot::hear_doorbell), which notices a dead client.
//!
//! What is queued for a client is bounded: received bytes by its receive
//! blocks and the buffers that it may hold, finished blocks by its transmit blocks, and answers because no more
//! requests are taken while too many answers wait. On top come at most three
//! completions for each of its connections, of which there is a limit.

mod answers;
mod in_place;
mod receive;
mod request;
mod server;
mod slot;
mod statistics;
mod transmit;

#[cfg(test)]
mod tests;

pub use in_place::{InPlace, PacketTicket, Released};
pub use request::{Limits, Request, Ticket, Violation};
pub use server::{ClientId, Server};
pub use slot::ClientSlot;
pub use statistics::{
    COUNTERS_MOST, CoreStatistics, NAME_BYTES_MOST, SkipReason, Skipped, Statistics, StatisticsError,
    StatisticsPage, StatisticsReader,
};
#[cfg(loom)]
pub use statistics::{SequenceWord, publish, read};
pub use transmit::{ArenaSlice, BlockHold};

pub use mpdk_client::layout::{Address, ConnectionInfo, Geometry, Reason, SubflowInfo};
pub use mpdk_client::{
    Arena, Attachment, BlockRange, Doorbell, Heard, PacketView, Region, RegionConfig, RegionError,
};
