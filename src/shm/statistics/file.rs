//! A page's file: its writer's alone as long as that lives, and gone at the end.

use super::StatisticsError;
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// How often others may take the path away before the attempt is given up.
const ATTEMPTS: usize = 16;

/// An empty file that nobody else writes. Whoever holds its lock lives: the
/// system gives the lock back with the last descriptor, however a process ends.
#[derive(Debug)]
pub(super) struct PageFile {
    file: File,
    path: PathBuf,
}

impl PageFile {
    /// Makes `path` and the folders above. What a dead process left there is
    /// removed, not overwritten: somebody may be reading it.
    pub(super) fn create(path: PathBuf) -> Result<Self, StatisticsError> {
        for _ in 0..ATTEMPTS {
            if let Some(folder) = path.parent() {
                make_folder(folder)
                    .map_err(|source| StatisticsError::System { path: folder.to_owned(), source })?;
            }
            match try_create(&path) {
                Ok(Some(file)) => return Ok(Self { file, path }),
                // The folder went with the last page of another engine.
                Ok(None) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Err(StatisticsError::InUse { path });
                }
                Err(source) => return Err(StatisticsError::System { path, source }),
            }
        }
        Err(StatisticsError::InUse { path })
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for PageFile {
    fn drop(&mut self) {
        // The lock is still held: nobody else removes or replaces what is ours.
        if is_at(&self.file, &self.path) {
            let _ = std::fs::remove_file(&self.path);
        }
        // The page's folder and the endpoint's go with what was last in them.
        for folder in self.path.ancestors().skip(1).take(2) {
            if std::fs::remove_dir(folder).is_err() {
                break;
            }
        }
    }
}

/// Readable by all, whatever the process's file mode mask is.
fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    if let Some(above) = folder.parent() {
        make_folder(above)?;
    }
    match DirBuilder::new().mode(0o755).create(folder) {
        Ok(()) => std::fs::set_permissions(folder, Permissions::from_mode(0o755)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// `None` if somebody was in between: try again. `WouldBlock` if somebody who
/// lives has the file.
fn try_create(path: &Path) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).mode(0o644);
    // Neither led elsewhere nor kept waiting by what lies there.
    let file = options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(ErrorKind::AlreadyExists, "exists and is no file"));
    }
    lock(&file)?;
    if !is_at(&file, path) {
        return Ok(None);
    }
    if file.metadata()?.len() > 0 {
        std::fs::remove_file(path)?;
        return Ok(None);
    }
    file.set_permissions(Permissions::from_mode(0o644))?;
    Ok(Some(file))
}

/// Whether the path still leads to this file.
fn is_at(file: &File, path: &Path) -> bool {
    let identity = |found: std::fs::Metadata| (found.dev(), found.ino());
    let there = path.symlink_metadata().map(identity);
    file.metadata().map(identity).is_ok_and(|own| there.is_ok_and(|there| own == there))
}

/// Takes the lock of a file, until its last descriptor closes.
///
/// A lock of the open file description (`F_OFD_SETLK`, fcntl(2)) is as `flock`'s,
/// but a reader can ask for it without taking it, and thus never makes a writer
/// fail.
fn lock(file: &File) -> io::Result<()> {
    // Open file descriptions of any process conflict.
    locking(file, libc::F_OFD_SETLK, libc::F_WRLCK).map(drop)
}

/// Whether somebody holds the lock of a file. Process ids would not tell: they
/// are used again, and mean nothing in another process namespace.
pub(super) fn is_locked(file: &File) -> io::Result<bool> {
    Ok(locking(file, libc::F_OFD_GETLK, libc::F_RDLCK)? != libc::F_UNLCK)
}

/// One call of fcntl(2) about all of a file; gives the kind of lock it answers.
fn locking(file: &File, command: libc::c_int, kind: libc::c_int) -> io::Result<libc::c_int> {
    let mut all = libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    // SAFETY: both commands read and write the structure, which lives longer than
    // the call; the descriptor is open.
    let result = unsafe { libc::fcntl(file.as_raw_fd(), command, &raw mut all) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(libc::c_int::from(all.l_type)) }
}
