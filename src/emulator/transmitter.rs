//! The transmitter: one frame at a time, at a rate.

use crate::base::{Duration, Instant};

const NANOS: u128 = 1_000_000_000;

/// Busy until the last frame's last bit has left.
#[derive(Debug, Default)]
pub(super) struct Transmitter {
    free_at: Instant,
    /// What of the last frame's time is no whole nanosecond, in nanoseconds
    /// times the rate: without it fast links would be slower by some percent.
    remainder: u64,
}

impl Transmitter {
    /// When the next frame can begin.
    pub(super) const fn free_at(&self) -> Instant {
        self.free_at
    }

    /// Sends a frame that waits since `ready`; returns when its last bit has
    /// left. A rate of 0 takes no time.
    pub(super) fn send(&mut self, ready: Instant, bytes: u32, rate: u64) -> Instant {
        if ready > self.free_at {
            self.free_at = ready;
            self.remainder = 0;
        }
        let (time, remainder) = self.time(bytes, rate);
        self.free_at += time;
        self.remainder = remainder;
        self.free_at
    }

    /// When a frame that begins as soon as possible will have left.
    pub(super) fn leaves_at(&self, ready: Instant, bytes: u32, rate: u64) -> Instant {
        self.free_at.max(ready) + self.time(bytes, rate).0
    }

    /// The whole nanoseconds that a frame takes, and the rest.
    fn time(&self, bytes: u32, rate: u64) -> (Duration, u64) {
        if rate == 0 {
            return (Duration::ZERO, 0);
        }
        let rate = u128::from(rate);
        // A remainder of another rate: below one nanosecond all the same.
        let carried = u128::from(self.remainder) % rate;
        let time = u128::from(bytes) * 8 * NANOS + carried;
        (Duration::from_nanos((time / rate) as u64), (time % rate) as u64)
    }

    /// Forgets the frame that is being sent, from `now` on.
    pub(super) fn reset(&mut self, now: Instant) {
        *self = Self { free_at: now, remainder: 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_of_nanoseconds_are_not_lost() {
        // 64 bytes at 10 Gbit/s are 51.2 ns.
        let mut transmitter = Transmitter::default();
        let ends: Vec<_> = (0..5).map(|_| transmitter.send(Instant::ZERO, 64, 10_000_000_000)).collect();
        assert_eq!(ends.map_nanos(), [51, 102, 153, 204, 256]);
        // An idle transmitter begins when the frame is there.
        let end = transmitter.send(Instant::from_nanos(1_000), 125, 1_000_000_000);
        assert_eq!(end, Instant::from_nanos(2_000));
        assert_eq!(transmitter.send(Instant::ZERO, 1_500, 0), Instant::from_nanos(2_000));
    }

    trait MapNanos {
        fn map_nanos(&self) -> Vec<u64>;
    }
    impl MapNanos for Vec<Instant> {
        fn map_nanos(&self) -> Vec<u64> {
            self.iter().map(|instant| instant.as_nanos()).collect()
        }
    }
}
