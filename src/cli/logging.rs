//! The log: lines on standard error, coloured only for a terminal.

use std::io::{IsTerminal, stderr};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

/// What is logged.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Log more: -v debug, -vv trace.
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "log")]
    verbose: u8,
    /// Log by level and module: "debug", "info,mpdk::engine=trace".
    #[arg(long, global = true, value_name = "FILTER")]
    log: Option<String>,
}

/// Starts the log of the process.
///
/// # Errors
/// The filter is none; the text says why.
pub(super) fn start(options: &Options, default_level: &str) -> Result<(), String> {
    let filter = filter(options, default_level)?;
    let colours = colours_wanted(std::env::var_os("NO_COLOR").as_deref(), stderr().is_terminal());
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr).with_ansi(colours);
    // A second start in one process keeps the first log.
    let _ = subscriber.finish().try_init();
    Ok(())
}

fn filter(options: &Options, default_level: &str) -> Result<EnvFilter, String> {
    let text = match (&options.log, options.verbose) {
        (Some(filter), _) => filter,
        (None, 0) => default_level,
        (None, 1) => "debug",
        (None, _) => "trace",
    };
    EnvFilter::builder().parse(text).map_err(|error| format!("--log \"{text}\": {error}\n"))
}

/// <https://no-color.org>: the variable counts unless it is empty.
fn colours_wanted(no_color: Option<&std::ffi::OsStr>, terminal: bool) -> bool {
    terminal && no_color.is_none_or(std::ffi::OsStr::is_empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter_of(verbose: u8, log: Option<&str>) -> Result<String, String> {
        filter(&Options { verbose, log: log.map(str::to_owned) }, "warn").map(|filter| filter.to_string())
    }

    #[test]
    fn verbosity_and_filters() {
        assert_eq!(filter_of(0, None).unwrap(), "warn");
        assert_eq!(filter_of(1, None).unwrap(), "debug");
        assert_eq!(filter_of(3, None).unwrap(), "trace");
        assert_eq!(filter_of(0, Some("info,mpdk::engine=trace")).unwrap(), "mpdk::engine=trace,info");
        assert!(filter_of(0, Some("=loud=")).unwrap_err().contains("--log \"=loud=\""));
    }

    #[test]
    fn colours_are_for_terminals_and_can_be_refused() {
        assert!(colours_wanted(None, true));
        assert!(colours_wanted(Some("".as_ref()), true));
        assert!(!colours_wanted(Some("1".as_ref()), true));
        assert!(!colours_wanted(None, false));
    }
}
