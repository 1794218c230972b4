//! Shortest smoothed round-trip time first, stretched by what a subflow already
//! has in flight: in a data center differences of a few microseconds are noise,
//! and links that are alike share the stream. A link that is more than twice as
//! far gets what the nearer ones have no window for.

use super::Candidate;
use crate::base::{Duration, SubflowId};

/// The scheduler has no memory.
#[derive(Clone, Debug, Default)]
pub(in crate::mptcp) struct MinRtt;

impl MinRtt {
    pub(super) fn choose(candidates: impl Iterator<Item = Candidate>) -> Option<SubflowId> {
        candidates
            .min_by_key(|candidate| (stretched_rtt(candidate), candidate.id))
            .map(|candidate| candidate.id)
    }
}

/// The round-trip time, up to doubled as the congestion window fills, and as if it
/// were full where every byte crosses to another NUMA node. Not measured yet: zero,
/// so that it is measured soon.
fn stretched_rtt(candidate: &Candidate) -> Duration {
    let rtt = candidate.smoothed_rtt.unwrap_or(Duration::ZERO);
    let window = candidate.congestion_window_bytes.max(1) as u64;
    let used = if candidate.is_far { window } else { (candidate.in_flight_bytes as u64).min(window) };
    rtt + rtt * used / window
}
