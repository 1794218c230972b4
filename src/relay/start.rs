//! The loop on a thread of its own.

use super::orders::{Inbox, Link, Orders, orders};
use super::run::Relay;
use super::{LinkReport, RelayConfig};
use crate::device::Forward;
use std::any::Any;
use std::error::Error;
use std::io;
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;

/// Why the loop does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The ports could not be opened.
    #[error(transparent)]
    Open(Box<dyn Error + Send + Sync>),
    /// The thread cannot run on that CPU.
    #[error("cannot run on CPU {0}")]
    Core(usize),
    /// The system refused a thread or a descriptor.
    #[error("cannot start the loop: {0}")]
    System(#[source] io::Error),
    /// The thread died.
    #[error("the loop died: {0}")]
    Died(String),
}

/// The loop died: a defect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the loop died: {0}")]
pub struct RelayDied(pub String);

/// A running loop. Dropping it ends the loop.
#[derive(Debug)]
pub struct RelayHandle {
    orders: Orders,
    thread: Option<JoinHandle<Vec<LinkReport>>>,
}

/// Starts the loop on its own thread and waits until its ports are up. `open`
/// opens them there: two for each of `links`.
///
/// # Errors
/// [`StartError`]; nothing runs then.
pub fn start<D, F>(config: RelayConfig, links: Vec<Link>, open: F) -> Result<RelayHandle, StartError>
where
    D: Forward + 'static,
    F: FnOnce() -> Result<Vec<[D; 2]>, Box<dyn Error + Send + Sync>> + Send + 'static,
{
    let (orders, inbox) = orders().map_err(StartError::System)?;
    let (started, starting) = mpsc::channel();
    let thread = std::thread::Builder::new()
        .name("mpdk-wire".into())
        .spawn(move || run(config, &links, open, inbox, &started))
        .map_err(StartError::System)?;
    match starting.recv() {
        Ok(Ok(())) => Ok(RelayHandle { orders, thread: Some(thread) }),
        Ok(Err(error)) => {
            // It is about to return; what it returns is said already.
            drop(thread.join());
            Err(error)
        }
        Err(_) => {
            Err(StartError::Died(thread.join().err().map_or_else(String::new, |panic| text_of(&*panic))))
        }
    }
}

fn run<D, F>(
    config: RelayConfig,
    links: &[Link],
    open: F,
    inbox: Inbox,
    started: &Sender<Result<(), StartError>>,
) -> Vec<LinkReport>
where
    D: Forward,
    F: FnOnce() -> Result<Vec<[D; 2]>, Box<dyn Error + Send + Sync>>,
{
    let opened = config.core.map_or(Ok(()), pin).and_then(|()| open().map_err(StartError::Open));
    // A receiver that is gone has nobody to tell.
    match opened {
        Ok(ports) => {
            let relay = Relay::new(config, links, ports, inbox);
            drop(started.send(Ok(())));
            relay.run()
        }
        Err(error) => {
            drop(started.send(Err(error)));
            Vec::new()
        }
    }
}

/// Keeps this thread on one CPU.
fn pin(core: usize) -> Result<(), StartError> {
    // Those this process may run on; with others the crate panics.
    let allowed = core_affinity::get_core_ids().unwrap_or_default();
    let found = allowed.into_iter().find(|id| id.id == core);
    if found.is_some_and(core_affinity::set_for_current) { Ok(()) } else { Err(StartError::Core(core)) }
}

impl RelayHandle {
    /// Speaks to the loop.
    pub fn orders(&self) -> Orders {
        self.orders.clone()
    }

    /// Waits until the loop ends: somebody stopped it, or it died. Tells what
    /// became of the frames of each link.
    ///
    /// # Errors
    /// If it died.
    pub fn wait(mut self) -> Result<Vec<LinkReport>, RelayDied> {
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(reports)) => Ok(reports),
            Some(Err(panic)) => Err(RelayDied(text_of(&*panic))),
            None => Err(RelayDied("it was waited for before".into())),
        }
    }
}

impl Drop for RelayHandle {
    fn drop(&mut self) {
        self.orders.stop();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic".into())
}
