//! Cache lines that two cores write.

use mpdk::base::CoreIndex;
use std::ops::Range;

/// Bytes of a cache line.
const LINE_BYTES: usize = 64;

/// Given the addresses that each core writes: no two cores write to one line.
/// Ranges of one core may share lines; an empty range is nowhere.
///
/// # Errors
/// The two cores, and the first line that they share.
pub fn disjoint_lines(written: &[(CoreIndex, Range<usize>)]) -> Result<(), String> {
    let lines = |range: &Range<usize>| range.start / LINE_BYTES..range.end.div_ceil(LINE_BYTES);
    let filled: Vec<_> = written.iter().filter(|(_, range)| !range.is_empty()).collect();
    for (at, (core, range)) in filled.iter().enumerate() {
        for (other, other_range) in filled[at + 1..].iter().filter(|(other, _)| other != core) {
            let (one, two) = (lines(range), lines(other_range));
            let first = one.start.max(two.start);
            if first < one.end.min(two.end) {
                return Err(format!(
                    "cores {} and {} write to the line at {:#x}",
                    core.0,
                    other.0,
                    first * LINE_BYTES
                ));
            }
        }
    }
    Ok(())
}
