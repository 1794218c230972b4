//! The addresses of both sides: what the peer announced, what was tried
//! (RFC 8684 §3.4).

use super::attempts::Attempts;
use super::config::{Config, LocalAddress};
use super::connection::{Connection, Core};
use super::subflow::ResetSignal;
use crate::base::{AddressId, Context, FourTuple, Outcome, PackedSocket, Packet, PortIndex, SubflowId};
use crate::wire::{AddAddress, AddressIds, ResetReason};
use std::net::{IpAddr, SocketAddr};

/// Addresses of a peer that can be remembered, whatever the configuration.
const REMOTE_MAX: usize = 16;

/// An address that the peer announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RemoteAddress {
    pub(super) address: PackedSocket,
    pub(super) id: AddressId,
}

/// Whether joins may go to the peer's initial address and port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InitialRemote {
    Open,
    /// The peer removed it: not until it is announced anew (§3.4.2).
    Removed,
    /// The peer takes none there, ever: the C flag (§3.1).
    Barred,
}

/// What a connection knows of addresses.
#[derive(Debug)]
pub(super) struct Addresses {
    /// Our end of the first subflow; the attempts have the peer's.
    initial_local: PackedSocket,
    initial_remote: InitialRemote,
    /// As many as there are, [`REMOTE_MAX`] at most.
    remote: Box<[RemoteAddress]>,
    /// Ids of ours that were withdrawn: a set.
    withdrawn: Option<Box<[u64; 4]>>,
    pub(super) attempts: Attempts,
}

impl Addresses {
    /// `opens`: whether joins are tried from here.
    pub(super) fn new(initial: FourTuple, opens: bool) -> Self {
        Self {
            initial_local: initial.local.into(),
            initial_remote: InitialRemote::Open,
            remote: Box::default(),
            withdrawn: None,
            attempts: Attempts::new(initial.remote.into(), opens),
        }
    }

    /// The first subflow's ends, also after it is gone.
    pub(super) fn initial(&self) -> FourTuple {
        FourTuple { local: self.initial_local.into(), remote: self.attempts.initial_remote().into() }
    }

    /// The id by which the peer knows an address of ours.
    pub(super) fn id_of(&self, ours: &LocalAddress) -> AddressId {
        if ours.address == self.initial().local.ip() { AddressId(0) } else { ours.id }
    }

    pub(super) const fn forbid_initial_remote(&mut self) {
        self.attempts.revise();
        self.initial_remote = InitialRemote::Barred;
    }

    /// Where joins may be sent to.
    pub(super) fn join_targets(&self) -> impl Iterator<Item = RemoteAddress> + '_ {
        let initial = RemoteAddress { id: AddressId(0), address: self.attempts.initial_remote() };
        let initial = (self.initial_remote == InitialRemote::Open).then_some(initial);
        initial.into_iter().chain(self.remote.iter().copied())
    }

    /// A port has its link again: its addresses get another chance.
    pub(super) fn forget_attempts(&mut self, port: PortIndex, config: &Config) {
        let initial = self.initial().local.ip();
        let is = |ours: &LocalAddress, id| {
            if id == AddressId(0) { ours.address == initial } else { ours.id == id }
        };
        self.attempts
            .forget_local(|id| config.addresses.iter().any(|ours| ours.port == port && is(ours, id)));
    }

    /// Whether an id of ours was withdrawn.
    pub(super) fn is_withdrawn(&self, id: AddressId) -> bool {
        let bit = |withdrawn: &[u64; 4]| withdrawn[usize::from(id.0 / 64)] & (1 << (id.0 % 64)) != 0;
        self.withdrawn.as_deref().is_some_and(bit)
    }

    fn withdraw(&mut self, id: AddressId) {
        self.withdrawn.get_or_insert_default()[usize::from(id.0 / 64)] |= 1 << (id.0 % 64);
    }

    /// Takes an announcement; `false` if it contradicts what is known, or
    /// cannot be kept. One that is repeated is a new chance for joins (§3.4.1).
    fn learn(&mut self, new: RemoteAddress, limit: usize) -> bool {
        let is_initial = new.address == self.attempts.initial_remote();
        if is_initial && self.initial_remote == InitialRemote::Barred {
            return false;
        }
        if let Some(known) = self.remote.iter_mut().find(|known| known.id == new.id) {
            // An id stands for one address until it is removed; the port may change.
            if !known.address.shares_address(&new.address) {
                return false;
            }
            *known = new;
        } else if !is_initial || self.initial_remote != InitialRemote::Open {
            let known_address = self.remote.iter().any(|known| known.address == new.address);
            if known_address || self.remote.len() >= limit.min(REMOTE_MAX) {
                return false;
            }
            let mut remote = std::mem::take(&mut self.remote).into_vec();
            remote.reserve_exact(1);
            remote.push(new);
            self.remote = remote.into_boxed_slice();
        }
        // A chance for joins, also where none was tried.
        self.attempts.forget_remote(new.address);
        true
    }

    /// Forgets an address of the peer's; whether it was known. Id 0 is that of
    /// the initial subflow.
    fn forget(&mut self, id: AddressId) -> bool {
        let is_initial = id == AddressId(0) && self.initial_remote == InitialRemote::Open;
        if is_initial {
            self.initial_remote = InitialRemote::Removed;
            self.attempts.forget_remote(self.attempts.initial_remote());
        }
        let known = self.remote.iter().position(|known| known.id == id);
        if let Some(at) = known {
            let mut remote = std::mem::take(&mut self.remote).into_vec();
            let gone = remote.remove(at);
            self.remote = remote.into_boxed_slice();
            self.attempts.forget_remote(gone.address);
        }
        is_initial || known.is_some()
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

    /// Whether this address of ours was withdrawn.
    pub(super) fn is_withdrawn(&self, address: IpAddr) -> bool {
        let ours = self.config.addresses.iter().filter(|ours| ours.address == address);
        ours.into_iter().any(|ours| self.addresses.is_withdrawn(ours.id))
    }

    /// Whether subflows from this address ask to be backup.
    pub(super) fn is_backup_address(&self, id: AddressId) -> bool {
        self.config.addresses.iter().any(|ours| ours.id == id && ours.backup)
    }
}

