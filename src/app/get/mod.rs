//! A downloader that resumes, checks, and leaves no half file behind.

mod answer;
mod destination;
mod part;
mod run;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use super::digest::DigestCheck;
use super::error::{Failed, TransferError};
use super::ledger::Direction;
use super::monitor::Monitor;
use super::report::{Report, Status};
use super::transport::Connector;
use super::url::Url;
use run::Run;

/// What to download, where to, and how persistently.
#[derive(Debug, Clone)]
pub struct GetOptions {
    /// `http://HOST[:PORT]/PATH`.
    pub url: String,
    /// Where to write; `-` is standard output. By default the last segment of
    /// the URL's path, in the current folder. A device or a pipe is written
    /// to as it is, a regular file only appears when it is complete.
    pub output: Option<PathBuf>,
    /// What to do about the SHA-256.
    pub check: DigestCheck,
    /// Go on from what an earlier run kept in `NAME.part`, where the file on
    /// the server is still the same.
    pub resume: bool,
    /// Draw a progress bar on standard error where that is a terminal.
    pub progress: bool,
    /// How often to connect again after the connection broke or the server
    /// was busy.
    pub retries: u32,
    /// How long to wait before the first retry; doubled for each further one,
    /// up to 5 s.
    pub retry_delay: Duration,
    /// For an address to answer.
    pub connect_timeout: Duration,
    /// For a byte to move.
    pub stall_timeout: Duration,
}

impl GetOptions {
    /// The defaults for `url`: resume, progress bar, digest computed, 3
    /// retries, 10 s to connect, 60 s for a stall.
    pub fn new(url: impl Into<String>) -> GetOptions {
        GetOptions {
            url: url.into(),
            output: None,
            check: DigestCheck::Compute,
            resume: true,
            progress: true,
            retries: 3,
            retry_delay: Duration::from_millis(200),
            connect_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(60),
        }
    }
}

/// Downloads a file.
///
/// # Errors
/// Why it failed, and how far it came. What came is kept in `NAME.part`, to
/// resume from, and nothing appears under the name itself.
pub async fn get<C: Connector>(connector: &C, options: &GetOptions) -> Result<Report, Failed> {
    get_until(connector, options, std::future::pending()).await
}

/// Downloads a file, unless `interrupted` gives the number of a signal before
/// it is there.
///
/// # Errors
/// As [`get`], and [`TransferError::Interrupted`].
pub async fn get_until<C: Connector>(
    connector: &C,
    options: &GetOptions,
    interrupted: impl Future<Output = i32>,
) -> Result<Report, Failed> {
    let monitor = Monitor::new(Direction::Download, options.progress);
    let mut file = options.output.as_ref().map_or(String::new(), |path| path.display().to_string());
    let mut facts = Facts::default();
    let result = download(connector, options, &monitor, interrupted, &mut file, &mut facts).await;
    monitor.finish();
    let mut report = monitor.report(options.url.clone(), file);
    report.size = facts.size_bytes;
    report.resumed_from = facts.resumed_from;
    report.sha256 = facts.sha256;
    match result {
        Ok(()) => Ok(report),
        Err(error) => {
            report.status = Status::Failed;
            report.error = Some(error.with_kept(facts.kept.as_deref()));
            Err(Failed { error, report: Box::new(report) })
        }
    }
}

/// What a run learns for its report.
#[derive(Debug, Default)]
struct Facts {
    size_bytes: Option<u64>,
    resumed_from: u64,
    sha256: Option<super::digest::Sha256Digest>,
    /// The partial file, where the transfer ended early.
    kept: Option<PathBuf>,
}

async fn download<C: Connector>(
    connector: &C,
    options: &GetOptions,
    monitor: &Monitor,
    interrupted: impl Future<Output = i32>,
    file: &mut String,
    facts: &mut Facts,
) -> Result<(), TransferError> {
    let parsed: Result<Url, _> = options.url.parse();
    let url = parsed.map_err(|source| TransferError::Url { url: options.url.clone(), source })?;
    let output = output(options, &url)?;
    *file = output.display().to_string();
    let mut interrupted = pin!(interrupted);
    let mut run = tokio::select! {
        biased;
        run = Run::open(connector, options, monitor, url, output) => run?,
        signal = &mut interrupted => return Err(TransferError::Interrupted { signal, kept: None }),
    };
    let result = tokio::select! {
        biased;
        result = run.transfer() => result,
        signal = interrupted => Err(run.interrupted(signal).await),
    };
    (facts.size_bytes, facts.resumed_from) = run.stand();
    if result.is_err() {
        facts.kept = run.kept();
    }
    result?;
    run.check_and_place(&mut facts.sha256).await
}

fn output(options: &GetOptions, url: &Url) -> Result<PathBuf, TransferError> {
    match &options.output {
        Some(path) => Ok(path.clone()),
        None => match url.file_name() {
            Some(name) => Ok(PathBuf::from(name)),
            None => Err(TransferError::NoOutputName { url: url.to_string() }),
        },
    }
}
