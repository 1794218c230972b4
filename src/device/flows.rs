//! Flows that a port itself brings to a queue.

use crate::base::{CoreIndex, FourTuple, PortIndex};
use std::any::Any;
use std::fmt::Debug;

/// The ports of an endpoint, as far as they can be told which core's queue a flow
/// goes to. For a thread that may take its time.
pub trait FlowSteering: Debug + Send {
    /// Whether a port can be told at all.
    fn takes_rules(&self, port: PortIndex) -> bool;

    /// Brings the TCP segments that `port` receives from `flow.remote` for
    /// `flow.local` to the queue of `core`, as long as the result lives. `None`: the
    /// port will not, and says why in the log. May take milliseconds.
    fn steer(&self, port: PortIndex, flow: &FourTuple, core: CoreIndex) -> Option<Box<dyn Any + Send>>;
}
