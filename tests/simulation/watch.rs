//! Whether every connection stays with its core.

use super::core::Core;
use super::segment::Segment;
use mpdk::base::{CoreIndex, FourTuple, Instant, PortIndex};
use mpdk::endpoint::{Sorted, Steering};
use std::collections::HashMap;

/// No port that a frame can come from: nothing that an endpoint remembers of a
/// port's last frame is touched by a question.
const NO_PORT: PortIndex = PortIndex(63);

/// Whether a core has a subflow of a segment's 4-tuple, or what is left of one.
fn knows(core: &mut Core, frame: &[u8]) -> bool {
    core.endpoint.sort(NO_PORT, frame) == Sorted::Here
}

/// Looks at what the cores of a host do, and notes what is wrong.
#[derive(Debug)]
pub struct Watch {
    steering: Steering,
    /// Whether connections have tokens.
    mptcp: bool,
    /// Whose the 4-tuples of living subflows are.
    owners: HashMap<FourTuple, usize>,
    complaints: Vec<String>,
}

impl Watch {
    pub fn new(cores: u8, mptcp: bool) -> Self {
        let steering = Steering { core: CoreIndex(0), cores, spreads: Vec::new() };
        Self { steering, mptcp, owners: HashMap::new(), complaints: Vec::new() }
    }

    pub fn complain(&mut self, now: Instant, text: &str) {
        self.complaints.push(format!("{now:?}: {text}"));
    }

    /// The first of what is wrong.
    pub fn complaints(&self) -> &[String] {
        &self.complaints[..self.complaints.len().min(5)]
    }

    /// A core is about to take in a frame: nobody else may know of its segment.
    pub fn see(&mut self, cores: &mut [Core], at: usize, now: Instant, frame: &[u8]) {
        let Some(segment) = Segment::read(frame) else { return };
        if let Some(&owner) = self.owners.get(&segment.tuple)
            && owner != at
        {
            self.complain(now, &format!("core {at} takes in a segment of core {owner}'s: {segment:?}"));
        }
        if let Some(token) = segment.join
            && self.mptcp
            && usize::from(self.steering.core_of_token(token).0) != at
            && !knows(&mut cores[at], &segment.without_request(frame))
        {
            self.complain(now, &format!("core {at} takes in a join of another's connection: {segment:?}"));
        }
        if segment.is_request() || segment.is_reset() {
            return;
        }
        // What is left in TIME_WAIT has an owner too.
        for (other, core) in cores.iter_mut().enumerate().filter(|(other, _)| *other != at) {
            if knows(core, frame) {
                self.complain(now, &format!("core {at} takes in what core {other} knows: {segment:?}"));
            }
        }
    }

    /// A core had its turn: its subflows are nobody else's, and its connections
    /// are those whose tokens name it.
    pub fn check_owners(&mut self, core: &Core, at: usize, now: Instant) {
        self.owners.retain(|_, owner| *owner != at);
        for info in core.endpoint.connections() {
            if self.mptcp && usize::from(self.steering.core_of_token(info.token).0) != at {
                self.complain(now, &format!("core {at} has the connection of another's token"));
            }
            for subflow in &info.subflows {
                if let Some(other) = self.owners.insert(subflow.path.tuple, at) {
                    self.complain(now, &format!("cores {other} and {at} both have {:?}", subflow.path.tuple));
                }
            }
        }
    }
}
