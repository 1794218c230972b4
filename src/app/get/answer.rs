//! What a server's answer to a GET means for the download.

use std::time::Duration;

use hyper::header::{
    CONTENT_LENGTH, CONTENT_RANGE, DATE, ETAG, HeaderName, LAST_MODIFIED, TRANSFER_ENCODING,
};
use hyper::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};

use crate::app::error::TransferError;

/// What names one state of a file on the server, strong enough to put two
/// parts together (RFC 9110 section 13.1.5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Validator {
    /// A strong entity tag, quoted.
    Etag(String),
    /// A modification date that was settled when it was given.
    LastModified(String),
}

/// The file on the server, as an answer describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Remote {
    pub(super) size_bytes: Option<u64>,
    pub(super) validator: Option<Validator>,
}

/// What comes with the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// The file from its start.
    Whole(Remote),
    /// What was asked for.
    Rest,
    /// The part cannot be had any more: ask for the whole.
    Gone,
    /// No.
    Refused,
}

/// A part that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) offset: u64,
    pub(super) size_bytes: u64,
    pub(super) validator: Validator,
}

impl Validator {
    /// The value for `If-Range`.
    pub(super) fn as_str(&self) -> &str {
        match self {
            Validator::Etag(text) | Validator::LastModified(text) => text,
        }
    }

    fn of(headers: &HeaderMap) -> Option<Validator> {
        // A weak tag, W/"...", is of no use for ranges.
        if let Some(tag) = text(headers, ETAG) {
            return tag.starts_with('"').then(|| Validator::Etag(tag.to_owned()));
        }
        let modified = text(headers, LAST_MODIFIED)?;
        let date = |text| httpdate::parse_http_date(text).ok();
        let age = date(text(headers, DATE)?)?.duration_since(date(modified)?).ok()?;
        // Section 8.8.2.2: within the same second it could change again.
        (age >= Duration::from_secs(1)).then(|| Validator::LastModified(modified.to_owned()))
    }
}

/// Judges an answer; `asked` is the part that was asked for, if one was.
pub(super) fn judge(
    status: StatusCode,
    headers: &HeaderMap,
    asked: Option<&Asked>,
) -> Result<Answer, TransferError> {
    match (status, asked) {
        (StatusCode::OK, _) => whole(headers).map(Answer::Whole),
        (StatusCode::PARTIAL_CONTENT, Some(asked)) => Ok(rest(headers, asked)),
        (StatusCode::RANGE_NOT_SATISFIABLE, Some(_)) => Ok(Answer::Gone),
        (StatusCode::PARTIAL_CONTENT, None) => {
            Err(TransferError::Answer("a part came although the whole was asked for".to_owned()))
        }
        (other, _) if other.is_success() => {
            Err(TransferError::Answer(format!("status {other} to a GET brings no file")))
        }
        _ => Ok(Answer::Refused),
    }
}

/// The end of the body cannot be told from a broken connection (RFC 9112
/// section 6.3, rule 8).
pub(super) fn ends_with_connection(headers: &HeaderMap) -> bool {
    !headers.contains_key(CONTENT_LENGTH) && !headers.contains_key(TRANSFER_ENCODING)
}

fn whole(headers: &HeaderMap) -> Result<Remote, TransferError> {
    let chunked = headers.contains_key(TRANSFER_ENCODING);
    let size_bytes = match text(headers, CONTENT_LENGTH) {
        Some(length) if !chunked => {
            let bad = |_| TransferError::Answer(format!("`{length}` is not a length"));
            Some(length.parse().map_err(bad)?)
        }
        _ => None,
    };
    Ok(Remote { size_bytes, validator: Validator::of(headers) })
}

fn rest(headers: &HeaderMap, asked: &Asked) -> Answer {
    let range = text(headers, CONTENT_RANGE).and_then(content_range);
    let fits = range == Some((asked.offset, asked.size_bytes - 1, asked.size_bytes));
    // If-Range has compared already; a server that ignores it has not.
    let same = match (&asked.validator, text(headers, ETAG)) {
        (Validator::Etag(known), Some(tag)) => known == tag,
        _ => true,
    };
    if fits && same { Answer::Rest } else { Answer::Gone }
}

/// First, last and size of `bytes FIRST-LAST/SIZE`.
fn content_range(field: &str) -> Option<(u64, u64, u64)> {
    let (range, size) = field.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?, size.parse().ok()?))
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}
