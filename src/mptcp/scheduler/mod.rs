//! Which subflow sends next. The connection offers the subflows that may be
//! used and have room; backup subflows only when nothing else is usable.

mod min_rtt;
mod round_robin;

use crate::base::{Duration, SubflowId};
use min_rtt::MinRtt;
use round_robin::RoundRobin;

/// The schedulers there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SchedulerKind {
    /// Shortest smoothed round-trip time with window space.
    #[default]
    MinRtt,
    /// One after the other.
    RoundRobin,
}

/// A subflow that has room.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub(super) id: SubflowId,
    pub(super) smoothed_rtt: Option<Duration>,
}

/// A scheduler's state in one connection.
#[derive(Clone, Debug)]
pub(super) enum Scheduler {
    MinRtt(MinRtt),
    RoundRobin(RoundRobin),
}

impl Scheduler {
    pub(super) fn new(kind: SchedulerKind) -> Self {
        match kind {
            SchedulerKind::MinRtt => Self::MinRtt(MinRtt::default()),
            SchedulerKind::RoundRobin => Self::RoundRobin(RoundRobin::default()),
        }
    }

    /// Picks one of the candidates.
    pub(super) fn choose(&mut self, candidates: impl Iterator<Item = Candidate>) -> Option<SubflowId> {
        match self {
            Self::MinRtt(scheduler) => scheduler.choose(candidates),
            Self::RoundRobin(scheduler) => scheduler.choose(candidates),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(id: u8, rtt_us: Option<u64>) -> Candidate {
        Candidate { id: SubflowId(id), smoothed_rtt: rtt_us.map(Duration::from_micros) }
    }

    #[test]
    fn the_shortest_rtt_sends() {
        let mut scheduler = Scheduler::new(SchedulerKind::MinRtt);
        let all = [candidate(0, Some(300)), candidate(1, Some(100)), candidate(2, Some(200))];
        assert_eq!(scheduler.choose(all.into_iter()), Some(SubflowId(1)));
        assert_eq!(scheduler.choose([all[0], all[2]].into_iter()), Some(SubflowId(2)));
        assert_eq!(scheduler.choose(std::iter::empty()), None);
    }

    #[test]
    fn noise_does_not_move_the_traffic() {
        let mut scheduler = Scheduler::new(SchedulerKind::MinRtt);
        let first = [candidate(0, Some(100)), candidate(1, Some(102))];
        let then = [candidate(0, Some(103)), candidate(1, Some(100))];
        let far = [candidate(0, Some(200)), candidate(1, Some(100))];
        assert_eq!(scheduler.choose(first.into_iter()), Some(SubflowId(0)));
        assert_eq!(scheduler.choose(then.into_iter()), Some(SubflowId(0)));
        assert_eq!(scheduler.choose(far.into_iter()), Some(SubflowId(1)));
    }

    #[test]
    fn an_unmeasured_subflow_gets_its_chance() {
        let mut scheduler = Scheduler::new(SchedulerKind::MinRtt);
        let all = [candidate(0, Some(10)), candidate(1, None)];
        assert_eq!(scheduler.choose(all.into_iter()), Some(SubflowId(1)));
    }

    #[test]
    fn round_robin_takes_turns_and_skips_the_full() {
        let mut scheduler = Scheduler::new(SchedulerKind::RoundRobin);
        let all = [candidate(0, None), candidate(1, Some(1)), candidate(3, Some(9))];
        let turns: Vec<_> = (0..4).filter_map(|_| scheduler.choose(all.into_iter())).map(|id| id.0).collect();
        assert_eq!(turns, [0, 1, 3, 0]);
        assert_eq!(scheduler.choose([all[0], all[2]].into_iter()), Some(SubflowId(3)));
    }
}
