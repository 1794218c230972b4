//! Where time enters.

use crate::base::Instant;
use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of CLOCK_MONOTONIC.
pub(super) fn now() -> Instant {
    let time = clock_gettime(ClockId::Monotonic);
    // Both are positive: the clock counts from boot.
    Instant::from_nanos(
        (time.tv_sec as u64).saturating_mul(1_000_000_000).saturating_add(time.tv_nsec as u64),
    )
}
