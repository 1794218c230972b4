//! What a host of several cores is like, and what it counts.

use super::nic::Spreading;
use mpdk::base::Duration;

/// A host of several cores.
#[derive(Clone, Debug)]
pub struct CoresProfile {
    pub count: u8,
    /// How the frames of each link are spread.
    pub links: Vec<Spreading>,
    /// Whether a claim brings the flow to the core that claimed it.
    pub has_rules: bool,
    /// Frames that a ring between two cores takes.
    pub ring_frames: usize,
    /// Frames that a core takes out of its queue at once.
    pub burst_frames: u64,
    /// A core rests after one in so many steps, for up to `rest`.
    pub rests_one_in: u64,
    pub rest: Duration,
    pub sabotage: Option<Sabotage>,
}

/// What is broken on purpose, to see that somebody notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// One in so many claims is lost.
    LoseClaims(u64),
    /// Frames that nobody knows are not looked at again.
    NoSecondLook,
    /// One in so many frames that are handed over comes twice.
    HandOverTwice(u64),
}

/// Where received frames went. Each is either taken in or dropped, once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    pub came: u64,
    pub taken_in: u64,
    pub handed_over: u64,
    /// There was no room in a ring.
    pub dropped: u64,
    /// Looked at twice, and those of them whose core was known by then.
    pub looked_again: u64,
    pub found_late: u64,
}

impl Flow {
    /// Both together.
    pub fn add(&mut self, other: &Self) {
        self.came += other.came;
        self.taken_in += other.taken_in;
        self.handed_over += other.handed_over;
        self.dropped += other.dropped;
        self.looked_again += other.looked_again;
        self.found_late += other.found_late;
    }
}
