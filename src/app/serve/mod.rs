//! An HTTP/1.1 server for the files below one folder: whole files, ranges,
//! listings, and uploads where they are allowed.
//!
//! Every connection has its own task and bounded memory; disk work is done
//! off the network's thread. A reader that does not read holds only its own
//! connection, and that for a bounded time.

mod access_log;
mod conditional;
mod connection;
mod content_type;
mod listing;
mod payload;
mod range;
mod refusal;
mod root;
mod route;
mod target;
#[cfg(test)]
mod tests;
mod upload;

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::transport::{Accepted, Acceptor};
use connection::{Mode, Peer};
use route::Site;

/// How long accepting rests when descriptors or memory ran short.
const SHORTAGE_PAUSE: Duration = Duration::from_millis(100);

/// What to serve and within what limits.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// The folder; nothing outside it is ever read or written.
    pub root: PathBuf,
    /// `PUT` may create and replace files.
    pub allow_put: bool,
    /// An upload is on the disk before it is answered.
    pub sync_uploads: bool,
    /// The largest upload.
    pub max_upload_bytes: u64,
    /// Connections served at once; more are told to come back.
    pub max_connections: usize,
    /// For the head of a request to arrive, and for an idle connection to
    /// send another.
    pub header_timeout: Duration,
    /// For a byte of a response to be taken or of an upload to arrive.
    pub stall_timeout: Duration,
    /// For the requests in flight to finish at shutdown.
    pub shutdown_grace: Duration,
}

impl ServeOptions {
    /// The defaults for `root`: no uploads, 1,024 connections, 30 s for a
    /// head, 60 s for a stall, 10 s of grace.
    pub fn new(root: impl Into<PathBuf>) -> ServeOptions {
        ServeOptions {
            root: root.into(),
            allow_put: false,
            sync_uploads: false,
            max_upload_bytes: u64::MAX,
            max_connections: 1024,
            header_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_secs(60),
            shutdown_grace: Duration::from_secs(10),
        }
    }
}

/// Why the server could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The folder cannot be served.
    #[error("cannot serve the folder `{}`: {source}", path.display())]
    Root {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No more connections can be accepted.
    #[error("no more connections can be accepted: {0}")]
    Accept(#[source] io::Error),
}

/// What a server did until it was told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServeSummary {
    /// Requests answered.
    pub requests: u64,
    /// Connections turned away because there were too many.
    pub turned_away: u64,
    /// Connections cut because they outlasted the grace.
    pub aborted: usize,
}

/// Serves until `shutdown` is done, then lets the requests in flight finish
/// for [`ServeOptions::shutdown_grace`] and cuts the rest.
///
/// # Errors
/// The folder cannot be opened, or accepting fails for good.
pub async fn serve<A: Acceptor>(
    acceptor: A,
    options: ServeOptions,
    shutdown: impl Future<Output = ()>,
) -> Result<ServeSummary, ServeError> {
    let site =
        Site::open(&options).map_err(|source| ServeError::Root { path: options.root.clone(), source })?;
    let (close, closing) = watch::channel(false);
    let mut server =
        Server { options, site: Arc::new(site), closing, connections: JoinSet::new(), turned_away: 0 };
    let accepted = server.accept_until(acceptor, shutdown).await;
    // Receivers that are gone need no telling.
    let _ = close.send(true);
    let aborted = server.drain().await;
    accepted?;
    let requests = server.site.requests();
    Ok(ServeSummary { requests, turned_away: server.turned_away, aborted })
}

struct Server {
    options: ServeOptions,
    site: Arc<Site>,
    closing: watch::Receiver<bool>,
    connections: JoinSet<()>,
    turned_away: u64,
}

impl Server {
    /// Owns the acceptor: it is closed on return, before the drain.
    async fn accept_until<A: Acceptor>(
        &mut self,
        mut acceptor: A,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), ServeError> {
        let mut shutdown = pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => return Ok(()),
                accepted = acceptor.accept() => match accepted {
                    Ok(accepted) => self.admit(accepted),
                    Err(error) => self.accept_failed(error).await?,
                },
                Some(_) = self.connections.join_next() => {}
            }
        }
    }

    fn admit<A: super::transport::Transport>(&mut self, accepted: Accepted<A>) {
        let limit = self.options.max_connections;
        let mode = match self.connections.len() {
            open if open < limit => Mode::Serve,
            open if open < limit.saturating_mul(2) => Mode::TurnAway,
            _ => {
                // Even saying no takes memory: there are too many to say it to.
                self.turned_away += 1;
                return;
            }
        };
        self.turned_away += u64::from(mode == Mode::TurnAway);
        let peer = Peer { remote: accepted.remote, mode, site: self.site.clone() };
        let limits = connection::Limits {
            header_timeout: self.options.header_timeout,
            stall_timeout: self.options.stall_timeout,
        };
        let closing = self.closing.clone();
        self.connections.spawn(connection::run(accepted.transport, peer, limits, closing));
    }

    async fn accept_failed(&self, error: io::Error) -> Result<(), ServeError> {
        use io::ErrorKind;
        match error.kind() {
            ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted => Ok(()),
            ErrorKind::OutOfMemory => self.rest(&error).await,
            _ if is_shortage(&error) => self.rest(&error).await,
            _ => Err(ServeError::Accept(error)),
        }
    }

    async fn rest(&self, error: &io::Error) -> Result<(), ServeError> {
        tracing::warn!(%error, "accepting rests");
        tokio::time::sleep(SHORTAGE_PAUSE).await;
        Ok(())
    }

    /// Waits for the connections, for the grace; returns how many it cut.
    async fn drain(&mut self) -> usize {
        let all_done = async { while self.connections.join_next().await.is_some() {} };
        if tokio::time::timeout(self.options.shutdown_grace, all_done).await.is_ok() {
            return 0;
        }
        let aborted = self.connections.len();
        self.connections.shutdown().await;
        aborted
    }
}

fn is_shortage(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let shortages = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    error.raw_os_error().is_some_and(|code| shortages.iter().any(|errno| errno.raw_os_error() == code))
}
