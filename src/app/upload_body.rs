//! The body of an upload: waits to be asked for, counts, and hashes.

use std::fs::File;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::header::{EXPECT, HeaderValue};
use hyper::{Method, Request, StatusCode};
use sha2::Sha256;
use tokio::sync::oneshot;

use super::piece_reader::PieceReader;

/// Below this asking first costs more than it can save.
const ASK_FIRST_BYTES: u64 = 64 * 1024;

/// A server that does not know `100-continue` does not answer it (RFC 9110
/// section 10.1.1).
const ASK_LIMIT: Duration = Duration::from_secs(1);

/// What the upload knows of its body while HTTP owns it.
#[derive(Debug, Default)]
pub(super) struct BodyState {
    /// How much HTTP has taken of this body.
    pub(super) sent_bytes: AtomicU64,
    end: Mutex<End>,
}

#[derive(Debug, Default)]
struct End {
    hasher: Option<Sha256>,
    error: Option<io::Error>,
}

impl BodyState {
    /// The hasher, when the whole body was taken.
    pub(super) fn take_hasher(&self) -> Option<Sha256> {
        self.end().hasher.take()
    }

    /// Why the file could not be read.
    pub(super) fn take_error(&self) -> Option<io::Error> {
        self.end().error.take()
    }

    fn end(&self) -> MutexGuard<'_, End> {
        // Nothing panics while it holds the lock.
        self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file as the body of a request.
pub(super) struct UploadBody {
    /// Done when the server wants the body.
    gate: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    reader: PieceReader,
    state: Arc<BodyState>,
    transferred: Arc<AtomicU64>,
}

impl UploadBody {
    /// A PUT request whose body is `length_bytes` of `file`. A large body is
    /// only sent when the server does not refuse it at once.
    pub(super) fn request(
        file: File,
        length_bytes: u64,
        hasher: Option<Sha256>,
        transferred: Arc<AtomicU64>,
    ) -> (Request<UploadBody>, Arc<BodyState>) {
        let state = Arc::new(BodyState::default());
        let reader = PieceReader::new(file, 0, length_bytes, hasher);
        let body = UploadBody { gate: None, reader, state: state.clone(), transferred };
        let mut request = Request::new(body);
        *request.method_mut() = Method::PUT;
        if length_bytes >= ASK_FIRST_BYTES {
            request.headers_mut().insert(EXPECT, HeaderValue::from_static("100-continue"));
            let gate = gate(&mut request);
            request.body_mut().gate = Some(gate);
        }
        request.body_mut().note_end();
        (request, state)
    }

    fn note_end(&mut self) {
        if self.reader.remaining_bytes() == 0 {
            self.state.end().hasher = self.reader.take_hasher();
        }
    }
}

fn gate(request: &mut Request<UploadBody>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    let (open, opened) = oneshot::channel();
    let open = Mutex::new(Some(open));
    hyper::ext::on_informational(request, move |response| {
        if response.status() == StatusCode::CONTINUE
            && let Some(open) = open.lock().unwrap_or_else(PoisonError::into_inner).take()
        {
            // The body may be gone already.
            let _ = open.send(());
        }
    });
    Box::pin(async move {
        // Asked for, given up on, or late: in any case it is time to send.
        let _ = tokio::time::timeout(ASK_LIMIT, opened).await;
    })
}

impl Body for UploadBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(gate) = &mut self.gate {
            ready!(gate.as_mut().poll(context));
            self.gate = None;
        }
        let piece = ready!(self.reader.poll_next(context));
        match piece {
            Some(Ok(bytes)) => {
                let length = bytes.len() as u64;
                self.state.sent_bytes.fetch_add(length, Ordering::Relaxed);
                self.transferred.fetch_add(length, Ordering::Relaxed);
                self.note_end();
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Some(Err(error)) => {
                let kind = error.kind();
                self.state.end().error = Some(error);
                Poll::Ready(Some(Err(kind.into())))
            }
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.reader.remaining_bytes() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.reader.remaining_bytes())
    }
}
