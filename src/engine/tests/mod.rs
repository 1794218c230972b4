//! Two engines, joined by wires in memory, each with real clients.

mod bulk;
mod clients;
mod connections;
mod cores;
mod crew;
mod in_place;
mod lending;
pub(crate) mod pair;
mod raw;
mod threads;
mod watched;
