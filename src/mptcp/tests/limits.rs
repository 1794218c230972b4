//! What a peer can make grow has a limit, and reaching it is counted.

use super::script::{Host, config, their_address};
use super::segment::{Sent, add_address, segment, stream};
use crate::base::Outcome;
use crate::mptcp::Config;
use crate::tcp;
use std::rc::Rc;

#[test]
fn addresses_remembered() {
    let mut host = Host::active(Config { max_remote_addresses: 3, ..config() });
    let first = host.first;
    for id in 1..10 {
        host.inject(&first, &segment(".", 1, 1).option(add_address(id, their_address(id + 1), None)));
        host.sent();
    }
    assert_eq!(host.wanted().len(), 3);
    assert_eq!(host.count(Outcome::MpAddAddrDrop), 6);
}

#[test]
fn echoes_that_wait() {
    let mut host = Host::active(config());
    let first = host.first;
    for id in 1..=20 {
        host.inject(&first, &segment(".", 1, 1).option(add_address(id, their_address(id + 1), None)));
    }
    assert_eq!(host.count(Outcome::MpEchoAddTxDrop), 12);
    let mut echoes = 0;
    for _ in 0..20 {
        host.inject(&first, &segment(".", 1, 1));
        echoes += host.sent().iter().filter(|sent| sent.add_address().is_some()).count();
    }
    assert_eq!(echoes, 8);
}

#[test]
fn mappings_that_wait_for_their_data() {
    let tcp = tcp::Config { reassembly_segments: 4, ..(*config().tcp).clone() };
    let mut host = Host::passive(Config { tcp: Rc::new(tcp), ..config() });
    let first = host.first;
    host.inject(&first, &segment(".", 1, 1).mapped(0, 10));
    for at in 0..20 {
        host.inject(&first, &segment(".", 11, 1).map(1_000 + at * 100, 1_000 + at as u32 * 100, 100));
    }
    // Two for each segment that TCP holds, the one in use counted.
    assert_eq!(host.count(Outcome::MpOutOfOrderFull), 13);
}

#[test]
fn pieces_that_wait_out_of_order() {
    let mut host = Host::passive(config());
    let first = host.first;
    for at in 0..400 {
        host.inject(&first, &segment(".", 1 + at as i64, 1).mapped(10 + at * 2, 1));
    }
    assert!(host.count(Outcome::MpOutOfOrderFull) > 0);
    let held = host.count(Outcome::MpOutOfOrder);
    assert!(held <= 256, "{held}");
}

#[test]
fn pieces_that_nobody_reads() {
    let mut host = Host::passive(config());
    let first = host.first;
    for at in 0..2_000 {
        host.inject(&first, &segment(".", 1 + at as i64, 1).mapped(at, 1));
    }
    assert!(host.count(Outcome::MpReceiveFull) > 0, "small pieces hold large buffers");
    host.sent();
    let held = host.read();
    assert!(held.len() <= 1_024, "{}", held.len());
    // What was dropped was not acknowledged at data level, and comes again.
    let acknowledged = host.sent().last().and_then(Sent::data_ack);
    assert_eq!(acknowledged.unwrap_or(held.len() as u64), held.len() as u64);
    let from = held.len() as u64;
    host.inject(&first, &segment(".", 2_001, 1).mapped(from, 1_000));
    assert_eq!(host.read(), stream(from..from + 1_000));
}

#[test]
fn subflow_slots() {
    let mut host = Host::passive(Config { max_subflows: 32, ..config() });
    let mut taken = 1;
    for n in 2..30 {
        taken += usize::from(host.join_syn(n, n, false).is_ok());
    }
    assert_eq!(taken, 16);
    assert_eq!(host.count(Outcome::MpJoinRejected), 28 - 15);
}
