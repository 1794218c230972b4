//! `mpdk wire`: joins ports in pairs by emulated links, and changes and shows
//! them while it runs.

mod change;
mod client;
mod emulate;
mod links;
mod ports;
mod protocol;
mod server;
mod show;
mod socket;

use super::check::refusal_text;
use super::{EXIT_CONFIGURATION, EXIT_START};
use crate::control::{ConfigError, WireConfig};
use crate::relay::{RelayDied, StartError};
use protocol::Setting;
use std::io::{self, Write};
use std::path::PathBuf;

/// Which emulator, and what of it.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Options {
    /// The emulator's configuration, a TOML file.
    #[arg(long, value_name = "FILE", required = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Change a link of the running emulator, all keys at once.
    Set(SetOptions),
    /// Show what the links are like and have done.
    Show(ShowOptions),
    /// Check a configuration of the emulator.
    Check(EmulatorFile),
}

/// Which configuration.
#[derive(Debug, clap::Args)]
struct EmulatorFile {
    /// The emulator's configuration, a TOML file.
    #[arg(long = "config", value_name = "FILE")]
    path: PathBuf,
}

#[derive(Debug, clap::Args)]
#[command(after_help = change::keys_help())]
struct SetOptions {
    #[command(flatten)]
    config: EmulatorFile,
    /// The link's name.
    link: String,
    /// What to change: delay_us=20000 in both directions, a_to_b.loss=0.01 in one.
    #[arg(required = true, value_name = "KEY=VALUE", value_parser = protocol::parse_setting)]
    settings: Vec<Setting>,
}

#[derive(Debug, clap::Args)]
struct ShowOptions {
    #[command(flatten)]
    config: EmulatorFile,
    /// Show as JSON.
    #[arg(long)]
    json: bool,
}

/// Why there is no emulator, or no answer from it.
#[derive(Debug, thiserror::Error)]
enum WireError {
    #[error("{}", refusal_text(.0))]
    Config(#[from] ConfigError),
    #[error("the runtime could not be started: {0}")]
    Runtime(#[source] io::Error),
    #[error("{}: {source}", path.display())]
    Socket { path: PathBuf, source: io::Error },
    #[error("the emulator could not be started: {0}")]
    Start(#[from] StartError),
    #[error("the emulator broke down: {0}")]
    Died(#[from] RelayDied),
    #[error("no emulator answers at {}: {source}", path.display())]
    Unreachable { path: PathBuf, source: io::Error },
    #[error("the emulator refused: {0}")]
    Refused(String),
}

impl WireError {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) => EXIT_CONFIGURATION,
            Self::Runtime(_) | Self::Socket { .. } | Self::Start(_) => EXIT_START,
            Self::Died(_) | Self::Unreachable { .. } | Self::Refused(_) => 1,
        }
    }
}

impl Options {
    /// Whether it goes on for long, and tells what it does.
    pub(super) fn stays(&self) -> bool {
        self.verb.is_none()
    }
}

/// Runs the emulator, or tells it something.
pub(super) fn run(options: &Options, output: &mut impl Write) -> u8 {
    match try_run(options, output) {
        Ok(()) => 0,
        Err(error) => {
            let prefix = if matches!(error, WireError::Config(_)) { "" } else { "mpdk: " };
            // Nobody is left to tell when standard error is closed.
            let _ = writeln!(io::stderr(), "{prefix}{error}");
            error.exit_code()
        }
    }
}

fn try_run(options: &Options, output: &mut impl Write) -> Result<(), WireError> {
    match &options.verb {
        None => emulate::run(&WireConfig::load(options.config.as_deref().unwrap_or("".as_ref()))?),
        Some(Verb::Set(set)) => {
            client::set(&WireConfig::load(&set.config.path)?.control, &set.link, &set.settings)
        }
        Some(Verb::Show(show)) => {
            let config = WireConfig::load(&show.config.path)?;
            let answer = client::show(&config.control)?;
            let text = if show.json { client::pretty(&answer) } else { show::for_people(&answer) };
            // Nobody is left to tell when the output is closed.
            let _ = writeln!(output, "{text}");
            Ok(())
        }
        Some(Verb::Check(file)) => {
            let config = WireConfig::load(&file.path)?;
            let _ = writeln!(output, "{}", show::explain(&config));
            Ok(())
        }
    }
}
