//! An uploader.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Request, Response};
use rustix::fs::OFlags;

use super::client::{Patience, dial, refused};
use super::digest::{DigestCheck, Sha256Digest};
use super::error::{Failed, TransferError};
use super::ledger::Direction;
use super::monitor::Monitor;
use super::report::{Report, Status};
use super::retry::Retries;
use super::transport::Connector;
use super::upload_body::{BodyState, UploadBody};
use super::url::Url;

/// What to upload, where to, and how persistently.
#[derive(Debug, Clone)]
pub struct PutOptions {
    /// The file to send.
    pub file: PathBuf,
    /// `http://HOST[:PORT]/PATH`; where the path ends in a slash the name of
    /// the file is added.
    pub url: String,
    /// Compute and report the SHA-256 of what is sent.
    pub digest: bool,
    /// Draw a progress bar on standard error where that is a terminal.
    pub progress: bool,
    /// How often to send it again after the connection broke or the server
    /// was busy. PUT may be repeated: the same file is stored.
    pub retries: u32,
    /// How long to wait before the first retry; doubled for each further one,
    /// up to 5 s.
    pub retry_delay: Duration,
    /// For an address to answer.
    pub connect_timeout: Duration,
    /// For a byte to move.
    pub stall_timeout: Duration,
}

impl PutOptions {
    /// The defaults: progress bar, digest, 3 retries, 10 s to connect, 60 s
    /// for a stall.
    pub fn new(file: impl Into<PathBuf>, url: impl Into<String>) -> PutOptions {
        PutOptions {
            file: file.into(),
            url: url.into(),
            digest: true,
            progress: true,
            retries: 3,
            retry_delay: Duration::from_millis(200),
            connect_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(60),
        }
    }
}

/// Uploads a file.
///
/// # Errors
/// Why it failed, and how far it came.
pub async fn put<C: Connector>(connector: &C, options: &PutOptions) -> Result<Report, Failed> {
    put_until(connector, options, std::future::pending()).await
}

/// Uploads a file, unless `interrupted` gives the number of a signal before it
/// is sent.
///
/// # Errors
/// As [`put`], and [`TransferError::Interrupted`].
pub async fn put_until<C: Connector>(
    connector: &C,
    options: &PutOptions,
    interrupted: impl Future<Output = i32>,
) -> Result<Report, Failed> {
    let monitor = Monitor::new(Direction::Upload, options.progress);
    let mut facts = Facts::default();
    let result = tokio::select! {
        biased;
        result = upload(connector, options, &monitor, &mut facts) => result,
        signal = interrupted => Err(TransferError::Interrupted { signal, kept: None }),
    };
    monitor.finish();
    let url = facts.url.map_or_else(|| options.url.clone(), |url| url.to_string());
    let mut report = monitor.report(url, options.file.display().to_string());
    report.size = facts.size_bytes;
    report.sha256 = facts.sha256;
    match result {
        Ok(()) => Ok(report),
        Err(error) => {
            report.status = Status::Failed;
            report.error = Some(error.to_string());
            Err(Failed { error, report: Box::new(report) })
        }
    }
}

/// What an upload learns for its report.
#[derive(Debug, Default)]
struct Facts {
    url: Option<Url>,
    size_bytes: Option<u64>,
    sha256: Option<Sha256Digest>,
}

async fn upload<C: Connector>(
    connector: &C,
    options: &PutOptions,
    monitor: &Monitor,
    facts: &mut Facts,
) -> Result<(), TransferError> {
    let parsed: Result<Url, _> = options.url.parse();
    let url = parsed.map_err(|source| TransferError::Url { url: options.url.clone(), source })?;
    let name = options.file.file_name().map_or(&b""[..], |name| name.as_bytes());
    let url = facts.url.insert(url.join_name(name));
    let (file, size_bytes) = open(&options.file)?;
    facts.size_bytes = Some(size_bytes);
    let run = Run { connector, options, monitor, url, file, size_bytes };
    facts.sha256 = run.transfer().await?;
    Ok(())
}

fn open(path: &Path) -> Result<(File, u64), TransferError> {
    let failed = |source| TransferError::local("open", path, source);
    // A pipe must not block; it is refused below.
    let flags = OFlags::NONBLOCK.bits() as i32;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if metadata.is_dir() {
        return Err(TransferError::IsDirectory { path: path.to_owned() });
    }
    if !metadata.is_file() {
        let text = "it is not a regular file, so it has no length to announce";
        return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, text)));
    }
    Ok((file, metadata.len()))
}

struct Run<'a, C> {
    connector: &'a C,
    options: &'a PutOptions,
    monitor: &'a Monitor,
    url: &'a Url,
    file: File,
    size_bytes: u64,
}

impl<C: Connector> Run<'_, C> {
    async fn transfer(&self) -> Result<Option<Sha256Digest>, TransferError> {
        let mut retries = Retries::new(self.options.retries, self.options.retry_delay);
        loop {
            match self.attempt().await {
                Ok(digest) => return Ok(digest),
                Err(error) => retries.after(error, self.monitor).await?,
            }
        }
    }

    async fn attempt(&self) -> Result<Option<Sha256Digest>, TransferError> {
        let connection = self.monitor.next_connection();
        let patience = Patience { connect: self.options.connect_timeout, stall: self.options.stall_timeout };
        let mut session = dial(self.connector, self.url, patience).await?;
        let (request, state) = self.request()?;
        self.monitor.stands_at(0, Some(self.size_bytes));
        let (sending, probe) = session.send(self.url, request);
        let watch = self.monitor.watch(connection, probe, || state.sent_bytes.load(Ordering::Relaxed));
        let ended = tokio::select! {
            biased;
            ended = sending => ended,
            never = watch => match never {},
        };
        self.monitor.last_sample(connection, probe).await;
        match ended {
            Ok(response) => self.judge(response, &state).await,
            Err(source) => Err(self.failed(source, &state)),
        }
    }

    fn request(&self) -> Result<(Request<UploadBody>, std::sync::Arc<BodyState>), TransferError> {
        let path = &self.options.file;
        let file = self.file.try_clone().map_err(|source| TransferError::local("open", path, source))?;
        let check = if self.options.digest { DigestCheck::Compute } else { DigestCheck::Skip };
        let (mut request, state) =
            UploadBody::request(file, self.size_bytes, check.hasher(), self.monitor.counter());
        // A path and query that were parsed are a request target.
        *request.uri_mut() = self.url.path_and_query().parse().unwrap_or_default();
        Ok((request, state))
    }

    async fn judge(
        &self,
        response: Response<Incoming>,
        state: &BodyState,
    ) -> Result<Option<Sha256Digest>, TransferError> {
        if !response.status().is_success() {
            return Err(refused(self.url, response).await);
        }
        let sent = state.sent_bytes.load(Ordering::Relaxed);
        if sent < self.size_bytes {
            let text = format!("it was content with {sent} of {} bytes", self.size_bytes);
            return Err(TransferError::Answer(text));
        }
        Ok(state.take_hasher().map(Sha256Digest::of))
    }

    /// The request failed: because of the file, or of the connection.
    fn failed(&self, source: hyper::Error, state: &BodyState) -> TransferError {
        match state.take_error() {
            Some(error) => TransferError::local("read", &self.options.file, error),
            None => TransferError::Broken {
                source,
                done_bytes: state.sent_bytes.load(Ordering::Relaxed),
                size_bytes: Some(self.size_bytes),
            },
        }
    }
}
