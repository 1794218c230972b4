//! ONE core's loop, which joins ports, the endpoint and its clients.
//!
//! [`start`] runs an [`Engine`] on a thread of its own and gives the
//! [`EndpointHandle`] by which clients are attached and the engine is stopped.
//!
//! # A turn
//!
//! A burst of frames from each port goes into the endpoint; a batch of each
//! client's requests becomes verbs; what is due is done; a program inside the
//! engine has its turn; the endpoint's events become completions; received bytes are lent to clients or copied, as far as they have room;
//! what there is to send goes to the ports, as far as they have room; ports are
//! flushed and clients woken. Every portion is bounded, so that neither a
//! stranger nor a client can keep the others waiting.
//!
//! # Idling
//!
//! A turn that found nothing to do is repeated for [`Settings::spin`]. Then the
//! engine arms its ports' wake-ups, tells its clients that it is about to
//! sleep, looks once more, and sleeps until a frame, a client, a deadline or
//! another thread wakes it.
//!
//! # Trust
//!
//! A client's requests are checked by its slot before they come here. A client
//! that is gone has its connections closed as the kernel would close them; one
//! that broke the contract has them aborted. Should the engine itself die, its
//! slots are dropped while the thread unwinds, by which every client hears it.

#[allow(unsafe_code)]
mod allocations;
mod board;
mod bytes;
mod clock;
mod connections;
mod core;
mod delivery;
mod describe;
mod events;
mod exchange;
mod gauge;
mod host;
mod intake;
mod lent_packets;
mod load;
mod loans;
#[allow(unsafe_code)]
mod poll;
mod ports;
mod reclaim;
#[allow(unsafe_code)]
mod regions;
mod report;
mod requests;
mod resident;
mod rules;
mod run;
mod settings;
mod signal;
mod sorting;
mod start;
mod waiting;
mod world;

#[cfg(test)]
pub(crate) mod tests;

pub use self::core::Engine;
pub use crate::shm::{Attachment, Limits, RegionConfig, RegionError};
pub use allocations::{CountingAllocator, allocations};
pub use bytes::Bytes;
pub use exchange::HandOvers;
pub use gauge::Share;
pub use load::Load;
use reclaim::Reclaim;
pub use report::Report;
pub use resident::Resident;
pub use settings::Settings;
pub use start::{
    AttachError, EndpointHandle, EngineConfig, EngineDied, MakePart, OpenError, Opened, Part, StartError,
    StopHandle, start,
};
