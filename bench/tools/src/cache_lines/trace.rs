//! The lines of a trace: what valgrind's lackey says with `--trace-mem=yes`, and
//! the marks of the program that it runs (`bench/cores/marks.rs`).

use std::ops::Range;

/// Who accesses memory: the world outside, or a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agent {
    World,
    Core(u8),
}

/// What an access does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Load,
    Store,
    /// One after the other.
    Modify,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The instruction at this address begins.
    Instruction(u64),
    /// It accesses so many bytes from an address on.
    Memory(Access, u64, u64),
    /// What follows is this one's.
    Turn(Agent),
    /// From now on it counts.
    Begin,
    /// From now on nothing counts.
    End,
    /// Addresses of a class.
    Range(&'a str, Range<u64>),
}

/// What a line says; `None` if it is none of these.
pub fn parse(line: &[u8]) -> Option<Event<'_>> {
    match line {
        [b'I', b' ', b' ', rest @ ..] => Some(Event::Instruction(place(rest)?.0)),
        [b' ', kind, b' ', rest @ ..] => {
            let (address, bytes) = place(rest)?;
            let access = match kind {
                b'L' => Access::Load,
                b'S' => Access::Store,
                b'M' => Access::Modify,
                _ => return None,
            };
            Some(Event::Memory(access, address, bytes))
        }
        [b'*', ..] => mark(std::str::from_utf8(line).ok()?),
        _ => None,
    }
}

/// `address,bytes`, the first in hexadecimal.
fn place(text: &[u8]) -> Option<(u64, u64)> {
    let comma = text.iter().position(|&byte| byte == b',')?;
    let digit = |&byte: &u8| char::from(byte).to_digit(16).map(u64::from);
    let address = text[..comma].iter().try_fold(0, |sum, byte| Some(sum << 4 | digit(byte)?))?;
    let bytes = text[comma + 1..].iter().try_fold(0, |sum, byte| Some(sum * 10 + digit(byte)?))?;
    Some((address, bytes))
}

/// `**process** mpdk words`.
fn mark(line: &str) -> Option<Event<'_>> {
    let mut words = line.split_ascii_whitespace().skip(1);
    if words.next()? != "mpdk" {
        return None;
    }
    match words.next()? {
        "world" => Some(Event::Turn(Agent::World)),
        "core" => Some(Event::Turn(Agent::Core(words.next()?.parse().ok()?))),
        "begin" => Some(Event::Begin),
        "end" => Some(Event::End),
        "range" => {
            let class = words.next()?;
            let mut end = || u64::from_str_radix(words.next()?, 16).ok();
            Some(Event::Range(class, end()?..end()?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_lackey_and_the_program_say() {
        assert_eq!(parse(b"I  0401ab70,3"), Some(Event::Instruction(0x0401_ab70)));
        assert_eq!(parse(b" L 1fff000778,8"), Some(Event::Memory(Access::Load, 0x1f_ff00_0778, 8)));
        assert_eq!(parse(b" S 1000,32"), Some(Event::Memory(Access::Store, 0x1000, 32)));
        assert_eq!(parse(b" M 1000,4"), Some(Event::Memory(Access::Modify, 0x1000, 4)));
        assert_eq!(parse(b"**7** mpdk core 15"), Some(Event::Turn(Agent::Core(15))));
        assert_eq!(parse(b"**7** mpdk world"), Some(Event::Turn(Agent::World)));
        assert_eq!(parse(b"**7** mpdk begin"), Some(Event::Begin));
        assert_eq!(parse(b"**7** mpdk end"), Some(Event::End));
        let range = Event::Range("ring-slot", 0xb8..0xc8);
        assert_eq!(parse(b"**7** mpdk range ring-slot b8 c8"), Some(range));
    }

    #[test]
    fn says_nothing_of_other_lines() {
        for line in ["==7== Lackey", "", " L 12", " X 1000,4", "I  xyz,3", "**7** else", "**7** mpdk core x"]
        {
            assert_eq!(parse(line.as_bytes()), None, "{line}");
        }
    }
}
