//! Frames in bursts: the small trait between the engine and whatever moves
//! frames, and the devices that need no driver: an in-memory wire, a replayed
//! capture, and two wrappers around any device, one that captures and one that
//! misbehaves.
//!
//! A device is one receive and one transmit queue of one port, used by one
//! thread.

mod capabilities;
mod capture;
mod fault;
mod flows;
mod forward;
mod hand_over;
mod interface;
mod lending;
mod memory;
mod pcap;
mod replay;
mod statistics;

pub use capabilities::{Capabilities, Segmentation};
pub use capture::CaptureDevice;
pub use fault::{Alter, FaultConfig, FaultCounts, FaultDevice, FaultRates};
pub use flows::FlowSteering;
pub use forward::Forward;
pub use hand_over::HandOver;
pub use interface::{Device, InDevice, Refusal};
pub use lending::{ClientMemory, LentBlocks, LentMemory};
pub use memory::{MemoryConfig, MemoryDevice, memory_pair};
pub use pcap::{CapturedFrame, Direction, FrameReader, PcapError, PcapngWriter, WriterConfig};
pub use replay::ReplayDevice;
pub use statistics::DeviceStatistics;
