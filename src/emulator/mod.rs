//! What a link does to frames: one direction at a time, as a model without a
//! clock.
//!
//! A frame passes these stations in this order:
//!
//! 1. the link is down: lost;
//! 2. the queue in front of the transmitter: full, it drops what comes
//!    (drop-tail);
//! 3. the transmitter: a frame leaves it after as long as its bytes take at the
//!    link's rate;
//! 4. loss: what is lost has taken its share of the rate, as on a real link;
//! 5. the way: delay, and jitter on top. Order is kept, unless the frame is one
//!    of those to be reordered: these come later and are passed by others;
//! 6. duplication: the copy arrives right behind its original.
//!
//! Frames are held by reference; nothing is allocated per frame once the queues
//! have grown to their size.

mod counts;
mod direction;
mod flight;
mod profile;
mod transmitter;

pub use counts::{Counts, Tally};
pub use direction::{BufferRoom, Direction};
pub use profile::{Chance, Profile};
