//! What a person says to an endpoint and sees of it: the configuration.

mod config;

pub use config::{
    Config, ConfigError, DefaultUsed, Device, DeviceKind, Eal, EalLogLevel, Engine, Explanation, Machine,
    Memory, MemoryNeed, Mptcp, Port, Problem, Problems, Subnet, Tcp, ThisMachine,
};
