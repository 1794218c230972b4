//! Which subflows to open: from every address of ours to every address of the
//! peer's that may be joined, within limits. The active side opens; the passive
//! side announces (behind a NAT or firewall only this works).

use super::connection::{Connection, PathsManaged, Role};
use super::event::Event;
use crate::base::Packet;
use arrayvec::ArrayVec;
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
        let revision = core.addresses.attempts.revision();
        let PathsManaged { revision: seen, crowded, asked_for } = core.paths_managed;
        if seen == revision && !crowded {
            return;
        }
        let taken = self.subflows_in_use() + usize::from(asked_for);
        let mut room = usize::from(core.config.max_subflows).saturating_sub(taken);
        if seen == revision && room == 0 {
            return;
        }
        let config = core.config.clone();
        let targets: ArrayVec<_, 17> = core.addresses.join_targets().collect();
        self.core.paths_managed = PathsManaged { revision, crowded: false, asked_for };
        for local in &config.addresses {
            if self.core.addresses.is_withdrawn(local.id) {
                continue;
            }
            let local_id = self.core.addresses.id_of(local);
            for target in &targets {
                let remote = SocketAddr::from(target.address);
                let same_family = local.address.is_ipv4() == remote.is_ipv4();
                let attempts = &self.core.addresses.attempts;
                if !same_family || attempts.is_tried(local_id, target.address) || attempts.is_spent() {
                    continue;
                }
                if room == 0 {
                    self.core.paths_managed.crowded = true;
                    continue;
                }
                let connects = self.connects(local.address, remote);
                // Not again while the endpoint thinks about it, or when the subflow ends; nor at all if
                // it cannot be remembered.
                let remembered = self.core.addresses.attempts.remember(local_id, target.address);
                if connects || !remembered {
                    continue;
                }
                room -= 1;
                self.core.paths_managed.asked_for += 1;
                let event = Event::OpenSubflow { local: *local, remote, remote_id: target.id };
                self.core.events.push_back(event);
            }
        }
    }

    /// The endpoint answered one `Event::OpenSubflow`.
    pub(super) const fn answered(&mut self) {
        let asked_for = &mut self.core.paths_managed.asked_for;
        *asked_for = asked_for.saturating_sub(1);
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
        let local = self.core.local_id_of(local);
        self.core.addresses.attempts.remember(local, remote.into());
        self.answered();
        // Its place may go to another pair.
        self.manage_paths();
    }
}
