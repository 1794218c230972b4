//! `mpdk put`: an upload.

use super::arguments::ConfigFile;
use super::running::{VerbError, with_endpoint};
use super::signals::EndSignals;
use super::{Endpoint, StartError};
use crate::app::{PutOptions, present, put_until};
use crate::control::Config;
use std::path::PathBuf;

/// What to upload.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    config: ConfigFile,
    /// The file to send.
    file: PathBuf,
    /// http://HOST[:PORT]/PATH; a path that ends in / gets the file's name.
    url: String,
    /// Report as JSON on standard output.
    #[arg(long)]
    json: bool,
}

/// Uploads and reports.
pub(super) fn run<E: Endpoint>(
    options: &Options,
    start: impl FnOnce(&Config) -> Result<E, StartError>,
) -> u8 {
    with_endpoint(&options.config, start, async |_, endpoint, signals| {
        put_or_signal(options, endpoint, signals).await
    })
}

async fn put_or_signal<E: Endpoint>(
    options: &Options,
    endpoint: &mut E,
    mut signals: EndSignals,
) -> Result<u8, VerbError> {
    let connector = endpoint.connector().await.map_err(VerbError::Attach)?;
    let transfer = PutOptions::new(&options.file, &options.url);
    tokio::select! {
        biased;
        result = put_until(&connector, &transfer, signals.next()) => Ok(present(&result, options.json)),
        error = endpoint.failed() => Err(VerbError::Failed(error)),
    }
}
