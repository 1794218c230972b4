//! What goes from one core of a host to another, in order for each pair.

use mpdk::base::{CoreIndex, PortIndex, Random};
use mpdk::endpoint::CoreMessage;
use std::collections::VecDeque;

/// A frame as a port received it.
pub type Frame = (PortIndex, Vec<u8>);

/// One thing in a ring.
#[derive(Debug)]
pub enum Sent {
    Message(CoreMessage),
    Frame(Frame),
}

/// The rings of all pairs.
#[derive(Debug)]
pub struct Rings {
    cores: usize,
    /// By sender, then by receiver.
    rings: Vec<Ring>,
    /// Frames that one ring takes.
    room: usize,
}

#[derive(Debug, Default)]
struct Ring {
    sent: VecDeque<Sent>,
    frames: usize,
}

impl Rings {
    pub fn new(cores: u8, room: usize) -> Self {
        let cores = usize::from(cores);
        Self { cores, rings: std::iter::repeat_with(Ring::default).take(cores * cores).collect(), room }
    }

    fn ring(&mut self, from: usize, to: usize) -> &mut Ring {
        &mut self.rings[from * self.cores + to]
    }

    /// A message always has room.
    pub fn tell(&mut self, from: usize, to: CoreIndex, message: CoreMessage) {
        self.ring(from, usize::from(to.0)).sent.push_back(Sent::Message(message));
    }

    /// Hands a frame over; `false`: there was no room.
    pub fn hand_over(&mut self, from: usize, to: CoreIndex, frame: Frame) -> bool {
        let room = self.room;
        let ring = self.ring(from, usize::from(to.0));
        let has_room = ring.frames < room;
        if has_room {
            ring.frames += 1;
            ring.sent.push_back(Sent::Frame(frame));
        }
        has_room
    }

    /// Whether something waits for a core.
    pub fn wait_for(&self, to: usize) -> bool {
        (0..self.cores).any(|from| !self.rings[from * self.cores + to].sent.is_empty())
    }

    /// All that waits for a core: the rings in any order, each in its own.
    pub fn take(&mut self, to: usize, chance: &mut Random) -> Vec<(CoreIndex, Sent)> {
        let first = chance.below(self.cores as u64) as usize;
        let mut taken = Vec::new();
        for step in 0..self.cores {
            let from = (first + step) % self.cores;
            let ring = self.ring(from, to);
            ring.frames = 0;
            taken.extend(ring.sent.drain(..).map(|sent| (CoreIndex(from as u8), sent)));
        }
        taken
    }
}
