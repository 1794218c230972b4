//! What an idle connection is made of: `ARCHITECTURE.md` has the sum.

use crate::base::HeapPacket;
use crate::mptcp::Connection;
use crate::mptcp::mapping::Tag;
use crate::mptcp::subflow::Subflow;
use crate::tcp;

#[test]
fn what_every_connection_has_is_small() {
    let sizes = [
        size_of::<Connection<HeapPacket>>(),
        size_of::<Option<Subflow<HeapPacket>>>(),
        size_of::<tcp::Subflow<HeapPacket, Tag>>(),
    ];
    println!("connection, subflow, its TCP: {sizes:?} bytes");
    let limits = [384, 512, 400];
    assert!(sizes.iter().zip(limits).all(|(&size, limit)| size <= limit), "{sizes:?} bytes");
}
