//! One subflow: TCP (RFC 9293) without a word about what runs on top of it.
//!
//! A [`Subflow`] is a state machine without clock, socket or thread. The caller
//! brings segments (`handle_segment`), time (`handle_timeout`) and payload
//! (`push`), and after each asks what is to be done (`poll_transmit`,
//! `poll_deadline`, `take_received`). Asking changes nothing if there is
//! nothing to do.
//!
//! The send side and the receive side count bytes in 64 bits from their own
//! SYN, which is offset 0; 32-bit sequence numbers exist only at the edge.
//!
//! | Standard | Where |
//! |---|---|
//! | RFC 9293 §3.10.7 segment arrives | `arrival`, `handshake`, `text` |
//! | RFC 9293 §3.6 closing, TIME_WAIT (RFC 1337) | `close`, `time_wait` |
//! | RFC 9293 §3.8.6 windows, probes, silly windows | `announcement`, `transmit_data`, `timers` |
//! | RFC 7323 window scale, timestamps, PAWS | `handshake`, `timestamps` |
//! | RFC 2018, 2883 SACK of the receiver | `reassembly`, `sack_report` |
//! | RFC 6675, 6582, 3042 loss recovery | `scoreboard`, `recovery` |
//! | RFC 6298 retransmission timer, RFC 3522 Eifel detection | `rtt`, `recovery` |
//! | RFC 5961 challenge ACKs | `arrival`, `challenge` |
//! | RFC 6528 initial sequence numbers | `isn` |

mod acknowledge;
mod acknowledgement_schedule;
mod announcement;
mod arrival;
mod challenge;
mod close;
mod config;
mod getters;
mod handshake;
mod icmp;
mod isn;
mod option_layout;
mod reassembly;
mod recovery;
mod reset;
mod rtt;
mod sack_report;
mod scoreboard;
mod segment;
mod send_queue;
mod state;
mod subflow;
mod text;
mod time_wait;
mod timers;
mod timestamps;
mod transmit;
mod transmit_control;
mod transmit_data;
mod verbs;

pub use config::{Config, Keepalive};
pub use isn::initial_sequence;
pub use reset::reset_for;
pub use segment::{NoOptions, OptionContext, OptionSource, OutgoingSegment, Received};
pub use state::{CloseReason, Reaction, State, Statistics};
pub use subflow::Subflow;
pub use time_wait::{TimeWait, TimeWaitReaction};

#[cfg(test)]
mod tests;
