//! The clock and the operating system's randomness: where time and chance
//! enter the pure rooms.

use crate::base::{Instant, Random};
use rustix::time::{ClockId, clock_gettime};

/// The time now: nanoseconds of CLOCK_MONOTONIC.
pub(super) fn now() -> Instant {
    let time = clock_gettime(ClockId::Monotonic);
    // Both are positive: the clock counts from boot.
    Instant::from_nanos(
        (time.tv_sec as u64).saturating_mul(1_000_000_000).saturating_add(time.tv_nsec as u64),
    )
}

/// Randomness with a seed that nobody knows.
///
/// # Errors
/// If the kernel gives no randomness.
pub(super) fn random() -> std::io::Result<Random> {
    let mut seed = [0; 32];
    let mut filled = 0;
    while filled < seed.len() {
        match rustix::rand::getrandom(&mut seed[filled..], rustix::rand::GetRandomFlags::empty()) {
            Ok(count) => filled += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Random::from_seed(seed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_does_not_go_back() {
        let first = now();
        assert!(first > Instant::ZERO);
        assert!(now() >= first);
    }

    #[test]
    fn no_two_seeds_are_the_same() {
        let draw = || random().map(|mut random| random.next_u64()).unwrap();
        assert_ne!(draw(), draw());
    }
}
