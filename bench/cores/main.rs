//! What `bench/scaling` counts: the engines of one endpoint's cores, turn by turn
//! on one thread, with seeds and a clock of their own.
//!
//! `scaling CORES SHARE|idle [trace]`: so many cores, and how much in a hundred of
//! what is received comes to another core than its own; says how many packets
//! were counted, or turns in which nothing was to do. `trace` for the analyser of
//! memory accesses, without it for callgrind.

mod arenas;
mod build;
#[allow(dead_code, reason = "bench/instructions uses the rest")]
#[path = "../instructions/host.rs"]
mod host;
mod marks;
mod mbuf;
#[path = "../instructions/meter.rs"]
mod meter;
mod nic;
#[path = "../instructions/packet.rs"]
mod packet;
mod reader;
#[allow(dead_code, reason = "bench/instructions uses the rest")]
#[path = "../instructions/setup.rs"]
mod setup;
mod world;

use arenas::{CORES_MOST, Heap};
use std::process::ExitCode;
use world::{Load, World};

#[global_allocator]
static HEAP: Heap = Heap::new();

/// What is asked for.
#[derive(Clone, Copy, Debug)]
struct Plan {
    cores: usize,
    load: Load,
    is_traced: bool,
}

fn plan(words: &[String]) -> Option<Plan> {
    let (cores, load, is_traced) = match words {
        [cores, load] => (cores, load, false),
        [cores, load, trace] if trace == "trace" => (cores, load, true),
        _ => return None,
    };
    let cores = cores.parse().ok().filter(|cores| (1..=CORES_MOST).contains(cores))?;
    let load = match load.as_str() {
        "0" => Load::Straight,
        "50" if cores > 1 => Load::Half,
        "100" if cores > 1 => Load::Crossed,
        "idle" => Load::Idle,
        _ => return None,
    };
    Some(Plan { cores, load, is_traced })
}

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args().skip(1).collect();
    let Some(plan) = plan(&words) else {
        eprintln!("scaling CORES 0|50|100|idle [trace]: 1 to {CORES_MOST} cores, one hands nothing over");
        return ExitCode::FAILURE;
    };
    // The stack of a thread begins at a page; that of the process where its
    // environment ends, and how bytes are copied there depends on it.
    match std::thread::spawn(move || World::new(plan.cores, plan.is_traced).run(plan.load)).join() {
        Ok(counted) => {
            println!("{counted}");
            ExitCode::SUCCESS
        }
        Err(_) => ExitCode::FAILURE,
    }
}
