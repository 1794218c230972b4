//! HyStart++ (RFC 9406): leaves the first slow start when the round-trip time
//! grows, before the queue overflows.

use super::Acknowledged;
use crate::base::Duration;

/// Bounds of the growth of the round-trip time that ends slow start (§4.3).
const MIN_RTT_THRESHOLD: Duration = Duration::from_millis(4);
const MAX_RTT_THRESHOLD: Duration = Duration::from_millis(16);
/// The threshold is this fraction of the last round's minimum.
const MIN_RTT_DIVISOR: u64 = 8;
/// Samples before a round's minimum is believed.
const RTT_SAMPLES: u8 = 8;
/// Growth of conservative slow start is divided by this.
const CSS_GROWTH_DIVISOR: usize = 4;
/// Rounds of conservative slow start.
const CSS_ROUNDS: u8 = 5;

/// What slow start may do with what was delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Advice {
    /// Grow by this many bytes.
    Grow(usize),
    /// Slow start is over.
    Leave,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    SlowStart,
    Conservative { rounds: u8, baseline: Nanos },
}

/// A round-trip time in half the room: up to four seconds, beyond which nothing
/// is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Nanos(u32);

impl Nanos {
    const NONE: Self = Self(u32::MAX);

    fn duration(self) -> Duration {
        Duration::from_nanos(u64::from(self.0))
    }
}

impl From<Duration> for Nanos {
    fn from(rtt: Duration) -> Self {
        Self(u32::try_from(rtt.as_nanos()).unwrap_or(u32::MAX))
    }
}

/// The first slow start. After the first loss only the standard one is used
/// (§4.3).
#[derive(Clone, Copy, Debug)]
pub(super) struct HyStart {
    phase: Phase,
    /// The round ends when everything below this offset is acknowledged.
    round_end: u64,
    last_round_min: Nanos,
    round_min: Nanos,
    samples: u8,
}

impl HyStart {
    pub(super) const fn new() -> Self {
        Self {
            phase: Phase::SlowStart,
            round_end: 0,
            last_round_min: Nanos::NONE,
            round_min: Nanos::NONE,
            samples: 0,
        }
    }

    pub(super) fn advise(&mut self, ack: &Acknowledged) -> Advice {
        if ack.acknowledged_to > self.round_end && self.end_round(ack.sent_to) {
            return Advice::Leave;
        }
        self.sample(ack.rtt);
        self.judge();
        match self.phase {
            Phase::Conservative { .. } => Advice::Grow(ack.delivered_bytes / CSS_GROWTH_DIVISOR),
            Phase::SlowStart => Advice::Grow(ack.delivered_bytes),
        }
    }

    /// Starts the next round; returns whether slow start is over.
    fn end_round(&mut self, sent_to: u64) -> bool {
        self.round_end = sent_to;
        self.last_round_min = self.round_min;
        self.round_min = Nanos::NONE;
        self.samples = 0;
        let Phase::Conservative { rounds, baseline } = self.phase else { return false };
        if rounds + 1 >= CSS_ROUNDS {
            return true;
        }
        self.phase = Phase::Conservative { rounds: rounds + 1, baseline };
        false
    }

    fn sample(&mut self, rtt: Option<Duration>) {
        if let Some(rtt) = rtt {
            self.round_min = self.round_min.min(rtt.into());
            self.samples = self.samples.saturating_add(1);
        }
    }

    fn judge(&mut self) {
        if self.samples < RTT_SAMPLES || self.last_round_min == Nanos::NONE {
            return;
        }
        match self.phase {
            Phase::SlowStart => {
                let last = self.last_round_min.duration();
                let growth = (last / MIN_RTT_DIVISOR).clamp(MIN_RTT_THRESHOLD, MAX_RTT_THRESHOLD);
                if self.round_min.duration() >= last + growth {
                    self.phase = Phase::Conservative { rounds: 0, baseline: self.round_min };
                }
            }
            // The growth was jitter: back to slow start.
            Phase::Conservative { baseline, .. } if self.round_min < baseline => {
                self.phase = Phase::SlowStart;
            }
            Phase::Conservative { .. } => {}
        }
    }
}
