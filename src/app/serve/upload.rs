//! PUT: a file appears under its name when all of it is there, or not at all.

use std::fs::File;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::HeaderMap;
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONTENT_RANGE, IF_NONE_MATCH};
use rustix::fs::{
    AtFlags, Mode, OFlags, RenameFlags, fstat, fstatvfs, fsync, openat, renameat, renameat_with, unlinkat,
};
use rustix::io::Errno;

use super::conditional::{Validators, Verdict, evaluate};
use super::refusal::Refusal;
use super::root::{Root, refusal, replaceable, validators};
use super::target::Target;
use crate::app::piece_writer::PieceWriter;

/// Names that begin like this are uploads under way: nobody can list, get or
/// put them.
pub(super) const TEMPORARY_PREFIX: &str = ".mpdk-upload-";

const WRITE_PIECE_BYTES: usize = 256 * 1024;

/// How many random names are tried before giving up.
const NAME_ATTEMPTS: u32 = 16;

/// What an upload may do.
#[derive(Debug, Clone, Copy)]
pub(super) struct UploadRules {
    pub(super) max_bytes: u64,
    pub(super) sync: bool,
    pub(super) stall_timeout: Duration,
}

/// What an upload did.
#[derive(Debug)]
pub(super) struct Stored {
    /// There was no file of this name before.
    pub(super) created: bool,
    pub(super) validators: Validators,
}

/// Stores the body of a request under the name that `target` gives.
pub(super) async fn store(
    root: Arc<Root>,
    target: Target,
    headers: HeaderMap,
    body: Incoming,
    rules: UploadRules,
) -> Result<Stored, Refusal> {
    // Section 14.4: a part is not to be taken for the whole.
    if headers.contains_key(CONTENT_RANGE) {
        return Err(Refusal::BadRequest("an upload of a part is not supported"));
    }
    let announced = body.size_hint().lower();
    if announced > rules.max_bytes {
        return Err(Refusal::TooLarge);
    }
    let place = blocking(move || Place::prepare(&root, &target, &headers, announced)).await?;
    let (temporary, file) = {
        let folder = place.folder.clone();
        blocking(move || Temporary::create(folder)).await?
    };
    let file = receive(body, file, rules).await?;
    blocking(move || place.publish(temporary, &file, rules.sync)).await
}

/// Runs disk work off the network's thread.
pub(super) async fn blocking<R: Send + 'static>(
    work: impl FnOnce() -> Result<R, Refusal> + Send + 'static,
) -> Result<R, Refusal> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Refusal::Internal(io::Error::other(error)))?
}

async fn receive(mut body: Incoming, file: File, rules: UploadRules) -> Result<File, Refusal> {
    let mut writer = PieceWriter::new(file, None, WRITE_PIECE_BYTES);
    let mut received_bytes = 0;
    loop {
        let frame = tokio::time::timeout(rules.stall_timeout, body.frame()).await;
        let Some(frame) = frame.map_err(|_| Refusal::Timeout)? else { break };
        let frame = frame.map_err(|_| Refusal::BadRequest("the upload broke off"))?;
        let Ok(data) = frame.into_data() else { continue };
        received_bytes += data.len() as u64;
        if received_bytes > rules.max_bytes {
            return Err(Refusal::TooLarge);
        }
        writer.write(data).await?;
    }
    let (file, _) = writer.finish().await?;
    Ok(file)
}

/// Where an upload goes.
struct Place {
    folder: Arc<OwnedFd>,
    name: PathBuf,
    /// `If-None-Match: *`: only where there is nothing yet.
    only_new: bool,
}

