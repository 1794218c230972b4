//! NewReno: slow start and congestion avoidance of RFC 5681, by bytes.

use super::window::Window;
use super::{Acknowledged, CongestionEvent, Controller};
use crate::base::Duration;

/// One segment more per round trip, half as much after a loss.
#[derive(Clone, Copy, Debug)]
pub struct NewReno {
    window: Window,
    /// Bytes delivered towards the next increase by a segment (RFC 3465 §2.1).
    delivered_bytes: usize,
}

impl NewReno {
    /// A controller at its initial window.
    pub fn new(segment_bytes: usize, initial_segments: usize) -> Self {
        Self { window: Window::new(segment_bytes, initial_segments), delivered_bytes: 0 }
    }

    fn avoid_congestion(&mut self, delivered_bytes: usize) {
        self.delivered_bytes += delivered_bytes;
        while self.delivered_bytes >= self.window.bytes() {
            self.delivered_bytes -= self.window.bytes();
            self.window.grow(self.window.segment_bytes());
        }
    }
}

impl Controller for NewReno {
    fn window_bytes(&self) -> usize {
        self.window.bytes()
    }

    fn slow_start_threshold_bytes(&self) -> usize {
        self.window.threshold_bytes()
    }

    fn on_ack(&mut self, ack: &Acknowledged) {
        if !ack.window_limited {
            return;
        }
        let rest = self.window.slow_start(ack.delivered_bytes);
        if rest > 0 {
            self.avoid_congestion(rest);
        }
    }

    fn on_congestion(&mut self, event: &CongestionEvent) {
        self.delivered_bytes = 0;
        self.window.reduce(event.in_flight_bytes / 2);
    }

    fn on_timeout(&mut self, event: &CongestionEvent, first: bool) {
        self.delivered_bytes = 0;
        self.window.collapse(first.then_some(event.in_flight_bytes / 2));
    }

    fn on_idle(&mut self, _idle: Duration, timeouts: u32) {
        self.window.decay(timeouts);
    }

    fn set_segment_bytes(&mut self, segment_bytes: usize) {
        self.window.set_segment_bytes(segment_bytes);
    }
}
