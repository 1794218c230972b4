//! Adds up what each link carried, over subflows and connections that come
//! and go.

use std::net::{IpAddr, SocketAddr};

use super::report::{LinkReport, bits_per_second};
use super::transport::{Link, Progress};

/// The direction of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// Content is received.
    Download,
    /// Content is sent.
    Upload,
}

/// What every link carried in the direction of one transfer. A link is a
/// local interface and address and a remote address.
#[derive(Debug)]
pub(super) struct Ledger {
    direction: Direction,
    mptcp: bool,
    /// Of connections that are gone, and of the latest, which has a number.
    taken_over_before: u64,
    taken_over: (u32, u64),
    links: Vec<Tally>,
}

#[derive(Debug)]
struct Tally {
    name: String,
    local: SocketAddr,
    remote: SocketAddr,
    /// Carried by subflows that are gone.
    closed_bytes: u64,
    live: Vec<Subflow>,
}

#[derive(Debug, Clone, Copy)]
struct Subflow {
    connection: u32,
    local_port: u16,
    bytes: u64,
}

impl Ledger {
    /// An empty ledger.
    pub(super) fn new(direction: Direction) -> Ledger {
        Ledger { direction, mptcp: false, taken_over_before: 0, taken_over: (0, 0), links: Vec::new() }
    }

    /// The latest connection is multipath.
    pub(super) fn mptcp(&self) -> bool {
        self.mptcp
    }

    /// Frames that came to another core than their connection's.
    pub(super) fn taken_over_frames(&self) -> u64 {
        self.taken_over_before + self.taken_over.1
    }

    /// Enters what `connection` has carried so far. Subflows of it that are
    /// not in `progress` any more keep what they last had.
    pub(super) fn enter(&mut self, connection: u32, progress: &Progress) {
        self.mptcp = progress.mptcp;
        let (latest, frames) =
            std::mem::replace(&mut self.taken_over, (connection, progress.taken_over_frames));
        if latest != connection {
            self.taken_over_before += frames;
        }
        for link in &progress.links {
            let bytes = match self.direction {
                Direction::Download => link.bytes_received,
                Direction::Upload => link.bytes_sent,
            };
            self.tally(link).enter(Subflow { connection, local_port: link.local.port(), bytes });
        }
        for tally in &mut self.links {
            tally.close_missing(connection, &progress.links);
        }
    }

    /// Name and bytes of each link, in the order they were first seen.
    pub(super) fn totals(&self) -> impl Iterator<Item = (&str, u64)> {
        self.links.iter().map(|tally| (tally.name.as_str(), tally.bytes()))
    }

    /// The report on each link for a transfer of `seconds`.
    pub(super) fn report(&self, seconds: f64) -> Vec<LinkReport> {
        let all: u64 = self.links.iter().map(Tally::bytes).sum();
        self.links.iter().map(|tally| tally.report(all, seconds)).collect()
    }

    fn tally(&mut self, link: &Link) -> &mut Tally {
        let found = self.links.iter().position(|tally| tally.is_of(link));
        let index = found.unwrap_or_else(|| {
            self.links.push(Tally {
                name: link.name.clone(),
                local: link.local,
                remote: link.remote,
                closed_bytes: 0,
                live: Vec::new(),
            });
            self.links.len() - 1
        });
        let tally = &mut self.links[index];
        tally.local = link.local;
        tally
    }
}

impl Tally {
    fn key(&self) -> (&str, IpAddr, SocketAddr) {
        (&self.name, self.local.ip(), self.remote)
    }

    fn is_of(&self, link: &Link) -> bool {
        self.key() == (link.name.as_str(), link.local.ip(), link.remote)
    }

    fn enter(&mut self, now: Subflow) {
        let same = |old: &&mut Subflow| old.connection == now.connection && old.local_port == now.local_port;
        match self.live.iter_mut().find(same) {
            Some(old) => {
                // Counting from zero again: another subflow with the same ports.
                if now.bytes < old.bytes {
                    self.closed_bytes += old.bytes;
                }
                old.bytes = now.bytes;
            }
            None => self.live.push(now),
        }
    }

    fn close_missing(&mut self, connection: u32, links: &[Link]) {
        let Tally { name, local, remote, closed_bytes, live } = self;
        live.retain(|subflow| {
            let alive = links.iter().any(|link| {
                link.name == *name
                    && link.remote == *remote
                    && link.local == SocketAddr::new(local.ip(), subflow.local_port)
            });
            let keep = subflow.connection != connection || alive;
            if !keep {
                *closed_bytes += subflow.bytes;
            }
            keep
        });
    }

    fn bytes(&self) -> u64 {
        self.closed_bytes + self.live.iter().map(|subflow| subflow.bytes).sum::<u64>()
    }

    fn report(&self, all_bytes: u64, seconds: f64) -> LinkReport {
        let bytes = self.bytes();
        let share = if all_bytes == 0 { 0.0 } else { bytes as f64 / all_bytes as f64 };
        LinkReport {
            name: self.name.clone(),
            local: self.local,
            remote: self.remote,
            bytes,
            share,
            bits_per_second: bits_per_second(bytes, seconds),
        }
    }
}
