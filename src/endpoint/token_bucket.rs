//! How often something may happen: answers that strangers can provoke.

use crate::base::{Duration, Instant};

/// Permits `per_second` events, and as many at once after a quiet second.
#[derive(Debug)]
pub(super) struct TokenBucket {
    interval: Duration,
    depth: Duration,
    /// When the bucket would be full again: each event moves it by `interval`.
    full_at: Instant,
}

impl TokenBucket {
    /// A full bucket. Zero permits nothing.
    pub(super) fn new(per_second: u32) -> Self {
        let interval = match per_second {
            0 => Duration::MAX,
            rate => Duration::from_secs(1) / u64::from(rate),
        };
        Self { interval, depth: Duration::from_secs(1), full_at: Instant::ZERO }
    }

    /// Takes one token, if there is one.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let next = Instant::max(self.full_at, now) + self.interval;
        if next.since(now) > self.depth {
            return false;
        }
        self.full_at = next;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permits_the_rate_and_no_more() {
        let mut bucket = TokenBucket::new(10);
        let at = |ms| Instant::ZERO + Duration::from_millis(ms);
        assert_eq!((0..100).filter(|_| bucket.take(at(0))).count(), 10);
        assert!(!bucket.take(at(99)));
        assert!(bucket.take(at(100)));
        assert_eq!((0..100).filter(|_| bucket.take(at(60_000))).count(), 10);
    }

    #[test]
    fn a_rate_of_zero_permits_nothing() {
        assert!(!TokenBucket::new(0).take(Instant::ZERO));
        assert!(!TokenBucket::new(0).take(Instant::from_nanos(u64::MAX / 2)));
    }
}
