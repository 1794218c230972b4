//! A link between the two hosts: rate, delay, loss, reordering, duplication,
//! corruption, a queue limit, and the plug.

use mpdk::base::{Duration, Instant, Random};

/// What a link does to frames. Probabilities are per million.
#[derive(Clone, Debug)]
pub struct LinkProfile {
    pub rate_bits_per_second: u64,
    pub delay: Duration,
    pub jitter: Duration,
    pub loss_ppm: u64,
    pub duplicate_ppm: u64,
    pub corrupt_ppm: u64,
    /// Frames held back by up to four delays.
    pub reorder_ppm: u64,
    pub queue_bytes: u64,
    pub mtu: u16,
}

impl LinkProfile {
    /// A quiet link of a data center.
    pub fn clean() -> Self {
        Self {
            rate_bits_per_second: 1_000_000_000,
            delay: Duration::from_micros(50),
            jitter: Duration::ZERO,
            loss_ppm: 0,
            duplicate_ppm: 0,
            corrupt_ppm: 0,
            reorder_ppm: 0,
            queue_bytes: 256 * 1024,
            mtu: 1500,
        }
    }
}

/// One direction of a link.
#[derive(Debug)]
pub struct Direction {
    free_at: Instant,
    pub carried_bytes: u64,
    pub carried_frames: u64,
}

/// Both directions.
#[derive(Debug)]
pub struct Link {
    pub profile: LinkProfile,
    pub up: bool,
    pub directions: [Direction; 2],
}

impl Link {
    pub fn new(profile: LinkProfile) -> Self {
        let direction = || Direction { free_at: Instant::ZERO, carried_bytes: 0, carried_frames: 0 };
        Self { profile, up: true, directions: [direction(), direction()] }
    }

    /// When each copy of a frame arrives at the other side: none, one or two.
    pub fn carry(
        &mut self,
        from: usize,
        now: Instant,
        frame: &mut [u8],
        random: &mut Random,
    ) -> Vec<Instant> {
        let profile = &self.profile;
        let chance = |random: &mut Random, ppm: u64| ppm > 0 && random.below(1_000_000) < ppm;
        if !self.up || chance(random, profile.loss_ppm) {
            return Vec::new();
        }
        let direction = &mut self.directions[from];
        let wire_ns = frame.len() as u64 * 8 * 1_000_000_000 / profile.rate_bits_per_second;
        let start = if direction.free_at.since(now) == Duration::ZERO { now } else { direction.free_at };
        let queued_bytes = start.since(now).as_nanos() * profile.rate_bits_per_second / 8 / 1_000_000_000;
        if queued_bytes > profile.queue_bytes {
            return Vec::new();
        }
        direction.free_at = start + Duration::from_nanos(wire_ns);
        direction.carried_bytes += frame.len() as u64;
        direction.carried_frames += 1;
        // ARP has no checksum of its own: Ethernet's would have caught this.
        let is_arp = frame[12..14] == [0x08, 0x06];
        if chance(random, profile.corrupt_ppm) && !is_arp {
            let at = 14 + random.below(frame.len() as u64 - 14) as usize;
            frame[at] ^= 1 << random.below(8);
        }
        let mut arrival = direction.free_at + profile.delay;
        if profile.jitter > Duration::ZERO {
            arrival += Duration::from_nanos(random.below(profile.jitter.as_nanos()));
        }
        if chance(random, profile.reorder_ppm) {
            arrival += Duration::from_nanos(random.below(4 * profile.delay.as_nanos().max(1_000)));
        }
        let mut arrivals = vec![arrival];
        if chance(random, profile.duplicate_ppm) {
            arrivals
                .push(arrival + Duration::from_nanos(random.below(2 * profile.delay.as_nanos().max(1_000))));
        }
        arrivals
    }
}
