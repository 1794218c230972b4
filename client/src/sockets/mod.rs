//! The async API: a context with its driver, listeners and streams.

mod context;
mod listener;
mod observer;
mod questions;
mod state;
mod stream;
mod transfer;
mod transmit;

pub use context::{Context, Driver};
pub use listener::{ListenOptions, Listener};
pub use observer::Observer;
pub use stream::{ConnectOptions, Stream};
