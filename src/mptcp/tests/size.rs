//! What an idle connection is made of: `ARCHITECTURE.md` has the sum.

use crate::base::HeapPacket;
use crate::mptcp::Connection;
use crate::mptcp::address::RemoteAddress;
use crate::mptcp::attempts::Pair;
use crate::mptcp::mapping::Tag;
use crate::mptcp::subflow::Subflow;
use crate::tcp;

#[test]
fn the_table_in_the_architecture_is_right() {
    let page = include_str!("../../../ARCHITECTURE.md");
    let connection = size_of::<Connection<HeapPacket>>();
    let subflow = size_of::<Option<Subflow<HeapPacket>>>();
    let tcp = size_of::<tcp::Subflow<HeapPacket, Tag>>();
    let (pair, remote) = (size_of::<Pair>(), size_of::<RemoteAddress>());
    for row in [
        format!("| `mptcp::Connection` | {connection} |"),
        format!("| 2 subflows of {subflow}, of which {tcp} are `tcp::Subflow` | {} |", 2 * subflow),
        format!(
            "| 3 pairs of addresses of {pair} that were tried; the first subflow's lies in the connection | {} |",
            3 * pair
        ),
        format!("| 1 address of the peer's of {remote} | {remote} |"),
    ] {
        assert!(page.contains(&row), "{row}");
    }
}
