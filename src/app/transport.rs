//! The one thing the programs need from the network: byte streams to accept,
//! to connect, and to ask how much each link has carried.
//!
//! Implement the four traits for the socket API here and the programs run on
//! it; the tests implement them for plain TCP and for in-memory pipes.

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncWrite};

/// One connection: a byte stream in both directions.
pub trait Transport: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// What reports on this connection while HTTP owns the stream.
    type Probe: Probe;

    /// A probe of this connection; it outlives the borrow, and after the
    /// stream is gone it answers with an error.
    fn probe(&self) -> Self::Probe;
}

/// Reports on a connection from beside it.
pub trait Probe: Send + 'static {
    /// What each link has carried so far.
    ///
    /// # Errors
    /// The connection or the endpoint that carried it is gone.
    fn progress(&mut self) -> impl Future<Output = io::Result<Progress>> + Send;
}

/// Opens connections.
pub trait Connector: Sync {
    /// The connection it opens.
    type Transport: Transport;

    /// Connects to `remote`.
    ///
    /// # Errors
    /// What the endpoint said: refused, unreachable, timed out.
    fn connect(&self, remote: SocketAddr) -> impl Future<Output = io::Result<Self::Transport>> + Send;
}

/// Accepts connections.
pub trait Acceptor {
    /// The connection it accepts.
    type Transport: Transport;

    /// Waits for the next connection. Must be safe to drop while waiting:
    /// a dropped call loses no connection.
    ///
    /// # Errors
    /// A connection that died while it waited, or resources that ran short
    /// (the server goes on); anything else ends the server.
    fn accept(&mut self) -> impl Future<Output = io::Result<Accepted<Self::Transport>>> + Send;
}

/// A connection that was accepted.
#[derive(Debug)]
pub struct Accepted<T> {
    /// The connection.
    pub transport: T,
    /// Who is at the other end, for the access log; `None` where that has no
    /// address.
    pub remote: Option<SocketAddr>,
}

/// What a connection has carried so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Multipath was negotiated and has not fallen back to plain TCP.
    pub mptcp: bool,
    /// Received frames that came to another core than the connection's.
    pub taken_over_frames: u64,
    /// The subflows that are alive.
    pub links: Vec<Link>,
}

/// One subflow and what it has carried since it was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The local interface or port.
    pub name: String,
    /// This end.
    pub local: SocketAddr,
    /// The other end.
    pub remote: SocketAddr,
    /// Bytes sent over this subflow.
    pub bytes_sent: u64,
    /// Bytes received over this subflow.
    pub bytes_received: u64,
    /// Smoothed round-trip time, where there is a sample.
    pub srtt_us: Option<u64>,
}
