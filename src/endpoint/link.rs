//! Links that come and go.

use super::Endpoint;
use crate::base::{Context, Outcome, Packet, PortIndex};
use std::net::IpAddr;

impl<P: Packet> Endpoint<P> {
    /// A port lost its link or got it back: its connections send elsewhere, and
    /// its neighbours are told who we are.
    pub fn handle_link(&mut self, cx: &mut Context<'_>, port: PortIndex, up: bool) {
        let Some(at) = self.port_mut(port) else { return };
        if at.link_up == up {
            return;
        }
        at.link_up = up;
        if up {
            if self.is_first_core() {
                self.announce(cx, usize::from(port.0));
            }
        } else {
            at.output.clear();
            let lost = at.neighbours.handle_link_down() as u64;
            at.statistics.frames_dropped += lost;
            cx.counters.add(Outcome::LinkDown, lost);
        }
        // A link that comes back concerns those too that never had a subflow on it.
        for id in self.ids(|slot| up || slot.ports.contains(port)) {
            if let Some(connection) = self.touch(id) {
                connection.handle_link(cx, port, up);
            }
        }
    }

    /// Whether a port has link, as far as it was said.
    pub fn is_link_up(&self, port: PortIndex) -> bool {
        self.port(port).is_some_and(|port| port.link_up)
    }

    /// Says once more which addresses are ours, on one link.
    pub fn announce_addresses(&mut self, cx: &mut Context<'_>, port: PortIndex) {
        if usize::from(port.0) < self.ports.len() {
            self.announce(cx, usize::from(port.0));
        }
    }

    /// Tells the link which addresses are ours: switches and neighbours that
    /// knew them elsewhere learn.
    pub(super) fn announce(&mut self, cx: &mut Context<'_>, index: usize) {
        let addresses: Vec<_> = self.ports[index].addresses().iter().map(|at| at.address).collect();
        for address in addresses {
            match address {
                IpAddr::V4(address) => self.announce_v4(cx, index, address),
                IpAddr::V6(address) => self.announce_v6(cx, index, address),
            }
        }
    }
}
