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

const OWNERS: [u8; 2] = [CLIENT, SERVER];

/// Opens connections, uses them, lets them rest; returns both ends, and what one
/// connection takes of the client's and of the server's memory.
fn rested(connections: usize, bytes: usize) -> (Pair, [f64; 2]) {
    let mut pair = Pair::new(connections + 2);
    // What an endpoint takes without a connection is not theirs.
    let before = OWNERS.map(allocator::held);
    pair.open(connections, bytes);
    assert_eq!(pair.without_two_subflows(), 0);
    assert_eq!(pair.echoed(), (connections * bytes) as u64);
    pair.rest(Duration::from_secs(60));
    let after = OWNERS.map(allocator::held);
    let taken = [0, 1].map(|side| {
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
    });
    (pair, taken)
}

fn idle_bytes(connections: usize, bytes: usize) -> [f64; 2] {
    rested(connections, bytes).1
}

/// What a byte there and back takes on a connection that rested: frames, and
/// calls of the allocator.
fn work_per_ping(pair: &mut Pair) -> [f64; 2] {
    const PINGS: usize = 50;
    let calls = || OWNERS.map(|owner| allocator::held(owner).calls).iter().sum::<usize>();
    let before = calls();
    let frames = pair.ping(PINGS);
    [frames as f64, (calls() - before) as f64].map(|count| count / PINGS as f64)
}

/// What an idle connection takes, and that the work for a frame does not grow
/// with their number. Instructions are counted by `bench/icount`.
fn among_many(connections: usize) {
    let few = work_per_ping(&mut rested(1_800, 10).0);
    let (mut pair, taken) = rested(connections, 10);
    assert_small(taken);
    let many = work_per_ping(&mut pair);
    println!("frames and calls of the allocator per byte there and back: {few:.2?} and {many:.2?}");
    let grows = few.iter().zip(many).any(|(few, many)| many > few * 1.05);
    assert!(!grows, "{few:?} among 1800, {many:?} among {connections}");
}

#[test]
fn an_idle_connection_takes_two_kibibytes() {
    assert_small(idle_bytes(1_800, 20_000));
}

#[test]
fn so_does_one_of_many() {
    among_many(15_000);
}

/// Both sides end at once: TIME_WAITs are on both.
#[test]
fn what_time_wait_keeps_is_little() {
    const AT_ONCE: usize = 100;
    const TURNS: usize = 100;
    let mut pair = Pair::new(3 * TURNS * AT_ONCE);
    let before = OWNERS.map(allocator::held);
    for _ in 0..TURNS {
        pair.open(AT_ONCE, 10);
        pair.close();
    }
    let waits = pair.time_waits();
    assert_eq!(waits[0], 2 * TURNS * AT_ONCE);
    // Its own FIN may be the last.
    assert!(waits[1] >= TURNS * AT_ONCE, "{waits:?}");
    for side in [0, 1] {
        let bytes = allocator::held(OWNERS[side]).asked_bytes - before[side].asked_bytes;
        let each = bytes as f64 / waits[side] as f64;
        println!("{}: {each:.0} bytes for each subflow in TIME_WAIT", ["client", "server"][side]);
        assert!(each <= 200.0, "{each} bytes");
    }
}

/// The table's rows above "either side" are both sides' bytes, those above
/// "active side" the active one's.
#[test]
fn the_table_in_the_architecture_adds_up() {
    let page = include_str!("../ARCHITECTURE.md");
    let table = page.lines().skip_while(|line| !line.starts_with("| `mptcp::Connection`"));
    let rows = table.map_while(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.rsplit_once(" | "));
    let (mut sum, mut sums) = (0, Vec::new());
    for (what, bytes) in rows {
        let bytes: u32 = bytes.parse().unwrap();
        if what.starts_with("**") {
            assert_eq!(sum, bytes, "{what}");
            sums.push(bytes);
        } else {
            sum += bytes;
        }
    }
    assert_eq!(sums.len(), 2);
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
    among_many(wished(1_000_000));
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
