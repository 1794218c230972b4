//! One connection, as a stream of bytes each way.

use crate::layout::{Address, ConnectionInfo, open_flags};
use crate::message::{ConnectionHandle, Submission};
use crate::region::Arena;
use crate::sockets::chunk::{Chunk, Chunks};
use crate::sockets::context::Context;
use crate::sockets::core::CoreContext;
use crate::sockets::observer::Observer;
use crate::sockets::questions::Answer;
use crate::sockets::reading::Reading;
use crate::sockets::transmit::Reserved;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{self, Poll, ready};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};

/// How to connect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectOptions {
    /// Which of the endpoint's addresses the first subflow leaves from; port 0
    /// takes any.
    pub local: Option<SocketAddr>,
    /// Do not offer MPTCP.
    pub plain_tcp: bool,
}

/// A connection. Reading by [`read_chunk`](Self::read_chunk) or [`AsyncBufRead`]
/// copies nothing: the bytes are read where the engine has lent them. A write
/// returns when its bytes are in the region, at most one block of them; they are
/// then on their way.
///
/// Dropped, it is closed: what was written is still delivered, by the engine.
#[derive(Debug)]
pub struct Stream {
    context: CoreContext,
    handle: ConnectionHandle,
    local: SocketAddr,
    remote: SocketAddr,
    reading: Reading,
    chunks: Chunks,
}

impl Stream {
    pub(crate) fn new(
        context: CoreContext,
        handle: ConnectionHandle,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Self {
        Self { context, handle, local, remote, reading: Reading::default(), chunks: Chunks::default() }
    }

    /// Connects to `remote`.
    ///
    /// # Errors
    /// What ended the attempt, as for a socket of the system, or
    /// `ConnectionAborted` if the engine is gone.
    pub async fn connect(context: &Context, remote: SocketAddr) -> io::Result<Self> {
        Self::connect_with(context, remote, ConnectOptions::default()).await
    }

    /// Connects to `remote` with `options`.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn connect_with(
        context: &Context,
        remote: SocketAddr,
        options: ConnectOptions,
    ) -> io::Result<Self> {
        let flags = if options.plain_tcp { open_flags::PLAIN_TCP } else { 0 };
        let context = context.core_for(options.local, remote);
        let (remote, local) = (Address::from(remote), Address::from(options.local));
        let answer = context.ask(|user_data| Submission::Connect { user_data, remote, local, flags }).await?;
        let Answer::Connected(handle) = answer else { return Err(io::ErrorKind::InvalidData.into()) };
        let addresses = context.with(|state| state.addresses(handle));
        let (local, remote) = addresses.ok_or(io::ErrorKind::NotConnected)?;
        Ok(Self::new(context.clone(), handle, local, remote))
    }

    /// Our address on the first subflow.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// The peer's address on the first subflow.
    pub fn peer_addr(&self) -> SocketAddr {
        self.remote
    }

    /// The connection and its subflows as they are now.
    ///
    /// # Errors
    /// `NotConnected` if it is over, or `ConnectionAborted` if the engine is gone.
    pub async fn info(&self) -> io::Result<ConnectionInfo> {
        self.observer().info().await
    }

    /// What tells of the connection while something else owns the stream.
    pub fn observer(&self) -> Observer {
        Observer::new(self.context.clone(), self.handle)
    }

    /// Ends the connection at once (MP_FASTCLOSE or RST); what is on its way is
    /// lost.
    pub fn abort(self) {
        // The close that follows, by drop, finds nothing.
        self.context.with(|state| state.abort(self.handle));
    }

    /// The next bytes, as many as lie in one piece, without a copy; `None` at
    /// the end of the stream. Dropped before it is done, no byte is lost.
    ///
    /// # Errors
    /// As for reading.
    pub async fn read_chunk(&mut self) -> io::Result<Option<Chunk>> {
        poll_fn(|cx| self.poll_chunk(cx)).await
    }

    /// The next bytes, if they are there; else the task is woken.
    ///
    /// # Errors
    /// As for reading.
    pub fn poll_chunk(&mut self, cx: &mut task::Context<'_>) -> Poll<io::Result<Option<Chunk>>> {
        ready!(self.poll_pieces(cx))?;
        let Self { context, reading, chunks, .. } = self;
        let piece = reading.pieces.pop_front();
        context.prefetch(reading.pieces.front());
        Poll::Ready(Ok(piece.map(|piece| chunks.chunk(context, piece, reading.front()))))
    }

    /// Waits for something to read, or for the end.
    fn poll_pieces(&mut self, cx: &mut task::Context<'_>) -> Poll<io::Result<bool>> {
        if !self.reading.pieces.is_empty() {
            return Poll::Ready(Ok(true));
        }
        let Self { context, handle, reading, .. } = self;
        context.with(|state| state.poll_received(*handle, reading, cx.waker()))
    }

    /// What is left of the piece that is next.
    fn front(&self) -> &[u8] {
        // SAFETY: it is given back once it was read, which takes `&mut self`.
        #[expect(unsafe_code, reason = "payload is read in place")]
        self.reading.front().map_or(&[], |piece| unsafe { self.context.bytes(piece) })
    }

    /// `count` bytes of the first piece were read.
    fn advance(&mut self, count: usize) {
        let Self { context, handle, reading, chunks, .. } = self;
        chunks.close();
        if reading.advance(count) {
            context.with(|state| state.turn_over(*handle, reading));
        }
    }

    /// Fills reserved room from `buffers`; returns how many bytes.
    fn fill(&self, reserved: &Reserved, buffers: &[IoSlice<'_>]) -> u32 {
        let mut len = 0;
        for buffer in buffers {
            let bytes = &buffer[..buffer.len().min((reserved.room - len) as usize)];
            // SAFETY: the room is reserved for this piece alone until it is
            // sent, which `poll_write_vectored` does next.
            #[expect(unsafe_code, reason = "payload is written in place")]
            unsafe {
                self.context.region().fill(Arena::Transmit, reserved.block, reserved.offset + len, bytes);
            }
            len += bytes.len() as u32;
        }
        len
    }
}

impl AsyncBufRead for Stream {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        ready!(this.poll_pieces(cx))?;
        Poll::Ready(Ok(this.front()))
    }

    fn consume(self: Pin<&mut Self>, count: usize) {
        self.get_mut().advance(count);
    }
}

impl AsyncRead for Stream {
    /// Fills the buffer from as many pieces as are there.
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let this = self.get_mut();
        ready!(this.poll_pieces(cx))?;
        while buffer.remaining() > 0 {
            this.context.prefetch(this.reading.pieces.get(1));
            let bytes = this.front();
            let count = bytes.len().min(buffer.remaining());
            if count == 0 {
                break;
            }
            buffer.put_slice(&bytes[..count]);
            this.advance(count);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buffer)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if buffers.iter().all(|buffer| buffer.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        let reserved = ready!(self.context.with(|state| state.poll_reserve(self.handle, cx.waker())))?;
        // Without the lock: others go on while bytes are copied.
        let len = self.fill(&reserved, buffers);
        self.context.with(|state| state.sent(self.handle, &reserved, len));
        Poll::Ready(Ok(len as usize))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        self.context.with(|state| state.poll_flush(cx.waker()))
    }

    /// Closes our sending side after all that was written. Done when the engine
    /// has it, not when the peer has.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        self.context.with(|state| state.poll_shut_down(self.handle, cx.waker()))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let Reading { pieces, read } = std::mem::take(&mut self.reading);
        self.context.with(|state| {
            pieces.into_iter().chain(read).for_each(|piece| state.give_back(piece, 1));
            state.close(self.handle);
        });
    }
}
