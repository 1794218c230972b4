//! An engine on a thread of its own.

use super::signal::Signal;
use super::{Engine, Load, Resident, Settings, regions};
use crate::base::Counters;
use crate::device::{ClientMemory, Device, DeviceStatistics, LentMemory};
use crate::endpoint::{ConfigError, EndpointConfig};
use crate::shm::{
    Attachment, ClientSlot, Doorbell, Geometry, InPlace, Limits, Region, RegionConfig, RegionError,
};
use std::any::Any;
use std::error::Error;
use std::fmt::{self, Debug};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;

/// How an engine's thread is started.
#[derive(Clone, Debug, Default)]
pub struct EngineConfig {
    /// How its loop behaves.
    pub settings: Settings,
    /// The CPU that its thread stays on; any if there is none.
    pub core: Option<usize>,
}

/// What an engine works on. Made on the engine's thread: ports and
/// configurations may stay with the thread that made them.
#[derive(Debug)]
pub struct Opened<D: Device> {
    /// The ports, in the order of `endpoint.ports`.
    pub ports: Vec<D>,
    /// The endpoint over them.
    pub endpoint: EndpointConfig,
    /// A program that runs inside the engine.
    pub resident: Option<Box<dyn Resident<D::Packet>>>,
    /// Where regions may lie so that the ports read them in place.
    pub memory: Option<Arc<dyn ClientMemory<D::Packet>>>,
}

/// Why an engine does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The ports could not be opened.
    #[error(transparent)]
    Open(Box<dyn Error + Send + Sync>),
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
    /// The thread cannot run on that CPU.
    #[error("cannot run on CPU {0}")]
    Core(usize),
    /// The system refused a thread, a descriptor or randomness.
    #[error("cannot start the engine: {0}")]
    System(#[source] io::Error),
    /// The thread died.
    #[error("the engine died: {0}")]
    Died(String),
}

/// The engine died: a defect. Its clients saw the end of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the engine died: {0}")]
pub struct EngineDied(pub String);

/// What an engine has counted.
#[derive(Clone, Debug)]
pub struct Report {
    /// Every outcome.
    pub counters: Counters,
    /// What each port did, in the order of the ports.
    pub ports: Vec<DeviceStatistics>,
    /// What the loop did with its time.
    pub load: Load,
}

/// A running engine. Dropping it stops the engine and waits for its end.
#[derive(Debug)]
pub struct EndpointHandle {
    signal: Arc<Signal<Arrival>>,
    memory: Memory,
    thread: Option<JoinHandle<Report>>,
}

/// Memory that ports and clients have in common.
struct Memory {
    /// For a region of so many bytes.
    reserve: Box<dyn Fn(usize) -> Option<LentMemory> + Send + Sync>,
    /// What packets are received into.
    packets: Option<LentMemory>,
}

impl Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Memory")
    }
}

/// Stops an engine, from any thread.
#[derive(Clone, Debug)]
pub struct StopHandle(Arc<Signal<Arrival>>);

/// A client that wants to be served: the engine's half of what joins the two.
#[derive(Debug)]
pub(super) struct Arrival {
    region: Region,
    doorbell: Doorbell,
    limits: Limits,
    in_place: Option<InPlace>,
}

impl Arrival {
    /// The slot, which stays with the thread that makes it.
    pub(super) fn into_slot(self) -> Result<ClientSlot, RegionError> {
        let mut slot = ClientSlot::with_doorbell(self.region, self.doorbell, self.limits)?;
        if let Some(allowed) = self.in_place {
            slot.allow_in_place(allowed);
        }
        Ok(slot)
    }
}

/// Nothing arrives any more once this is dropped.
#[derive(Debug)]
struct EndGuard(Arc<Signal<Arrival>>);

