//! The scenarios whose instructions `bench/icount` counts: two endpoints in
//! memory, with seeds and a clock of their own, so that each run is the same.
//!
//! Without argument: their names. With one: runs it, and says how many packets
//! were counted.

mod host;
mod meter;
#[allow(dead_code, reason = "bench/cores uses the rest")]
mod packet;
mod scenarios;
mod setup;
mod world;

use scenarios::SCENARIOS;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(wanted) = std::env::args().nth(1) else {
        SCENARIOS.iter().for_each(|(name, _)| println!("{name}"));
        return ExitCode::SUCCESS;
    };
    let Some((_, run)) = SCENARIOS.iter().find(|(name, _)| *name == wanted) else {
        eprintln!("there is no scenario {wanted}");
        return ExitCode::FAILURE;
    };
    // The stack of a thread begins at a page; that of the process where its
    // environment ends, and how bytes are copied there depends on it.
    match std::thread::spawn(run).join() {
        Ok(packets) => {
            println!("{packets}");
            ExitCode::SUCCESS
        }
        Err(_) => ExitCode::FAILURE,
    }
}
