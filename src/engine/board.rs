//! What an engine counts, for everybody to see: its core's statistics page.

use super::{HandOvers, Load};
use crate::base::{CoreIndex, Outcome};
use crate::device::DeviceStatistics;
use crate::shm::{StatisticsError, StatisticsPage};
use std::path::Path;

/// What the page says of each port.
const OF_PORT: [&str; 11] = [
    "received_frames",
    "received_bytes",
    "receive_missed",
    "receive_errors",
    "transmitted_frames",
    "transmitted_bytes",
    "transmit_dropped",
    "transmit_errors",
    "handed_over_frames",
    "taken_over_frames",
    "not_handed_over_frames",
];
/// And of the loop.
const OF_LOOP: [&str; 3] = ["engine.turns", "engine.busy_turns", "engine.busy_ns"];

/// The page, and the values that are written to it.
#[derive(Debug)]
pub(super) struct Board {
    page: StatisticsPage,
    ports: usize,
    /// Reused, so that telling does not allocate.
    values: Vec<u64>,
}

impl Board {
    /// A core's page in `folder`.
    ///
    /// # Errors
    /// As [`StatisticsPage::create`].
    pub(super) fn new<'a>(
        folder: &Path,
        core: CoreIndex,
        ports: impl Iterator<Item = &'a str>,
    ) -> Result<Self, StatisticsError> {
        let mut names: Vec<String> =
            Outcome::ALL.iter().map(|outcome| outcome.name()).chain(OF_LOOP).map(String::from).collect();
        let mut count = 0;
        for port in ports {
            names.extend(OF_PORT.map(|name| format!("port.{port}.{name}")));
            count += 1;
        }
        let page = StatisticsPage::create(folder, core, &names)?;
        Ok(Self { page, ports: count, values: Vec::with_capacity(names.len()) })
    }

    /// Shows what was counted so far: outcomes, what the loop did, what each port
    /// did, and as far as there was anything what went from core to core.
    pub(super) fn publish(
        &mut self,
        count: impl Fn(Outcome) -> u64,
        load: Load,
        port: impl Fn(usize) -> DeviceStatistics,
        hand_overs: &[HandOvers],
    ) {
        self.values.clear();
        self.values.extend(Outcome::ALL.iter().map(|&outcome| count(outcome)));
        self.values.extend([load.turns, load.busy_turns, load.busy.as_nanos()]);
        for index in 0..self.ports {
            let hand_overs = hand_overs.get(index).copied().unwrap_or_default();
            self.values.extend(of_port(port(index), hand_overs));
        }
        self.page.publish(&self.values);
    }
}

/// In the order of [`OF_PORT`].
const fn of_port(device: DeviceStatistics, hand_overs: HandOvers) -> [u64; OF_PORT.len()] {
    [
        device.received_frames,
        device.received_bytes,
        device.receive_missed,
        device.receive_errors,
        device.transmitted_frames,
        device.transmitted_bytes,
        device.transmit_dropped,
        device.transmit_errors,
        hand_overs.given,
        hand_overs.taken,
        hand_overs.dropped,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shm::StatisticsReader;

    #[test]
    fn what_is_published_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let mut board = Board::new(folder.path(), CoreIndex(3), ["left", "right"].into_iter()).unwrap();
        board.publish(
            |outcome| if outcome == Outcome::FrameHandedOver { 7 } else { 0 },
            Load { turns: 9, ..Load::default() },
            |port| DeviceStatistics { received_bytes: 5 + port as u64, ..DeviceStatistics::default() },
            &[HandOvers::default(), HandOvers { given: 1, taken: 2, dropped: 4 }],
        );
        let seen = StatisticsReader::open(folder.path()).unwrap().snapshot().unwrap().sum();
        let value = |name: &str| seen.iter().find(|(known, _)| known == name).map(|(_, value)| *value);
        assert_eq!(value("FrameHandedOver"), Some(7));
        assert_eq!(value("engine.turns"), Some(9));
        assert_eq!(value("port.left.received_bytes"), Some(5));
        let names = ["handed_over_frames", "taken_over_frames", "not_handed_over_frames"];
        assert_eq!(names.map(|name| value(&format!("port.right.{name}"))), [1, 2, 4].map(Some));
        assert_eq!(value("port.left.handed_over_frames"), Some(0));
    }
}
