//! What the verbs need of a running endpoint.

use crate::app::{Acceptor, Connector};
use std::error::Error;
use std::future::Future;
use std::io;
use std::net::SocketAddr;

/// A running endpoint that programs of this process use.
pub trait Endpoint {
    /// Opens connections.
    type Connector: Connector;
    /// Accepts them.
    type Acceptor: Acceptor;

    /// Opens connections from now on.
    ///
    /// # Errors
    /// The endpoint takes no more programs, or is gone.
    fn connector(&self) -> impl Future<Output = io::Result<Self::Connector>>;

    /// Listens at one of the endpoint's addresses, or at all of them if the
    /// address is unspecified.
    ///
    /// # Errors
    /// The address is not the endpoint's, or somebody listens there.
    fn listen(&self, address: SocketAddr) -> impl Future<Output = io::Result<Self::Acceptor>>;

    /// Waits for the endpoint to break down, and says why: forever, normally.
    fn failed(&mut self) -> impl Future<Output = io::Error>;

    /// Ends the endpoint's connections in order and gives back what it holds.
    fn stop(self) -> impl Future<Output = ()>;
}

/// Why an endpoint could not be started.
#[derive(Debug, thiserror::Error)]
#[error("the endpoint could not be started: {0}")]
pub struct StartError(#[source] Box<dyn Error + Send + Sync>);

impl StartError {
    /// Because of `source`.
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(source.into())
    }
}
