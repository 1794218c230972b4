//! Options of the connection that wait for an ACK to carry them: echoes,
//! announcements and withdrawals of addresses. They are not acknowledged by
//! TCP; announcements are repeated until echoed (RFC 8684 §3.4.1).

use super::LocalAddress;
use super::connection::{Connection, Role};
use super::key::Macs;
use crate::base::{AddressId, Blank, Duration, Instant, Key, OnDemand, Packet, SubflowId};
use crate::wire::{AddAddress, AddressIds, MptcpOption};
use arrayvec::ArrayVec;
use std::net::IpAddr;

/// Announcements and echoes that may wait at once.
const WAITING_MAX: usize = 8;
/// How often an announcement is sent.
const ANNOUNCE_TRIES: u8 = 4;
/// Duplicate ACKs in a row just to carry options (RFC 8684 §3: at most two).
const BARE_ACKS_MAX: u8 = 2;

/// An address of ours that the peer has not echoed yet.
#[derive(Clone, Copy, Debug)]
struct Announcement {
    id: AddressId,
    address: IpAddr,
    /// Whether it waits to leave; else it waits for its echo.
    pending: bool,
    tries: u8,
    again_at: Option<Instant>,
}

/// What waits to be signalled. Once all is said, it takes no memory.
#[derive(Debug, Default)]
pub(super) struct Signals {
    waiting: OnDemand<Waiting>,
    bare_acks: u8,
}

#[derive(Debug, Default)]
struct Waiting {
    announcements: ArrayVec<Announcement, WAITING_MAX>,
    echoes: ArrayVec<AddAddress, WAITING_MAX>,
    removals: AddressIds,
}

impl Blank for Waiting {
    const BLANK: &'static Self = &Self {
        announcements: ArrayVec::new_const(),
        echoes: ArrayVec::new_const(),
        removals: AddressIds::NONE,
    };
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.announcements.is_empty() && self.echoes.is_empty() && self.removals.is_empty()
    }
}

impl Signals {
    /// Announces an address of ours.
    pub(super) fn announce(&mut self, id: AddressId, address: IpAddr) {
        let known = self.waiting.announcements.iter().any(|announcement| announcement.id == id);
        if !known && !self.waiting.announcements.is_full() {
            self.waiting.announcements.push(Announcement {
                id,
                address,
                pending: true,
                tries: 0,
                again_at: None,
            });
        }
    }

    /// The peer echoed an announcement; whether there was one.
    pub(super) fn echoed(&mut self, id: AddressId) -> bool {
        let before = self.waiting.announcements.len();
        if before == 0 {
            return false;
        }
        self.waiting.announcements.retain(|announcement| announcement.id != id);
        let was_known = self.waiting.announcements.len() < before;
        self.forget_if_said();
        was_known
    }

    fn forget_if_said(&mut self) {
        if self.waiting.is_empty() {
            self.waiting.discard();
        }
    }

    /// Echoes an announcement of the peer's; `false` if too many wait.
    pub(super) fn echo(&mut self, option: &AddAddress) -> bool {
        let echo = AddAddress { hmac: None, ..*option };
        self.waiting.echoes.contains(&echo) || self.waiting.echoes.try_push(echo).is_ok()
    }

    /// Withdraws an address of ours; `false` if too many wait.
    pub(super) fn withdraw(&mut self, id: AddressId) -> bool {
        self.waiting.announcements.retain(|announcement| announcement.id != id);
        self.waiting.removals.push(id)
    }

    /// Whether an option waits and may leave on an ACK of its own now.
    pub(super) fn wants_ack(&self) -> bool {
        self.bare_acks < BARE_ACKS_MAX && self.is_pending()
    }

    fn is_pending(&self) -> bool {
        !self.waiting.echoes.is_empty()
            || !self.waiting.removals.is_empty()
            || self.waiting.announcements.iter().any(|announcement| announcement.pending)
    }

    /// A segment came from the peer: the row of duplicate ACKs is broken.
    pub(super) const fn heard(&mut self) {
        self.bare_acks = 0;
    }

    /// The next option for a pure ACK, if it fits into `room`.
    pub(super) fn take(
        &mut self,
        room: usize,
        (keys, macs): ((Key, Key), &mut Macs),
        now: Instant,
        timeout: Duration,
    ) -> Option<MptcpOption> {
        let option = self.next(keys, macs)?;
        if option.encoded_len() > room {
            return None;
        }
        self.bare_acks = self.bare_acks.saturating_add(1);
        match option {
            MptcpOption::AddAddress(AddAddress { hmac: None, .. }) => {
                self.waiting.echoes.remove(0);
                self.forget_if_said();
            }
            MptcpOption::AddAddress(AddAddress { address_id, .. }) => {
                self.announced(address_id, now + timeout);
            }
            _ => {
                self.waiting.removals = AddressIds::NONE;
                self.forget_if_said();
            }
        }
        Some(option)
    }

