//! How fast: congestion windows in bytes, one controller per subflow.
//!
//! A controller decides only the window. Which segment is lost, when a timer
//! fires and what is in flight is the business of the room above, which tells
//! it by the structs below. They are structs so that a controller which looks
//! at more (other subflows, ECN marks, delivery rates) finds it in a further
//! field, and the others do not notice.

mod cubic;
mod hystart;
mod new_reno;
mod window;

pub use cubic::Cubic;
pub use new_reno::NewReno;

use crate::base::{Duration, Instant};

/// Which controller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// RFC 5681 and 6582.
    NewReno,
    /// RFC 9438, with HyStart++ (RFC 9406).
    #[default]
    Cubic,
}

/// New data was delivered.
#[derive(Clone, Copy, Debug)]
pub struct Acknowledged {
    /// The time.
    pub now: Instant,
    /// Bytes that this ACK acknowledges (RFC 3465); after a timeout, without
    /// those that had been SACKed before it.
    pub delivered_bytes: usize,
    /// Bytes sent and not yet acknowledged after this ACK.
    pub in_flight_bytes: usize,
    /// Offset, from the subflow's start, up to which everything is
    /// acknowledged: with `sent_to`, controllers count rounds.
    pub acknowledged_to: u64,
    /// Offset up to which something was sent.
    pub sent_to: u64,
    /// The round-trip time that this ACK measured.
    pub rtt: Option<Duration>,
    /// The smoothed round-trip time.
    pub smoothed_rtt: Option<Duration>,
    /// Whether the window, and not the application or the peer, held data back
    /// when the acknowledged data left. A window that is not used does not
    /// grow (RFC 7661, RFC 9438 §5.8).
    pub window_limited: bool,
}

/// Something was lost, or marked: one per round trip at most.
#[derive(Clone, Copy, Debug)]
pub struct CongestionEvent {
    /// The time.
    pub now: Instant,
    /// FlightSize of RFC 5681: bytes sent and not yet acknowledged.
    pub in_flight_bytes: usize,
}

/// A congestion controller of one subflow.
pub trait Controller {
    /// The congestion window in bytes.
    fn window_bytes(&self) -> usize;

    /// The slow start threshold in bytes, `usize::MAX` before the first loss.
    fn slow_start_threshold_bytes(&self) -> usize;

    /// New data was delivered, outside of fast recovery.
    fn on_ack(&mut self, ack: &Acknowledged);

    /// Loss was found by duplicate ACKs or SACK: the window is reduced at once
    /// and stays until recovery ends.
    fn on_congestion(&mut self, event: &CongestionEvent);

    /// The retransmission timer expired: the window falls to one segment.
    /// `first`: the data was not retransmitted by the timer before (RFC 5681
    /// §3.1: otherwise the threshold is held).
    fn on_timeout(&mut self, event: &CongestionEvent, first: bool);

    /// Nothing was sent for `idle`, which is `timeouts` retransmission
    /// timeouts long: the window is worth less and less (RFC 2861).
    fn on_idle(&mut self, idle: Duration, timeouts: u32);

    /// A segment carries at most this many bytes of payload from now on.
    fn set_segment_bytes(&mut self, segment_bytes: usize);
}

/// A controller of any kind. It is `Copy`: a spurious timeout is undone by
/// going back to a copy (RFC 4015).
#[derive(Clone, Copy, Debug)]
pub enum Congestion {
    /// NewReno.
    NewReno(NewReno),
    /// CUBIC.
    Cubic(Cubic),
}

impl Congestion {
    /// A controller at its initial window of `initial_segments` segments of
    /// `segment_bytes` payload each (RFC 6928).
    pub fn new(algorithm: Algorithm, segment_bytes: usize, initial_segments: usize) -> Self {
        match algorithm {
            Algorithm::NewReno => Self::NewReno(NewReno::new(segment_bytes, initial_segments)),
            Algorithm::Cubic => Self::Cubic(Cubic::new(segment_bytes, initial_segments)),
        }
    }

    /// Whether the window is below the slow start threshold.
    pub fn is_slow_start(&self) -> bool {
        self.window_bytes() < self.slow_start_threshold_bytes()
    }
}

impl Controller for Congestion {
    fn window_bytes(&self) -> usize {
        match self {
            Self::NewReno(controller) => controller.window_bytes(),
            Self::Cubic(controller) => controller.window_bytes(),
        }
    }

    fn slow_start_threshold_bytes(&self) -> usize {
        match self {
            Self::NewReno(controller) => controller.slow_start_threshold_bytes(),
            Self::Cubic(controller) => controller.slow_start_threshold_bytes(),
        }
    }

    fn on_ack(&mut self, ack: &Acknowledged) {
        match self {
            Self::NewReno(controller) => controller.on_ack(ack),
            Self::Cubic(controller) => controller.on_ack(ack),
        }
    }

    fn on_congestion(&mut self, event: &CongestionEvent) {
        match self {
            Self::NewReno(controller) => controller.on_congestion(event),
            Self::Cubic(controller) => controller.on_congestion(event),
        }
    }

    fn on_timeout(&mut self, event: &CongestionEvent, first: bool) {
        match self {
            Self::NewReno(controller) => controller.on_timeout(event, first),
            Self::Cubic(controller) => controller.on_timeout(event, first),
        }
    }

    fn on_idle(&mut self, idle: Duration, timeouts: u32) {
        match self {
            Self::NewReno(controller) => controller.on_idle(idle, timeouts),
            Self::Cubic(controller) => controller.on_idle(idle, timeouts),
        }
    }

    fn set_segment_bytes(&mut self, segment_bytes: usize) {
        match self {
            Self::NewReno(controller) => controller.set_segment_bytes(segment_bytes),
            Self::Cubic(controller) => controller.set_segment_bytes(segment_bytes),
        }
    }
}

#[cfg(test)]
mod tests;
