//! The loop that joins ports in pairs, with an emulated link between each two.
//!
//! [`start`] opens the ports on a thread of its own and moves bursts: what one
//! port receives goes into the link's [`Direction`](crate::emulator::Direction)
//! and leaves by the other port when it is due. Frames are never copied. The
//! loop polls; where nothing is due soon it sleeps, and polls again in time to
//! meet the next deadline. Other threads speak to it through its
//! [`RelayHandle`].

mod clock;
mod joint;
mod orders;
mod run;
mod settings;
mod sleep;
mod start;
#[cfg(test)]
mod tests;

pub use joint::{LinkReport, SideReport};
pub use orders::{Ended, Link, Orders};
pub use settings::{RelayConfig, Settings};
pub use start::{RelayDied, RelayHandle, StartError, start};
