//! The price of a hand-over: what a received frame costs that goes to another core
//! over a ring, beside one that is handled where it came. In DPDK's buffers, with
//! the state of the cores.
//!
//! The receiving core takes buffers from the pool and writes headers into them, as a
//! driver does that copies; the owner reads two lines of each and gives the buffer
//! back. With a ring between the two run on a core each; without, on one. The time of
//! both is counted while they have something to do.
//!
//!     cargo run --release --example hand-over -- [CPU CPU]

use mpdk::base::{Packet, PortIndex, ReceiveMeta};
use mpdk::device::HandOver;
use mpdk::dpdk::{Eal, EalConfig, HandedOver, Mbuf, Pool, PoolConfig};
use mpdk::ring::{Consumer, Producer, ring};
use std::hint::{black_box, spin_loop};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const FRAMES: u64 = 2_000_000;
const ROUNDS: usize = 7;
/// As between two engines.
const CAPACITY: usize = 512;

/// What crosses the ring for each frame.
struct Parcel {
    port: PortIndex,
    frame: HandedOver,
    meta: ReceiveMeta,
}

fn pin(cpu: usize) {
    let id = core_affinity::CoreId { id: cpu };
    assert!(core_affinity::set_for_current(id), "cannot run on CPU {cpu}");
}

/// A frame as a driver leaves it: Ethernet to TCP with options, and payload that
/// nobody reads here.
fn frame(pool: &Pool, number: u64) -> Option<Mbuf> {
    let mut bytes = [0; 128];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    pool.packet(&[&bytes])
}

/// What its connection's core does with it at least.
fn handle(frame: &Mbuf) -> u64 {
    let head = frame.head();
    u64::from(head[7]) + u64::from(head[70])
}

/// Nanoseconds per frame on one core.
fn alone(pool: &Pool, batch: usize) -> f64 {
    let (mut burst, mut sum, mut handled) = (Vec::with_capacity(batch), 0, 0);
    let begin = Instant::now();
    while handled < FRAMES {
        burst.extend((0..batch as u64).map_while(|number| frame(pool, number)));
        handled += burst.len() as u64;
        sum += burst.drain(..).map(|frame| handle(&frame)).sum::<u64>();
    }
    black_box(sum);
    begin.elapsed().as_nanos() as f64 / FRAMES as f64
}

/// Takes buffers and hands them over; the time that took, without waiting.
fn give(pool: &Pool, batch: usize, producer: &mut Producer<Parcel>) -> Duration {
    let (mut given, mut busy) = (0, Duration::ZERO);
    let mut burst = Vec::with_capacity(batch);
    while given < FRAMES {
        let begin = Instant::now();
        burst.extend((0..batch as u64).map_while(|number| frame(pool, number)));
        if burst.is_empty() || producer.room() < burst.len() {
            burst.clear();
            spin_loop();
            continue;
        }
        for frame in burst.drain(..) {
            let (port, meta) = (PortIndex(0), ReceiveMeta::default());
            let frame = frame.hand_over().expect("nobody else has it");
            assert!(producer.push(Parcel { port, frame, meta }).is_ok());
            given += 1;
        }
        producer.publish();
        busy += begin.elapsed();
    }
    busy
}

/// Takes frames over and handles them; the time that took, without waiting.
fn take(batch: usize, consumer: &mut Consumer<Parcel>) -> Duration {
    let (mut taken, mut busy, mut sum) = (0, Duration::ZERO, 0);
    let mut burst = Vec::with_capacity(batch);
    while taken < FRAMES {
        if consumer.is_empty() {
            spin_loop();
            continue;
        }
        let begin = Instant::now();
        while burst.len() < batch
            && let Some(Parcel { port, frame, meta }) = consumer.pop()
        {
            black_box((port, meta));
            burst.push(Mbuf::take_over(frame));
        }
        consumer.release();
        taken += burst.len() as u64;
        sum += burst.drain(..).map(|frame| handle(&frame)).sum::<u64>();
        busy += begin.elapsed();
    }
    black_box(sum);
    busy
}

/// Nanoseconds per frame of the core that gives and of the one that takes.
fn handed_over(eal: &Eal, pool: &Pool, other: usize, batch: usize) -> (f64, f64) {
    let (mut producer, mut consumer) = ring(CAPACITY);
    let (eal, pool) = (eal.clone(), pool.clone());
    let taker = thread::spawn(move || {
        pin(other);
        let _registered = eal.register_thread().expect("a thread more");
        take(batch, &mut consumer)
    });
    let given = give(&pool, batch, &mut producer);
    let taken = taker.join().expect("it takes all");
    let per_frame = |time: Duration| time.as_nanos() as f64 / FRAMES as f64;
    (per_frame(given), per_frame(taken))
}

/// Nanoseconds there and back of one line.
fn bounce(other: usize) -> f64 {
    const TURNS: u64 = 200_000;
    let line = Arc::new(AtomicU64::new(0));
    let theirs = Arc::clone(&line);
    let wait = |line: &AtomicU64, turn: u64| {
        // Pairs with the store of whoever has the turn before.
        while line.load(Ordering::Acquire) < turn {
            spin_loop();
        }
    };
    let thread = thread::spawn(move || {
        pin(other);
        for turn in 0..TURNS {
            wait(&theirs, 2 * turn + 1);
            theirs.store(2 * turn + 2, Ordering::Release);
        }
    });
    let begin = Instant::now();
    for turn in 0..TURNS {
        line.store(2 * turn + 1, Ordering::Release);
        wait(&line, 2 * turn + 2);
    }
    let elapsed = begin.elapsed();
    drop(thread.join());
    elapsed.as_nanos() as f64 / TURNS as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Nominal, of the first CPU.
fn cycles_per_ns() -> f64 {
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let mhz = cpus.lines().find_map(|line| line.strip_prefix("cpu MHz")?.split_once(':'));
    mhz.and_then(|(_, mhz)| mhz.trim().parse::<f64>().ok()).unwrap_or(f64::NAN) / 1000.0
}

fn main() {
    let mut words = std::env::args().skip(1).map(|word| word.parse().expect("a CPU's number"));
    let [here, other] = [words.next().unwrap_or(0), words.next().unwrap_or(1)];
    let eal = Eal::start(&EalConfig { memory_mb: 128, ..EalConfig::default() }).expect("DPDK starts");
    pin(here);
    let pool = Pool::new(&eal, &PoolConfig::receive("frames", 4096)).expect("a pool");
    let cycles = cycles_per_ns();
    println!(
        "CPUs {here} and {other}, {cycles:.2} cycles/ns; a line there and back: {:.0} ns",
        bounce(other)
    );
    println!(
        "{:>6} {:>9} {:>9} {:>9} {:>12} {:>14}",
        "batch", "alone", "giving", "taking", "price ns", "price cycles"
    );
    for batch in [1, 8, 32] {
        let (mut single, mut giving, mut taking) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            single.push(alone(&pool, batch));
            let (given, taken) = handed_over(&eal, &pool, other, batch);
            giving.push(given);
            taking.push(taken);
        }
        let (single, giving, taking) = (median(single), median(giving), median(taking));
        let price = giving + taking - single;
        let in_cycles = price * cycles;
        println!("{batch:>6} {single:>9.1} {giving:>9.1} {taking:>9.1} {price:>12.1} {in_cycles:>14.0}");
    }
    println!("a line there and back: {:.0} ns", bounce(other));
}
