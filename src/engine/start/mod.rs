//! Engines on threads of their own: one for each core.

mod crew;
mod handle;
mod others;

use super::{Resident, Settings};
use crate::device::{ClientMemory, Device, FlowSteering};
use crate::endpoint::{ConfigError, EndpointConfig};
pub(super) use handle::Arrival;
pub use handle::{AttachError, EndpointHandle, StopHandle};
use std::any::Any;
use std::error::Error;
use std::fmt::{self, Debug};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// How an endpoint's threads are started.
#[derive(Clone, Debug, Default)]
pub struct EngineConfig {
    /// How each core's loop behaves.
    pub settings: Settings,
    /// The CPUs that the threads stay on, an engine for each; none: one engine,
    /// on any CPU.
    pub cpus: Vec<usize>,
    /// Where each core shows what it counts; `None`: nowhere.
    pub statistics: Option<PathBuf>,
}

/// Why something could not be opened.
pub type OpenError = Box<dyn Error + Send + Sync>;

/// What an endpoint's cores work on.
pub struct Opened<D: Device> {
    /// For each core what makes its part, on its thread.
    pub cores: Vec<MakePart<D>>,
    /// Where regions may lie so that the ports read them in place.
    pub memory: Option<Arc<dyn ClientMemory<D::Packet>>>,
    /// The ports, for who tells them where a flow goes.
    pub flows: Option<Box<dyn FlowSteering>>,
}

/// Makes one core's part.
pub type MakePart<D> = Box<dyn FnOnce() -> Result<Part<D>, OpenError> + Send>;

/// What one core works on. Made on its thread: configurations and programs stay
/// with the thread that made them.
pub struct Part<D: Device> {
    /// The core's queues of the ports, in the order of `endpoint.ports`.
    pub ports: Vec<D>,
    /// The core's host over them.
    pub endpoint: EndpointConfig,
    /// A program that runs inside the engine.
    pub resident: Option<Box<dyn Resident<D::Packet>>>,
    /// Kept until the thread ends.
    pub keep: Option<Box<dyn Any>>,
}

impl<D: Device> Opened<D> {
    /// One core alone.
    pub fn single(
        make: impl FnOnce() -> Result<Part<D>, OpenError> + Send + 'static,
        memory: Option<Arc<dyn ClientMemory<D::Packet>>>,
    ) -> Self {
        Self { cores: vec![Box::new(make)], memory, flows: None }
    }
}

impl<D: Device> Part<D> {
    /// Ports and the host over them.
    pub fn new(ports: Vec<D>, endpoint: EndpointConfig) -> Self {
        Self { ports, endpoint, resident: None, keep: None }
    }
}

impl<D: Device> Debug for Opened<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("cores", &self.cores.len()).finish_non_exhaustive()
    }
}

impl<D: Device> Debug for Part<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part").field("ports", &self.ports.len()).finish_non_exhaustive()
    }
}

/// Why an endpoint does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The ports could not be opened.
    #[error(transparent)]
    Open(OpenError),
    /// The endpoint's configuration contradicts itself.
    #[error(transparent)]
    Endpoint(#[from] ConfigError),
    /// As many ports must be opened as are configured.
    #[error("{configured} ports are configured, {opened} were opened")]
    Ports {
        /// How many the endpoint has.
        configured: usize,
        /// How many devices there are.
        opened: usize,
    },
    /// As many cores must be given work as are configured.
    #[error("{configured} cores are configured, there is work for {opened}")]
    Cores {
        /// How many threads there are to be.
        configured: usize,
        /// How many have something to work on.
        opened: usize,
    },
    /// The thread cannot run on that CPU.
    #[error("cannot run on CPU {0}")]
    Cpu(usize),
    /// The system refused a thread, a descriptor or randomness.
    #[error("cannot start the engine: {0}")]
    System(#[source] io::Error),
    /// The thread died.
    #[error("the engine died: {0}")]
    Died(String),
}

/// A core's engine died: a defect. The endpoint has ended with it, and its
/// clients saw the end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the engine of core {core} died: {panic}")]
pub struct EngineDied {
    /// Which core's: its place in the configuration.
    pub core: usize,
    /// What it said.
    pub panic: String,
}

/// Starts an engine for each core, each on its own thread, and waits until the
/// ports are up. `open` opens them, on the first core's thread.
///
/// # Errors
/// [`StartError`]; nothing runs then.
pub fn start<D, F>(config: EngineConfig, open: F) -> Result<EndpointHandle, StartError>
where
    D: Device + 'static,
    F: FnOnce() -> Result<Opened<D>, OpenError> + Send + 'static,
{
    crew::start(config, open)
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic".into())
}
