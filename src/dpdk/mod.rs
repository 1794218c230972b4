//! Ports on DPDK: the only room that says `rte_`.
//!
//! [`Eal::start`] starts DPDK, once per process. A [`Pool`] holds packet
//! buffers, whose payload can be exported to other processes. A [`Port`] is
//! attached from an [`EalConfig`]'s devices by its [`DeviceAddress`], and gives
//! one [`DpdkDevice`] per queue to the engine threads. Received frames are
//! [`Mbuf`]s.
//!
//! Everything is given back in the order that DPDK needs, whatever the order
//! of drops: an [`Eal`] ends when its last pool and port are gone, and packets
//! that outlive their pool keep its memory.

mod address;
mod arguments;
mod client_memory;
mod descriptors;
mod eal;
mod error;
mod ffi;
mod log;
mod mbuf;
mod offload;
mod pool;
mod port;
mod queue;
mod socket_file;
mod tap;
mod thread;
mod wake;
mod zone;

pub use address::{AddressError, DeviceAddress};
pub use arguments::{EalConfig, LogLevel, MemoryMode};
pub use client_memory::ClientMemory;
pub use eal::{Eal, dpdk_version};
pub use error::{Errno, Error, LogTail};
pub use mbuf::{HandedOver, Mbuf};
pub use offload::OffloadRequest;
pub use pool::{Pool, PoolConfig, PoolKind};
pub use port::{FlowRule, Port, PortConfig, ReceiveSpread};
pub use queue::DpdkDevice;
pub use thread::ThreadRegistration;
pub use zone::{Access, ExportedPiece, ZoneExport};
