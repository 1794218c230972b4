//! The served folder: opens what is below it and nothing else.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::SystemTime;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, open, openat, openat2, statat};
use rustix::io::Errno;

use super::conditional::Validators;
use super::refusal::Refusal;

/// Retries of a resolution that a rename elsewhere disturbed.
const RESOLVE_ATTEMPTS: u32 = 16;

/// The folder, held open: renaming it does not change what is served.
#[derive(Debug)]
pub(super) struct Root {
    folder: OwnedFd,
    resolver: Resolver,
}

/// How a path is kept below the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resolver {
    /// By the kernel (openat2, `RESOLVE_BENEATH`): symbolic links may lead to
    /// anywhere below the folder. Absolute ones are refused wherever they lead.
    Kernel,
    /// One component at a time, without following any symbolic link, where
    /// the kernel or a sandbox does not have openat2.
    Walk,
}

/// Something below the folder.
#[derive(Debug)]
pub(super) enum Node {
    /// A regular file, open for reading.
    File(OpenFile),
    /// A directory, open for listing.
    Directory(OwnedFd),
}

/// An open regular file and what is known about it.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) file: File,
    pub(super) size_bytes: u64,
    pub(super) validators: Validators,
}

/// What is known about something without opening it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    pub(super) directory: bool,
    pub(super) size_bytes: u64,
}

impl Root {
    /// Opens the folder at `path`.
    ///
    /// # Errors
    /// It is missing, not a directory, or not readable.
    pub(super) fn open(path: &Path) -> io::Result<Root> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = open(path, flags, Mode::empty())?;
        let probe = openat2(&folder, ".", OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), BENEATH);
        let resolver = match probe {
            Err(Errno::NOSYS | Errno::PERM | Errno::INVAL) => Resolver::Walk,
            _ => Resolver::Kernel,
        };
        Ok(Root { folder, resolver })
    }

    /// The same folder, resolved another way.
    #[cfg(test)]
    pub(super) fn with_resolver(self, resolver: Resolver) -> Root {
        Root { resolver, ..self }
    }

    /// Opens what is at `relative`, for reading. Special files are refused
    /// without being opened: opening can block, or do something.
    pub(super) fn node(&self, relative: &Path) -> Result<Node, Refusal> {
        let place = self.resolve(relative, OFlags::PATH).map_err(refusal)?;
        let reading = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        match kind(&fstat(&place).map_err(refusal)?) {
            FileType::Directory => {
                self.resolve(relative, reading | OFlags::DIRECTORY).map(Node::Directory).map_err(refusal)
            }
            FileType::RegularFile => {
                OpenFile::new(self.resolve(relative, reading).map_err(refusal)?).map(Node::File)
            }
            _ => Err(special()),
        }
    }

    /// Opens the directory at `relative`, to create and rename in it.
    pub(super) fn directory(&self, relative: &Path) -> Result<OwnedFd, Refusal> {
        self.resolve(relative, OFlags::RDONLY | OFlags::DIRECTORY).map_err(refusal)
    }

    /// What is known about `relative`, following links that stay below.
    pub(super) fn facts(&self, relative: &Path) -> Option<Facts> {
        let place = self.resolve(relative, OFlags::PATH).ok()?;
        let stat = fstat(&place).ok()?;
        let size_bytes = u64::try_from(stat.st_size).unwrap_or(0);
        match kind(&stat) {
            FileType::Directory => Some(Facts { directory: true, size_bytes: 0 }),
            FileType::RegularFile => Some(Facts { directory: false, size_bytes }),
            _ => None,
        }
    }

    fn resolve(&self, relative: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlags::CLOEXEC;
        let relative = if relative.as_os_str().is_empty() { Path::new(".") } else { relative };
        match self.resolver {
            Resolver::Kernel => self.resolve_by_kernel(relative, flags),
            Resolver::Walk => self.resolve_by_walk(relative, flags),
        }
    }

    fn resolve_by_kernel(&self, relative: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        for _ in 0..RESOLVE_ATTEMPTS {
            match openat2(&self.folder, relative, flags, Mode::empty(), BENEATH) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                result => return result,
            }
        }
        Err(Errno::AGAIN)
    }

    fn resolve_by_walk(&self, relative: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        let mut folder = None;
        let mut components = relative.iter().peekable();
        while let Some(component) = components.next() {
            if component == OsStr::new("..") || component == OsStr::new("/") {
                return Err(Errno::XDEV);
            }
            let flags = match components.peek() {
                Some(_) => OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
                None => flags,
            };
            let from = folder.as_ref().map_or(self.folder.as_fd(), OwnedFd::as_fd);
            folder = Some(openat(from, component, flags | OFlags::NOFOLLOW, Mode::empty())?);
        }
        folder.ok_or(Errno::NOENT)
    }
}

const BENEATH: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_MAGICLINKS);

impl OpenFile {
    /// Takes a file that was opened; between the look at it and the opening
    /// another may have taken its place, so it is looked at again.
    fn new(opened: OwnedFd) -> Result<OpenFile, Refusal> {
        let stat = fstat(&opened).map_err(refusal)?;
        if kind(&stat) != FileType::RegularFile {
            return Err(special());
        }
        let size_bytes = u64::try_from(stat.st_size).unwrap_or(0);
        Ok(OpenFile { file: File::from(opened), size_bytes, validators: validators(&stat) })
    }
}

/// What an upload to `name` in `folder` would replace: `None` where there is
/// nothing yet.
///
/// # Errors
/// Something is there that is not a regular file.
pub(super) fn replaceable(folder: &OwnedFd, name: &Path) -> Result<Option<Validators>, Refusal> {
    match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => match kind(&stat) {
            FileType::RegularFile => Ok(Some(validators(&stat))),
            FileType::Directory => Err(Refusal::Conflict("it is a directory")),
            _ => Err(Refusal::Conflict("it is not a regular file")),
        },
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(refusal(error)),
    }
}

/// The validators of the file `stat` is of.
pub(super) fn validators(stat: &Stat) -> Validators {
    let size_bytes = u64::try_from(stat.st_size).unwrap_or(0);
    let modified = (stat.st_mtime, stat.st_mtime_nsec);
    Validators::new(stat.st_ino, size_bytes, modified, SystemTime::now())
}

fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

fn special() -> Refusal {
    Refusal::Forbidden("it is not a regular file")
}

/// The answer for an error of a path: leaving the folder is no secret.
pub(super) fn refusal(error: Errno) -> Refusal {
    match error {
        Errno::XDEV | Errno::LOOP => Refusal::Forbidden("the path leaves the folder"),
        Errno::NXIO | Errno::NODEV => special(),
        _ => Refusal::from(io::Error::from(error)),
    }
}
