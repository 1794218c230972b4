//! The page that lists a directory.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;

use percent_encoding::percent_encode;
use rustix::fs::Dir;

use super::root::{Facts, Root};
use super::target::Target;
use super::upload::TEMPORARY_PREFIX;
use crate::app::url::SEGMENT;

/// A page lists no more than this: a folder can hold millions.
const MAX_ENTRIES: usize = 10_000;

struct Entry {
    name: Vec<u8>,
    facts: Facts,
}

/// The page for the directory `folder`, which `target` names: directories
/// first, then files, by name. Special files, links that lead outside, and
/// uploads under way are not listed.
///
/// # Errors
/// The directory cannot be read.
pub(super) fn page(root: &Root, target: &Target, folder: &OwnedFd) -> io::Result<String> {
    let (entries, cut) = read(root, target, folder)?;
    let title = escape(&target.display());
    let mut page = format!(
        "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
         <body><h1>{title}</h1>\n<table>\n"
    );
    if target.split().is_some() {
        page.push_str("<tr><td><a href=\"../\">../</a></td><td></td></tr>\n");
    }
    for entry in &entries {
        row(&mut page, entry);
    }
    page.push_str("</table>\n");
    if cut {
        let _ = writeln!(page, "<p>There is more: only {MAX_ENTRIES} entries are listed.</p>");
    }
    page.push_str("</body></html>\n");
    Ok(page)
}

fn read(root: &Root, target: &Target, folder: &OwnedFd) -> io::Result<(Vec<Entry>, bool)> {
    let at = target.relative();
    let mut entries = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if matches!(name, b"." | b"..") || name.starts_with(TEMPORARY_PREFIX.as_bytes()) {
            continue;
        }
        if entries.len() == MAX_ENTRIES {
            return Ok((sorted(entries), true));
        }
        if let Some(facts) = root.facts(&at.join(OsStr::from_bytes(name))) {
            entries.push(Entry { name: name.to_owned(), facts });
        }
    }
    Ok((sorted(entries), false))
}

fn sorted(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.sort_by(|a, b| {
        let directories_first = b.facts.directory.cmp(&a.facts.directory);
        directories_first.then_with(|| a.name.cmp(&b.name))
    });
    entries
}

fn row(page: &mut String, entry: &Entry) {
    let slash = if entry.facts.directory { "/" } else { "" };
    // "./" keeps a colon in a name from looking like a scheme.
    let link = percent_encode(&entry.name, SEGMENT);
    let name = escape(&String::from_utf8_lossy(&entry.name));
    let size = if entry.facts.directory { String::new() } else { entry.facts.size_bytes.to_string() };
    // Writing to a string does not fail.
    let _ = writeln!(page, "<tr><td><a href=\"./{link}{slash}\">{name}{slash}</a></td><td>{size}</td></tr>");
}

/// `text` with the characters that mean something in HTML written out.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
