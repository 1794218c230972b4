//! What a response carries.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};

use crate::app::piece_reader::PieceReader;

/// The body of a response.
#[derive(Debug)]
pub(super) enum Payload {
    /// Nothing.
    Empty,
    /// A page made here.
    Page(Bytes),
    /// A part of a file.
    File(PieceReader),
}

impl Body for Payload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut *self {
            Payload::Empty => Poll::Ready(None),
            Payload::Page(page) if page.is_empty() => Poll::Ready(None),
            Payload::Page(page) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(page))))),
            Payload::File(reader) => Pin::new(reader).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Payload::Empty => true,
            Payload::Page(page) => page.is_empty(),
            Payload::File(reader) => reader.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Payload::Empty => SizeHint::with_exact(0),
            Payload::Page(page) => SizeHint::with_exact(page.len() as u64),
            Payload::File(reader) => reader.size_hint(),
        }
    }
}
