//! One subflow after the other.

use super::Candidate;
use crate::base::SubflowId;

/// The scheduler's memory: whom it chose last.
#[derive(Clone, Debug, Default)]
pub(in crate::mptcp) struct RoundRobin {
    last: Option<SubflowId>,
}

impl RoundRobin {
    pub(super) fn choose(&mut self, candidates: impl Iterator<Item = Candidate>) -> Option<SubflowId> {
        let (mut first, mut next) = (None, None);
        for candidate in candidates {
            let id = candidate.id;
            first = Some(first.map_or(id, |lowest: SubflowId| lowest.min(id)));
            if self.last.is_none_or(|last| id > last) {
                next = Some(next.map_or(id, |lowest: SubflowId| lowest.min(id)));
            }
        }
        self.last = next.or(first);
        self.last
    }
}
