//! What the cores of a running endpoint count.

use super::process::{program, run};
use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

/// Each core's counters, as `mpdk stats` tells them: as of a tenth of a second ago.
#[derive(Clone, Debug)]
pub struct CoreCounts(Vec<HashMap<String, u64>>);

impl CoreCounts {
    /// Of the endpoint that runs with this configuration.
    #[track_caller]
    pub fn of(config: &Path) -> Self {
        let mut stats = Command::new(program("mpdk"));
        let text = run(stats.args(["stats", "--json", "--per-core", "--config"]).arg(config));
        let json: serde_json::Value = serde_json::from_str(&text).expect("JSON of mpdk stats");
        let core = |core: &serde_json::Value| {
            let counters = core["counters"].as_object().expect("a core's counters");
            counters.iter().map(|(name, value)| (name.clone(), value.as_u64().expect("a count"))).collect()
        };
        Self(json["cores"].as_array().expect("the cores").iter().map(core).collect())
    }

    /// One counter of each core, in the order of the cores. Panics if a core has
    /// none of that name.
    #[track_caller]
    pub fn each(&self, name: &str) -> Vec<u64> {
        let of = |core: &HashMap<String, u64>| core.get(name).copied();
        self.0.iter().map(|core| of(core).unwrap_or_else(|| panic!("no counter {name}"))).collect()
    }

    /// The sum over the cores.
    #[track_caller]
    pub fn sum(&self, name: &str) -> u64 {
        self.each(name).iter().sum()
    }

    /// Every core found its frames' connections, and nobody was reset.
    #[track_caller]
    pub fn assert_clean(&self) {
        for bad in [
            "FrameNotHandedOver",
            "CoreClaimsFull",
            "TcpConnectionLimit",
            "ListenOverflows",
            "TcpNoListener",
            "OutRsts",
            "EstabResets",
            "MPTcpExtMPJoinNoTokenFound",
            "MPTcpExtMPJoinAckHMacFailure",
            "MPTcpExtMPJoinSynAckHMacFailure",
            "MPTcpExtDSSNotMatching",
        ] {
            assert_eq!(self.sum(bad), 0, "{bad}: {:?}", self.each(bad));
        }
    }
}
