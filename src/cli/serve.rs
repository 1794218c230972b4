//! `mpdk serve`: a folder over HTTP/1.1.

use super::arguments::ConfigFile;
use super::running::{VerbError, with_endpoint};
use super::signals::EndSignals;
use super::{Endpoint, StartError};
use crate::app::{ServeOptions, serve};
use crate::control::Config;
use std::net::SocketAddr;
use std::path::PathBuf;

/// What to serve.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    config: ConfigFile,
    /// The folder; nothing outside it is read or written.
    #[arg(long, value_name = "DIR")]
    root: PathBuf,
    /// Where to listen; 0.0.0.0 and [::] stand for all addresses of the ports.
    #[arg(long, value_name = "ADDR:PORT", default_value = "0.0.0.0:80")]
    listen: SocketAddr,
    /// Let PUT create and replace files.
    #[arg(long)]
    allow_put: bool,
}

/// Serves until a signal asks for an end.
pub(super) fn run<E: Endpoint>(
    options: &Options,
    start: impl FnOnce(&Config) -> Result<E, StartError>,
) -> u8 {
    with_endpoint(&options.config, start, async |config, endpoint, signals| {
        serve_until_signal(options, config, endpoint, signals).await
    })
}

async fn serve_until_signal<E: Endpoint>(
    options: &Options,
    config: &Config,
    endpoint: &mut E,
    mut signals: EndSignals,
) -> Result<u8, VerbError> {
    let address = options.listen;
    let listening = endpoint.listen(address).await;
    let acceptor = listening.map_err(|source| VerbError::Listen { address, source })?;
    tracing::info!(root = %options.root.display(), %address, put = options.allow_put, "serving");
    let shutdown = async {
        let signal = signals.next().await;
        tracing::info!(signal, "ending");
    };
    tokio::select! {
        biased;
        summary = serve(acceptor, serve_options(options, config), shutdown) => {
            let summary = summary?;
            let (requests, turned_away) = (summary.requests, summary.turned_away);
            tracing::info!(requests, turned_away, aborted = summary.aborted, "served");
            Ok(0)
        }
        error = endpoint.failed() => Err(VerbError::Failed(error)),
    }
}

fn serve_options(options: &Options, config: &Config) -> ServeOptions {
    let defaults = ServeOptions::new(&options.root);
    let most = usize::try_from(config.engine.max_connections).unwrap_or(usize::MAX);
    let max_connections = defaults.max_connections.min(most);
    ServeOptions { allow_put: options.allow_put, max_connections, ..defaults }
}
