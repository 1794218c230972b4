//! An MPTCP (RFC 8684) endpoint in user space, on DPDK. ARCHITECTURE.md is the map.
#![deny(unsafe_code)]

#[cfg(feature = "dpdk")]
pub mod app;
pub mod base;
#[cfg(feature = "dpdk")]
pub mod bench;
#[cfg(feature = "dpdk")]
pub mod cli;
pub mod congestion;
pub mod control;
pub mod device;
#[cfg(feature = "dpdk")]
#[allow(unsafe_code)]
pub mod dpdk;
pub mod emulator;
pub mod endpoint;
pub mod engine;
pub mod mptcp;
#[allow(unsafe_code)]
pub mod relay;
#[allow(unsafe_code)]
pub mod ring;
#[allow(unsafe_code)]
pub mod shm;
pub mod tcp;
pub mod wire;
