//! Path MTUs that routers reported, for the subflows to come.

use super::keyed_hash::{KeyedHash, KeyedMap};
use crate::base::{Duration, Instant};
use std::net::IpAddr;

/// RFC 8201 §5.4: ten minutes, then larger packets are tried again.
const LIFETIME: Duration = Duration::from_secs(600);

/// What routers on the way to a destination take, as far as they said.
#[derive(Debug)]
pub(super) struct PathMtus {
    by_destination: KeyedMap<IpAddr, (u16, Instant)>,
    limit: usize,
}

impl PathMtus {
    pub(super) fn new(limit: usize, hash: KeyedHash) -> Self {
        Self { by_destination: KeyedMap::with_hasher(hash), limit }
    }

    /// Remembers a report. A full table forgets what is out of date, else
    /// ignores it: the connection it was about knows it anyway.
    pub(super) fn note(&mut self, now: Instant, destination: IpAddr, mtu: u16) {
        if self.by_destination.len() >= self.limit && !self.by_destination.contains_key(&destination) {
            self.by_destination.retain(|_, (_, since)| now.since(*since) < LIFETIME);
            if self.by_destination.len() >= self.limit {
                return;
            }
        }
        self.by_destination.insert(destination, (mtu, now));
    }

    /// The MTU towards a destination: the port's, or less.
    pub(super) fn of(&self, now: Instant, destination: IpAddr, port_mtu: u16) -> u16 {
        let known = self.by_destination.get(&destination);
        known
            .filter(|(_, since)| now.since(*since) < LIFETIME)
            .map_or(port_mtu, |(mtu, _)| port_mtu.min(*mtu))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Random;

    #[test]
    fn remembers_for_a_while_and_no_more_than_its_limit() {
        let mut mtus = PathMtus::new(2, KeyedHash::new(&mut Random::from_number(1)));
        let at = |s| Instant::ZERO + Duration::from_secs(s);
        let host = |last: u8| IpAddr::from([10, 0, 0, last]);
        mtus.note(at(0), host(1), 1400);
        mtus.note(at(300), host(2), 1300);
        mtus.note(at(300), host(3), 1200);
        assert_eq!([1, 2, 3].map(|last| mtus.of(at(300), host(last), 1500)), [1400, 1300, 1500]);
        assert_eq!(mtus.of(at(300), host(1), 1280), 1280);
        assert_eq!(mtus.of(at(600), host(1), 1500), 1500);
        mtus.note(at(600), host(3), 1200);
        assert_eq!(mtus.of(at(600), host(3), 1500), 1200);
    }
}
