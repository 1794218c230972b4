//! CUBIC (RFC 9438) in integers: bytes and microseconds, so that every machine
//! computes the same window.

use super::hystart::{Advice, HyStart};
use super::window::Window;
use super::{Acknowledged, CongestionEvent, Controller};
use crate::base::{Duration, Instant};

/// `C` = 0.4 segments per cubic second (§5), as a fraction.
const C_NUMERATOR: u128 = 4;
const C_DENOMINATOR: u128 = 10;
/// Microseconds per second, cubed.
const CUBIC_SECOND: u128 = 1_000_000_000_000_000_000;
/// Fraction bits of the Reno estimate.
const ESTIMATE_SHIFT: u32 = 16;
/// No epoch is looked at for longer: the cube then still fits 128 bits.
const MAX_EPOCH_US: u64 = 10_000_000_000;

/// A window that grows along a cubic curve towards, and beyond, where the
/// last loss was.
#[derive(Clone, Copy, Debug)]
pub struct Cubic {
    window: Window,
    growth: Growth,
    /// `W_max`: the window where the curve is flat; 0 if not known.
    max_bytes: u32,
    /// `cwnd_prior`: the window before the last reduction.
    prior_bytes: u32,
    /// When the last ACK came, to leave out time in which the window was not used.
    last_ack: Instant,
}

/// What makes the window grow.
#[derive(Clone, Copy, Debug)]
enum Growth {
    /// The first slow start, which looks at delays.
    First(HyStart),
    /// Slow start after that.
    SlowStart,
    /// A stage of congestion avoidance, as [`Epoch`] has it. Its fields lie here
    /// one by one, so that they and the variant fit half a cache line.
    Curve { start: Instant, k_us: u64, estimate: u64, remainder: u32 },
}

#[derive(Clone, Copy, Debug)]
struct Epoch {
    start: Instant,
    /// `K`: time until the curve reaches `W_max`.
    k_us: u64,
    /// `W_est`: Reno's window over the same losses, as a fixed-point number.
    estimate: u64,
    /// What is left of the last increase, in byte times window bytes: less than
    /// the window.
    remainder: u32,
}

impl Cubic {
    /// A controller at its initial window.
    pub fn new(segment_bytes: usize, initial_segments: usize) -> Self {
        Self {
            window: Window::new(segment_bytes, initial_segments),
            growth: Growth::First(HyStart::new()),
            max_bytes: 0,
            prior_bytes: 0,
            last_ack: Instant::ZERO,
        }
    }

    fn slow_start(&mut self, ack: &Acknowledged) -> usize {
        let advice = match &mut self.growth {
            Growth::First(hystart) => hystart.advise(ack),
            _ => Advice::Grow(ack.delivered_bytes),
        };
        match advice {
            Advice::Grow(bytes) => self.window.slow_start(bytes),
            Advice::Leave => {
                self.growth = Growth::SlowStart;
                self.window.leave_slow_start();
                ack.delivered_bytes
            }
        }
    }

    /// §4.2: the stage starts with the first ACK after slow start or recovery.
    fn start_epoch(&mut self, now: Instant) -> Epoch {
        let bytes = self.window.bytes() as u32;
        // §4.8, §4.10: without a loss to return to, the curve starts flat here.
        self.max_bytes = self.max_bytes.max(bytes);
        let k_us = self.time_to_max_us(u128::from(self.max_bytes - bytes));
        Epoch { start: now, k_us, estimate: u64::from(bytes) << ESTIMATE_SHIFT, remainder: 0 }
    }

    /// Equation 2: `K = cbrt((W_max - cwnd_epoch) / C)`.
    fn time_to_max_us(&self, distance_bytes: u128) -> u64 {
        let cube = distance_bytes * C_DENOMINATOR * CUBIC_SECOND
            / (C_NUMERATOR * self.window.segment_bytes() as u128);
        cube_root(cube).min(MAX_EPOCH_US)
    }

    /// Equation 1: `W_cubic(t) = C * (t - K)^3 + W_max`.
    fn curve_bytes(&self, epoch: &Epoch, elapsed: Duration) -> usize {
        let elapsed_us = elapsed.as_micros().min(MAX_EPOCH_US);
        let distance = u128::from(elapsed_us.abs_diff(epoch.k_us));
        let cube = distance * distance * distance / CUBIC_SECOND.isqrt();
        let step =
            cube * C_NUMERATOR * self.window.segment_bytes() as u128 / (C_DENOMINATOR * CUBIC_SECOND.isqrt());
        let step = usize::try_from(step).unwrap_or(usize::MAX);
        if elapsed_us < epoch.k_us {
            (self.max_bytes as usize).saturating_sub(step)
        } else {
            (self.max_bytes as usize).saturating_add(step)
        }
    }