impl<P: Packet> Connection<P> {
    /// ADD_ADDR: an echo of ours, or an address of the peer's. Whether it was
    /// genuine (it then shows that the peer has the keys).
    pub(super) fn handle_add_address(
        &mut self,
        cx: &mut Context<'_>,
        id: SubflowId,
        option: &AddAddress,
    ) -> bool {
        if option.hmac.is_none() {
            if self.core.signals.echoed(option.address_id) {
                cx.count(Outcome::MpEchoAddRx);
            }
            return false;
        }
        cx.count(Outcome::MpAddAddrRx);
        let Some((local, remote)) = self.both_keys() else { return false };
        if !self.core.macs.is_genuine((remote, local), option) {
            cx.count(Outcome::MpAddAddrHmacFailure);
            return false;
        }
        if !self.core.signals.echo(option) {
            cx.count(Outcome::MpEchoAddTxDrop);
        }
        // No port: that of the subflow which carried it (§3.4.1).
        let carrier = self.path(id).map_or(self.core.addresses.initial().remote, |path| path.tuple.remote);
        let port = option.port.unwrap_or_else(|| carrier.port());
        let address =
            RemoteAddress { id: option.address_id, address: SocketAddr::new(option.address, port).into() };
        let limit = usize::from(self.core.config.max_remote_addresses);
        if !self.core.addresses.learn(address, limit) {
            cx.count(Outcome::MpAddAddrDrop);
        }
        let attempts = &self.core.addresses.attempts;
        if attempts.is_spent() || attempts.is_full() {
            cx.count(Outcome::MpJoinBudgetSpent);
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
            for slot in 0..self.subflows.len() {
                used |= self.end_unless_answered(cx, SubflowId(slot as u8), id);
            }
            if !known && !used {
                cx.count(Outcome::MpRemoveAddrDrop);
            }
        }
    }

    /// Asks whether the peer is still there, if the subflow leads to `address`.
    fn end_unless_answered(&mut self, cx: &mut Context<'_>, id: SubflowId, address: AddressId) -> bool {
        let Some(subflow) = self.subflow_mut(id) else { return false };
        if subflow.signal.remote_id != address {
            return false;
        }
        if subflow.may_send() {
            subflow.signal.rare.removal_at = Some(cx.now + subflow.answer_time());
            subflow.tcp.request_probe();
            return true;
        }
        // A join under way would be one more to an address that is not to be used.
        let joins = subflow.signal.is_joining();
        if joins {
            self.abort_subflow(cx, id, ResetSignal::Reason(ResetReason::Unspecified));
        }
        joins
    }

    /// An address of ours is gone: REMOVE_ADDR, its subflows are reset, and it
    /// is not joined from or announced again.
    pub fn withdraw_address(&mut self, cx: &mut Context<'_>, id: AddressId) {
        let initial = self.core.addresses.initial().local.ip();
        let ours = self.core.config.addresses.iter().find(|ours| ours.id == id);
        // The peer knows the initial subflow's address as 0 (§3.2).
        let signalled = if ours.is_some_and(|ours| ours.address == initial) { AddressId(0) } else { id };
        self.core.addresses.withdraw(id);
        if self.core.is_multipath() && !self.core.signals.withdraw(signalled) {
            cx.count(Outcome::MpRemoveAddrTxDrop);
        }
        let affected: Vec<_> = self
            .all()
            .filter(|subflow| subflow.signal.local_id == signalled)
            .map(|subflow| subflow.signal.id)
            .collect();
        for subflow in affected {
            cx.count(Outcome::MpRemoveSubflow);
            self.abort_subflow(cx, subflow, ResetSignal::Reason(ResetReason::Unspecified));
        }
        self.settle(cx);
    }
}
