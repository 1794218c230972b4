//! Two ports and the link between them.

use super::orders::Link;
use super::{Settings, clock};
use crate::base::{Instant, Random, ReceiveMeta};
use crate::device::{Device, DeviceStatistics, Forward};
use crate::emulator::{Counts, Direction, Profile, Tally};
use std::os::fd::RawFd;

/// What a link is like and has done.
#[derive(Clone, Debug)]
pub struct LinkReport {
    /// The first port with the direction that begins there, and the second.
    pub sides: [SideReport; 2],
}

/// A port, and the direction that begins there.
#[derive(Clone, Debug)]
pub struct SideReport {
    /// What the direction is like.
    pub profile: Profile,
    /// Whether it carries anything.
    pub up: bool,
    /// What became of its frames.
    pub counts: Counts,
    /// What it holds.
    pub held: Tally,
    /// Frames that came out of it and that the other port did not take.
    pub refused: u64,
    /// Whether the port's own link is up.
    pub port_up: bool,
    /// What the port has done.
    pub port: DeviceStatistics,
}

/// A port, and the direction that begins there.
#[derive(Debug)]
struct Side<D: Device> {
    /// Before the device: what it holds goes back before its memory goes.
    direction: Direction<D::Packet>,
    random: Random,
    refused: u64,
    port_up: bool,
    free_room: usize,
    device: D,
}

/// Two ports and the link between them.
#[derive(Debug)]
pub(super) struct Joint<D: Device> {
    sides: [Side<D>; 2],
}

impl<D: Forward> Joint<D> {
    /// Each direction has chances of its own: what happens on one changes
    /// nothing on another.
    pub(super) fn new(devices: [D; 2], link: &Link, settings: &Settings, seeds: [u64; 2]) -> Self {
        let side = |index: usize, device: D| {
            let mut direction = Direction::new(link.directions[index], settings.room);
            direction.set_up(Instant::ZERO, !link.down[index]);
            Side {
                direction,
                random: Random::from_number(seeds[index]),
                refused: 0,
                port_up: true,
                free_room: device.room(),
                device,
            }
        };
        let [first, second] = devices;
        Self { sides: [side(0, first), side(1, second)] }
    }

    /// One burst of each port into the link, and out of it what is due. Returns
    /// whether there was any.
    pub(super) fn turn(&mut self, burst: &mut Vec<(D::Packet, ReceiveMeta)>) -> bool {
        let mut worked = false;
        for side in &mut self.sides {
            worked |= side.receive(burst);
        }
        let now = clock::now();
        let [first, second] = &mut self.sides;
        worked |= first.deliver(now, &mut second.device);
        worked |= second.deliver(now, &mut first.device);
        worked
    }

    pub(super) fn change(&mut self, now: Instant, link: &Link) {
        for ((side, profile), down) in self.sides.iter_mut().zip(link.directions).zip(link.down) {
            side.direction.set_profile(now, profile, &mut side.random);
            side.direction.set_up(now, !down);
        }
    }

    pub(super) fn report(&self) -> LinkReport {
        let [first, second] = &self.sides;
        LinkReport { sides: [first.report(), second.report()] }
    }

    /// Asks both ports for their link: some reconnect only then.
    pub(super) fn check_links(&mut self) {
        for side in &mut self.sides {
            let up = side.device.link_up();
            if up != side.port_up {
                tracing::info!(port = side.device.name(), up, "link");
                side.port_up = up;
            }
        }
    }

    /// When the next frame is due. Those for a port without room wait until it
    /// is looked at again.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let [first, second] = &self.sides;
        let due =
            |from: &Side<D>, to: &Side<D>| from.direction.next_deadline().filter(|_| to.device.room() > 0);
        due(first, second).into_iter().chain(due(second, first)).min()
    }

    /// Whether a port has to be looked at now and then: it cannot wake anybody,
    /// or holds frames.
    pub(super) fn needs_polling(&self) -> bool {
        self.sides.iter().any(|side| side.device.wake_fd().is_none() || side.device.room() < side.free_room)
    }

    /// Asks both ports for a wake-up. `true`: frames are already there.
    pub(super) fn arm(&mut self) -> bool {
        // Both are armed, even if the first has frames: `disarm` follows for both.
        self.sides.iter_mut().fold(false, |waiting, side| side.device.arm_wake() | waiting)
    }

    /// Ends what `arm` began.
    pub(super) fn disarm(&mut self) {
        self.sides.iter_mut().for_each(|side| side.device.disarm_wake());
    }

    pub(super) fn wake_fds(&self) -> impl Iterator<Item = RawFd> + '_ {
        self.sides.iter().filter_map(|side| side.device.wake_fd())
    }
}

impl<D: Forward> Side<D> {
    fn receive(&mut self, burst: &mut Vec<(D::Packet, ReceiveMeta)>) -> bool {
        if self.device.receive(burst) == 0 {
            return false;
        }
        let now = clock::now();
        for (packet, _) in burst.drain(..) {
            self.direction.accept(now, packet, &mut self.random);
        }
        true
    }

    /// What there is no room for stays on the link and is late.
    fn deliver(&mut self, now: Instant, to: &mut D) -> bool {
        let mut delivered = false;
        while to.room() > 0
            && let Some(packet) = self.direction.take_due(now, &mut self.random)
        {
            delivered = true;
            if to.forward(packet).is_err() {
                self.refused += 1;
            }
        }
        to.flush();
        delivered
    }

    fn report(&self) -> SideReport {
        SideReport {
            profile: *self.direction.profile(),
            up: self.direction.is_up(),
            counts: *self.direction.counts(),
            held: self.direction.held(),
            refused: self.refused,
            port_up: self.port_up,
            port: self.device.statistics(),
        }
    }
}
