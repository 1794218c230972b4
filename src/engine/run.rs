//! The loop itself: turns, sleep, and the end.

use super::Report;
use super::clock;
use super::connections::Stage;
use super::core::Engine;
use super::exchange::Exchange;
use crate::base::{Duration, Instant};
use crate::device::Device;
use crate::shm::Reason;
use std::os::fd::AsRawFd;
use std::sync::Arc;

/// How long the last frames may take to leave.
const LAST_FRAMES: Duration = Duration::from_millis(20);
/// How often an engine that stops looks whether it is done.
const STOP_INTERVAL: Duration = Duration::from_millis(1);

impl<D: Device> Engine<D> {
    /// Turns until somebody asks to stop, then ends connections in order.
    pub fn run(mut self) -> Report {
        let mut now = clock::now();
        let mut idle_since = now;
        while !self.signal.is_stopping() {
            self.take_arrivals();
            let was_busy = self.turn(now);
            let began = std::mem::replace(&mut now, clock::now());
            self.load.note(began, now, was_busy);
            if was_busy {
                idle_since = now;
            } else if self.settings.never_sleep || now.since(idle_since) < self.settings.spin {
                std::hint::spin_loop();
            } else {
                self.sleep(now);
                now = clock::now();
            }
        }
        self.stop()
    }

    fn take_arrivals(&mut self) {
        if !self.signal.has_arrivals() {
            return;
        }
        for arrival in self.signal.take() {
            match arrival.into_slot() {
                Ok(slot) => self.add_client(slot),
                Err(error) => tracing::warn!(%error, "a client is refused"),
            }
        }
    }

    /// Sleeps until a frame, a client, a deadline or another thread wants
    /// something.
    fn sleep(&mut self, now: Instant) {
        let Some(timeout) = self.time_to_sleep(now) else { return };
        // Both sides are asked even if the first has work already: what follows
        // ends it for both.
        let frames_wait = self.ports.arm();
        let clients_quiet = self.server.prepare_sleep();
        let cores_quiet = self.exchange.as_mut().is_none_or(Exchange::prepare_sleep);
        if !frames_wait && clients_quiet && cores_quiet && !self.ports.must_look_again() {
            self.collect_fds();
            self.poll_set.wait(Some(timeout));
        }
        self.signal.bell.hear();
        self.ports.disarm();
        self.server.cancel_sleep();
        if let Some(exchange) = &self.exchange {
            exchange.cancel_sleep();
        }
    }

    /// Until the next deadline; `None` if that has passed.
    fn time_to_sleep(&self, now: Instant) -> Option<Duration> {
        let mut wake = self.ports.links_due();
        if let Some(deadline) = self.host.endpoint.poll_deadline() {
            wake = wake.min(deadline);
        }
        if let Some(deadline) = self.host.resident.as_ref().and_then(|resident| resident.deadline()) {
            wake = wake.min(deadline);
        }
        if let Some(deadline) = self.loans.reclaim.deadline() {
            wake = wake.min(deadline);
        }
        if self.ports.needs_polling() {
            wake = wake.min(now + self.settings.poll_interval);
        }
        // Signed off by a later look at the clock than the turn's: a turn may
        // have taken long.
        Some(wake.since(clock::now())).filter(|timeout| *timeout > Duration::ZERO)
    }

    fn collect_fds(&mut self) {
        self.poll_set.clear();
        self.poll_set.add(self.signal.bell.fd());
        self.ports.wake_fds().for_each(|fd| self.poll_set.add(fd));
        for (_, slot) in self.server.iter_mut() {
            self.poll_set.add(slot.doorbell().as_raw_fd());
        }
    }

    /// Ends every connection in order within the grace, then at once.
    fn stop(mut self) -> Report {
        // What clients wrote before the end is still sent.
        self.turn(clock::now());
        self.close_connections();
        let deadline = clock::now() + self.settings.stop_grace;
        self.turn_until(deadline, |engine| engine.host.endpoint.is_idle());
        if let Some(exchange) = &self.exchange {
            // What the others wait for may come to our queues.
            let crew = Arc::clone(&exchange.crew);
            crew.finish();
            self.turn_until(deadline, |_| crew.is_finished());
        }
        self.host.world.now = clock::now();
        self.host.endpoint.abort_all(&mut self.host.world.cx());
        let deadline = clock::now() + LAST_FRAMES;
        self.turn_until(deadline, |engine| engine.host.endpoint.is_idle() && !engine.ports.is_backed_up());
        self.report()
    }

    /// Tells the clients that nothing goes on, and closes what they have.
    fn close_connections(&mut self) {
        self.host.listeners.clear();
        for (id, held) in self.host.connections.drain() {
            let Some(slot) = self.server.get_mut(held.client) else { continue };
            match held.stage {
                Stage::Opening(ticket) => slot.failed(ticket, Reason::ABORTED),
                Stage::Told => slot.closed(id, held.closed.unwrap_or(Reason::ABORTED)),
                Stage::Waiting => {}
            }
        }
        self.host.endpoint.close_all(&mut self.host.world.cx());
    }

    fn turn_until(&mut self, deadline: Instant, done: impl Fn(&Self) -> bool) {
        loop {
            let now = clock::now();
            let worked = self.turn(now);
            if done(self) || now >= deadline {
                return;
            }
            if !worked {
                self.poll_set.clear();
                self.poll_set.wait(Some(STOP_INTERVAL));
            }
        }
    }
}
