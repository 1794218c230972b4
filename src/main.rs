//! The one binary: the verbs, on an endpoint.

use mimalloc::MiMalloc;
use mpdk::engine::CountingAllocator;
use std::process::ExitCode;

/// A connection that opens and closes is some thirty blocks of many sizes, which mimalloc takes from and gives back to
/// lists without a search. Counted, so that `mpdk bench` can show that the packet path asks for nothing.
#[global_allocator]
static ALLOCATOR: CountingAllocator<MiMalloc> = CountingAllocator(MiMalloc);

fn main() -> ExitCode {
    mpdk::cli::run(std::env::args_os(), mpdk::cli::start_endpoint)
}
