//! ONE core's host: what lies between frames and connections.
//!
//! [`Endpoint`] takes frames in, finds the connection, answers for the host
//! itself (ARP, neighbour discovery, ICMP, RST), and writes the headers of what
//! its connections want sent. It is sans-IO: frames, time and randomness are
//! arguments; what is to be sent goes to a [`FrameSink`](crate::base::FrameSink).
//!
//! # A turn
//!
//! `handle_frame` for each frame of a burst, `handle_timeouts`, the
//! application's verbs, `poll_transmit`, `poll_event` until `None`; then sleep
//! until `poll_deadline`. A connection that something happened to is *touched*:
//! once per burst, not once per frame, its events are taken in, its timer is
//! moved and it is asked for segments.

mod accept;
mod address;
mod arp;
mod config;
mod connect;
mod cores;
mod demux;
mod discovery;
mod ephemeral;
mod event;
mod host;
mod icmp;
mod icmp_error;
mod info;
mod keyed_hash;
mod link;
mod listener;
mod merge;
mod neighbour;
mod output;
mod path_header;
mod path_mtu;
mod port;
mod receive;
mod route;
mod segment;
mod segmentation;
mod send;
mod settle;
mod slot;
mod steering;
mod time_waits;
mod timer_wheel;
mod timers;
mod token_bucket;
mod transmit;
mod verbs;

#[cfg(test)]
mod tests;

pub use crate::base::{SPREAD_KEY_BYTES, Spread};
pub use crate::mptcp::{CloseReason, Config as MptcpConfig, LocalAddress, Path, SchedulerKind, SubflowInfo};
pub use crate::tcp::{
    Config as TcpConfig, Keepalive, State as SubflowState, Statistics as SubflowStatistics,
};
pub use crate::wire::MacAddress;
pub use address::PortAddress;
pub use config::{ConfigError, EndpointConfig, Limits, PortConfig, local_addresses};
pub use connect::ConnectError;
pub use cores::{CoreMessage, FlowWish, Sighting, Sorted};
pub use event::Event;
pub use host::Endpoint;
pub use info::{ConnectionInfo, ListenerInfo};
pub use listener::ListenError;
pub use port::PortStatistics;
pub use steering::Steering;
