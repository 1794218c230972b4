//! What a person says to an endpoint and sees of it: the configuration.

mod config;

pub use config::{
    Config, ConfigError, DIRECTION_KEYS, DefaultUsed, Device, DeviceKind, DirectionSettings, Eal,
    EalLogLevel, Engine, Explanation, Machine, Memory, MemoryNeed, Mptcp, Port, Problem, Problems, Subnet,
    Tcp, ThisMachine, WireConfig, WireDevice, WireLink,
};