impl Drop for EndGuard {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Why no client can be attached.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// The memory that the two share cannot be made.
    #[error(transparent)]
    Region(#[from] RegionError),
    /// The engine has ended.
    #[error("the engine has ended")]
    Ended,
}

/// Starts an engine on its own thread and waits until its ports are up. `open`
/// opens them, on that thread.
///
/// # Errors
/// [`StartError`]; nothing runs then.
pub fn start<D, F>(config: EngineConfig, open: F) -> Result<EndpointHandle, StartError>
where
    D: Device + 'static,
    F: FnOnce() -> Result<Opened<D>, Box<dyn Error + Send + Sync>> + Send + 'static,
{
    let (started, starting) = mpsc::channel();
    let thread = std::thread::Builder::new()
        .name("mpdk-engine".into())
        .spawn(move || run(config, open, &started))
        .map_err(StartError::System)?;
    match starting.recv() {
        Ok(Ok((signal, memory))) => Ok(EndpointHandle { signal, memory, thread: Some(thread) }),
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

type Started = Sender<Result<(Arc<Signal<Arrival>>, Memory), StartError>>;

fn run<D, F>(config: EngineConfig, open: F, started: &Started) -> Report
where
    D: Device,
    F: FnOnce() -> Result<Opened<D>, Box<dyn Error + Send + Sync>>,
{
    // A receiver that is gone has nobody to tell.
    match build(config, open) {
        Ok((engine, memory)) => {
            // Dropped after the engine, also when that unwinds.
            let guard = EndGuard(Arc::clone(&engine.signal));
            drop(started.send(Ok((Arc::clone(&guard.0), memory))));
            engine.run()
        }
        Err(error) => {
            drop(started.send(Err(error)));
            Report { counters: Counters::new(), ports: Vec::new(), load: Load::default() }
        }
    }
}

fn build<D, F>(config: EngineConfig, open: F) -> Result<(Engine<D>, Memory), StartError>
where
    D: Device,
    F: FnOnce() -> Result<Opened<D>, Box<dyn Error + Send + Sync>>,
{
    config.core.map_or(Ok(()), pin)?;
    let Opened { ports, endpoint, resident, memory } = open().map_err(StartError::Open)?;
    let mut engine = Engine::new(config.settings, endpoint, ports)?;
    if let Some(resident) = resident {
        engine.house(resident);
    }
    if let Some(memory) = &memory {
        engine.lend(Arc::clone(memory));
    }
    let packets = memory.as_ref().and_then(|memory| memory.packets());
    let reserve = Box::new(move |len| memory.as_ref()?.reserve(len));
    Ok((engine, Memory { reserve, packets }))
}

/// Keeps this thread on one CPU.
fn pin(core: usize) -> Result<(), StartError> {
    // Those this process may run on; with others the crate panics.
    let allowed = core_affinity::get_core_ids().unwrap_or_default();
    let found = allowed.into_iter().find(|id| id.id == core);
    if found.is_some_and(core_affinity::set_for_current) { Ok(()) } else { Err(StartError::Core(core)) }
}

impl EndpointHandle {
    /// Makes a region, hands its one half to the engine and returns the other:
    /// what a client in this process is made of.
    ///
    /// # Errors
    /// If a size is not allowed or the system refuses.
    pub fn attach(&self, region: &RegionConfig, limits: Limits) -> Result<Attachment, AttachError> {
        let region_bytes = Geometry::plan(region)?.region_bytes as usize;
        let (region, attached) = regions::pair(region, (self.memory.reserve)(region_bytes))?;
        let (doorbell, client_end) =
            Doorbell::pair().map_err(|error| RegionError::System { action: "create a doorbell", error })?;
        // Clients of this process can see all of its memory anyway: they are
        // trusted, and decide themselves.
        let packets = self.memory.packets.clone().filter(|_| limits.in_place_buffers > 0);
        let (packets, in_place) = packets.map(|it| regions::packets(it, limits.in_place_buffers)).unzip();
        let attachment = Attachment { region: attached, doorbell: client_end, packets };
        let arrival = Arrival { region, doorbell, limits, in_place };
        self.signal.send(arrival).map_err(|_| AttachError::Ended)?;
        Ok(attachment)
    }

    /// Stops the engine from elsewhere.
    pub fn stop_handle(&self) -> StopHandle {
        StopHandle(Arc::clone(&self.signal))
    }

    /// Asks the engine to stop and waits for its end: connections end in order
    /// within the grace of its settings.
    ///
    /// # Errors
    /// If it died before.
    pub fn stop(self) -> Result<Report, EngineDied> {
        self.signal.stop();
        self.wait()
    }

    /// Waits until the engine ends: somebody stopped it, or it died.
    ///
    /// # Errors
    /// If it died.
    pub fn wait(mut self) -> Result<Report, EngineDied> {
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(report)) => Ok(report),
            Some(Err(panic)) => Err(EngineDied(text_of(&*panic))),
            None => Err(EngineDied("it was waited for before".into())),
        }
    }
}

impl Drop for EndpointHandle {
    fn drop(&mut self) {
        self.signal.stop();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl StopHandle {
    /// Asks the engine to stop. Returns at once.
    pub fn stop(&self) {
        self.0.stop();
    }
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic".into())
}
