//! `mpdk stats`: what the cores of a running endpoint count.

mod rates;
mod show;

use super::check::refusal_text;
use super::signals::EndSignals;
use super::{EXIT_CONFIGURATION, EXIT_START};
use crate::control::{
    Config, ConfigError, DEFAULT_FILE_PREFIX, Statistics, StatisticsError, StatisticsReader,
    check_file_prefix, statistics_folders,
};
use rates::rates;
use show::Figures;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::{Interval, MissedTickBehavior, interval_at};

/// Seconds between two reports at least: a core publishes ten times a second.
const WATCH_LEAST: f64 = 0.2;
const WATCH_MOST: f64 = 86_400.0;

/// Of which endpoint, and how to tell.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    endpoint: Which,
    /// Tell as JSON, zeros too; with --watch a line each time.
    #[arg(long)]
    json: bool,
    /// Tell each core's part too.
    #[arg(long)]
    per_core: bool,
    /// Tell rates per second, each so many seconds, until interrupted.
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    watch: Option<Duration>,
}

#[derive(Debug, clap::Args)]
#[group(multiple = false)]
struct Which {
    /// The endpoint's configuration, of which only eal.file_prefix is read.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The endpoint's eal.file_prefix.
    #[arg(long, value_name = "NAME", value_parser = parse_prefix)]
    prefix: Option<String>,
    /// The folder of the endpoint's pages.
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| (WATCH_LEAST..=WATCH_MOST).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| format!("from {WATCH_LEAST} to {WATCH_MOST}"))
}

fn parse_prefix(text: &str) -> Result<String, &'static str> {
    check_file_prefix(text).map(|()| text.to_owned())
}

/// Why there is nothing to tell.
#[derive(Debug, thiserror::Error)]
enum StatsError {
    #[error("{}", refusal_text(.0))]
    Config(#[from] ConfigError),
    #[error("the runtime could not be started: {0}")]
    Runtime(#[source] io::Error),
    #[error(transparent)]
    Read(#[from] StatisticsError),
    #[error("no endpoint runs{0}")]
    NoEndpoint(String),
    #[error("the endpoint has ended")]
    Ended,
}

impl StatsError {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) => EXIT_CONFIGURATION,
            Self::Runtime(_) => EXIT_START,
            Self::Read(_) | Self::NoEndpoint(_) | Self::Ended => 1,
        }
    }
}

/// Tells once, or until a signal comes.
pub(super) fn run(options: &Options, output: &mut impl Write) -> u8 {
    match try_run(options, output) {
        Ok(()) => 0,
        Err(error) => {
            let prefix = if matches!(error, StatsError::Config(_)) { "" } else { "mpdk: " };
            say(format_args!("{prefix}{error}"));
            error.exit_code()
        }
    }
}

/// Tells a person.
fn say(text: std::fmt::Arguments<'_>) {
    // Nobody is left to tell when standard error is closed.
    let _ = writeln!(io::stderr(), "{text}");
}

fn try_run(options: &Options, output: &mut impl Write) -> Result<(), StatsError> {
    let (reader, statistics) = find(&options.endpoint)?;
    for skipped in &statistics.skipped {
        say(format_args!("mpdk: left out {skipped}"));
    }
    let Some(period) = options.watch else {
        // Nobody is left to tell when the output is closed.
        let _ = tell(options, output, &Figures::counts(&statistics));
        return Ok(());
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(StatsError::Runtime)?;
    runtime.block_on(async {
        let signals = EndSignals::catch().map_err(StatsError::Runtime)?;
        let mut ticks = interval_at(tokio::time::Instant::now() + period, period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        watch(options, output, &reader, statistics, ticks, signals).await
    })
}

/// Tells at each tick what has come since the last.
async fn watch(
    options: &Options,
    output: &mut impl Write,
    reader: &StatisticsReader,
    mut last: Statistics,
    mut ticks: Interval,
    mut signals: EndSignals,
) -> Result<(), StatsError> {
    loop {
        tokio::select! {
            biased;
            _ = signals.next() => return Ok(()),
            _ = ticks.tick() => {}
        }
        let next = living(reader)?.ok_or(StatsError::Ended)?;
        if tell(options, output, &rates(&last, &next)).is_err() {
            return Ok(());
        }
        last = next;
    }
}

fn tell<T: show::Number>(options: &Options, output: &mut impl Write, figures: &Figures<T>) -> io::Result<()> {
    let text = match (options.json, options.watch) {
        (true, None) => format!("{:#}", figures.json(options.per_core)),
        (true, Some(_)) => figures.json(options.per_core).to_string(),
        (false, None) => figures.table(options.per_core),
        // A line between two tables.
        (false, Some(_)) => figures.table(options.per_core) + "\n",
    };
    writeln!(output, "{text}")?;
    output.flush()
}

/// Where the endpoint's pages are, with what is in them.
fn find(which: &Which) -> Result<(StatisticsReader, Statistics), StatsError> {
    let (name, folders) = match which {
        Which { folder: Some(folder), .. } => (String::new(), vec![folder.clone()]),
        Which { config: Some(file), .. } => of_prefix(&Config::load_file_prefix(file)?),
        Which { prefix, .. } => of_prefix(prefix.as_deref().unwrap_or(DEFAULT_FILE_PREFIX)),
    };
    let mut dead = Vec::new();
    for folder in &folders {
        let Some(reader) = open(folder)? else { continue };
        let statistics = reader.snapshot()?;
        if !statistics.cores.is_empty() {
            return Ok((reader, statistics));
        }
        dead.extend(statistics.skipped);
    }
    let mut reason = name;
    for folder in folders.iter().filter(|folder| dead.iter().all(|page| !page.path.starts_with(folder))) {
        reason += &format!("\n  {}: no statistics", folder.display());
    }
    for page in dead {
        reason += &format!("\n  {page}");
    }
    Err(StatsError::NoEndpoint(reason))
}

fn of_prefix(prefix: &str) -> (String, Vec<PathBuf>) {
    (format!(" with file prefix \"{prefix}\""), statistics_folders(prefix))
}

fn open(folder: &Path) -> Result<Option<StatisticsReader>, StatisticsError> {
    unless_gone(StatisticsReader::open(folder))
}

/// What the cores have counted, if any lives.
fn living(reader: &StatisticsReader) -> Result<Option<Statistics>, StatisticsError> {
    let statistics = unless_gone(reader.snapshot())?;
    Ok(statistics.filter(|statistics| !statistics.cores.is_empty()))
}

/// Without an endpoint there is no folder.
fn unless_gone<T>(result: Result<T, StatisticsError>) -> Result<Option<T>, StatisticsError> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(StatisticsError::System { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
