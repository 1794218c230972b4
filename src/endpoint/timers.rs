//! Time: the deadlines of connections and neighbours.

use super::Endpoint;
use crate::base::{Context, Instant, Outcome, Packet};

impl<P: Packet> Endpoint<P> {
    /// When [`handle_timeouts`](Self::handle_timeouts) is due; at once while
    /// something waits for [`poll_event`](Self::poll_event) or
    /// [`poll_transmit`](Self::poll_transmit) that needs no room in a port.
    pub fn poll_deadline(&self) -> Option<Instant> {
        if !self.touched.is_empty() || !self.sending.is_empty() || !self.noticed.is_empty() {
            return Some(Instant::ZERO);
        }
        let neighbours = self.ports.iter().filter_map(|port| port.neighbours.poll_deadline());
        neighbours.chain(self.wheel.poll_deadline()).chain(self.time_waits.poll_deadline()).min()
    }

    /// Does what is due. Spurious calls do nothing.
    pub fn handle_timeouts(&mut self, cx: &mut Context<'_>) {
        while let Some(id) = self.wheel.expire(cx.now) {
            if let Some(connection) = self.touch(id) {
                connection.handle_timeout(cx);
            }
        }
        self.expire_time_waits(cx.now);
        for index in 0..self.ports.len() {
            if self.ports[index].neighbours.poll_deadline().is_some_and(|deadline| deadline <= cx.now) {
                self.handle_neighbour_timeouts(cx, index);
            }
        }
        self.settle(cx);
    }

    fn handle_neighbour_timeouts(&mut self, cx: &mut Context<'_>, index: usize) {
        let neighbours = &mut self.ports[index].neighbours;
        if neighbours.poll_deadline().is_none_or(|deadline| deadline > cx.now) {
            return;
        }
        let mut lost = Vec::new();
        neighbours.handle_timeout(cx.now, &mut lost);
        for frame in &lost {
            self.ports[index].statistics.frames_dropped += 1;
            cx.count(Outcome::NeighbourUnresolved);
            self.report_unreachable(cx, frame);
        }
        self.solicit(cx, index);
    }
}
