//! The verbs of the binary.
//!
//! Standard output carries only what was asked for (the content of `get -o -`,
//! reports with `--json`, the explanation of `check`, the figures of `stats`); everything said to a
//! person goes to standard error.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | done; `serve`, `run`, `wire` and `stats` also when a signal asked them to end |
//! | 1 | the transfer failed, the endpoint or emulator broke down or does not run, or a running emulator refused |
//! | 2 | wrong usage of the command line |
//! | 3 | the server refused |
//! | 4 | a local file or folder |
//! | 5 | the digest is not the expected one |
//! | 6 | the configuration is invalid or cannot be read |
//! | 7 | the endpoint or emulator could not be started |
//! | 130, 143 | a transfer was ended by SIGINT or SIGTERM; what came is kept |

mod arguments;
mod bench;
mod check;
mod endpoint;
mod get;
mod logging;
mod ports;
mod put;
mod run;
mod running;
mod serve;
mod signals;
mod start;
mod stats;
mod wire;

pub use endpoint::{Endpoint, StartError};
pub use start::start_endpoint;

use crate::control::Config;
use arguments::{Arguments, Verb};
use clap::Parser;
use std::ffi::OsString;
use std::process::ExitCode;

/// The configuration is invalid or cannot be read.
const EXIT_CONFIGURATION: u8 = 6;
/// The endpoint could not be started.
const EXIT_START: u8 = 7;

/// Runs the verb that `arguments` (the program's name first) ask for. `start`
/// brings up an endpoint; verbs that need none do not call it.
pub fn run<E: Endpoint>(
    arguments: impl IntoIterator<Item = OsString>,
    start: impl FnOnce(&Config) -> Result<E, StartError>,
) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    if let Err(message) = logging::start(&arguments.logging, arguments.verb.default_level()) {
        return usage(&clap::Error::raw(clap::error::ErrorKind::InvalidValue, message));
    }
    let code = match &arguments.verb {
        Verb::Serve(options) => serve::run(options, start),
        Verb::Get(options) => get::run(options, start),
        Verb::Put(options) => put::run(options, start),
        Verb::Run(options) => run::run(options, start),
        Verb::Wire(options) => wire::run(options, &mut std::io::stdout().lock()),
        Verb::Bench(options) => bench::run(options),
        Verb::Stats(options) => stats::run(options, &mut std::io::stdout().lock()),
        Verb::Check(options) => check::run(options, &mut std::io::stdout().lock()),
    };
    ExitCode::from(code)
}

/// Help and version go to standard output and are no failure.
fn usage(error: &clap::Error) -> ExitCode {
    // Nobody is left to tell when the terminal is closed.
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}
