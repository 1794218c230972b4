//! A look at a connection from beside its stream.

use crate::layout::ConnectionInfo;
use crate::message::{ConnectionHandle, Submission};
use crate::sockets::core::CoreContext;
use crate::sockets::questions::Answer;
use std::io;

/// Asks how a connection does while something else owns its stream. It
/// outlives the stream, and then has nothing to tell.
#[derive(Clone, Debug)]
pub struct Observer {
    context: CoreContext,
    handle: ConnectionHandle,
}

impl Observer {
    pub(crate) fn new(context: CoreContext, handle: ConnectionHandle) -> Self {
        Self { context, handle }
    }

    /// The connection and its subflows as they are now.
    ///
    /// # Errors
    /// `NotConnected` if it is over, or `ConnectionAborted` if the engine is gone.
    pub async fn info(&self) -> io::Result<ConnectionInfo> {
        let connection = self.handle;
        match self.context.ask(|user_data| Submission::Info { user_data, connection }).await? {
            Answer::Info(info) => Ok(*info),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}
