//! The one binary: the verbs, on an endpoint.

use std::process::ExitCode;

fn main() -> ExitCode {
    mpdk::cli::run(std::env::args_os(), mpdk::cli::start_endpoint)
}
