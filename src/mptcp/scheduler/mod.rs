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
    /// Shortest smoothed round-trip time, stretched by what is in flight, with window space.
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
    /// Handed over and not yet acknowledged.
    pub(super) in_flight_bytes: usize,
    pub(super) congestion_window_bytes: usize,
    /// Its port is far from this core.
    pub(super) is_far: bool,
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
            SchedulerKind::MinRtt => Self::MinRtt(MinRtt),
            SchedulerKind::RoundRobin => Self::RoundRobin(RoundRobin::default()),
        }
    }

    /// Picks one of the candidates.
    pub(super) fn choose(&mut self, candidates: impl Iterator<Item = Candidate>) -> Option<SubflowId> {
        match self {
            Self::MinRtt(MinRtt) => MinRtt::choose(candidates),
            Self::RoundRobin(scheduler) => scheduler.choose(candidates),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(id: u8, rtt_us: Option<u64>) -> Candidate {
        Candidate {
            id: SubflowId(id),
            smoothed_rtt: rtt_us.map(Duration::from_micros),
            in_flight_bytes: 0,
            congestion_window_bytes: 100_000,
            is_far: false,
        }
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
    fn links_that_are_alike_share_and_a_far_one_waits() {
        let mut scheduler = Scheduler::new(SchedulerKind::MinRtt);
        let near = Candidate { in_flight_bytes: 50_000, ..candidate(0, Some(100)) };
        let alike = candidate(1, Some(110));
        let far = candidate(2, Some(250));
        assert_eq!(scheduler.choose([near, alike].into_iter()), Some(SubflowId(1)));
        let full = Candidate { in_flight_bytes: 100_000, ..near };
        assert_eq!(scheduler.choose([full, far].into_iter()), Some(SubflowId(0)));
    }

    #[test]
    fn a_port_far_from_the_core_gets_what_the_near_have_no_window_for() {
        let mut scheduler = Scheduler::new(SchedulerKind::MinRtt);
        let near = Candidate { in_flight_bytes: 90_000, ..candidate(1, Some(100)) };
        let far = Candidate { is_far: true, ..candidate(0, Some(100)) };
        assert_eq!(scheduler.choose([near, far].into_iter()), Some(SubflowId(1)));
        assert_eq!(scheduler.choose([far].into_iter()), Some(SubflowId(0)));
        // Not at any price.
        let slow = Candidate { smoothed_rtt: Some(Duration::from_micros(300)), ..near };
        assert_eq!(scheduler.choose([slow, far].into_iter()), Some(SubflowId(0)));
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
