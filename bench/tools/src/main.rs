//! What `bench/side-by-side` and `bench/scaling` need that has to be fast: load
//! generators for the kernel's sockets, smoltcp talking to itself, how long a cache
//! line takes from one core to the other, and how many take that way. Each prints one line of JSON at its end.

mod arguments;
mod bounce;
mod bulk;
mod cache_lines;
mod connects;
mod loopback;
mod measuring;
mod request_response;
mod smoltcp_bulk;
mod socket;

use arguments::Arguments;
use std::process::ExitCode;

const USAGE: &str = "side-by-side-tools COMMAND [--KEY VALUE]...

    bounce   --cores A,B                   a cache line between two cores
    sink     --address A:P --seconds S     reads one connection to its end
    source   --address A:P --seconds S     writes one connection
    echo     --address A:P                 answers requests on one connection, never sleeps
    request  --address A:P --seconds S     asks and waits, never sleeps
    accept   --address A:P                 a byte each way and close, until it is ended
    connect  --address A:P --seconds S     opens as many as it can
    cache-lines                            in a trace of memory accesses, from standard input
    smoltcp  --seconds S                   both sides of a connection in memory, on one core

    --warm-up S      before the seconds that count (default 1)
    --protocol mptcp|tcp (default mptcp)
    --bytes N        of a request and of its response (default 64)
    --parallel N     connections under way at once (default 64)";

fn main() -> ExitCode {
    let result = Arguments::parse(std::env::args().skip(1)).and_then(|arguments| run(&arguments));
    match result {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("side-by-side-tools: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<String, String> {
    let report = match arguments.command.as_str() {
        "bounce" => bounce::measure(arguments.cores()?),
        "cache-lines" => cache_lines::count(std::io::stdin().lock()),
        "sink" => bulk::sink(arguments),
        "source" => bulk::source(arguments),
        "echo" => request_response::echo(arguments),
        "request" => request_response::request(arguments),
        "accept" => connects::accept(arguments),
        "connect" => connects::connect(arguments),
        "smoltcp" => smoltcp_bulk::measure(&arguments.window()),
        other => return Err(format!("no command {other}\n{USAGE}")),
    };
    report.map_err(|error| format!("{}: {error}", arguments.command))
}
