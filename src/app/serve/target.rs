//! The path of a request as a path below the root.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use percent_encoding::{percent_decode_str, percent_encode};

use super::refusal::Refusal;
use super::upload::TEMPORARY_PREFIX;
use crate::app::url::SEGMENT;

/// What a request names: decoded segments, none of which is empty, `.`, `..`,
/// or holds a slash or NUL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    segments: Vec<Vec<u8>>,
    /// The path ends in a slash: it names a directory.
    directory: bool,
}

impl Target {
    /// Reads the path of a request.
    ///
    /// # Errors
    /// 400 for what cannot be a file's name, 403 for `..`, 404 for the
    /// server's own temporary files.
    pub(super) fn parse(path: &str) -> Result<Target, Refusal> {
        let path = path.strip_prefix('/').ok_or(Refusal::BadRequest("the path is not absolute"))?;
        let mut segments = Vec::new();
        let mut directory = true;
        for encoded in path.split('/') {
            let segment: Vec<u8> = percent_decode_str(encoded).collect();
            directory = matches!(segment.as_slice(), b"" | b".");
            if !directory {
                check(&segment)?;
                segments.push(segment);
            }
        }
        Ok(Target { segments, directory })
    }

    /// The path names a directory by its final slash.
    pub(super) fn is_directory(&self) -> bool {
        self.directory
    }

    /// The path below the root; empty for the root.
    pub(super) fn relative(&self) -> PathBuf {
        self.segments.iter().map(|segment| OsStr::from_bytes(segment)).collect()
    }

    /// The folder and the name in it; `None` for the root.
    pub(super) fn split(&self) -> Option<(PathBuf, &Path)> {
        let (name, folders) = self.segments.split_last()?;
        let folder = folders.iter().map(|segment| OsStr::from_bytes(segment)).collect();
        Some((folder, Path::new(OsStr::from_bytes(name))))
    }

    /// The path of the directory, encoded, with both slashes. It begins with
    /// exactly one: two would name another host.
    pub(super) fn directory_path(&self) -> String {
        let mut path = String::from("/");
        for segment in &self.segments {
            path.extend(percent_encode(segment, SEGMENT));
            path.push('/');
        }
        path
    }

    /// The path as a person reads it.
    pub(super) fn display(&self) -> String {
        let names = self.segments.iter().map(|segment| String::from_utf8_lossy(segment));
        names.fold(String::from("/"), |path, name| path + &name + "/")
    }
}

fn check(segment: &[u8]) -> Result<(), Refusal> {
    if segment == b".." {
        return Err(Refusal::Forbidden("the path leaves the folder"));
    }
    if segment.contains(&b'/') || segment.contains(&0) {
        return Err(Refusal::BadRequest("the path has an encoded slash or NUL"));
    }
    if segment.starts_with(TEMPORARY_PREFIX.as_bytes()) {
        return Err(Refusal::NotFound);
    }
    Ok(())
}
