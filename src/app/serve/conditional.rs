//! Conditional requests (RFC 9110 section 13).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::HeaderMap;
use hyper::header::{
    AsHeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE,
};

/// What tells one state of a file from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Validators {
    etag: String,
    /// Whole seconds, not before 1970 and not in the future.
    modified: SystemTime,
}

/// What to do with a conditional request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// As if it had no condition.
    Proceed,
    /// 304: the client has it already.
    NotModified,
    /// 412.
    Failed,
}

impl Validators {
    /// The validators of a file: inode, size, and when it was modified as
    /// seconds and nanoseconds since 1970.
    pub(super) fn new(inode: u64, size_bytes: u64, modified: (i64, u64), now: SystemTime) -> Validators {
        let (seconds, nanoseconds) = modified;
        let etag = format!("\"{inode:x}-{size_bytes:x}-{seconds:x}-{nanoseconds:x}\"");
        let since_1970 = now.duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        // Section 8.8.2.1: never later than the time of the response.
        let seconds = seconds.clamp(0, since_1970.min(i64::MAX as u64) as i64);
        Validators { etag, modified: UNIX_EPOCH + Duration::from_secs(seconds as u64) }
    }

    /// The strong entity tag, quoted.
    pub(super) fn etag(&self) -> &str {
        &self.etag
    }

    /// The value of `Last-Modified`.
    pub(super) fn last_modified(&self) -> String {
        httpdate::fmt_http_date(self.modified)
    }
}

/// Evaluates the preconditions of a request in the order of section 13.2.2.
/// `current` is the file as it is, `None` where there is none; `reading` is
/// true for GET and HEAD.
pub(super) fn evaluate(headers: &HeaderMap, current: Option<&Validators>, reading: bool) -> Verdict {
    if headers.contains_key(IF_MATCH) {
        if !lists(headers, IF_MATCH, current, Comparison::Strong) {
            return Verdict::Failed;
        }
    } else if let (Some(date), Some(current)) = (date(headers, IF_UNMODIFIED_SINCE), current)
        && current.modified > date
    {
        return Verdict::Failed;
    }
    let not_changed = if headers.contains_key(IF_NONE_MATCH) {
        lists(headers, IF_NONE_MATCH, current, Comparison::Weak)
    } else {
        let since = date(headers, IF_MODIFIED_SINCE).filter(|_| reading);
        matches!((since, current), (Some(date), Some(current)) if current.modified <= date)
    };
    match (not_changed, reading) {
        (false, _) => Verdict::Proceed,
        (true, true) => Verdict::NotModified,
        (true, false) => Verdict::Failed,
    }
}

/// `If-Range` (section 13.1.5) is absent or names the current state.
pub(super) fn range_applies(headers: &HeaderMap, current: &Validators, now: SystemTime) -> bool {
    let Some(field) = headers.get(IF_RANGE) else { return true };
    let Ok(text) = field.to_str() else { return false };
    if text.starts_with('"') {
        return text == current.etag;
    }
    // A date is only a strong validator when the file has not been modified
    // in the second it was read (section 8.8.2.2). A weak tag is no date.
    let settled = now.duration_since(current.modified).is_ok_and(|age| age >= Duration::from_secs(1));
    settled && httpdate::parse_http_date(text).is_ok_and(|date| date == current.modified)
}

fn date(headers: &HeaderMap, name: impl AsHeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()
}

#[derive(Clone, Copy, PartialEq)]
enum Comparison {
    Strong,
    Weak,
}

/// The field lists the current entity tag, or is `*` and there is a file.
fn lists(
    headers: &HeaderMap,
    name: impl AsHeaderName,
    current: Option<&Validators>,
    comparison: Comparison,
) -> bool {
    let Some(current) = current else { return false };
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).any(|text| {
        text.trim() == "*"
            || entity_tags(text)
                .any(|tag| tag.opaque == current.etag && !(tag.weak && comparison == Comparison::Strong))
    })
}

struct EntityTag<'a> {
    weak: bool,
    /// With its quotes.
    opaque: &'a str,
}

/// The entity tags of a list; a comma may stand inside the quotes. Ends at
/// the first that is malformed.
fn entity_tags(text: &str) -> impl Iterator<Item = EntityTag<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let (weak, quoted) = match rest.strip_prefix("W/") {
            Some(quoted) => (true, quoted),
            None => (false, rest),
        };
        let end = 1 + quoted.strip_prefix('"')?.find('"')?;
        let (opaque, after) = quoted.split_at(end + 1);
        rest = after;
        Some(EntityTag { weak, opaque })
    })
}
