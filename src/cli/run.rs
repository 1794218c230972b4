//! `mpdk run`: an endpoint for the programs on this machine.

use super::arguments::ConfigFile;
use super::running::{VerbError, with_endpoint};
use super::signals::EndSignals;
use super::{Endpoint, StartError};
use crate::control::Config;

/// Which endpoint.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    config: ConfigFile,
}

/// Runs until a signal asks for an end.
pub(super) fn run<E: Endpoint>(
    options: &Options,
    start: impl FnOnce(&Config) -> Result<E, StartError>,
) -> u8 {
    with_endpoint(&options.config, start, async |_, endpoint, signals| {
        run_until_signal(endpoint, signals).await
    })
}

async fn run_until_signal<E: Endpoint>(endpoint: &mut E, mut signals: EndSignals) -> Result<u8, VerbError> {
    tokio::select! {
        biased;
        signal = signals.next() => {
            tracing::info!(signal, "ending");
            Ok(0)
        }
        error = endpoint.failed() => Err(VerbError::Failed(error)),
    }
}
