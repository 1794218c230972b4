//! Programs inside the engine: no rings, no copies, no other thread between
//! them and the endpoint.

use super::Bytes;
use crate::base::{Context, Instant};
use crate::endpoint::{Endpoint, Event};
use std::fmt::Debug;

/// A program that runs within the loop, between the ports and the clients. It
/// has the endpoint to itself in its turn, and must be brief: everything else
/// waits for it. Benchmarks are such programs; services are clients.
pub trait Resident<D>: Debug {
    /// An event of the endpoint. `false`: it is not this program's, and goes to
    /// the clients.
    fn take_event(&mut self, cx: &mut Context<'_>, endpoint: &mut Endpoint<Bytes<D>>, event: &Event) -> bool;

    /// Its turn, once per turn of the loop. Returns whether it did anything.
    fn turn(&mut self, cx: &mut Context<'_>, endpoint: &mut Endpoint<Bytes<D>>) -> bool;

    /// When it wants a turn even if nothing happens.
    fn deadline(&self) -> Option<Instant>;
}
