//! Cache lines that go from one simulated core to another, counted in a trace of
//! memory accesses that comes by standard input. For `bench/scaling`.

mod model;
mod tally;
mod trace;

use model::Lines;
use std::io::{self, BufRead, BufReader, Read};
use tally::Tally;
use trace::{Agent, Event, parse};

/// The whole trace; what was counted between its marks.
///
/// # Errors
/// If it cannot be read, or nothing in it was to be counted.
pub fn count(trace: impl Read) -> io::Result<String> {
    let mut reader = BufReader::with_capacity(1 << 20, trace);
    let (mut lines, mut tally) = (Lines::default(), Tally::default());
    let (mut agent, mut instruction) = (Agent::World, 0);
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        match parse(line.strip_suffix(b"\n").unwrap_or(&line)) {
            Some(Event::Instruction(address)) => {
                instruction = address;
                tally.instruction(agent);
            }
            Some(Event::Memory(access, address, bytes)) if !tally.is_private(address) => {
                let moved = |transfer| tally.transfer(instruction, transfer);
                lines.access(agent, instruction, access, address, bytes, moved);
            }
            Some(Event::Turn(next)) => agent = next,
            Some(Event::Begin) => tally.begin(),
            Some(Event::End) => tally.end(),
            Some(Event::Range(class, range)) => tally.range(class, range),
            Some(Event::Memory(..)) | None => {}
        }
    }
    tally.report().ok_or_else(|| io::Error::other("nothing in the trace was to be counted"))
}

#[cfg(test)]
mod tests {
    use super::count;

    /// A value through a slot with an index, a packet that comes from the world,
    /// and a line that two cores should not share.
    const TRACE: &str = "\
==9== Lackey, an example Valgrind tool
**9** mpdk range ring-index 1000 1040
**9** mpdk range ring-slot 2000 2040
**9** mpdk range packet-data 3000 3800
**9** mpdk range private 9000 a000
I  0100,3
 S 3000,64
**9** mpdk core 0
I  0200,3
 S 4000,8
**9** mpdk begin
I  0204,3
 L 3000,14
 S 9000,8
I  0208,3
 S 2000,32
 S 1000,8
**9** mpdk core 1
I  0300,4
 L 1000,8
 L 2000,8
 L 9000,8
I  0304,4
 M 4008,8
**9** mpdk world
I  0400,3
 S 3000,64
**9** mpdk end
**9** mpdk core 0
I  0500,3
 L 4008,8
";

    #[test]
    fn counts_what_lies_between_the_marks_by_class() {
        let report = count(TRACE.as_bytes()).expect("a trace that counts");
        let expected = "{\"instructions\": 4, \
            \"cores\": {\"other\": [1, 1], \"ring-index\": [1, 0], \"ring-slot\": [1, 0]}, \
            \"world\": {\"packet-data\": [1, 1]}, \
            \"other\": [{\"line\": \"4000\", \"transfers\": 2, \"code\": [\"200\", \"304\"]}]}";
        assert_eq!(report, expected);
    }

    #[test]
    fn a_trace_without_marks_is_an_error() {
        let error = count(" S 1000,8\n".as_bytes()).expect_err("nothing to count");
        assert_eq!(error.to_string(), "nothing in the trace was to be counted");
    }
}
