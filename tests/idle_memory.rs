//! What an idle connection costs, and that it costs the same among many.
//!
//! `cargo test --release --no-default-features --test idle_memory -- --ignored --nocapture`
//! opens a million; `MPDK_CONNECTIONS` is another number.

#[path = "idle_memory/allocator.rs"]
mod allocator;
#[path = "idle_memory/pair.rs"]
mod pair;

use mpdk::base::Duration;
use pair::{CLIENT, Pair, SERVER};

/// Engine state of a connection with two subflows on which nothing moves, what
/// the heap adds to each block counted. The active side also remembers where it
/// may join, and where it did.
const BYTES_MOST: f64 = 2048.0;

fn assert_small([active, passive]: [f64; 2]) {
    assert!(active <= BYTES_MOST, "{active} bytes on the active side");
    assert!(passive <= BYTES_MOST, "{passive} bytes on the passive side");
}

/// Opens connections, uses them, lets them rest; returns what one takes of the
/// client's and of the server's memory.
fn idle_bytes(connections: usize, bytes: usize) -> [f64; 2] {
    let owners = [CLIENT, SERVER];
    let mut pair = Pair::new(connections + 2);
    // What an endpoint takes without a connection is not theirs.
    let before = owners.map(allocator::held);
    pair.open(connections, bytes);
    assert_eq!(pair.without_two_subflows(), 0);
    assert_eq!(pair.echoed(), (connections * bytes) as u64);
    pair.rest(Duration::from_secs(60));
    let after = owners.map(allocator::held);
    [0, 1].map(|side| {
        let per_connection = |bytes: isize| bytes as f64 / connections as f64;
        let asked = per_connection(after[side].asked_bytes - before[side].asked_bytes);
        let mimalloc = per_connection(after[side].mimalloc_bytes - before[side].mimalloc_bytes);
        let glibc = per_connection(after[side].glibc_bytes - before[side].glibc_bytes);
        let blocks = per_connection(after[side].blocks - before[side].blocks);
        println!(
            "{connections} connections after {bytes} bytes each way, {}: {asked:.0} bytes in {blocks:.2} \
             blocks each; {mimalloc:.0} of mimalloc's heap, {glibc:.0} of glibc's",
            ["client", "server"][side]
        );
        mimalloc.max(glibc)
    })
}

#[test]
fn an_idle_connection_takes_two_kibibytes() {
    assert_small(idle_bytes(1_800, 20_000));
}

#[test]
fn so_does_one_of_many() {
    assert_small(idle_bytes(15_000, 10));
}

#[test]
fn what_a_transfer_took_is_given_back() {
    let (little, much) = (idle_bytes(100, 2_000), idle_bytes(100, 800_000));
    for side in [0, 1] {
        assert!(much[side] < little[side] + 64.0, "{} bytes instead of {}", much[side], little[side]);
    }
}

fn wished(default: usize) -> usize {
    std::env::var("MPDK_CONNECTIONS").ok().and_then(|count| count.parse().ok()).unwrap_or(default)
}

#[test]
#[ignore = "takes minutes and gigabytes"]
fn a_million_idle_connections() {
    assert_small(idle_bytes(wished(1_000_000), 10));
}

/// For callgrind: `--toggle-collect='*Pair*ping*'` counts the frames alone.
#[test]
#[ignore = "to be counted"]
fn frames_among_many() {
    let mut pair = Pair::new(wished(1_000) + 2);
    pair.open(wished(1_000), 2);
    pair.rest(Duration::from_secs(1));
    println!("{} frames", pair.ping(1_000));
}

/// For callgrind: `--toggle-collect='*Pair*stream*'` counts the transfer alone.
#[test]
#[ignore = "to be counted"]
fn a_transfer() {
    let mut pair = Pair::new(2);
    pair.open(1, 100_000);
    pair.stream(0, 64 << 20);
    println!("{} bytes", pair.echoed());
}
