//! Where everything lies in a page. Integers are in the machine's byte order: a
//! page never leaves it.
//!
//! | bytes | what | changes |
//! |---|---|---|
//! | 0 | magic, `mpdkstat` | stored last when the page is made |
//! | 8 | layout version, u32 | |
//! | 12 | core, u32 | |
//! | 16 | process id, u32 | |
//! | 20 | number of counters, u32 | |
//! | 24 | start of the core, CLOCK_MONOTONIC in ns, u64 | |
//! | 64 | sequence number, odd while the following is written | each publication |
//! | 72 | time of the publication, CLOCK_MONOTONIC in ns, u64 | each publication |
//! | 80 | CPU that published, u64, all ones if unknown | each publication |
//! | 128 | the counters' values, u64 each | each publication |
//! | next line | the counters' names, 64 bytes each, ended by a zero | |
//!
//! Values lie side by side, away from the names: a publication of 130 counters
//! writes 18 lines.

use crate::base::CoreIndex;

/// Counters of a page at most.
pub const COUNTERS_MOST: usize = 4096;
/// Bytes of a counter's name at most: enough for a counter of a port whose name
/// has 32, the most that the configuration takes.
pub const NAME_BYTES_MOST: usize = NAME_BYTES - 1;

/// Changes with anything of the table above.
pub(super) const VERSION: u32 = 1;
pub(super) const MAGIC: u64 = u64::from_ne_bytes(*b"mpdkstat");
pub(super) const HEADER_BYTES: usize = 32;
pub(super) const SEQUENCE: usize = 64;
pub(super) const PUBLISHED: usize = 72;
pub(super) const CPU: usize = 80;
pub(super) const VALUES: usize = 128;
const NAME_BYTES: usize = 64;
const LINE_BYTES: usize = 64;
const PAGE_BYTES: usize = 4096;

/// Where the names of a page with so many counters begin.
pub(super) const fn names_offset(counters: usize) -> usize {
    (VALUES + size_of::<u64>() * counters).next_multiple_of(LINE_BYTES)
}

/// Bytes that its names take.
pub(super) const fn names_bytes(counters: usize) -> usize {
    NAME_BYTES * counters
}

/// Bytes of the whole page.
pub(super) const fn page_bytes(counters: usize) -> usize {
    (names_offset(counters) + names_bytes(counters)).next_multiple_of(PAGE_BYTES)
}

/// The name of a core's file.
pub(super) fn file_name(core: CoreIndex) -> String {
    format!("core-{}", core.0)
}

/// The core of a file's name, if it is the name of a page.
pub(super) fn core_of(name: &str) -> Option<CoreIndex> {
    let core = name.strip_prefix("core-")?.parse().ok().map(CoreIndex)?;
    // `core-+1` and `core-01` are numbers too.
    (file_name(core) == name).then_some(core)
}

/// What never changes in a page, but for the names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) magic: u64,
    pub(super) version: u32,
    pub(super) core: u32,
    pub(super) process: u32,
    pub(super) counters: u32,
    pub(super) started_ns: u64,
}

impl Header {
    pub(super) fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(&self.magic.to_ne_bytes());
        let words = [self.version, self.core, self.process, self.counters];
        for (place, word) in bytes[8..24].chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_ne_bytes());
        }
        bytes[24..].copy_from_slice(&self.started_ns.to_ne_bytes());
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8; HEADER_BYTES]) -> Self {
        let word = |at: usize| u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let words: [u64; 4] = words_of(bytes);
        Self {
            magic: words[0],
            version: word(8),
            core: word(12),
            process: word(16),
            counters: word(20),
            started_ns: words[3],
        }
    }
}

/// The first words of `bytes`; those that are not there are zero.
fn words_of<const N: usize>(bytes: &[u8]) -> [u64; N] {
    let mut words = [0; N];
    for (word, value) in words.iter_mut().zip(words_in(bytes)) {
        *word = value;
    }
    words
}

/// Every word of `bytes`.
pub(super) fn words_in(bytes: &[u8]) -> impl Iterator<Item = u64> + '_ {
    let (chunks, _) = bytes.as_chunks();
    chunks.iter().map(|chunk| u64::from_ne_bytes(*chunk))
}

/// What is wrong with a counter's name, if anything is.
pub(super) fn name_fault(name: &str) -> Option<&'static str> {
    if name.is_empty() || name.len() > NAME_BYTES_MOST {
        Some("not 1 to 63 bytes long")
    } else if name.chars().any(char::is_control) {
        Some("a control character in it")
    } else {
        None
    }
}

/// A name's place in the page; what is beyond [`NAME_BYTES_MOST`] is cut off.
pub(super) fn name_to_bytes(name: &str) -> [u8; NAME_BYTES] {
    let mut bytes = [0; NAME_BYTES];
    for (place, byte) in bytes[..NAME_BYTES_MOST].iter_mut().zip(name.bytes()) {
        *place = byte;
    }
    bytes
}

/// The names in their part of a page, in order; `None` for one that is no name.
pub(super) fn names_in(bytes: &[u8]) -> impl Iterator<Item = Option<&str>> {
    let (places, _) = bytes.as_chunks::<NAME_BYTES>();
    places.iter().map(|place| {
        let end = place.iter().position(|&byte| byte == 0)?;
        let name = std::str::from_utf8(&place[..end]).ok()?;
        name_fault(name).is_none().then_some(name)
    })
}
