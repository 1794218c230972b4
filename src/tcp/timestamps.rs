//! Timestamps: the clock we show, what we echo, and PAWS (RFC 7323).

use crate::base::{Duration, Instant, SeqNumber};
use crate::wire::Timestamps;

/// §5.5: after this long without a segment the remembered timestamp may have
/// wrapped and means nothing.
const OUTDATED: Duration = Duration::from_secs(24 * 24 * 60 * 60);

/// Both directions' timestamps of a subflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TimestampClock {
    /// Added to the milliseconds: the clock differs between connections.
    offset: u32,
    /// `TS.Recent`.
    recent: u32,
    recent_at: Instant,
}

impl TimestampClock {
    /// The offset is the initial sequence number: of one 4-tuple that grows
    /// with time (RFC 6528), and so do then the timestamps of its connections
    /// (RFC 7323 §5.8, RFC 6191).
    pub(super) const fn new(initial_sequence: SeqNumber) -> Self {
        Self { offset: initial_sequence.0, recent: 0, recent_at: Instant::ZERO }
    }

    /// The clock's value, in milliseconds.
    pub(super) const fn value(&self, now: Instant) -> u32 {
        (now.as_millis() as u32).wrapping_add(self.offset)
    }

    /// What a segment carries.
    pub(super) const fn stamp(&self, now: Instant) -> Timestamps {
        Timestamps { value: self.value(now), echo: self.recent }
    }

    /// §5.3 R1: whether a segment is from before what came already.
    pub(super) const fn is_old(&self, value: u32, now: Instant) -> bool {
        let before = (value.wrapping_sub(self.recent) as i32) < 0;
        before && now.since(self.recent_at).as_nanos() <= OUTDATED.as_nanos()
    }

    /// The peer's SYN shows its clock.
    pub(super) const fn begin(&mut self, value: u32, now: Instant) {
        self.recent = value;
        self.recent_at = now;
    }

    /// §4.3: the segment that is acknowledged next is echoed. The caller has
    /// compared its sequence number with what was acknowledged last.
    pub(super) const fn take(&mut self, value: u32, now: Instant) {
        if !self.is_old(value, now) {
            self.recent = value;
            self.recent_at = now;
        }
    }

    /// Time since a segment of ours that is echoed left, rounded up to a tick;
    /// `None` if the echo lies in the future.
    pub(super) fn since(&self, echo: u32, now: Instant) -> Option<Duration> {
        let ticks = self.value(now).wrapping_sub(echo);
        (ticks <= i32::MAX as u32).then(|| Duration::from_millis(u64::from(ticks.max(1))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(s)
    }

    #[test]
    fn an_old_value_is_old_for_24_days() {
        let mut clock = TimestampClock::new(SeqNumber(u32::MAX));
        clock.begin(1_000, at(1));
        assert!(clock.is_old(999, at(2)));
        assert!(!clock.is_old(1_000, at(2)));
        clock.take(5, at(2));
        assert_eq!(clock.stamp(at(2)).echo, 1_000);
        let later = at(1) + OUTDATED + Duration::from_secs(1);
        assert!(!clock.is_old(999, later));
        clock.take(999, later);
        assert_eq!(clock.stamp(later).echo, 999);
    }

    #[test]
    fn an_echo_tells_the_round_trip() {
        let clock = TimestampClock::new(SeqNumber(u32::MAX - 500));
        let sent = clock.value(at(1));
        assert_eq!(clock.since(sent, at(3)), Some(Duration::from_secs(2)));
        assert_eq!(clock.since(sent, at(1)), Some(Duration::from_millis(1)));
        assert_eq!(clock.since(sent.wrapping_add(1), at(1)), None);
    }
}
