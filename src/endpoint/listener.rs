//! Listeners: which address and port take connections, and how many
//! handshakes may wait.

use crate::base::{ConnectionId, Instant, ListenerId};
use hashbrown::HashMap;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Why nobody can listen there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListenError {
    /// The address is on no port of this endpoint.
    #[error("the address is not one of this endpoint's")]
    AddressNotOurs,
    /// Somebody listens there.
    #[error("somebody listens on that address and port")]
    AddressInUse,
    /// Every port of the ephemeral range is taken.
    #[error("no free port")]
    NoPort,
    /// [`Limits::listeners`](super::Limits::listeners) is reached.
    #[error("too many listeners")]
    TooMany,
    /// A backlog of 0 would refuse everybody.
    #[error("a backlog of 0 accepts nobody")]
    NoBacklog,
}

/// One listener.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) address: SocketAddr,
    backlog: usize,
    /// Established and not yet announced to the application.
    unannounced: usize,
    half_open: HalfOpen,
}

/// Connections whose handshake is not complete, by age.
#[derive(Debug, Default)]
struct HalfOpen(BTreeMap<HalfOpenKey, (Instant, ConnectionId)>);

/// A place in the order of arrival.
pub(super) type HalfOpenKey = u64;

/// Whether a new handshake may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It may.
    Admit,
    /// It may in place of this one, which has taken too long.
    Replace(ConnectionId),
    /// It may not.
    Refuse,
}

/// All listeners.
#[derive(Debug)]
pub(super) struct Listeners {
    by_id: HashMap<ListenerId, Listener>,
    by_address: HashMap<SocketAddr, ListenerId>,
    next_id: u32,
    limit: usize,
    half_open: HalfOpen,
    half_open_limit: usize,
    arrivals: u64,
}

impl HalfOpen {
    /// The oldest, if it came before `since`.
    fn older_than(&self, since: Instant) -> Option<ConnectionId> {
        self.0.values().next().filter(|(at, _)| *at < since).map(|&(_, connection)| connection)
    }
}

impl Listeners {
    pub(super) fn new(limit: usize, half_open_limit: usize) -> Self {
        Self {
            by_id: HashMap::new(),
            by_address: HashMap::new(),
            next_id: 0,
            limit,
            half_open: HalfOpen::default(),
            half_open_limit,
            arrivals: 0,
        }
    }

    /// Begins to listen.
    pub(super) fn listen(&mut self, address: SocketAddr, backlog: usize) -> Result<ListenerId, ListenError> {
        if backlog == 0 {
            return Err(ListenError::NoBacklog);
        }
        if self.is_taken(address) {
            return Err(ListenError::AddressInUse);
        }
        if self.by_id.len() >= self.limit {
            return Err(ListenError::TooMany);
        }
        let id = ListenerId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        self.by_address.insert(address, id);
        let listener = Listener { address, backlog, unannounced: 0, half_open: HalfOpen::default() };
        self.by_id.insert(id, listener);
        Ok(id)
    }

    /// Stops to listen; gives the handshakes that were under way.
    pub(super) fn close(&mut self, id: ListenerId) -> Vec<ConnectionId> {
        let Some(listener) = self.by_id.remove(&id) else { return Vec::new() };
        self.by_address.remove(&listener.address);
        for key in listener.half_open.0.keys() {
            self.half_open.0.remove(key);
        }
        listener.half_open.0.into_values().map(|(_, connection)| connection).collect()
    }

    /// Whether listening there would clash: the same address, or the wildcard
    /// of its family on the same port.
    pub(super) fn is_taken(&self, address: SocketAddr) -> bool {
        let clashes = |other: &SocketAddr| {
            other.port() == address.port()
                && other.is_ipv4() == address.is_ipv4()
                && (*other == address || other.ip().is_unspecified() || address.ip().is_unspecified())
        };
        self.by_address.keys().any(clashes)
    }

    /// Who listens for segments to `local`: on the address itself, else on the
    /// wildcard of its family.
    pub(super) fn find(&self, local: SocketAddr) -> Option<ListenerId> {
        let wildcard = match local.ip() {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let exact = self.by_address.get(&local);
        exact.or_else(|| self.by_address.get(&SocketAddr::new(wildcard, local.port()))).copied()
    }

    /// Where a listener listens.
    pub(super) fn address(&self, id: ListenerId) -> Option<SocketAddr> {
        self.by_id.get(&id).map(|listener| listener.address)
    }

    /// Every listener.
    pub(super) fn iter(&self) -> impl Iterator<Item = (ListenerId, &Listener)> + '_ {
        self.by_id.iter().map(|(&id, listener)| (id, listener))
    }

    /// Whether one more handshake may begin. A full backlog gives up the oldest
    /// handshake if that began before `grace_ended`: an honest one is complete
    /// by then, and a flood of SYNs must not shut everybody out.
    pub(super) fn admit(&self, id: ListenerId, grace_ended: Instant) -> Admission {
        let Some(listener) = self.by_id.get(&id) else { return Admission::Refuse };
        let full = if listener.waiting() >= listener.backlog {
            &listener.half_open
        } else if self.half_open.0.len() >= self.half_open_limit {
            &self.half_open
        } else {
            return Admission::Admit;
        };
        full.older_than(grace_ended).map_or(Admission::Refuse, Admission::Replace)
    }

