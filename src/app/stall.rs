//! A stream that gives up when nothing moves.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// What must move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Watch {
    /// A byte in either direction: for a client, which always waits for one.
    Both,
    /// Bytes that wait to be sent: for a server, whose peer may be silent
    /// while it receives.
    Writes,
}

/// Wraps a stream; when what is watched has not moved for `limit`, the call
/// that waits for it fails with [`io::ErrorKind::TimedOut`].
#[derive(Debug)]
pub(super) struct StallGuard<T> {
    inner: T,
    watch: Watch,
    limit: Duration,
    last_activity: Instant,
    waits: bool,
    timer: Pin<Box<Sleep>>,
}

impl<T> StallGuard<T> {
    /// Watches `inner` from now on.
    pub(super) fn new(inner: T, watch: Watch, limit: Duration) -> StallGuard<T> {
        let timer = Box::pin(tokio::time::sleep(limit));
        StallGuard { inner, watch, limit, last_activity: Instant::now(), waits: false, timer }
    }

    /// The stream itself.
    pub(super) fn into_inner(self) -> T {
        self.inner
    }

    /// Notes that something moved, and that nobody waits just now.
    fn moved(&mut self) {
        self.last_activity = Instant::now();
        self.waits = false;
    }

    /// Somebody waits: an error once nothing has moved for too long,
    /// otherwise the task is woken when that may be so. The timer is not
    /// reset for every byte that moves, only looked at again when it fires.
    fn pending<R>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<R>> {
        if !self.waits {
            // The time in which nobody asked is nobody's stall.
            self.waits = true;
            self.last_activity = Instant::now();
        }
        while self.timer.as_mut().poll(context).is_ready() {
            let deadline = self.last_activity + self.limit;
            if deadline <= Instant::now() {
                let text = format!("nothing moved for {} s", self.limit.as_secs_f32());
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, text)));
            }
            self.timer.as_mut().reset(deadline);
        }
        Poll::Pending
    }

    fn after<R>(&mut self, result: Poll<io::Result<R>>, context: &mut Context<'_>) -> Poll<io::Result<R>> {
        if result.is_pending() {
            return self.pending(context);
        }
        self.moved();
        result
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for StallGuard<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.inner).poll_read(context, buffer);
        match self.watch {
            Watch::Both => self.after(result, context),
            Watch::Writes => result,
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for StallGuard<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.after(result, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write_vectored(context, slices);
        self.after(result, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A flush that has nothing to do is no sign of life.
        match Pin::new(&mut self.inner).poll_flush(context) {
            Poll::Ready(result) => Poll::Ready(result),
            Poll::Pending => self.pending(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.inner).poll_shutdown(context);
        self.after(result, context)
    }
}
