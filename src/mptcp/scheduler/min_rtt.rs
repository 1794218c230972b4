//! Shortest smoothed round-trip time first, with a little hysteresis: in a
//! data center differences of a few microseconds are noise.

use super::Candidate;
use crate::base::{Duration, SubflowId};

/// The scheduler's memory: whom it chose last.
#[derive(Clone, Debug, Default)]
pub(in crate::mptcp) struct MinRtt {
    last: Option<SubflowId>,
}

impl MinRtt {
    pub(super) fn choose(&mut self, candidates: impl Iterator<Item = Candidate>) -> Option<SubflowId> {
        let mut best: Option<(Duration, SubflowId)> = None;
        let mut last = None;
        for candidate in candidates {
            // Not measured yet: zero, so that it is measured soon.
            let rtt = candidate.smoothed_rtt.unwrap_or(Duration::ZERO);
            if self.last == Some(candidate.id) {
                last = Some(rtt);
            }
            if best.is_none_or(|(shortest, _)| rtt < shortest) {
                best = Some((rtt, candidate.id));
            }
        }
        let (shortest, chosen) = best?;
        let stays = last.is_some_and(|rtt| rtt <= shortest + shortest / 16);
        let chosen = if stays { self.last? } else { chosen };
        self.last = Some(chosen);
        Some(chosen)
    }
}
