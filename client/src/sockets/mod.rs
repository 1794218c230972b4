//! The async API: a context with its driver, listeners and streams.

mod chunk;
mod context;
mod core;
mod listener;
mod observer;
mod pieces;
mod questions;
mod reading;
mod state;
mod stream;
mod transfer;
mod transmit;

pub use chunk::Chunk;
pub use context::{Context, Driver};
pub use listener::{ListenOptions, Listener};
pub use observer::Observer;
pub use stream::{ConnectOptions, Stream};
