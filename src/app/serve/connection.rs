//! One connection: HTTP on it, its limits, and its end.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::watch;

use super::access_log::Logged;
use super::route::{self, Site};
use crate::app::stall::{StallGuard, Watch};
use crate::app::transport::Transport;

/// The most HTTP buffers of a response: two pieces of a file.
const BUFFER_BYTES: usize = 2 * crate::app::piece_reader::READ_PIECE_BYTES;
const HEADER_BYTES: usize = 16 * 1024;
const HEADER_FIELDS: usize = 64;

/// How long a closed connection's input is still read and thrown away, so
/// that a client in the middle of sending gets to read the answer
/// (RFC 9112 section 9.6).
const LINGER: Duration = Duration::from_secs(2);

/// What to do with the requests of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Answer them.
    Serve,
    /// There are too many connections: say so and close.
    TurnAway,
}

/// Who is at the other end, and what it gets.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    pub(super) remote: Option<SocketAddr>,
    pub(super) mode: Mode,
    pub(super) site: Arc<Site>,
}

/// How long a connection may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) header_timeout: Duration,
    pub(super) stall_timeout: Duration,
}

type Answer = Pin<Box<dyn Future<Output = Result<Response<Logged>, Infallible>> + Send>>;

/// Serves one connection to its end. When `closing` becomes true the request
/// in flight is the last.
pub(super) async fn run<T: Transport>(
    transport: T,
    peer: Peer,
    limits: Limits,
    mut closing: watch::Receiver<bool>,
) {
    let guarded = StallGuard::new(transport, Watch::Writes, limits.stall_timeout);
    let remote = peer.remote;
    let service = service_fn(move |request: Request<Incoming>| -> Answer {
        let peer = peer.clone();
        Box::pin(async move { Ok(route::answer(peer, request).await) })
    });
    let mut connection = builder(limits).serve_connection(TokioIo::new(guarded), service);
    let mut told = false;
    let result = loop {
        tokio::select! {
            result = poll_fn(|context| connection.poll_without_shutdown(context)) => break result,
            _ = closing.wait_for(|closing| *closing), if !told => {
                Pin::new(&mut connection).graceful_shutdown();
                told = true;
            }
        }
    };
    match result {
        Ok(()) => linger(connection.into_parts().io.into_inner()).await,
        Err(error) => tracing::debug!(?remote, %error, "the connection broke"),
    }
}

fn builder(limits: Limits) -> Builder {
    let mut builder = Builder::new();
    builder
        .timer(TokioTimer::new())
        // A client may end its side after the request and still want the answer.
        .half_close(true)
        .header_read_timeout(limits.header_timeout)
        .max_header_size(HEADER_BYTES)
        .max_headers(HEADER_FIELDS)
        .max_buf_size(BUFFER_BYTES);
    builder
}

/// Sends the end, then reads what still comes until the other side ends too.
async fn linger<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) {
    let until_end = async {
        stream.shutdown().await?;
        let mut discarded = vec![0; 16 * 1024];
        while stream.read(&mut discarded).await? > 0 {}
        io::Result::Ok(())
    };
    // Broken or still sending: either way it is over.
    let _ = tokio::time::timeout(LINGER, until_end).await;
}
