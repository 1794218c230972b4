//! Settings of subflows.

use crate::base::Duration;
use crate::congestion;

/// Settings of a subflow, shared by all of an endpoint.
#[derive(Clone, Debug)]
pub struct Config {
    /// Shift of the window field that we announce, at most 14.
    pub window_scale: u8,
    /// Offer and accept timestamps (RFC 7323).
    pub timestamps: bool,
    /// Offer and accept SACK (RFC 2018).
    pub sack: bool,
    /// Floor of the retransmission timer above the smoothed round-trip time.
    pub rto_min: Duration,
    /// Retransmission timer before the first measurement.
    pub rto_initial: Duration,
    /// Ceiling of the backed-off timer.
    pub rto_max: Duration,
    /// How long an acknowledgement may wait: below the peer's `rto_min`.
    pub delayed_ack: Duration,
    /// SYNs or SYN/ACKs sent again before giving up.
    pub syn_retries: u8,
    /// Timeouts in a row on data, or zero-window probes without an answer,
    /// before giving up.
    pub retries: u8,
    /// Probe an idle peer.
    pub keepalive: Option<Keepalive>,
    /// How long TIME_WAIT lasts.
    pub time_wait: Duration,
    /// How long FIN_WAIT_2 waits for a peer whose application is gone: silence
    /// of this length ends the subflow.
    pub fin_wait_2: Duration,
    /// Congestion control.
    pub congestion: congestion::Algorithm,
    /// Initial window in segments (RFC 6928).
    pub initial_window_segments: u8,
    /// Segments kept out of order at most.
    pub reassembly_segments: u16,
}

/// Keepalive probes (RFC 9293 §3.8.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// Silence before the first probe.
    pub idle: Duration,
    /// Time between probes.
    pub interval: Duration,
    /// Probes without answer before giving up.
    pub probes: u8,
}

impl Default for Config {
    /// Values for links inside a data centre; the timers of RFC 6298 and RFC
    /// 9293 for wide networks are a matter of configuration.
    fn default() -> Self {
        Self {
            window_scale: 10,
            timestamps: true,
            sack: true,
            rto_min: Duration::from_millis(10),
            rto_initial: Duration::from_secs(1),
            rto_max: Duration::from_secs(60),
            delayed_ack: Duration::from_millis(4),
            syn_retries: 6,
            retries: 15,
            keepalive: None,
            time_wait: Duration::from_secs(60),
            fin_wait_2: Duration::from_secs(60),
            congestion: congestion::Algorithm::Cubic,
            initial_window_segments: 10,
            reassembly_segments: 4096,
        }
    }
}
