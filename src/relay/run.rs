//! The loop itself.

use super::joint::Joint;
use super::orders::{Inbox, Link, Order};
use super::sleep::{Sleeper, sleep_precisely};
use super::{LinkReport, RelayConfig, Settings, clock};
use crate::base::{Duration, Instant, Random, ReceiveMeta};
use crate::device::Forward;

/// All links, on one thread.
#[derive(Debug)]
pub(super) struct Relay<D: Forward> {
    joints: Vec<Joint<D>>,
    settings: Settings,
    inbox: Inbox,
    /// Filled anew with each burst.
    burst: Vec<(D::Packet, ReceiveMeta)>,
    sleeper: Sleeper,
    links_due: Instant,
}

impl<D: Forward> Relay<D> {
    pub(super) fn new(config: RelayConfig, links: &[Link], ports: Vec<[D; 2]>, inbox: Inbox) -> Self {
        let RelayConfig { settings, seed, .. } = config;
        let mut seeds = Random::from_number(seed);
        let joints = ports.into_iter().zip(links).map(|(devices, link)| {
            let seeds = [seeds.next_u64(), seeds.next_u64()];
            Joint::new(devices, link, &settings, seeds)
        });
        Self {
            joints: joints.collect(),
            settings,
            inbox,
            burst: Vec::new(),
            sleeper: Sleeper::default(),
            links_due: Instant::ZERO,
        }
    }

    /// Turns until somebody asks to stop; tells what became of the frames.
    pub(super) fn run(mut self) -> Vec<LinkReport> {
        sleep_precisely();
        let mut idle_since = clock::now();
        while self.obey() {
            let mut worked = false;
            for joint in &mut self.joints {
                worked |= joint.turn(&mut self.burst);
            }
            let now = clock::now();
            self.check_links(now);
            if worked {
                idle_since = now;
            } else if now.since(idle_since) < self.settings.spin {
                std::hint::spin_loop();
            } else {
                self.sleep(now);
            }
        }
        self.report()
    }

    /// Does what other threads ask for. Returns whether to go on.
    fn obey(&mut self) -> bool {
        while let Some(order) = self.inbox.take() {
            match order {
                Order::Change { index, link, done } => {
                    if let Some(joint) = self.joints.get_mut(index) {
                        joint.change(clock::now(), &link);
                    }
                    done();
                }
                Order::Report(tell) => tell(self.report()),
                Order::Stop => return false,
            }
        }
        true
    }

    fn report(&self) -> Vec<LinkReport> {
        self.joints.iter().map(Joint::report).collect()
    }

    fn check_links(&mut self, now: Instant) {
        if now >= self.links_due {
            self.links_due = now + self.settings.link_interval;
            self.joints.iter_mut().for_each(Joint::check_links);
        }
    }

    /// Sleeps until a frame comes, one is due soon, or another thread wants
    /// something.
    fn sleep(&mut self, now: Instant) {
        let Some(timeout) = self.time_to_sleep(now) else {
            std::hint::spin_loop();
            return;
        };
        // All are asked even if the first has frames: what follows ends it for all.
        let frames_wait = self.joints.iter_mut().fold(false, |waiting, joint| joint.arm() | waiting);
        if !frames_wait {
            self.sleeper.clear();
            self.sleeper.add(self.inbox.wake_fd());
            for fd in self.joints.iter().flat_map(Joint::wake_fds) {
                self.sleeper.add(fd);
            }
            self.sleeper.sleep(timeout);
        }
        self.inbox.hear();
        self.joints.iter_mut().for_each(Joint::disarm);
    }

    /// Until shortly before the next deadline; `None` if that is too near.
    fn time_to_sleep(&self, now: Instant) -> Option<Duration> {
        let mut wake = self.links_due;
        if let Some(deadline) = self.joints.iter().filter_map(Joint::next_deadline).min() {
            wake = wake.min(deadline - self.settings.wake_early);
        }
        if self.joints.iter().any(Joint::needs_polling) {
            wake = wake.min(now + self.settings.poll_interval);
        }
        Some(wake.since(now)).filter(|timeout| *timeout > Duration::ZERO)
    }
}