    fn avoid_congestion(&mut self, ack: &Acknowledged, delivered_bytes: usize) {
        let mut epoch = match self.growth {
            Growth::Curve { start, k_us, estimate, remainder } => Epoch { start, k_us, estimate, remainder },
            _ => self.start_epoch(ack.now),
        };
        self.grow_estimate(&mut epoch, delivered_bytes);
        let elapsed = ack.now.since(epoch.start);
        let estimate_bytes = (epoch.estimate >> ESTIMATE_SHIFT) as usize;
        if self.curve_bytes(&epoch, elapsed) < estimate_bytes {
            // §4.3: the Reno-friendly region.
            self.window.grow_to(estimate_bytes);
        } else {
            let rtt = ack.smoothed_rtt.unwrap_or(Duration::ZERO);
            let curve = self.curve_bytes(&epoch, elapsed + rtt);
            self.approach(&mut epoch, curve, delivered_bytes);
        }
        let Epoch { start, k_us, estimate, remainder } = epoch;
        self.growth = Growth::Curve { start, k_us, estimate, remainder };
    }

    /// Equation 4, with alpha = 3 * (1 - 0.7) / (1 + 0.7) = 9/17 until the
    /// window is back where it was, then 1.
    fn grow_estimate(&self, epoch: &mut Epoch, delivered_bytes: usize) {
        let recovered = epoch.estimate >> ESTIMATE_SHIFT >= u64::from(self.prior_bytes);
        let (numerator, denominator) = if recovered { (1, 1) } else { (9, 17) };
        let growth = ((self.window.segment_bytes() * delivered_bytes) as u128 * numerator) << ESTIMATE_SHIFT;
        let growth = growth / (self.window.bytes() as u128 * denominator);
        epoch.estimate = epoch.estimate.saturating_add(growth as u64);
    }

    /// §4.4, §4.5: towards where the curve will be a round trip from now, by
    /// half of the window per round trip at most.
    fn approach(&mut self, epoch: &mut Epoch, curve_bytes: usize, delivered_bytes: usize) {
        let bytes = self.window.bytes();
        let target = curve_bytes.clamp(bytes, bytes + bytes / 2);
        let increase = u64::from(epoch.remainder) + (target - bytes) as u64 * delivered_bytes as u64;
        let growth = increase / bytes as u64;
        epoch.remainder = (increase % bytes as u64) as u32;
        self.window.grow((growth as usize).min(target - bytes));
    }

    /// §4.6, §4.7: remembers where the loss was, with fast convergence.
    fn remember_loss(&mut self) {
        let bytes = self.window.bytes() as u32;
        let with_convergence = (u64::from(bytes) * 17 / 20) as u32;
        self.max_bytes = if bytes < self.max_bytes { with_convergence } else { bytes };
        self.prior_bytes = bytes;
        self.growth = Growth::SlowStart;
    }
}

impl Controller for Cubic {
    fn window_bytes(&self) -> usize {
        self.window.bytes()
    }

    fn slow_start_threshold_bytes(&self) -> usize {
        self.window.threshold_bytes()
    }

    fn on_ack(&mut self, ack: &Acknowledged) {
        let since_last = ack.now.since(self.last_ack);
        self.last_ack = ack.now;
        if !ack.window_limited {
            // §5.8: the curve does not run while the window is not used.
            if let Growth::Curve { start, .. } = &mut self.growth {
                *start += since_last;
            }
            return;
        }
        let rest = if self.window.is_slow_start() { self.slow_start(ack) } else { ack.delivered_bytes };
        if rest > 0 && !self.window.is_slow_start() {
            self.avoid_congestion(ack, rest);
        }
    }

    fn on_congestion(&mut self, event: &CongestionEvent) {
        self.remember_loss();
        self.window.reduce(event.in_flight_bytes * 7 / 10);
    }

    fn on_timeout(&mut self, event: &CongestionEvent, first: bool) {
        if first {
            self.remember_loss();
        }
        // §4.8: after a timeout the curve starts flat where slow start ends.
        self.max_bytes = 0;
        if let Growth::Curve { .. } = self.growth {
            self.growth = Growth::SlowStart;
        }
        self.window.collapse(first.then_some(event.in_flight_bytes * 7 / 10));
    }

    fn on_idle(&mut self, idle: Duration, timeouts: u32) {
        self.window.decay(timeouts);
        if let Growth::Curve { start, .. } = &mut self.growth {
            *start += idle;
        }
        self.last_ack += idle;
    }

    fn set_segment_bytes(&mut self, segment_bytes: usize) {
        self.window.set_segment_bytes(segment_bytes);
    }
}

/// The largest integer whose cube is at most `value`.
fn cube_root(value: u128) -> u64 {
    let mut root: u128 = 0;
    let top = (128 - value.leading_zeros()).div_ceil(3);
    for bit in (0..=top.min(41)).rev() {
        let candidate = root | 1 << bit;
        if candidate * candidate * candidate <= value {
            root = candidate;
        }
    }
    root as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_cube_root_is_the_largest_below(value in 0..u128::MAX >> 6) {
            let root = u128::from(cube_root(value));
            prop_assert!(root.pow(3) <= value);
            prop_assert!((root + 1).pow(3) > value);
        }
    }
}
