//! The `Range` field (RFC 9110 section 14).

/// What a request asks of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Selection {
    /// All of it.
    Whole,
    /// The bytes from `first` to `last`, both included.
    Part { first: u64, last: u64 },
    /// Nothing that is there.
    Unsatisfiable,
}

/// What `field` selects of `size_bytes`. A field that is malformed, of
/// another unit, or of several ranges selects the whole, as a server may
/// always do (section 14.2).
pub(super) fn select(field: &str, size_bytes: u64) -> Selection {
    let Some((unit, set)) = field.split_once('=') else { return Selection::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Selection::Whole;
    }
    let Some((first, last)) = set.trim().split_once('-') else { return Selection::Whole };
    match (position(first), position(last)) {
        (Position::Number(first), Position::None) => from(first, u64::MAX, size_bytes),
        (Position::Number(first), Position::Number(last)) if first <= last => from(first, last, size_bytes),
        (Position::None, Position::Number(length)) => suffix(length, size_bytes),
        _ => Selection::Whole,
    }
}

fn from(first: u64, last: u64, size_bytes: u64) -> Selection {
    if first >= size_bytes {
        return Selection::Unsatisfiable;
    }
    Selection::Part { first, last: last.min(size_bytes - 1) }
}

fn suffix(length: u64, size_bytes: u64) -> Selection {
    match (length, size_bytes) {
        (0, _) => Selection::Unsatisfiable,
        // Satisfiable, but no Content-Range can name nothing.
        (_, 0) => Selection::Whole,
        _ => Selection::Part { first: size_bytes.saturating_sub(length), last: size_bytes - 1 },
    }
}

enum Position {
    None,
    Number(u64),
    Malformed,
}

fn position(text: &str) -> Position {
    match text {
        "" => Position::None,
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            // More than any file has, and still a number.
            Position::Number(digits.parse().unwrap_or(u64::MAX))
        }
        _ => Position::Malformed,
    }
}
