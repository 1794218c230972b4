//! From a configuration to a running endpoint, and back to an exit code.

use super::arguments::ConfigFile;
use super::signals::EndSignals;
use super::{EXIT_CONFIGURATION, EXIT_START, Endpoint, StartError};
use crate::control::{Config, ConfigError};
use std::io;

/// Why a verb ended before its work began, or while nobody could go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum VerbError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("the runtime could not be started: {0}")]
    Runtime(#[source] io::Error),
    #[error("the endpoint takes no program: {0}")]
    Attach(#[source] io::Error),
    #[error("cannot listen at {address}: {source}")]
    Listen { address: std::net::SocketAddr, source: io::Error },
    #[error("the endpoint broke down: {0}")]
    Failed(#[source] io::Error),
    #[error(transparent)]
    Serve(#[from] crate::app::ServeError),
}

impl VerbError {
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) => EXIT_CONFIGURATION,
            Self::Start(_) | Self::Runtime(_) | Self::Attach(_) | Self::Listen { .. } => EXIT_START,
            Self::Serve(crate::app::ServeError::Root { .. }) => 4,
            Self::Failed(_) | Self::Serve(_) => 1,
        }
    }
}

/// Starts the endpoint of a configuration, lets `work` use it, and stops it.
/// Signals are caught before the endpoint starts: it is always stopped in
/// order.
pub(super) fn with_endpoint<E: Endpoint>(
    file: &ConfigFile,
    start: impl FnOnce(&Config) -> Result<E, StartError>,
    work: impl AsyncFnOnce(&Config, &mut E, EndSignals) -> Result<u8, VerbError>,
) -> u8 {
    let result = try_with_endpoint(file, start, work);
    result.unwrap_or_else(|error| {
        report(&error);
        error.exit_code()
    })
}

fn try_with_endpoint<E: Endpoint>(
    file: &ConfigFile,
    start: impl FnOnce(&Config) -> Result<E, StartError>,
    work: impl AsyncFnOnce(&Config, &mut E, EndSignals) -> Result<u8, VerbError>,
) -> Result<u8, VerbError> {
    let config = Config::load(&file.path)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(VerbError::Runtime)?;
    let _entered = runtime.enter();
    let signals = EndSignals::catch().map_err(VerbError::Runtime)?;
    let mut endpoint = start(&config)?;
    tracing::info!(config = %config.file.display(), ports = config.ports.len(), "the endpoint runs");
    runtime.block_on(async {
        let result = work(&config, &mut endpoint, signals).await;
        endpoint.stop().await;
        result
    })
}

/// Says on standard error why a verb ended.
fn report(error: &VerbError) {
    use std::io::Write as _;
    // Nobody is left to tell when standard error is closed.
    let _ = writeln!(io::stderr(), "mpdk: {error}");
}
