//! The one binary: the verbs, on an endpoint.

use mpdk::engine::CountingAllocator;
use std::process::ExitCode;

/// Counted, so that `mpdk bench` can show that the packet path asks for nothing.
#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

fn main() -> ExitCode {
    mpdk::cli::run(std::env::args_os(), mpdk::cli::start_endpoint)
}
