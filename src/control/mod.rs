//! What a person says to an endpoint and sees of it: the configuration, and the
//! statistics of one that runs.

mod config;
mod statistics;

pub use config::{
    Config, ConfigError, CorePlace, DEFAULT_FILE_PREFIX, DIRECTION_KEYS, DefaultUsed, Device, DeviceKind,
    DirectionSettings, Eal, EalLogLevel, Engine, Explanation, Machine, Memory, MemoryNeed, Mptcp, Port,
    Problem, Problems, Subnet, Tcp, ThisMachine, WireConfig, WireDevice, WireLink, check_file_prefix,
};
pub use statistics::{statistics_folder, statistics_folders};

pub use crate::shm::{CoreStatistics, Statistics, StatisticsError, StatisticsReader};
