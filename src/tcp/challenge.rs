//! The rate limit of answers to segments that a stranger may have sent.

use crate::base::{Blank, Duration, Instant};

/// Challenge ACKs in one interval at most (RFC 5961 §7).
const LIMIT: u32 = 10;
const INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct ChallengeLimit {
    interval_end: Instant,
    sent: u32,
}

impl Blank for ChallengeLimit {
    const BLANK: &'static Self = &Self { interval_end: Instant::ZERO, sent: 0 };
}

impl ChallengeLimit {
    /// Whether the last interval is over.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        now >= self.interval_end
    }

    /// Takes one of this interval's challenges; `false`: there is none left.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        if now >= self.interval_end {
            self.interval_end = now + INTERVAL;
            self.sent = 0;
        }
        self.sent += 1;
        self.sent <= LIMIT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_interval_has_its_own() {
        let mut limit = ChallengeLimit::default();
        let now = Instant::from_nanos(5);
        assert_eq!((0..20).filter(|_| limit.take(now)).count(), 10);
        assert!(limit.take(now + INTERVAL));
    }
}
