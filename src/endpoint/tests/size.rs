//! What the host keeps of an idle connection: `ARCHITECTURE.md` has the sum.

use crate::base::{ConnectionId, HeapPacket, Slab};
use crate::endpoint::demux;
use crate::endpoint::slot::{Slot, Way};
use crate::endpoint::timer_wheel::Timer;

#[test]
fn the_table_in_the_architecture_is_right() {
    let page = include_str!("../../../ARCHITECTURE.md");
    let slot = Slab::<Slot<HeapPacket>>::SLOT_BYTES;
    let way = size_of::<Option<Way>>();
    // With a byte of the table's own each. A table doubles when 7/8 of it are full.
    let (entry, token) = (size_of::<demux::Entry>() + 1, size_of::<(u32, ConnectionId)>() + 1);
    let in_tables = (2 * entry + token) * 16 / 7;
    let timer = size_of::<Timer<ConnectionId>>();
    for row in [
        format!("| `endpoint::slot::Slot` with its generation | {slot} |"),
        format!("| 2 ways of {way}: headers written once, port, neighbour | {} |", 2 * way),
        format!(
            "| 2 entries of {entry} and 1 token of {token}, in tables of which 7/16 are full or more | {in_tables} |"
        ),
        format!(
            "| 1 timer of {timer}, in room of which four fifths are full or more | {} |",
            timer + timer / 4
        ),
    ] {
        assert!(page.contains(&row), "{row}");
    }
}
