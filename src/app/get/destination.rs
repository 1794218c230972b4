//! Where a download goes.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tokio::task::spawn_blocking;

use super::part::{Note, Part};
use crate::app::error::TransferError;
use crate::app::piece_writer::PieceWriter;

const WRITE_PIECE_BYTES: usize = 1 << 20;

/// Where a download goes.
#[derive(Debug)]
pub(super) enum Destination {
    /// To a file that gets its name at the end.
    Part(Part),
    /// To something that takes bytes once: standard output, a device, a pipe.
    Stream { file: File, path: PathBuf },
}

impl Destination {
    /// Opens what `output` names; `-` is standard output.
    pub(super) fn open(output: &Path) -> Result<Destination, TransferError> {
        let failed = |source| TransferError::local("open", output, source);
        if output == Path::new("-") {
            let file = File::from(std::io::stdout().as_fd().try_clone_to_owned().map_err(failed)?);
            return Ok(Destination::Stream { file, path: output.to_owned() });
        }
        match fs::metadata(output) {
            Ok(there) if there.is_dir() => Err(TransferError::IsDirectory { path: output.to_owned() }),
            // Renaming over a device would replace it.
            Ok(there) if !there.is_file() => {
                let file = OpenOptions::new().write(true).open(output).map_err(failed)?;
                Ok(Destination::Stream { file, path: output.to_owned() })
            }
            _ => Part::open(&behind_links(output).map_err(failed)?).map(Destination::Part),
        }
    }

    /// What is written to, for messages.
    pub(super) fn path(&self) -> &Path {
        match self {
            Destination::Part(part) => part.path(),
            Destination::Stream { path, .. } => path,
        }
    }

    /// The partial file that stays after a failure.
    pub(super) fn kept(&self) -> Option<&Path> {
        match self {
            Destination::Part(part) => part.holds_something().then(|| part.path()),
            Destination::Stream { .. } => None,
        }
    }

    /// Removes a partial file that holds nothing.
    pub(super) fn remove_if_empty(&self) {
        if let Destination::Part(part) = self {
            part.remove_if_empty();
        }
    }

    /// What an earlier run left.
    pub(super) fn earlier(&self) -> Option<(Note, u64)> {
        match self {
            Destination::Part(part) => part.kept(),
            Destination::Stream { .. } => None,
        }
    }

    /// A writer from `offset` on, with a hasher that has seen what is before.
    pub(super) async fn writer_at(
        &self,
        offset: u64,
        hasher: Option<Sha256>,
    ) -> Result<PieceWriter, TransferError> {
        let (file, hasher) = match self {
            Destination::Stream { file, path } => {
                let file = file.try_clone().map_err(|source| TransferError::local("open", path, source))?;
                (file, hasher)
            }
            Destination::Part(part) => {
                let file = part.file()?;
                let read = spawn_blocking(move || hash_before(file, offset, hasher)).await;
                read.map_err(std::io::Error::other)
                    .and_then(|result| result)
                    .map_err(|source| TransferError::local("read", part.path(), source))?
            }
        };
        Ok(PieceWriter::new(file, hasher, WRITE_PIECE_BYTES))
    }
}

/// The file that a symbolic link leads to: the link is to stay.
fn behind_links(output: &Path) -> std::io::Result<PathBuf> {
    match fs::symlink_metadata(output) {
        Ok(there) if there.is_symlink() => fs::canonicalize(output),
        _ => Ok(output.to_owned()),
    }
}

/// Leaves the cursor at `offset`, and feeds the hasher with what is before.
fn hash_before(
    mut file: File,
    offset: u64,
    mut hasher: Option<Sha256>,
) -> std::io::Result<(File, Option<Sha256>)> {
    if let Some(hasher) = &mut hasher {
        file.seek(SeekFrom::Start(0))?;
        let mut buffer = vec![0; WRITE_PIECE_BYTES];
        let mut left = offset;
        while left > 0 {
            let wanted = left.min(buffer.len() as u64) as usize;
            file.read_exact(&mut buffer[..wanted])?;
            hasher.update(&buffer[..wanted]);
            left -= wanted as u64;
        }
    }
    file.seek(SeekFrom::Start(offset))?;
    Ok((file, hasher))
}