    /// A handshake begins.
    pub(super) fn begin(&mut self, id: ListenerId, connection: ConnectionId, now: Instant) -> HalfOpenKey {
        self.arrivals += 1;
        let key = self.arrivals;
        self.half_open.0.insert(key, (now, connection));
        if let Some(listener) = self.by_id.get_mut(&id) {
            listener.half_open.0.insert(key, (now, connection));
        }
        key
    }

    /// A handshake is over, one way or the other.
    pub(super) fn end(&mut self, id: ListenerId, key: HalfOpenKey) {
        self.half_open.0.remove(&key);
        if let Some(listener) = self.by_id.get_mut(&id) {
            listener.half_open.0.remove(&key);
        }
    }

    /// A connection is established and waits to be announced (1), or was (-1).
    pub(super) fn add_unannounced(&mut self, id: ListenerId, change: isize) {
        if let Some(listener) = self.by_id.get_mut(&id) {
            listener.unannounced = listener.unannounced.saturating_add_signed(change);
        }
    }
}

impl Listener {
    /// Connections that count against the backlog.
    pub(super) fn waiting(&self) -> usize {
        self.half_open.0.len() + self.unannounced
    }

    /// The most of them.
    pub(super) const fn backlog(&self) -> usize {
        self.backlog
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Duration;

    fn connection(index: u32) -> ConnectionId {
        ConnectionId { index, generation: 0 }
    }

    #[test]
    fn the_address_itself_goes_before_the_wildcard() {
        let mut listeners = Listeners::new(3, 10);
        let exact = listeners.listen("10.0.0.1:80".parse().unwrap(), 1).unwrap();
        let other = listeners.listen("0.0.0.0:81".parse().unwrap(), 1).unwrap();
        let v6 = listeners.listen("[::]:80".parse().unwrap(), 1).unwrap();
        let find = |at: &str| listeners.find(at.parse().unwrap());
        assert_eq!(find("10.0.0.1:80"), Some(exact));
        assert_eq!(find("10.0.0.2:80"), None);
        assert_eq!(find("10.0.0.2:81"), Some(other));
        assert_eq!(find("[2001:db8::1]:80"), Some(v6));
        assert_eq!(find("[2001:db8::1]:81"), None);
    }

    #[test]
    fn refuses_what_clashes() {
        let mut listeners = Listeners::new(2, 10);
        let mut listen = |at: &str| listeners.listen(at.parse().unwrap(), 1);
        assert!(listen("10.0.0.1:80").is_ok());
        assert_eq!(listen("10.0.0.1:80"), Err(ListenError::AddressInUse));
        assert_eq!(listen("0.0.0.0:80"), Err(ListenError::AddressInUse));
        assert!(listen("[::]:80").is_ok());
        assert_eq!(listen("10.0.0.1:81"), Err(ListenError::TooMany));
        assert_eq!(listeners.listen("10.0.0.1:82".parse().unwrap(), 0), Err(ListenError::NoBacklog));
    }

    #[test]
    fn a_full_backlog_gives_up_only_what_is_old() {
        let mut listeners = Listeners::new(1, 10);
        let id = listeners.listen("10.0.0.1:80".parse().unwrap(), 2).unwrap();
        let at = |ms| Instant::ZERO + Duration::from_millis(ms);
        let first = listeners.begin(id, connection(1), at(0));
        assert_eq!(listeners.admit(id, at(0)), Admission::Admit);
        listeners.begin(id, connection(2), at(10));
        assert_eq!(listeners.admit(id, at(0)), Admission::Refuse);
        assert_eq!(listeners.admit(id, at(5)), Admission::Replace(connection(1)));
        listeners.end(id, first);
        listeners.add_unannounced(id, 1);
        assert_eq!(listeners.admit(id, at(5)), Admission::Refuse);
        listeners.add_unannounced(id, -1);
        assert_eq!(listeners.admit(id, at(5)), Admission::Admit);
        assert_eq!(listeners.close(id), [connection(2)]);
        assert_eq!(listeners.admit(id, at(5)), Admission::Refuse);
    }

    #[test]
    fn the_limit_over_all_listeners_holds() {
        let mut listeners = Listeners::new(2, 2);
        let first = listeners.listen("10.0.0.1:80".parse().unwrap(), 10).unwrap();
        let second = listeners.listen("10.0.0.1:81".parse().unwrap(), 10).unwrap();
        listeners.begin(first, connection(1), Instant::ZERO);
        listeners.begin(first, connection(2), Instant::ZERO);
        assert_eq!(listeners.admit(second, Instant::ZERO), Admission::Refuse);
        let later = Instant::from_nanos(1);
        assert_eq!(listeners.admit(second, later), Admission::Replace(connection(1)));
    }
}