impl Place {
    /// Finds the folder and checks that the upload could be stored there.
    fn prepare(
        root: &Root,
        target: &Target,
        headers: &HeaderMap,
        announced_bytes: u64,
    ) -> Result<Place, Refusal> {
        let (folder, name) = target.split().ok_or(Refusal::Conflict("it is a directory"))?;
        if target.is_directory() {
            return Err(Refusal::Conflict("the name ends in a slash"));
        }
        let folder = match root.directory(&folder) {
            Err(Refusal::NotFound) => return Err(Refusal::Conflict("its folder does not exist")),
            result => result?,
        };
        let current = replaceable(&folder, name)?;
        if evaluate(headers, current.as_ref(), false) != Verdict::Proceed {
            return Err(Refusal::Precondition);
        }
        has_room(&folder, announced_bytes)?;
        let only_new = headers.get(IF_NONE_MATCH).is_some_and(|value| value == "*");
        Ok(Place { folder: Arc::new(folder), name: name.to_owned(), only_new })
    }

    /// Gives the complete upload its name.
    fn publish(&self, temporary: Temporary, file: &File, sync: bool) -> Result<Stored, Refusal> {
        if sync {
            fsync(file).map_err(refusal)?;
        }
        let created = self.rename(&temporary.name)?;
        temporary.has_its_name();
        if sync {
            fsync(&*self.folder).map_err(refusal)?;
        }
        let stat = fstat(file).map_err(refusal)?;
        Ok(Stored { created, validators: validators(&stat) })
    }

    /// Renames, and tells whether the name is new.
    fn rename(&self, from: &str) -> Result<bool, Refusal> {
        let folder = &*self.folder;
        match renameat_with(folder, from, folder, &self.name, RenameFlags::NOREPLACE) {
            Ok(()) => return Ok(true),
            Err(Errno::EXIST) if self.only_new => return Err(Refusal::Precondition),
            Err(Errno::EXIST) => {}
            // A file system that cannot tell: look first.
            Err(Errno::INVAL | Errno::NOSYS) => {
                let created = replaceable(folder, &self.name)?.is_none();
                return self.replace(from).map(|()| created);
            }
            Err(error) => return Err(refusal(error)),
        }
        // What is there may have become something else since it was looked at.
        replaceable(folder, &self.name)?;
        self.replace(from).map(|()| false)
    }

    fn replace(&self, from: &str) -> Result<(), Refusal> {
        renameat(&*self.folder, from, &*self.folder, &self.name).map_err(refusal)
    }
}

/// An announced upload that cannot fit is refused before it is sent.
fn has_room(folder: &OwnedFd, announced_bytes: u64) -> Result<(), Refusal> {
    let room = fstatvfs(folder).map_err(refusal)?;
    let free_bytes = room.f_bavail.saturating_mul(room.f_frsize);
    // Some file systems do not count: zero blocks in all is no answer.
    if room.f_blocks > 0 && announced_bytes > free_bytes {
        return Err(Refusal::DiskFull);
    }
    Ok(())
}

/// A file under a temporary name, which is removed unless it got its own.
struct Temporary {
    folder: Arc<OwnedFd>,
    name: String,
    named: bool,
}

impl Temporary {
    fn create(folder: Arc<OwnedFd>) -> Result<(Temporary, File), Refusal> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o666);
        for attempt in 0..NAME_ATTEMPTS {
            // The standard library's hasher keys are random in each process.
            let name = format!("{TEMPORARY_PREFIX}{:016x}", RandomState::new().hash_one(attempt));
            match openat(&*folder, Path::new(&name), flags, mode) {
                Ok(file) => return Ok((Temporary { folder, name, named: false }, File::from(file))),
                Err(Errno::EXIST) => {}
                Err(error) => return Err(refusal(error)),
            }
        }
        Err(Refusal::Internal(io::ErrorKind::AlreadyExists.into()))
    }

    fn has_its_name(mut self) {
        self.named = true;
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.named
            && let Err(error) = unlinkat(&*self.folder, self.name.as_str(), AtFlags::empty())
        {
            tracing::warn!(%error, name = self.name, "a broken upload could not be removed");
        }
    }
}
