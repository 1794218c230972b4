//! Caches that hold everything for ever, one for each core and one for the world:
//! what is left of the traffic between them is what has to be.
//!
//! A line is held modified by one or shared by several (MSI). To read one that
//! somebody else wrote since we read it last takes a transfer; to write one that
//! others hold takes one too. A modification is a read and a write.

use super::trace::{Access, Agent};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

const LINE_BITS: u32 = 6;

/// Between whom a line goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Between {
    Cores,
    /// A core and the world.
    World,
}

/// How a line goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To a reader.
    Fetch,
    /// To a writer, from all others.
    Claim,
}

/// A line that goes from one to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    pub between: Between,
    pub way: Way,
    /// What was accessed on it.
    pub address: u64,
    /// The instruction that wrote to it last.
    pub writer: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Line {
    /// Who has the newest content, a bit each.
    holders: u32,
    /// The one who wrote last, as such a bit; 0 if nobody did.
    writer: u32,
    /// The instruction by which.
    instruction: u64,
}

/// Multiplies by the golden ratio; lines are no secret.
#[derive(Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u64(u64::from(byte)));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    }
}

/// All lines.
#[derive(Default)]
pub struct Lines(HashMap<u64, Line, BuildHasherDefault<Spread>>);

const WORLD: u32 = 1;

const fn bit(agent: Agent) -> u32 {
    match agent {
        Agent::World => WORLD,
        Agent::Core(core) => 2 << core,
    }
}

impl Lines {
    /// Calls `moved` with each transfer that an access takes.
    pub fn access(
        &mut self,
        agent: Agent,
        instruction: u64,
        access: Access,
        address: u64,
        bytes: u64,
        mut moved: impl FnMut(Transfer),
    ) {
        let last = address + bytes.max(1) - 1;
        for number in address >> LINE_BITS..=last >> LINE_BITS {
            let line = self.0.entry(number).or_default();
            let address = address.max(number << LINE_BITS);
            let transfer = |way, (between, writer)| Transfer { between, way, address, writer };
            if access != Access::Store
                && let Some(from) = line.read(bit(agent))
            {
                moved(transfer(Way::Fetch, from));
            }
            if access != Access::Load
                && let Some(from) = line.write(bit(agent), instruction)
            {
                moved(transfer(Way::Claim, from));
            }
        }
    }
}

impl Line {
    /// Whence the line comes and who wrote it, if it comes from somebody.
    fn read(&mut self, agent: u32) -> Option<(Between, u64)> {
        let is_moved = self.holders & agent == 0 && self.writer != 0;
        self.holders |= agent;
        is_moved.then_some((between(agent, self.writer), self.instruction))
    }

    fn write(&mut self, agent: u32, instruction: u64) -> Option<(Between, u64)> {
        let others = self.holders & !agent;
        let moved = (others != 0).then_some((between(agent, others), self.instruction));
        *self = Self { holders: agent, writer: agent, instruction };
        moved
    }
}

/// With a core among `others` it is the cores' affair, unless the world does it.
const fn between(agent: u32, others: u32) -> Between {
    if agent == WORLD || others & !WORLD == 0 { Between::World } else { Between::Cores }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Access::{Load, Modify, Store};
    use Agent::{Core, World};

    /// What each access moves.
    fn moves(accesses: &[(Agent, Access, u64, u64)]) -> Vec<Vec<(Between, Way)>> {
        let mut lines = Lines::default();
        let moves = accesses.iter().map(|&(agent, access, address, bytes)| {
            let mut moves = Vec::new();
            lines.access(agent, 0, access, address, bytes, |it| moves.push((it.between, it.way)));
            moves
        });
        moves.collect()
    }

    const FETCH: (Between, Way) = (Between::Cores, Way::Fetch);
    const CLAIM: (Between, Way) = (Between::Cores, Way::Claim);

    #[test]
    fn what_one_core_does_alone_moves_nothing() {
        let alone = [(Core(0), Load, 0, 8), (Core(0), Store, 0, 8), (Core(0), Modify, 8, 8)];
        assert!(moves(&alone).iter().all(Vec::is_empty));
        // Neighbouring lines, and reading what nobody writes.
        let apart = [
            (Core(0), Store, 0, 64),
            (Core(1), Store, 64, 8),
            (Core(0), Load, 128, 8),
            (Core(1), Load, 128, 8),
        ];
        assert!(moves(&apart).iter().all(Vec::is_empty));
    }

    #[test]
    fn a_value_that_is_passed_on_takes_a_fetch_and_the_next_one_a_claim() {
        let passed = [
            (Core(0), Store, 0, 8),
            (Core(1), Load, 8, 8),
            (Core(1), Load, 0, 8),
            (Core(0), Load, 0, 8),
            (Core(0), Store, 16, 8),
            (Core(0), Store, 0, 8),
            (Core(1), Load, 0, 8),
        ];
        let expected = [vec![], vec![FETCH], vec![], vec![], vec![CLAIM], vec![], vec![FETCH]];
        assert_eq!(moves(&passed), expected);
    }

    #[test]
    fn a_line_that_two_write_goes_to_and_fro() {
        let written = [(Core(0), Store, 0, 8), (Core(1), Store, 8, 8), (Core(0), Modify, 0, 8)];
        assert_eq!(moves(&written), [vec![], vec![CLAIM], vec![FETCH, CLAIM]]);
    }

    #[test]
    fn an_access_may_reach_over_several_lines() {
        let wide = [(Core(0), Store, 60, 8), (Core(1), Load, 63, 2), (Core(2), Load, 56, 8)];
        assert_eq!(moves(&wide), [vec![], vec![FETCH, FETCH], vec![FETCH]]);
    }

    #[test]
    fn the_world_is_told_apart() {
        let fetch = (Between::World, Way::Fetch);
        let claim = (Between::World, Way::Claim);
        let received = [
            (World, Store, 0, 64),
            (Core(0), Load, 0, 8),
            // From the world's memory, whoever else reads it.
            (Core(1), Load, 0, 8),
            (World, Store, 0, 64),
            (Core(0), Store, 0, 8),
            (World, Load, 0, 8),
            // The world has it too, but so does a core.
            (Core(1), Store, 0, 8),
        ];
        let expected = [vec![], vec![fetch], vec![fetch], vec![claim], vec![claim], vec![fetch], vec![CLAIM]];
        assert_eq!(moves(&received), expected);
    }
}
