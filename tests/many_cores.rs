//! Endpoints that run an engine on each of this machine's first two CPUs: with
//! the kernel's MPTCP over TAPs of two queues, and with each other over Unix
//! sockets.
#![cfg(feature = "dpdk")]

#[path = "many_cores/crew.rs"]
mod crew;
#[path = "many_cores/crowd.rs"]
mod crowd;
#[path = "many_cores/kernel.rs"]
mod kernel;
#[path = "many_cores/links.rs"]
mod links;
mod support;
#[path = "many_cores/wires.rs"]
mod wires;
