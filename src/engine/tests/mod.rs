//! Two engines, joined by wires in memory, each with real clients.

mod bulk;
mod clients;
mod connections;
pub(crate) mod pair;
mod raw;
mod threads;
