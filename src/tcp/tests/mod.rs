//! Scripted segments in, segments out; two subflows over a bad link; and
//! arbitrary segments.

mod close;
mod handshake;
mod icmp;
mod options;
mod receive;
mod recovery;
mod robustness;
mod script;
mod security;
mod send;
mod simulation;
mod timers;
mod window;
mod world;
