//! How long a cache line takes from one core to another and back: two pinned
//! threads answer each other through one atomic.

use std::io::{Error, Result};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

/// Long enough to drown the clock, short enough that most batches run without
/// an interruption.
const ROUND_TRIPS: u64 = 2_000;
const BATCHES: usize = 400;

/// Alone on its line, and on the one that a prefetcher brings with it.
#[repr(align(128))]
struct Line(AtomicU64);

/// The median of many batches: what interrupts a batch does not count.
pub fn measure(cores: [usize; 2]) -> Result<String> {
    let line = Line(AtomicU64::new(0));
    let end = 2 * ROUND_TRIPS * BATCHES as u64;
    let mut times_ns = thread::scope(|scope| {
        let answering = scope.spawn(|| {
            pin(cores[1])?;
            let mut turn = 1;
            while turn < end {
                wait_for(&line, turn);
                turn += 1;
                // Release: pairs with the other side's acquire in wait_for.
                line.0.store(turn, Ordering::Release);
                turn += 1;
            }
            Ok::<(), Error>(())
        });
        let times = ask(&line, cores[0]);
        // A side that could not be pinned would leave the other waiting.
        if times.is_err() {
            line.0.store(end, Ordering::Release);
        }
        answering.join().map_err(|_| Error::other("the answering thread ended"))??;
        times
    })?;
    times_ns.sort_unstable_by(f64::total_cmp);
    let round_trip = times_ns[times_ns.len() / 2];
    Ok(format!(
        "{{\"figure\":\"bounce\",\"round_trip_ns\":{round_trip:.1},\"one_way_ns\":{:.1},\"least_round_trip_ns\":{:.1}}}",
        round_trip / 2.0,
        times_ns[0]
    ))
}

/// Nanoseconds of a round trip, batch by batch.
fn ask(line: &Line, core: usize) -> Result<Vec<f64>> {
    pin(core)?;
    let mut turn = 0;
    let mut times_ns = Vec::with_capacity(BATCHES);
    for _ in 0..BATCHES {
        let start = Instant::now();
        for _ in 0..ROUND_TRIPS {
            // Release: pairs with the other side's acquire in wait_for.
            line.0.store(turn + 1, Ordering::Release);
            turn += 2;
            wait_for(line, turn);
        }
        times_ns.push(start.elapsed().as_nanos() as f64 / ROUND_TRIPS as f64);
    }
    Ok(times_ns)
}

fn wait_for(line: &Line, turn: u64) {
    // Acquire: pairs with the release of whoever has the turn before.
    while line.0.load(Ordering::Acquire) < turn {
        std::hint::spin_loop();
    }
}

fn pin(core: usize) -> Result<()> {
    if core >= libc::CPU_SETSIZE as usize {
        return Err(Error::other(format!("no core {core}")));
    }
    // SAFETY: a set of cores is plain bits, all zero is the empty one, and
    // `core` is within it.
    let result = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(core, &mut set);
        libc::sched_setaffinity(0, size_of_val(&set), &raw const set)
    };
    if result < 0 { Err(Error::last_os_error()) } else { Ok(()) }
}
