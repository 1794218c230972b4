//! Doubles for the tests of this room, and the tests of what has no room of
//! its own.

mod curl;
mod ledger;
mod pieces;
mod put;
mod report;
mod stall;
mod url;

pub mod scripted;
pub mod tcp;
pub mod tmpfs;
pub mod world;
