//! What a direction is to be like.

use crate::base::{Duration, Random};

/// One direction of a link. Everything at zero carries each frame at once.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Profile {
    /// Bits per second of Ethernet frame; 0 is no limit. The preamble, checksum
    /// and gap of a cable are not counted.
    pub rate_bits_per_second: u64,
    /// Frames that wait for the transmitter; 0 is no limit.
    pub queue_packets: u32,
    /// Bytes that wait for the transmitter; 0 is no limit.
    pub queue_bytes: u64,
    /// From the last bit sent to the last bit received.
    pub delay: Duration,
    /// Added to the delay: uniform from 0 up to this, for each frame anew.
    pub jitter: Duration,
    /// Frames lost.
    pub loss: Chance,
    /// How many frames a loss takes in a row on average (Gilbert's model); 0
    /// loses each independently of the others.
    pub loss_burst_frames: u32,
    /// Frames that arrive twice.
    pub duplicate: Chance,
    /// Frames that are held back and passed by others.
    pub reorder: Chance,
    /// For how long, on top of the delay.
    pub reorder_delay: Duration,
}

/// A probability.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Chance(f64);

impl Chance {
    /// From 0, never, to 1, always; what lies outside is the nearest of them.
    pub fn new(share: f64) -> Self {
        // Not a number is no chance.
        Self(if share > 0.0 { share.min(1.0) } else { 0.0 })
    }

    /// From 0 to 1.
    pub const fn share(self) -> f64 {
        self.0
    }

    /// Whether it happens. What never happens draws no number.
    pub(super) fn hits(self, random: &mut Random) -> bool {
        // As many bits as a double holds: a number in [0, 1).
        self.0 > 0.0 && ((random.next_u64() >> 11) as f64) < self.0 * (1_u64 << 53) as f64
    }
}

impl Profile {
    /// Whether the frame after one that was lost (`in_burst`) or was not, is.
    pub(super) fn loses(&self, in_burst: bool, random: &mut Random) -> bool {
        let (loss, burst) = (self.loss.share(), f64::from(self.loss_burst_frames));
        if self.loss_burst_frames == 0 || loss <= 0.0 || loss >= 1.0 {
            return self.loss.hits(random);
        }
        // The chain whose bad state lasts `burst` frames on average and holds
        // `loss` of all frames.
        let next = if in_burst { 1.0 - 1.0 / burst } else { loss / (burst * (1.0 - loss)) };
        Chance::new(next).hits(random)
    }

    /// How long this frame travels.
    pub(super) fn travel(&self, random: &mut Random) -> Duration {
        let jitter = self.jitter.as_nanos();
        let extra = if jitter > 0 { random.below(jitter.saturating_add(1)) } else { 0 };
        self.delay + Duration::from_nanos(extra)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chances_stay_between_never_and_always() {
        let mut random = Random::from_number(1);
        for (given, taken) in [(-1.0, 0.0), (f64::NAN, 0.0), (0.25, 0.25), (1.0, 1.0), (7.0, 1.0)] {
            assert_eq!(Chance::new(given).share(), taken);
        }
        assert!((0..10_000).all(|_| Chance::new(1.0).hits(&mut random)));
        assert!((0..10_000).all(|_| !Chance::new(0.0).hits(&mut random)));
        let hits = (0..100_000).filter(|_| Chance::new(0.1).hits(&mut random)).count();
        assert!((9_500..10_500).contains(&hits), "{hits}");
    }

    #[test]
    fn bursts_have_their_length_and_their_share() {
        let profile = Profile { loss: Chance::new(0.05), loss_burst_frames: 8, ..Profile::default() };
        let mut random = Random::from_number(2);
        let (mut lost, mut bursts, mut in_burst) = (0_u32, 0_u32, false);
        for _ in 0..400_000 {
            let loses = profile.loses(in_burst, &mut random);
            lost += u32::from(loses);
            bursts += u32::from(loses && !in_burst);
            in_burst = loses;
        }
        let share = f64::from(lost) / 400_000.0;
        let length = f64::from(lost) / f64::from(bursts);
        assert!((share - 0.05).abs() < 0.005, "{share}");
        assert!((length - 8.0).abs() < 0.5, "{length}");
    }
}
