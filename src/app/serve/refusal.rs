//! The answers that say no.

use std::io;

use hyper::header::{
    ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderValue, RETRY_AFTER,
};
use hyper::{Response, StatusCode};

use super::payload::Payload;
use crate::app::error::is_disk_full;

/// Why a request is not served.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("the request cannot be understood: {0}")]
    BadRequest(&'static str),
    #[error("forbidden: {0}")]
    Forbidden(&'static str),
    #[error("there is nothing of this name")]
    NotFound,
    #[error("the method is not allowed here")]
    Method { put_allowed: bool },
    #[error("the upload took too long")]
    Timeout,
    #[error("the name cannot be written to: {0}")]
    Conflict(&'static str),
    #[error("the condition of the request does not hold")]
    Precondition,
    #[error("the upload is larger than allowed")]
    TooLarge,
    #[error("the range is outside the file")]
    Range { size_bytes: u64 },
    #[error("the file could not be read or written")]
    Internal(#[source] io::Error),
    #[error("too many connections, come back later")]
    Busy,
    #[error("the disk is full")]
    DiskFull,
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Refusal::BadRequest(_) => StatusCode::BAD_REQUEST,
            Refusal::Forbidden(_) => StatusCode::FORBIDDEN,
            Refusal::NotFound => StatusCode::NOT_FOUND,
            Refusal::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Refusal::Timeout => StatusCode::REQUEST_TIMEOUT,
            Refusal::Conflict(_) => StatusCode::CONFLICT,
            Refusal::Precondition => StatusCode::PRECONDITION_FAILED,
            Refusal::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::Range { .. } => StatusCode::RANGE_NOT_SATISFIABLE,
            Refusal::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Refusal::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::DiskFull => StatusCode::INSUFFICIENT_STORAGE,
        }
    }

    /// The response, with a line of text that says why.
    pub(super) fn into_response(self) -> Response<Payload> {
        if let Refusal::Internal(error) = &self {
            tracing::warn!(%error, "a request failed");
        }
        let page = format!("{self}\n");
        let length = HeaderValue::from(page.len());
        let mut response = Response::new(Payload::Page(page.into()));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(CONTENT_LENGTH, length);
        match self {
            Refusal::Method { put_allowed } => {
                let methods = if put_allowed { "GET, HEAD, PUT" } else { "GET, HEAD" };
                headers.insert(ALLOW, HeaderValue::from_static(methods));
            }
            Refusal::Range { size_bytes } => {
                if let Ok(value) = HeaderValue::try_from(format!("bytes */{size_bytes}")) {
                    headers.insert(CONTENT_RANGE, value);
                }
            }
            Refusal::Busy => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            _ => {}
        }
        response
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Refusal {
        use io::ErrorKind;
        match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::InvalidFilename => Refusal::NotFound,
            ErrorKind::PermissionDenied => Refusal::Forbidden("no permission"),
            ErrorKind::ReadOnlyFilesystem => Refusal::Forbidden("the folder is read-only"),
            ErrorKind::IsADirectory => Refusal::Conflict("it is a directory"),
            _ if is_disk_full(&error) => Refusal::DiskFull,
            _ => Refusal::Internal(error),
        }
    }
}
