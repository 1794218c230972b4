//! A client that is attached to an engine, and the task that drives it.

use crate::Attachment;
use crate::sockets::core::{CoreContext, CoreDriver};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

/// A client of an engine: what [`Listener`](crate::Listener)s and
/// [`Stream`](crate::Stream)s are opened with. It is attached to each of the
/// engine's cores: a listener accepts from all of them, and each stream belongs
/// to one. Clones share everything.
#[derive(Clone, Debug)]
pub struct Context {
    cores: Arc<[CoreContext]>,
    /// Which core gets the next connection.
    turn: Arc<AtomicUsize>,
}

/// Takes what the engine says and wakes the tasks that wait for it. Nothing
/// makes progress unless [`run`](Self::run) is polled. It ends when the context
/// and everything opened with it is dropped, or when the engine is gone.
#[derive(Debug)]
pub struct Driver {
    cores: Vec<CoreDriver>,
}

impl Context {
    /// Attaches to an engine, by an attachment for each of its cores. The
    /// [`Driver`] must be run for anything to work.
    ///
    /// # Errors
    /// If there is no core, a region was used before, or a doorbell cannot be
    /// watched.
    ///
    /// # Panics
    /// Outside a tokio runtime with I/O enabled.
    pub fn new(attachments: impl IntoIterator<Item = Attachment>) -> io::Result<(Self, Driver)> {
        let attached: io::Result<Vec<_>> = attachments.into_iter().map(CoreContext::new).collect();
        let (cores, drivers): (Vec<_>, Vec<_>) = attached?.into_iter().unzip();
        if cores.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "an engine without cores"));
        }
        Ok((Self { cores: cores.into(), turn: Arc::default() }, Driver { cores: drivers }))
    }

    /// Attaches to an engine, and runs the driver: a task of this runtime for
    /// each core.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    ///
    /// # Panics
    /// As [`new`](Self::new).
    pub fn spawn(attachments: impl IntoIterator<Item = Attachment>) -> io::Result<Self> {
        let (context, driver) = Self::new(attachments)?;
        for core in driver.cores {
            tokio::spawn(core.run());
        }
        Ok(context)
    }

    /// Whether the engine is gone, or one of its cores, with which all go:
    /// everything fails from then on.
    pub fn is_engine_gone(&self) -> bool {
        self.cores.iter().any(CoreContext::is_engine_gone)
    }

    /// How many cores the engine has.
    pub fn core_count(&self) -> usize {
        self.cores.len()
    }

    pub(crate) fn cores(&self) -> &[CoreContext] {
        &self.cores
    }

    /// The core of a connection to `remote`: the same one for the same ends, so
    /// that it knows whether they are free; else each in turn.
    pub(crate) fn core_for(&self, local: Option<SocketAddr>, remote: SocketAddr) -> &CoreContext {
        let turn = match local.map(|local| local.port()) {
            Some(port) if port != 0 => usize::from(port) + usize::from(remote.port()),
            // Only the number matters.
            _ => self.turn.fetch_add(1, Ordering::Relaxed),
        };
        &self.cores[turn % self.cores.len()]
    }
}

impl Driver {
    /// Drives the context until nobody uses it or the engine is gone.
    pub async fn run(self) {
        let mut cores: Vec<Pin<Box<_>>> = self.cores.into_iter().map(|core| Box::pin(core.run())).collect();
        poll_fn(|cx| {
            cores.retain_mut(|core| core.as_mut().poll(cx).is_pending());
            if cores.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}
