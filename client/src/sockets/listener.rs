//! Accepting connections.

use crate::layout::{Address, open_flags};
use crate::message::Submission;
use crate::sockets::context::Context;
use crate::sockets::core::CoreContext;
use crate::sockets::questions::Answer;
use crate::sockets::stream::Stream;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{self, Poll};

/// How often a port that all cores have free is looked for.
const ANY_PORT_ATTEMPTS: usize = 8;

/// How to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenOptions {
    /// How many connections may wait to be accepted. The engine has a limit.
    pub backlog: u32,
    /// Accept plain TCP only.
    pub plain_tcp: bool,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self { backlog: 128, plain_tcp: false }
    }
}

/// Listens on an address of the endpoint. Dropped, it closes; connections that
/// nobody has accepted are reset.
#[derive(Debug)]
pub struct Listener {
    /// One for each core.
    parts: Vec<Part>,
    address: SocketAddr,
    /// Which core is asked first next time.
    turn: AtomicUsize,
}

/// A listener at one core.
#[derive(Debug)]
struct Part {
    context: CoreContext,
    /// What the core and we know it by.
    user_data: u64,
}

impl Listener {
    /// Listens on `address`; port 0 takes any.
    ///
    /// # Errors
    /// If the engine refuses or is gone.
    pub async fn bind(context: &Context, address: SocketAddr) -> io::Result<Self> {
        Self::bind_with(context, address, ListenOptions::default()).await
    }

    /// Listens on `address` with `options`.
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    pub async fn bind_with(
        context: &Context,
        address: SocketAddr,
        options: ListenOptions,
    ) -> io::Result<Self> {
        let mut attempts = if address.port() == 0 { ANY_PORT_ATTEMPTS } else { 1 };
        loop {
            match Self::bind_cores(context, address, options).await {
                // The port that one core took for "any" is another's already.
                Err(error) if attempts > 1 && error.kind() == io::ErrorKind::AddrInUse => attempts -= 1,
                bound => return bound,
            }
        }
    }

    async fn bind_cores(context: &Context, address: SocketAddr, options: ListenOptions) -> io::Result<Self> {
        let mut listener = Self { parts: Vec::new(), address, turn: AtomicUsize::new(0) };
        for core in context.cores() {
            // The first core says which port it is.
            let (part, address) = Part::bind(core, listener.address, options).await?;
            listener.parts.push(part);
            listener.address = address;
        }
        Ok(listener)
    }

    /// The address and port that were bound.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The next connection. Several tasks may wait. Dropped before it is done,
    /// no connection is lost.
    ///
    /// # Errors
    /// `ConnectionAborted` if the engine is gone.
    pub async fn accept(&self) -> io::Result<Stream> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    /// The next connection, if there is one; else the task is woken.
    ///
    /// # Errors
    /// As [`accept`](Self::accept).
    pub fn poll_accept(&self, cx: &mut task::Context<'_>) -> Poll<io::Result<Stream>> {
        // Each in turn is first, so that a busy core does not hide the others.
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
        for step in 0..self.parts.len() {
            let accepted = self.parts[(first + step) % self.parts.len()].poll_accept(cx);
            if accepted.is_ready() {
                return accepted;
            }
        }
        Poll::Pending
    }
}

impl Part {
    /// Listens at one core; the address that was bound.
    async fn bind(
        context: &CoreContext,
        address: SocketAddr,
        options: ListenOptions,
    ) -> io::Result<(Self, SocketAddr)> {
        let ListenOptions { backlog, plain_tcp } = options;
        let flags = if plain_tcp { open_flags::PLAIN_TCP } else { 0 };
        let address = Address::from(address);
        let mut asking = context.ask(|user_data| Submission::Listen { user_data, address, backlog, flags });
        let user_data = asking.user_data;
        match (&mut asking).await? {
            Answer::Listening(address) => Ok((Self { context: context.clone(), user_data }, address)),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    fn poll_accept(&self, cx: &mut task::Context<'_>) -> Poll<io::Result<Stream>> {
        let accepted = self.context.with(|state| state.poll_accepted(self.user_data, cx.waker()));
        accepted.map_ok(|handle| Stream::new(self.context.clone(), handle.0, handle.1, handle.2))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.context.with(|state| state.close_listener(self.user_data));
    }
}
