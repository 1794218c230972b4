//! Round-trip time and retransmission timeout (RFC 6298).

use super::config::Config;
use crate::base::Duration;

/// The timeout after a lost SYN without a measurement (RFC 6298 §5.7).
const AFTER_LOST_SYN: Duration = Duration::from_secs(3);

/// Not measured yet: longer than any round trip.
const UNKNOWN: Duration = Duration::MAX;

#[derive(Debug)]
pub(super) struct RttEstimator {
    /// [`UNKNOWN`] before the first measurement.
    smoothed: Duration,
    variation: Duration,
    /// Doublings of the timeout.
    back_off: u8,
    /// A SYN was lost before the first measurement.
    syn_lost: bool,
}

impl RttEstimator {
    /// §2.1: before the first measurement.
    pub(super) const fn new() -> Self {
        Self { smoothed: UNKNOWN, variation: Duration::ZERO, back_off: 0, syn_lost: false }
    }

    pub(super) const fn smoothed(&self) -> Option<Duration> {
        known(self.smoothed)
    }

    /// The timeout with back-off.
    pub(super) fn timeout(&self, config: &Config) -> Duration {
        let timeout = match self.smoothed() {
            None if self.syn_lost => config.rto_initial.max(AFTER_LOST_SYN),
            None => config.rto_initial,
            // §2.3, with the floor in the place of `G`: on a path without jitter the
            // variation vanishes, but the peer still delays acknowledgements.
            Some(smoothed) => smoothed + config.rto_min.max(self.variation * 4),
        };
        timeout.backed_off(u32::from(self.back_off)).min(config.rto_max)
    }

    /// A measurement; `samples` are expected per round trip, and each weighs
    /// accordingly less (RFC 7323 appendix G).
    pub(super) fn measure(&mut self, rtt: Duration, samples: u64) {
        let samples = samples.max(1);
        match self.smoothed() {
            // §2.2
            None => {
                self.smoothed = rtt;
                self.variation = rtt / 2;
            }
            // §2.3: beta = 1/4, alpha = 1/8
            Some(smoothed) => {
                self.variation = weighted(self.variation, smoothed.abs_diff(rtt), 4 * samples);
                self.smoothed = weighted(smoothed, rtt, 8 * samples);
            }
        }
        self.back_off = 0;
    }

    /// §5.5
    pub(super) fn back_off(&mut self) {
        self.back_off = (self.back_off + 1).min(32);
    }

    pub(super) fn forget_back_off(&mut self) {
        self.back_off = 0;
    }

    /// §5.7: the SYN was lost and nothing was measured yet.
    pub(super) fn after_lost_syn(&mut self) {
        if self.smoothed().is_none() {
            self.syn_lost = true;
            self.back_off = 0;
        }
    }
}

const fn known(duration: Duration) -> Option<Duration> {
    if duration.as_nanos() == UNKNOWN.as_nanos() { None } else { Some(duration) }
}

/// `average` moved by 1/`weight` of the way to `sample`.
fn weighted(average: Duration, sample: Duration, weight: u64) -> Duration {
    let step = average.abs_diff(sample) / weight;
    if sample > average { average + step } else { average - step }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn follows_the_formulas_of_rfc_6298() {
        let config = Config::default();
        let mut rtt = RttEstimator::new();
        assert_eq!(rtt.timeout(&config), config.rto_initial);
        rtt.measure(ms(80), 1);
        assert_eq!((rtt.smoothed(), rtt.timeout(&config)), (Some(ms(80)), ms(80 + 4 * 40)));
        rtt.measure(ms(160), 1);
        // RTTVAR = 3/4 * 40 + 1/4 * 80 = 50; SRTT = 7/8 * 80 + 1/8 * 160 = 90
        assert_eq!((rtt.smoothed(), rtt.timeout(&config)), (Some(ms(90)), ms(90 + 4 * 50)));
    }

    #[test]
    fn has_floor_ceiling_and_back_off() {
        let config = Config { rto_max: ms(50), ..Config::default() };
        let mut rtt = RttEstimator::new();
        rtt.measure(Duration::ZERO, 1);
        assert_eq!(rtt.timeout(&config), ms(10));
        rtt.back_off();
        rtt.back_off();
        assert_eq!(rtt.timeout(&config), ms(40));
        rtt.back_off();
        assert_eq!(rtt.timeout(&config), ms(50));
        rtt.measure(Duration::ZERO, 1);
        assert_eq!(rtt.timeout(&config), ms(10));
    }

    #[test]
    fn the_floor_lies_above_the_round_trip() {
        let config = Config::default();
        let mut rtt = RttEstimator::new();
        for _ in 0..1_000 {
            rtt.measure(ms(20), 1);
        }
        assert_eq!(rtt.timeout(&config), ms(30));
    }

    #[test]
    fn many_samples_per_round_trip_weigh_less() {
        let mut rtt = RttEstimator::new();
        rtt.measure(ms(80), 1);
        rtt.measure(ms(160), 10);
        assert_eq!(rtt.smoothed(), Some(ms(81)));
    }

    #[test]
    fn a_lost_syn_makes_the_first_timeout_long() {
        let config = Config::default();
        let mut rtt = RttEstimator::new();
        rtt.back_off();
        rtt.after_lost_syn();
        assert_eq!(rtt.timeout(&config), Duration::from_secs(3));
    }
}
