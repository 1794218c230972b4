//! An MPTCP (RFC 8684) endpoint in user space, on DPDK. ARCHITECTURE.md is the map.
#![deny(unsafe_code)]

#[cfg(feature = "dpdk")]
pub mod app;
pub mod base;
pub mod congestion;
pub mod endpoint;
pub mod mptcp;
#[allow(unsafe_code)]
pub mod shm;
pub mod tcp;
pub mod wire;
