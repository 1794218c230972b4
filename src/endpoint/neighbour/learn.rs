//! What an answer, a question or an announcement of a neighbour teaches.

use super::{NeighbourTable, REACHABLE_TIME, State};
use crate::base::Instant;
use crate::endpoint::output::QueuedFrame;
use crate::wire::MacAddress;
use std::net::IpAddr;

/// Why an Ethernet address is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::endpoint) enum Evidence {
    /// It asked for an address of ours: it is about to talk to us.
    Question,
    /// It answered us. `overrides`: even if another address was known.
    Answer {
        /// The O flag of neighbour discovery; always set for ARP.
        overrides: bool,
    },
    /// It told everybody.
    Announcement {
        /// The O flag of neighbour discovery; always set for ARP.
        overrides: bool,
    },
}

impl Evidence {
    /// An answer to nothing is no more than an announcement.
    const fn unasked(self) -> Self {
        match self {
            Self::Answer { overrides } => Self::Announcement { overrides },
            other => other,
        }
    }

    const fn overrides(self) -> bool {
        match self {
            Self::Question => true,
            Self::Answer { overrides } | Self::Announcement { overrides } => overrides,
        }
    }
}

impl<P> NeighbourTable<P> {
    /// Takes in that `address` is at `mac`. Frames that waited for it are
    /// addressed and appended to `ready`. Only a question to us makes a new
    /// entry: `false` says that the table had no room for it.
    pub(in crate::endpoint) fn learn(
        &mut self,
        now: Instant,
        address: IpAddr,
        mac: MacAddress,
        evidence: Evidence,
        ready: &mut Vec<QueuedFrame<P>>,
    ) -> bool {
        let Some(&key) = self.by_address.get(&address) else {
            let known = State::Stale { mac };
            return evidence != Evidence::Question || self.insert(now, address, address, known).is_some();
        };
        let Some(neighbour) = self.neighbours.get_mut(key.0, key.1) else { return true };
        let was_asked = neighbour.state.again_at().is_some();
        let evidence = if was_asked { evidence } else { evidence.unasked() };
        neighbour.state = neighbour.state.after(now, mac, evidence);
        if neighbour.state.mac().is_some() {
            self.parked -= neighbour.parked.len();
            for mut frame in neighbour.parked.drain(..) {
                frame.set_destination(mac);
                ready.push(frame);
            }
        }
        if was_asked {
            self.forget_answered();
        }
        true
    }

    /// Takes in an answer that names no Ethernet address: it confirms what is
    /// known (RFC 4861 §7.2.5).
    pub(in crate::endpoint) fn confirm(&mut self, now: Instant, address: IpAddr) {
        let Some(&key) = self.by_address.get(&address) else { return };
        let Some(neighbour) = self.neighbours.get_mut(key.0, key.1) else { return };
        if let Some(mac) = neighbour.state.mac() {
            neighbour.state = State::Reachable { mac, until: now + REACHABLE_TIME };
            self.forget_answered();
        }
    }
}

impl State {
    /// RFC 4861 §7.2.3 and §7.2.5.
    fn after(self, now: Instant, mac: MacAddress, evidence: Evidence) -> Self {
        let reachable = Self::Reachable { mac, until: now + REACHABLE_TIME };
        let Some(known) = self.mac() else {
            let answered = matches!(evidence, Evidence::Answer { .. });
            return if answered { reachable } else { Self::Stale { mac } };
        };
        match evidence {
            _ if known != mac && !evidence.overrides() => match self {
                Self::Reachable { .. } => Self::Stale { mac: known },
                other => other,
            },
            Evidence::Answer { .. } => reachable,
            _ if known != mac => Self::Stale { mac },
            _ => self,
        }
    }
}
