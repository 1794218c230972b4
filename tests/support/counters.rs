//! The kernel's counters.

use super::namespace::Namespace;
use super::process::run;
use std::collections::HashMap;

/// The counters of a namespace since its making, by the names of `nstat`.
#[derive(Clone, Debug)]
pub struct Counters(HashMap<String, u64>);

impl Counters {
    /// Reads them all, those at zero included.
    #[track_caller]
    pub fn of(namespace: &Namespace) -> Self {
        // Absolute values, zeros too, no history file, as JSON.
        let text = run(namespace.command("nstat").args(["-a", "-z", "-s", "-j"]));
        let json: serde_json::Value = serde_json::from_str(&text).expect("JSON of nstat");
        let counters = json["kernel"].as_object().expect("the kernel's counters");
        let number = |value: &serde_json::Value| value.as_u64().unwrap_or(0);
        Self(counters.iter().map(|(name, value)| (name.clone(), number(value))).collect())
    }

    /// One of them: `MPTcpExtMPJoinAckRx`. Panics if this kernel has none of
    /// that name.
    #[track_caller]
    pub fn get(&self, name: &str) -> u64 {
        *self.0.get(name).unwrap_or_else(|| panic!("the kernel has no counter {name}"))
    }

    /// Those that are not zero and whose name begins so, in order.
    pub fn non_zero(&self, prefix: &str) -> Vec<(&str, u64)> {
        let chosen = self.0.iter().filter(|(name, value)| **value > 0 && name.starts_with(prefix));
        let mut chosen: Vec<_> = chosen.map(|(name, value)| (name.as_str(), *value)).collect();
        chosen.sort_unstable();
        chosen
    }
}
