//! The addresses of both sides: what the peer announced, what was tried
//! (RFC 8684 §3.4).

use super::config::Config;
use super::connection::{Connection, Core};
use super::key::add_address_is_genuine;
use crate::base::{AddressId, Context, FourTuple, Outcome, Packet, PortIndex};
use crate::wire::{AddAddress, AddressIds};
use arrayvec::ArrayVec;
use std::net::{IpAddr, SocketAddr};

/// Addresses of a peer that can be remembered, whatever the configuration.
const REMOTE_MAX: usize = 16;
/// Pairs of addresses that can be remembered as tried.
const ATTEMPTS_MAX: usize = 64;

/// An address that the peer announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RemoteAddress {
    pub(super) id: AddressId,
    pub(super) address: SocketAddr,
}

/// What a connection knows of addresses.
#[derive(Debug)]
pub(super) struct Addresses {
    initial: FourTuple,
    /// The peer does not take joins to its initial address and port (C flag).
    initial_remote_forbidden: bool,
    remote: ArrayVec<RemoteAddress, REMOTE_MAX>,
    /// Pairs that have, or had, a subflow, or were refused: not tried again
    /// (RFC 8684 §3.4.1, §3.9.3) until the link comes back or the address is
    /// announced anew.
    attempts: Vec<(IpAddr, SocketAddr)>,
}

impl Addresses {
    pub(super) fn new(initial: FourTuple) -> Self {
        Self {
            initial,
            initial_remote_forbidden: false,
            remote: ArrayVec::new(),
            attempts: vec![(initial.local.ip(), initial.remote)],
        }
    }

    /// The first subflow's ends, also after it is gone.
    pub(super) const fn initial(&self) -> FourTuple {
        self.initial
    }

    pub(super) const fn forbid_initial_remote(&mut self) {
        self.initial_remote_forbidden = true;
    }

    /// Where joins may be sent to.
    pub(super) fn join_targets(&self) -> impl Iterator<Item = RemoteAddress> + '_ {
        let initial = RemoteAddress { id: AddressId(0), address: self.initial.remote };
        let initial = (!self.initial_remote_forbidden).then_some(initial);
        initial.into_iter().chain(self.remote.iter().copied())
    }

    /// Whether a pair was tried.
    pub(super) fn is_tried(&self, local: IpAddr, remote: SocketAddr) -> bool {
        self.attempts.contains(&(local, remote))
    }

    /// Remembers a pair as tried.
    pub(super) fn tried(&mut self, local: IpAddr, remote: SocketAddr) {
        if !self.is_tried(local, remote) && self.attempts.len() < ATTEMPTS_MAX {
            self.attempts.push((local, remote));
        }
    }

    /// A subflow exists between these.
    pub(super) fn opened(&mut self, tuple: FourTuple) {
        self.tried(tuple.local.ip(), tuple.remote);
    }

    /// A port has its link again: its addresses get another chance.
    pub(super) fn forget_attempts(&mut self, port: PortIndex, config: &Config) {
        let on_port = |address: IpAddr| {
            config.addresses.iter().any(|ours| ours.address == address && ours.port == port)
        };
        self.attempts.retain(|(local, _)| !on_port(*local));
    }

    /// Every path is dead: each pair of addresses may be tried again.
    pub(super) fn forget_dead(&mut self) {
        self.attempts.clear();
    }

    /// Takes an announcement; `false` if it is known or cannot be kept.
    fn learn(&mut self, new: RemoteAddress, limit: usize) -> bool {
        if let Some(known) = self.remote.iter().find(|known| known.id == new.id) {
            // An id stands for one address until it is removed (§3.4.1).
            return known.address.ip() == new.address.ip() && known.address.port() != new.address.port();
        }
        let known_address = self.remote.iter().any(|known| known.address == new.address);
        let is_initial = new.address == self.initial.remote && !self.initial_remote_forbidden;
        if known_address || is_initial || self.remote.len() >= limit.min(REMOTE_MAX) {
            return false;
        }
        self.attempts.retain(|(_, remote)| *remote != new.address);
        self.remote.push(new);
        true
    }

    /// Forgets an address of the peer's; whether it was known.
    fn forget(&mut self, id: AddressId) -> bool {
        let before = self.remote.len();
        self.remote.retain(|known| known.id != id);
        self.remote.len() < before
    }
}

impl<P> Core<P> {
    /// The id of an address of ours: 0 for the initial subflow's.
    pub(super) fn local_id_of(&self, address: IpAddr) -> AddressId {
        if address == self.addresses.initial().local.ip() {
            return AddressId(0);
        }
        let known = self.config.addresses.iter().find(|ours| ours.address == address);
        known.map_or(AddressId(0), |ours| ours.id)
    }

    /// Whether subflows from this address ask to be backup.
    pub(super) fn is_backup_address(&self, id: AddressId) -> bool {
        self.config.addresses.iter().any(|ours| ours.id == id && ours.backup)
    }
}

impl<P: Packet> Connection<P> {
    /// ADD_ADDR: an echo of ours, or an address of the peer's. Whether it was
    /// genuine (it then shows that the peer has the keys).
    pub(super) fn handle_add_address(&mut self, cx: &mut Context<'_>, option: &AddAddress) -> bool {
        if option.hmac.is_none() {
            if self.core.signals.echoed(option.address_id) {
                cx.count(Outcome::MpEchoAddRx);
            }
            return false;
        }
        cx.count(Outcome::MpAddAddrRx);
        let Some((local, remote)) = self.both_keys() else { return false };
        if !add_address_is_genuine(remote, local, option) {
            cx.count(Outcome::MpAddAddrHmacFailure);
            return false;
        }
        self.core.signals.echo(option);
        // No port: that of the subflow which carried it, for us the first one's (§3.4.1).
        let port = option.port.unwrap_or_else(|| self.core.addresses.initial().remote.port());
        let address = RemoteAddress { id: option.address_id, address: SocketAddr::new(option.address, port) };
        let limit = usize::from(self.core.config.max_remote_addresses);
        if !self.core.addresses.learn(address, limit) {
            cx.count(Outcome::MpAddAddrDrop);
        }
        true
    }

    /// REMOVE_ADDR: subflows to these addresses end unless the peer still
    /// answers on them (§3.4.2: a keepalive first).
    pub(super) fn handle_remove_address(&mut self, cx: &mut Context<'_>, ids: &AddressIds) {
        for id in ids.iter() {
            cx.count(Outcome::MpRemoveAddrRx);
            let known = self.core.addresses.forget(id);
            let mut used = false;
            for subflow in
                self.all_mut().filter(|subflow| subflow.signal.remote_id == id && subflow.may_send())
            {
                used = true;
                subflow.signal.removal_at = Some(cx.now + subflow.answer_time());
                subflow.tcp.request_probe();
            }
            if !known && !used {
                cx.count(Outcome::MpRemoveAddrDrop);
            }
        }
    }

    /// An address of ours is gone: REMOVE_ADDR, and its subflows are reset.
    pub fn withdraw_address(&mut self, cx: &mut Context<'_>, id: AddressId) {
        if self.core.is_multipath() {
            self.core.signals.withdraw(id);
        }
        let affected: Vec<_> = self
            .all()
            .filter(|subflow| subflow.signal.local_id == id)
            .map(|subflow| subflow.signal.id)
            .collect();
        for subflow in affected {
            cx.count(Outcome::MpRemoveSubflow);
            let reset = super::subflow::ResetSignal::Reason(crate::wire::ResetReason::Unspecified);
            self.abort_subflow(cx, subflow, reset);
        }
        self.settle(cx);
    }
}
