//! `NAME.part`: what has come so far, and beside it `NAME.part.json`: of what.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::answer::Validator;
use crate::app::error::TransferError;

/// A note is small; a larger file is not one.
const MAX_NOTE_BYTES: u64 = 64 * 1024;

/// How often opening starts over when the file is renamed under it.
const OPEN_ATTEMPTS: u32 = 16;

/// How often, and how long apart, a lock is tried.
const LOCK_ATTEMPTS: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// Of what the partial file is a part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    pub(super) url: String,
    pub(super) size: u64,
    pub(super) validator: Validator,
}

/// An open partial file. While it is open no other process downloads to it.
#[derive(Debug)]
pub(super) struct Part {
    output: PathBuf,
    path: PathBuf,
    note_path: PathBuf,
    file: File,
}

impl Part {
    /// Opens or creates the partial file for `output`.
    pub(super) fn open(output: &Path) -> Result<Part, TransferError> {
        let path = with_suffix(output, ".part");
        let note_path = with_suffix(output, ".part.json");
        for _ in 0..OPEN_ATTEMPTS {
            let file = open(&path).map_err(|source| TransferError::write(&path, None, source))?;
            match lock(&file) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => return Err(TransferError::Busy { path }),
                Err(error) => return Err(TransferError::local("lock", &path, error.into())),
            }
            // Who held the lock before may have given the file its name.
            if is_at(&file, &path) {
                return Ok(Part { output: output.to_owned(), path, note_path, file });
            }
        }
        Err(TransferError::Busy { path })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The same open file, for who writes to it.
    pub(super) fn file(&self) -> Result<File, TransferError> {
        self.file.try_clone().map_err(|source| TransferError::local("open", &self.path, source))
    }

    /// What an earlier run left: of what, and how much of it.
    pub(super) fn kept(&self) -> Option<(Note, u64)> {
        let mut text = String::new();
        let note = File::open(&self.note_path).ok()?;
        note.take(MAX_NOTE_BYTES).read_to_string(&mut text).ok()?;
        let note: Note = serde_json::from_str(&text).ok()?;
        let length = self.file.metadata().ok()?.len();
        (length > 0 && length <= note.size).then_some((note, length))
    }

    /// Starts over with a file that `note` describes; `None` where it cannot
    /// be resumed later.
    pub(super) fn restart(&self, note: Option<&Note>) -> Result<(), TransferError> {
        self.forget_note()?;
        self.file.set_len(0).map_err(|source| TransferError::write(&self.path, None, source))?;
        match note {
            Some(note) => self.write_note(note),
            None => Ok(()),
        }
    }

    /// Makes sure that what is there is never resumed from.
    pub(super) fn forget_note(&self) -> Result<(), TransferError> {
        match fs::remove_file(&self.note_path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(TransferError::local("remove", &self.note_path, error))
            }
            _ => Ok(()),
        }
    }

    /// Gives the complete file its name, when it is on the disk.
    pub(super) fn place(&self) -> Result<(), TransferError> {
        let failed = |action, source| match action {
            "write" => TransferError::write(&self.path, Some(&self.path), source),
            _ => TransferError::local(action, &self.output, source),
        };
        self.file.sync_all().map_err(|source| failed("write", source))?;
        fs::rename(&self.path, &self.output).map_err(|source| failed("rename to", source))?;
        self.forget_note()?;
        // The name too; a file system that cannot do this has done its best.
        let folder = self.output.parent().filter(|folder| !folder.as_os_str().is_empty());
        let _ = File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all());
        Ok(())
    }

    /// Removes a partial file that holds nothing.
    pub(super) fn remove_if_empty(&self) {
        if self.file.metadata().is_ok_and(|metadata| metadata.len() == 0) {
            // What cannot be removed is empty and harmless.
            let _ = fs::remove_file(&self.path);
            let _ = fs::remove_file(&self.note_path);
        }
    }

    /// Whether there is something to resume from or to look at.
    pub(super) fn holds_something(&self) -> bool {
        self.file.metadata().is_ok_and(|metadata| metadata.len() > 0)
    }

    fn write_note(&self, note: &Note) -> Result<(), TransferError> {
        let text = serde_json::to_vec(note).map_err(io::Error::other);
        let written = text.and_then(|text| {
            let options = OpenOptions::new().write(true).create_new(true).open(&self.note_path);
            options?.write_all(&text)
        });
        written.map_err(|source| {
            // Half a note would only be ignored, but is of no use.
            let _ = fs::remove_file(&self.note_path);
            TransferError::write(&self.note_path, None, source)
        })
    }
}

/// Locks the file, or says that somebody else holds it. A child that is just being
/// started holds what its parent had open until it runs its program: that is
/// waited for.
fn lock(file: &File) -> Result<(), Errno> {
    for _ in 0..LOCK_ATTEMPTS {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => std::thread::sleep(LOCK_PAUSE),
            result => return result,
        }
    }
    Err(Errno::WOULDBLOCK)
}

fn open(path: &Path) -> io::Result<File> {
    // Neither a link to elsewhere nor a pipe that would block.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).custom_flags(flags.bits() as i32);
    let file = options.open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    Ok(file)
}

fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}
