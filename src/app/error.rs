//! What can go wrong with a transfer, and how the program ends then.

use std::error::Error as _;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::digest::Sha256Digest;
use super::report::Report;
use super::url::UrlError;

/// A transfer that failed: why, and how far it came.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Failed {
    /// Why.
    #[source]
    pub error: TransferError,
    /// How far it came.
    pub report: Box<Report>,
}

/// Why a transfer failed.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The URL cannot be used.
    #[error("the URL `{url}` cannot be used: {source}")]
    Url {
        /// As it was typed.
        url: String,
        /// What is wrong with it.
        source: UrlError,
    },
    /// The URL gives the output no name.
    #[error("the URL `{url}` names no file; say where to write with -o FILE")]
    NoOutputName {
        /// The URL.
        url: String,
    },
    /// The file to write to, or to send, is a directory.
    #[error("`{}` is a directory, not a file", path.display())]
    IsDirectory {
        /// The directory.
        path: PathBuf,
    },
    /// The name did not resolve.
    #[error("the host `{host}` cannot be resolved: {source}")]
    Resolve {
        /// The name.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// No connection.
    #[error("no connection to {address}: {source}")]
    Connect {
        /// The address tried last.
        address: SocketAddr,
        /// What the endpoint said.
        source: io::Error,
    },
    /// The connection or what came over it broke.
    #[error("{}", explain(.source, .done_bytes, .size_bytes))]
    Broken {
        /// What broke.
        source: hyper::Error,
        /// How far into the file it was.
        done_bytes: u64,
        /// The size of the file, where it is known.
        size_bytes: Option<u64>,
    },
    /// The server answered with something HTTP does not allow here.
    #[error("the server's answer makes no sense: {0}")]
    Answer(String),
    /// The server gives no length, so a cut could not be told from the end.
    #[error("the server gives no length for the file: an early end could not be noticed (a --sha256 would)")]
    NoLength,
    /// The server said no.
    #[error("the server refused `{url}`: {status}{detail}")]
    Refused {
        /// The URL.
        url: String,
        /// The HTTP status.
        status: hyper::StatusCode,
        /// What else it said: `: text`, or nothing.
        detail: String,
    },
    /// The file changed on the server when part of it was already passed on.
    #[error("the file changed on the server after {done_bytes} bytes were passed on")]
    Changed {
        /// What was passed on.
        done_bytes: u64,
    },
    /// The local disk is full.
    #[error("no space left for `{}`{}: {source}", path.display(), kept_text(.kept.as_deref()))]
    DiskFull {
        /// The file being written.
        path: PathBuf,
        /// The partial file, where one is kept to resume from.
        kept: Option<PathBuf>,
        /// What the system said.
        source: io::Error,
    },
    /// A local file cannot be used.
    #[error("cannot {action} `{}`: {source}", path.display())]
    Local {
        /// What was tried: `open`, `write`, ...
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process downloads to the same file.
    #[error("another download is writing `{}`", path.display())]
    Busy {
        /// The partial file.
        path: PathBuf,
    },
    /// The content is not what was asked for.
    #[error("the SHA-256 is {actual}, not {expected}{}", kept_text(.kept.as_deref()))]
    Digest {
        /// What was asked for.
        expected: Sha256Digest,
        /// What came.
        actual: Sha256Digest,
        /// Where it is kept.
        kept: Option<PathBuf>,
    },
    /// A signal asked for an end.
    #[error("interrupted{}", kept_text(.kept.as_deref()))]
    Interrupted {
        /// Its number.
        signal: i32,
        /// The partial file, where one is kept to resume from.
        kept: Option<PathBuf>,
    },
}

impl TransferError {
    /// The exit code: 1 the transfer failed, 2 wrong usage, 3 the server
    /// refused, 4 a local file or disk, 5 the digest is wrong, 128 and the
    /// number of the signal that asked for an end.
    pub fn exit_code(&self) -> u8 {
        use TransferError as E;
        match self {
            E::Resolve { .. }
            | E::Connect { .. }
            | E::Broken { .. }
            | E::Answer(_)
            | E::NoLength
            | E::Changed { .. } => 1,
            E::Url { .. } | E::NoOutputName { .. } | E::IsDirectory { .. } => 2,
            E::Refused { .. } => 3,
            E::DiskFull { .. } | E::Local { .. } | E::Busy { .. } => 4,
            E::Digest { .. } => 5,
            E::Interrupted { signal, .. } => u8::try_from(128 + signal).unwrap_or(1),
        }
    }

    /// What to say, with what is kept where the error itself does not say it.
    pub(super) fn with_kept(&self, kept: Option<&Path>) -> String {
        use TransferError as E;
        match self {
            E::DiskFull { .. } | E::Digest { .. } | E::Interrupted { .. } => self.to_string(),
            _ => format!("{self}{}", kept_text(kept)),
        }
    }

    /// Trying again may help: the network failed, or the server is busy.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            TransferError::Resolve { .. } | TransferError::Connect { .. } | TransferError::Broken { .. } => {
                true
            }
            TransferError::Refused { status, .. } => {
                matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504)
            }
            _ => false,
        }
    }

    /// The error for `source` met while trying to `action` the file at `path`.
    pub(super) fn local(action: &'static str, path: &Path, source: io::Error) -> TransferError {
        TransferError::Local { action, path: path.to_owned(), source }
    }

    /// The error for `source` met while writing to `path`.
    pub(super) fn write(path: &Path, kept: Option<&Path>, source: io::Error) -> TransferError {
        if is_disk_full(&source) {
            TransferError::DiskFull { path: path.to_owned(), kept: kept.map(Path::to_owned), source }
        } else {
            TransferError::local("write", path, source)
        }
    }
}

/// The disk, the quota or the allowed size of a file is used up.
pub(super) fn is_disk_full(error: &io::Error) -> bool {
    use io::ErrorKind;
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge)
}

fn kept_text(kept: Option<&Path>) -> String {
    kept.map(|path| format!("; what came is kept in `{}`", path.display())).unwrap_or_default()
}

/// Says how far a broken transfer came, and the innermost reason: HTTP's own
/// words for a lost connection do not say why.
fn explain(error: &hyper::Error, done_bytes: &u64, size_bytes: &Option<u64>) -> String {
    let mut reason = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        reason = inner.to_string();
        source = inner.source();
    }
    if error.is_incomplete_message() {
        reason = "the server closed it early".to_owned();
    }
    match size_bytes {
        Some(size) => format!("the connection broke after {done_bytes} of {size} bytes: {reason}"),
        None => format!("the connection broke after {done_bytes} bytes: {reason}"),
    }
}
