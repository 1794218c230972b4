//! One direction of one link.

use super::counts::{Counts, Tally};
use super::flight::Flight;
use super::profile::Profile;
use super::transmitter::Transmitter;
use crate::base::{Instant, Packet, Random};
use std::collections::VecDeque;

/// How much packet memory a direction may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferRoom {
    /// Buffers at most.
    pub buffers: usize,
    /// Bytes of frame that one buffer takes; a frame takes at least one.
    pub buffer_bytes: u32,
}

impl BufferRoom {
    fn buffers_of(&self, bytes: u32) -> usize {
        bytes.div_ceil(self.buffer_bytes.max(1)).max(1) as usize
    }
}

/// A frame that waits for the transmitter.
#[derive(Debug)]
struct Waiting<P> {
    packet: P,
    bytes: u32,
    since: Instant,
}

/// Carries frames one way, as its profile says.
///
/// Chance is drawn for each frame when its transmission begins, in the order of
/// the frames: the same frames at the same times with the same randomness fare
/// the same, however often the direction is asked in between.
#[derive(Debug)]
pub struct Direction<P> {
    profile: Profile,
    up: bool,
    room: BufferRoom,
    queue: VecDeque<Waiting<P>>,
    queue_bytes: u64,
    transmitter: Transmitter,
    /// The last frame was lost.
    in_burst: bool,
    flight: Flight<P>,
    held: Tally,
    held_buffers: usize,
    counts: Counts,
}

impl<P: Packet> Direction<P> {
    /// An empty direction that is up.
    pub fn new(profile: Profile, room: BufferRoom) -> Self {
        Self {
            profile,
            up: true,
            room,
            queue: VecDeque::new(),
            queue_bytes: 0,
            transmitter: Transmitter::default(),
            in_burst: false,
            flight: Flight::new(),
            held: Tally::default(),
            held_buffers: 0,
            counts: Counts::default(),
        }
    }

    /// What it is like now.
    pub const fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Whether it carries anything.
    pub const fn is_up(&self) -> bool {
        self.up
    }

    /// What became of the frames so far.
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// What waits or is on its way.
    pub const fn held(&self) -> Tally {
        self.held
    }

    /// Makes it another from `now` on. What is on its way arrives as it was sent
    /// off; what waits is sent as the new profile says.
    pub fn set_profile(&mut self, now: Instant, profile: Profile, random: &mut Random) {
        self.advance(now, random);
        self.profile = profile;
    }

    /// Plugs it in or out. What is on it when it goes down is lost.
    pub fn set_up(&mut self, now: Instant, up: bool) {
        if self.up && !up {
            self.drop_held();
            self.transmitter.reset(now);
            self.in_burst = false;
        }
        self.up = up;
    }

    /// Takes a frame that arrives at `now`.
    pub fn accept(&mut self, now: Instant, packet: P, random: &mut Random) {
        self.advance(now, random);
        let bytes = u32::try_from(packet.len()).unwrap_or(u32::MAX);
        self.counts.received.add(bytes);
        if !self.up {
            self.counts.down_dropped.add(bytes);
        } else if self.held_buffers + self.room.buffers_of(bytes) > self.room.buffers {
            self.counts.overflowed.add(bytes);
        } else if self.queue.is_empty() && self.is_free(now) {
            self.hold(bytes);
            self.begin(Waiting { packet, bytes, since: now }, random);
        } else if self.is_queue_full(bytes) {
            self.counts.queue_dropped.add(bytes);
        } else {
            self.hold(bytes);
            self.queue_bytes += u64::from(bytes);
            self.queue.push_back(Waiting { packet, bytes, since: now });
        }
    }

    /// The next frame that has arrived at the other side by `now`.
    pub fn take_due(&mut self, now: Instant, random: &mut Random) -> Option<P> {
        self.advance(now, random);
        let arrived = self.flight.pop(now)?;
        self.release(arrived.bytes);
        self.counts.sent.add(arrived.bytes);
        Some(arrived.packet)
    }

    /// When to ask for frames next: no frame is due before. `None` if there is
    /// none.
    pub fn next_deadline(&self) -> Option<Instant> {
        let waiting = self.queue.front().map(|first| {
            let rate = self.profile.rate_bits_per_second;
            self.transmitter.leaves_at(first.since, first.bytes, rate) + self.profile.delay
        });
        self.flight.next_due().into_iter().chain(waiting).min()
    }

    fn is_free(&self, now: Instant) -> bool {
        self.profile.rate_bits_per_second == 0 || self.transmitter.free_at() <= now
    }

    fn is_queue_full(&self, bytes: u32) -> bool {
        let Profile { queue_packets, queue_bytes, .. } = self.profile;
        (queue_packets > 0 && self.queue.len() >= queue_packets as usize)
            || (queue_bytes > 0 && self.queue_bytes + u64::from(bytes) > queue_bytes)
    }

    /// Begins every transmission whose time has come by `now`.
    fn advance(&mut self, now: Instant, random: &mut Random) {
        while self.is_free(now)
            && let Some(first) = self.queue.pop_front()
        {
            self.queue_bytes -= u64::from(first.bytes);
            self.begin(first, random);
        }
    }

    /// The frame leaves the queue; its fate is decided.
    fn begin(&mut self, frame: Waiting<P>, random: &mut Random) {
        let Waiting { packet, bytes, since } = frame;
        let left_at = self.transmitter.send(since, bytes, self.profile.rate_bits_per_second);
        self.in_burst = self.profile.loses(self.in_burst, random);
        if self.in_burst {
            self.release(bytes);
            self.counts.lost.add(bytes);
            return;
        }
        let mut due = left_at + self.profile.travel(random);
        let late = self.profile.reorder.hits(random);
        let copy = self.profile.duplicate.hits(random).then(|| packet.share());
        if late {
            due += self.profile.reorder_delay;
            self.counts.reordered.add(bytes);
        }
        self.send_off(due, packet, bytes, late);
        if let Some(copy) = copy {
            self.hold(bytes);
            self.counts.duplicated.add(bytes);
            self.send_off(due, copy, bytes, late);
        }
    }

    fn send_off(&mut self, due: Instant, packet: P, bytes: u32, late: bool) {
        if late {
            self.flight.push_late(due, packet, bytes);
        } else {
            self.flight.push(due, packet, bytes);
        }
    }

    fn drop_held(&mut self) {
        self.queue_bytes = 0;
        while let Some(waiting) = self.queue.pop_front() {
            self.release(waiting.bytes);
            self.counts.down_dropped.add(waiting.bytes);
        }
        while let Some(flying) = self.flight.discard() {
            self.release(flying.bytes);
            self.counts.down_dropped.add(flying.bytes);
        }
    }

    fn hold(&mut self, bytes: u32) {
        self.held.add(bytes);
        self.held_buffers += self.room.buffers_of(bytes);
    }

    fn release(&mut self, bytes: u32) {
        self.held.remove(bytes);
        self.held_buffers -= self.room.buffers_of(bytes);
    }
}

#[cfg(test)]
mod tests;
