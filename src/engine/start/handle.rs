//! What the rest of the process has of a running endpoint.

use super::{EngineDied, text_of};
use crate::device::LentMemory;
use crate::engine::rules::RuleKeeper;
use crate::engine::signal::Signal;
use crate::engine::{Report, regions};
use crate::shm::{
    Attachment, ClientSlot, Doorbell, Geometry, InPlace, Limits, Region, RegionConfig, RegionError,
};
use std::fmt::{self, Debug};
use std::sync::Arc;
use std::thread::JoinHandle;

/// The line to each core's engine, in order.
pub(super) type Signals = Arc<[Arc<Signal<Arrival>>]>;
/// What each core has counted, or which one died.
pub(super) type Ended = Result<Vec<Report>, EngineDied>;

/// A running endpoint. Dropping it stops the endpoint and waits for its end.
#[derive(Debug)]
pub struct EndpointHandle {
    pub(super) signals: Signals,
    pub(super) memory: Memory,
    /// The first core's, which waits for the others.
    pub(super) thread: Option<JoinHandle<Ended>>,
    /// Tells the ports where flows go. Waited for behind the cores.
    pub(super) rules: Option<RuleKeeper>,
}

/// Memory that ports and clients have in common.
pub(super) struct Memory {
    /// For a region of so many bytes.
    pub(super) reserve: Box<dyn Fn(usize) -> Option<LentMemory> + Send + Sync>,
    /// What packets are received into.
    pub(super) packets: Option<LentMemory>,
}

impl Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Memory")
    }
}

/// Stops an endpoint, from any thread.
#[derive(Clone, Debug)]
pub struct StopHandle(Signals);

/// A client that wants to be served: the engine's half of what joins the two.
#[derive(Debug)]
pub(in crate::engine) struct Arrival {
    region: Region,
    doorbell: Doorbell,
    limits: Limits,
    in_place: Option<InPlace>,
}

impl Arrival {
    /// The slot, which stays with the thread that makes it.
    pub(in crate::engine) fn into_slot(self) -> Result<ClientSlot, RegionError> {
        let mut slot = ClientSlot::with_doorbell(self.region, self.doorbell, self.limits)?;
        if let Some(allowed) = self.in_place {
            slot.allow_in_place(allowed);
        }
        Ok(slot)
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

impl EndpointHandle {
    /// For each core: makes a region, hands its one half to the core's engine
    /// and returns the other: what a client in this process is made of.
    ///
    /// # Errors
    /// If a size is not allowed or the system refuses.
    pub fn attach(&self, region: &RegionConfig, limits: Limits) -> Result<Vec<Attachment>, AttachError> {
        self.signals.iter().map(|signal| self.attach_core(signal, region, limits)).collect()
    }

    fn attach_core(
        &self,
        signal: &Signal<Arrival>,
        region: &RegionConfig,
        limits: Limits,
    ) -> Result<Attachment, AttachError> {
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
        signal.send(arrival).map_err(|_| AttachError::Ended)?;
        Ok(attachment)
    }

    /// How many cores it has.
    pub fn core_count(&self) -> usize {
        self.signals.len()
    }

    /// Stops the endpoint from elsewhere.
    pub fn stop_handle(&self) -> StopHandle {
        StopHandle(Arc::clone(&self.signals))
    }

    /// Asks the endpoint to stop and waits for its end: connections end in order
    /// within the grace of its settings. Returns what each core has counted.
    ///
    /// # Errors
    /// If a core died before.
    pub fn stop(self) -> Result<Vec<Report>, EngineDied> {
        stop(&self.signals);
        self.wait()
    }

    /// Waits until the endpoint ends: somebody stopped it, or a core died, with
    /// which all end.
    ///
    /// # Errors
    /// If one died.
    pub fn wait(mut self) -> Result<Vec<Report>, EngineDied> {
        let ended = self.thread.take().map(JoinHandle::join);
        self.rules = None;
        match ended {
            Some(Ok(ended)) => ended,
            Some(Err(panic)) => Err(EngineDied { core: 0, panic: text_of(&*panic) }),
            None => Err(EngineDied { core: 0, panic: "it was waited for before".into() }),
        }
    }
}

impl Drop for EndpointHandle {
    fn drop(&mut self) {
        stop(&self.signals);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl StopHandle {
    /// Asks the endpoint to stop. Returns at once.
    pub fn stop(&self) {
        stop(&self.0);
    }
}

/// Asks every core to stop.
pub(super) fn stop(signals: &Signals) {
    signals.iter().for_each(|signal| signal.stop());
}
