//! What engines have counted.

use super::{HandOvers, Load};
use crate::base::Counters;
use crate::device::DeviceStatistics;
use std::ops::Add;

/// What one core's engine has counted, or several together.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Every outcome.
    pub counters: Counters,
    /// What each port did, in the order of the ports.
    pub ports: Vec<DeviceStatistics>,
    /// Frames that went from core to core, by the port that received them; as far
    /// as there were any.
    pub hand_overs: Vec<HandOvers>,
    /// What the loop did with its time.
    pub load: Load,
}

impl Report {
    /// What all cores have counted together.
    pub fn sum(reports: &[Self]) -> Self {
        reports.iter().fold(Self::default(), |mut sum, report| {
            for (outcome, count) in report.counters.non_zero() {
                sum.counters.add(outcome, count);
            }
            add(&mut sum.ports, &report.ports);
            add(&mut sum.hand_overs, &report.hand_overs);
            sum.load = sum.load + report.load;
            sum
        })
    }
}

fn add<T: Copy + Default + Add<Output = T>>(sum: &mut Vec<T>, values: &[T]) {
    if sum.len() < values.len() {
        sum.resize(values.len(), T::default());
    }
    for (sum, &value) in sum.iter_mut().zip(values) {
        *sum = *sum + value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Duration, Outcome};

    #[test]
    fn the_sum_has_what_each_has() {
        let report = |number: u64| {
            let mut report = Report::default();
            report.counters.add(Outcome::FrameReceived, number);
            report.ports =
                vec![DeviceStatistics { received_frames: number, ..DeviceStatistics::default() }; 2];
            report.hand_overs = vec![HandOvers { given: number, taken: 0, dropped: 1 }; number as usize];
            report.load = Load { turns: number, busy_turns: 1, busy: Duration::from_nanos(number) };
            report
        };
        let sum = Report::sum(&[report(2), report(1), report(3)]);
        assert_eq!(sum.counters.get(Outcome::FrameReceived), 6);
        assert_eq!(sum.ports.iter().map(|port| port.received_frames).collect::<Vec<_>>(), [6, 6]);
        assert_eq!(
            sum.hand_overs.iter().map(|it| (it.given, it.dropped)).collect::<Vec<_>>(),
            [(6, 3), (5, 2), (3, 1)]
        );
        assert_eq!(sum.load, Load { turns: 6, busy_turns: 3, busy: Duration::from_nanos(6) });
    }
}
