//! Getting back from the ports what they have sent.

use super::Bytes;
use super::ports::Ports;
use crate::base::{Context, Duration, Instant};
use crate::device::Device;
use crate::endpoint::Endpoint;

/// How often ports are asked to give back what they have sent, while clients
/// wait for blocks.
pub(super) const INTERVAL: Duration = Duration::from_micros(200);
/// After so long, ports that give back only when they send something are given
/// something to send.
const PATIENCE: Duration = Duration::from_millis(20);

/// Since when clients' blocks wait for the ports.
#[derive(Debug, Default)]
pub(super) struct Reclaim {
    /// Since when, and when the ports are asked next.
    waiting: Option<(Instant, Instant)>,
}

impl Reclaim {
    /// No block waits any more.
    pub(super) const fn rest(&mut self) {
        self.waiting = None;
    }

    /// Blocks wait: asks the ports for them, from time to time. Returns whether
    /// it did.
    pub(super) fn turn<D: Device>(
        &mut self,
        cx: &mut Context<'_>,
        endpoint: &mut Endpoint<Bytes<D::Packet>>,
        ports: &mut Ports<D>,
    ) -> bool {
        let (since, due) = *self.waiting.get_or_insert((cx.now, cx.now + INTERVAL));
        if due > cx.now {
            return false;
        }
        let is_late = cx.now.since(since) >= PATIENCE;
        ports.reclaim(|port| {
            if is_late {
                endpoint.announce_addresses(cx, port);
            }
        });
        self.waiting = Some((if is_late { cx.now } else { since }, cx.now + INTERVAL));
        true
    }

    /// When it wants another turn.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.waiting.map(|(_, due)| due)
    }
}
