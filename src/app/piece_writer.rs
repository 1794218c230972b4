//! Writes what the network brings to a file and to a hasher, in pieces, off
//! the network's thread.

use std::fs::File;
use std::io::{self, Write as _};
use std::sync::Arc;

use hyper::body::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::task::{JoinHandle, spawn_blocking};

/// One piece may gather so many buffers: a stranger's tiny chunks must not
/// each keep a buffer alive until a piece is full.
const PIECE_BUFFERS: usize = 64;

/// Gathers bytes to pieces. One piece is gathered while one is written and
/// hashed, so that memory is bounded and disk, processor and network overlap.
#[derive(Debug)]
pub(super) struct PieceWriter {
    piece_bytes: usize,
    gathered: Vec<Bytes>,
    gathered_bytes: usize,
    file: Stage<File>,
    hasher: Option<Stage<Sha256>>,
}

impl PieceWriter {
    /// Writes to `file` from where its cursor stands.
    pub(super) fn new(file: File, hasher: Option<Sha256>, piece_bytes: usize) -> PieceWriter {
        PieceWriter {
            piece_bytes,
            gathered: Vec::new(),
            gathered_bytes: 0,
            file: Stage::Idle(file),
            hasher: hasher.map(Stage::Idle),
        }
    }

    /// Takes `bytes`; waits while the piece before is being written.
    ///
    /// # Errors
    /// An earlier piece could not be written.
    pub(super) async fn write(&mut self, bytes: Bytes) -> io::Result<()> {
        self.gathered_bytes += bytes.len();
        self.gathered.push(bytes);
        if self.gathered_bytes >= self.piece_bytes || self.gathered.len() >= PIECE_BUFFERS {
            self.start_piece().await?;
        }
        Ok(())
    }

    /// Waits until everything is written and hashed.
    ///
    /// # Errors
    /// A piece could not be written.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        self.start_piece().await?;
        self.file.settle().await?;
        match &mut self.hasher {
            Some(hasher) => hasher.settle().await,
            None => Ok(()),
        }
    }

    /// Flushes, and gives the file and the hasher back.
    ///
    /// # Errors
    /// A piece could not be written.
    pub(super) async fn finish(mut self) -> io::Result<(File, Option<Sha256>)> {
        self.flush().await?;
        let hasher = self.hasher.map(Stage::into_idle).transpose()?;
        Ok((self.file.into_idle()?, hasher))
    }

    async fn start_piece(&mut self) -> io::Result<()> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let piece: Arc<[Bytes]> = self.gathered.drain(..).collect();
        self.gathered_bytes = 0;
        let to_hash = piece.clone();
        self.file.start(move |file| piece.iter().try_for_each(|bytes| file.write_all(bytes))).await?;
        if let Some(hasher) = &mut self.hasher {
            hasher
                .start(move |hasher| {
                    to_hash.iter().for_each(|bytes| hasher.update(bytes));
                    Ok(())
                })
                .await?;
        }
        Ok(())
    }
}

/// Something that works on one piece at a time.
#[derive(Debug)]
enum Stage<S> {
    Idle(S),
    Running(JoinHandle<(S, io::Result<()>)>),
    /// Its work failed or was cancelled.
    Lost,
}

impl<S: Send + 'static> Stage<S> {
    /// Waits for the work before, then starts `work`.
    async fn start<W>(&mut self, work: W) -> io::Result<()>
    where
        W: FnOnce(&mut S) -> io::Result<()> + Send + 'static,
    {
        self.settle().await?;
        *self = match std::mem::replace(self, Stage::Lost) {
            Stage::Idle(mut state) => Stage::Running(spawn_blocking(move || {
                let result = work(&mut state);
                (state, result)
            })),
            other => other,
        };
        Ok(())
    }

    /// Waits until nothing runs.
    async fn settle(&mut self) -> io::Result<()> {
        match self {
            Stage::Idle(_) => Ok(()),
            Stage::Lost => Err(lost()),
            Stage::Running(handle) => {
                let joined = handle.await;
                *self = Stage::Lost;
                let (state, result) = joined.map_err(io::Error::other)?;
                result?;
                *self = Stage::Idle(state);
                Ok(())
            }
        }
    }

    fn into_idle(self) -> io::Result<S> {
        match self {
            Stage::Idle(state) => Ok(state),
            Stage::Running(_) | Stage::Lost => Err(lost()),
        }
    }
}

fn lost() -> io::Error {
    io::Error::other("an earlier write failed")
}