    fn next(&self, keys: (Key, Key), macs: &mut Macs) -> Option<MptcpOption> {
        if let Some(echo) = self.waiting.echoes.first() {
            return Some(MptcpOption::AddAddress(*echo));
        }
        if !self.waiting.removals.is_empty() {
            return Some(MptcpOption::RemoveAddress(self.waiting.removals));
        }
        let announcement = self.waiting.announcements.iter().find(|announcement| announcement.pending)?;
        let hmac = macs.add_address(keys, announcement.id, announcement.address, None);
        Some(MptcpOption::AddAddress(AddAddress {
            address_id: announcement.id,
            address: announcement.address,
            port: None,
            hmac: Some(hmac),
        }))
    }

    fn announced(&mut self, id: AddressId, again_at: Instant) {
        let mut known = self.waiting.announcements.iter_mut();
        let Some(announcement) = known.find(|announcement| announcement.id == id) else { return };
        announcement.pending = false;
        announcement.tries += 1;
        announcement.again_at = (announcement.tries < ANNOUNCE_TRIES).then_some(again_at);
    }

    /// When an announcement is to be repeated.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.waiting.announcements.iter().filter_map(|announcement| announcement.again_at).min()
    }

    /// Marks announcements that were not echoed in time.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.deadline().is_none_or(|deadline| deadline > now) {
            return;
        }
        for announcement in &mut self.waiting.announcements {
            if announcement.again_at.is_some_and(|at| at <= now) {
                announcement.again_at = None;
                announcement.pending = true;
            }
        }
    }

    /// Nothing is signalled any more: plain TCP.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl<P: Packet> Connection<P> {
    /// Announces an address of every other port: a link more is what a subflow
    /// more is for. Of the connection's family, if the port has one. Not where
    /// we open the subflows ourselves: a peer that joins what it hears of would
    /// give each pair of addresses a second subflow.
    pub(super) fn queue_announcements(&mut self) {
        let opens = self.core.role == Role::Active && self.core.config.full_mesh;
        if !self.core.config.announce || opens {
            return;
        }
        let config = self.core.config.clone();
        let initial = self.core.addresses.initial().local.ip();
        let initial_port = config.addresses.iter().find(|ours| ours.address == initial).map(|ours| ours.port);
        let same_family = |ours: &&LocalAddress| ours.address.is_ipv4() == initial.is_ipv4();
        for address in config.addresses.iter().filter(|ours| Some(ours.port) != initial_port) {
            if self.core.addresses.is_withdrawn(address.id) {
                continue;
            }
            let on_port = || config.addresses.iter().filter(|ours| ours.port == address.port);
            if on_port().find(same_family).or_else(|| on_port().next()) == Some(address) {
                self.core.signals.announce(address.id, address.address);
            }
        }
    }

    /// Asks the subflow best suited for an ACK of its own, if options wait.
    pub(super) fn request_signal_ack(&mut self) {
        if !self.core.is_multipath() {
            return;
        }
        if self.core.signals.wants_ack()
            && let Some(id) = self.signalling_subflow()
            && let Some(subflow) = self.subflow_mut(id)
            && subflow.signal.carries_signals()
        {
            subflow.tcp.request_signal_ack();
        }
        self.all_mut()
            .filter(|subflow| subflow.signal.priority_pending && subflow.is_live())
            .filter(|subflow| subflow.signal.carries_signals())
            .for_each(|subflow| subflow.tcp.request_signal_ack());
    }

    /// A live subflow, preferably one that makes progress.
    pub(super) fn signalling_subflow(&self) -> Option<SubflowId> {
        let usable = |subflow: &&super::subflow::Subflow<P>| subflow.may_send();
        self.all()
            .filter(usable)
            .min_by_key(|subflow| {
                (subflow.signal.link_down, subflow.signal.stale, subflow.tcp.consecutive_timeouts())
            })
            .map(|subflow| subflow.signal.id)
    }

    /// Asks the peer to use a subflow as backup, or not any more (MP_PRIO,
    /// RFC 8684 §3.3.8).
    pub fn set_backup(&mut self, subflow: SubflowId, backup: bool) {
        let multipath = self.core.is_multipath();
        if let Some(subflow) = self.subflow_mut(subflow) {
            subflow.signal.priority_pending |= multipath && subflow.signal.backup_by_local != backup;
            subflow.signal.backup_by_local = backup;
        }
        self.request_signal_ack();
    }
}
