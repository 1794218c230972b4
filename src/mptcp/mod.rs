//! One connection over many subflows (RFC 8684), or over one as plain TCP
//! after a fallback. The endpoint knows only this.
//!
//! # How data moves
//!
//! The application's bytes are numbered from 0 by *offset*; a data sequence
//! number is the initial one plus 1 plus the offset, and appears only at the
//! edges. Out: `write` queues payload in [`send`], [`scheduling`] picks a subflow with
//! room and declares a mapping, the subflow cuts it into segments, and
//! [`options`] writes the mapping on each. In: a subflow delivers its bytes in
//! order, [`mapping`] says where they belong, [`receive`] puts them in order across
//! subflows. Payload is held by reference on the whole way.

mod address;
mod attempts;
mod close;
mod config;
mod connection;
mod data_ack;
mod event;
mod fallback;
mod fast_close;
mod handshake;
mod input;
mod join;
mod key;
mod mapping;
mod options;
mod path_manager;
mod receive;
mod reinject;
mod scheduler;
mod scheduling;
mod send;
mod signals;
mod subflow;
mod time_wait;
mod timers;
mod transmit;

#[cfg(test)]
mod tests;

pub use config::{Config, LocalAddress, Path};
pub use connection::Connection;
pub use event::{CloseReason, Event, JoinRefused, SubflowInfo};
pub use key::HashedKey;
pub use scheduler::SchedulerKind;
pub use time_wait::TimeWait;
