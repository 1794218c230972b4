//! Reads a file in pieces, one ahead of who asks, off the network's thread.

use std::fs::File;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use rustix::buffer::spare_capacity;
use sha2::{Digest as _, Sha256};
use tokio::task::{JoinHandle, spawn_blocking};

/// How much of a file is read at a time; two pieces at most are in memory.
pub(super) const READ_PIECE_BYTES: usize = 256 * 1024;

/// A part of a file as a stream of pieces, and as an HTTP body of known length.
#[derive(Debug)]
pub(super) struct PieceReader {
    /// What the next read needs; with the read while one is under way.
    idle: Option<Source>,
    reading: Option<JoinHandle<(Source, io::Result<Bytes>)>>,
    /// Not yet asked of the file.
    unread_bytes: u64,
    /// Not yet handed out.
    remaining_bytes: u64,
}

#[derive(Debug)]
struct Source {
    file: File,
    offset: u64,
    hasher: Option<Sha256>,
}

impl PieceReader {
    /// `length_bytes` of `file` from `offset` on; `hasher` is fed all that
    /// is read. The first read starts at once.
    pub(super) fn new(file: File, offset: u64, length_bytes: u64, hasher: Option<Sha256>) -> PieceReader {
        let source = Source { file, offset, hasher };
        let mut reader = PieceReader {
            idle: Some(source),
            reading: None,
            unread_bytes: length_bytes,
            remaining_bytes: length_bytes,
        };
        reader.read_ahead();
        reader
    }

    /// Bytes that are still to be handed out.
    pub(super) fn remaining_bytes(&self) -> u64 {
        self.remaining_bytes
    }

    /// The hasher, once everything was handed out.
    pub(super) fn take_hasher(&mut self) -> Option<Sha256> {
        self.idle.as_mut().filter(|_| self.remaining_bytes == 0)?.hasher.take()
    }

    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// The file cannot be read, or is shorter than it was
    /// ([`io::ErrorKind::UnexpectedEof`]).
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let Some(read) = &mut self.reading else { return Poll::Ready(None) };
        let joined = ready!(Pin::new(read).poll(context));
        self.reading = None;
        let piece = joined.map_err(io::Error::other).and_then(|(source, piece)| {
            self.idle = Some(source);
            piece
        });
        match piece {
            Ok(bytes) => {
                self.remaining_bytes -= bytes.len() as u64;
                self.read_ahead();
                Poll::Ready(Some(Ok(bytes)))
            }
            Err(error) => Poll::Ready(Some(Err(error))),
        }
    }

    fn read_ahead(&mut self) {
        if self.unread_bytes == 0 {
            return;
        }
        if let Some(mut source) = self.idle.take() {
            let length = self.unread_bytes.min(READ_PIECE_BYTES as u64);
            self.unread_bytes -= length;
            self.reading = Some(spawn_blocking(move || {
                let piece = source.read(length as usize);
                (source, piece)
            }));
        }
    }
}

impl Source {
    fn read(&mut self, length: usize) -> io::Result<Bytes> {
        let mut buffer = Vec::with_capacity(length);
        while buffer.len() < length {
            let offset = self.offset + buffer.len() as u64;
            match rustix::io::pread(&self.file, spare_capacity(&mut buffer), offset) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        // The allocator may have given more room than was asked for.
        buffer.truncate(length);
        self.offset += length as u64;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&buffer);
        }
        Ok(buffer.into())
    }
}

impl Body for PieceReader {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.poll_next(context).map(|piece| piece.map(|result| result.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.remaining_bytes == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining_bytes)
    }
}
