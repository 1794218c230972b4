//! Which subflows to open: from every address of ours to every address of the
//! peer's that may be joined, within limits. The active side opens; the passive
//! side announces (behind a NAT or firewall only this works).

use super::connection::{Connection, PathsManaged, Role};
use super::event::Event;
use crate::base::Packet;
use std::net::{IpAddr, SocketAddr};

impl<P: Packet> Connection<P> {
    /// Asks for the subflows that are missing.
    pub(super) fn manage_paths(&mut self) {
        let core = &self.core;
        // Not before a DSS was received (RFC 8684 §3.1).
        let may_open = core.role == Role::Active && core.is_multipath() && core.data_signal_seen;
        if !may_open || !core.config.full_mesh || core.ending.has_begun() {
            return;
        }
        // Nothing has changed since all pairs were looked at.
        let in_use = self.subflows_in_use();
        let subflows = in_use as u8;
        if self.core.paths_managed
            == (PathsManaged { revision: core.addresses.attempts.revision(), subflows })
        {
            return;
        }
        let mut room = usize::from(core.config.max_subflows).saturating_sub(in_use);
        let config = core.config.clone();
        for local in &config.addresses {
            if self.core.addresses.is_withdrawn(local.id) {
                continue;
            }
            let targets: arrayvec::ArrayVec<_, 17> = self.core.addresses.join_targets().collect();
            for target in targets {
                let same_family = local.address.is_ipv4() == target.address.is_ipv4();
                let attempts = &self.core.addresses.attempts;
                let is_tried = attempts.is_tried(local.address, target.address);
                if room == 0 || !same_family || is_tried || attempts.is_spent() {
                    continue;
                }
                let connects = self.connects(local.address, target.address);
                // Not again while the endpoint thinks about it, or when the subflow ends; nor at all if
                // it cannot be remembered.
                let remembered = self.core.addresses.attempts.remember(local.address, target.address);
                if connects || !remembered {
                    continue;
                }
                room -= 1;
                let event =
                    Event::OpenSubflow { local: *local, remote: target.address, remote_id: target.id };
                self.core.events.push_back(event);
            }
        }
        let revision = self.core.addresses.attempts.revision();
        self.core.paths_managed = PathsManaged { revision, subflows };
    }

    /// Whether a subflow runs between these.
    fn connects(&self, local: IpAddr, remote: SocketAddr) -> bool {
        self.all().any(|subflow| {
            let tuple = subflow.path.tuple();
            tuple.local.ip() == local && tuple.remote == remote && subflow.tcp.close_reason().is_none()
        })
    }

    /// Answers `Event::OpenSubflow` when no route or port leads there: the pair
    /// is not tried again.
    pub fn refuse_subflow(&mut self, local: IpAddr, remote: SocketAddr) {
        self.core.addresses.attempts.remember(local, remote);
        self.core.addresses.attempts.revise();
        // Its place may go to another pair.
        self.manage_paths();
    }
}
