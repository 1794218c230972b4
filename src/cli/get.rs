//! `mpdk get`: a download.

use super::arguments::ConfigFile;
use super::running::{VerbError, with_endpoint};
use super::signals::EndSignals;
use super::{Endpoint, StartError};
use crate::app::{DigestCheck, GetOptions, Sha256Digest, get_until, present};
use crate::control::Config;
use std::path::PathBuf;

/// What to download.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    config: ConfigFile,
    /// http://HOST[:PORT]/PATH
    url: String,
    /// Where to write, - for standard output; by default the URL's last name, here.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Fail unless the content has this SHA-256.
    #[arg(long, value_name = "HEX")]
    sha256: Option<Sha256Digest>,
    /// Report as JSON on standard output.
    #[arg(long)]
    json: bool,
    /// Begin anew, even if an earlier run kept a part.
    #[arg(long)]
    no_resume: bool,
}

/// Downloads and reports.
pub(super) fn run<E: Endpoint>(
    options: &Options,
    start: impl FnOnce(&Config) -> Result<E, StartError>,
) -> u8 {
    with_endpoint(&options.config, start, async |_, endpoint, signals| {
        get_or_signal(options, endpoint, signals).await
    })
}

async fn get_or_signal<E: Endpoint>(
    options: &Options,
    endpoint: &mut E,
    mut signals: EndSignals,
) -> Result<u8, VerbError> {
    let connector = endpoint.connector().await.map_err(VerbError::Attach)?;
    let transfer = GetOptions {
        output: options.output.clone(),
        check: options.sha256.map_or(DigestCheck::Compute, DigestCheck::Expect),
        resume: !options.no_resume,
        ..GetOptions::new(&options.url)
    };
    tokio::select! {
        biased;
        result = get_until(&connector, &transfer, signals.next()) => Ok(present(&result, options.json)),
        error = endpoint.failed() => Err(VerbError::Failed(error)),
    }
}
