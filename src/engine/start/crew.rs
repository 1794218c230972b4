//! The threads of an endpoint: the first opens the ports, starts the others,
//! and ends after them.

use super::handle::{Ended, Memory, Signals, stop};
use super::others::Others;
use super::{Arrival, EndpointHandle, EngineConfig, MakePart, OpenError, Opened, Part};
use super::{StartError, text_of};
use crate::base::CoreIndex;
use crate::device::Device;
use crate::engine::core::Seat;
use crate::engine::rules::{RuleTask, RuleWishes, rule_task};
use crate::engine::signal::Signal;
use crate::engine::{Engine, Report};
use core_affinity::CoreId;
use std::any::Any;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;

type Memories<D> = Option<Arc<dyn crate::device::ClientMemory<<D as Device>::Packet>>>;
type Started = Sender<Result<Gathered, StartError>>;

/// What the first core's thread has for the one that starts it.
struct Gathered {
    signals: Signals,
    memory: Memory,
    rules: Option<RuleTask>,
}

pub(super) fn start<D, F>(config: EngineConfig, open: F) -> Result<EndpointHandle, StartError>
where
    D: Device + 'static,
    F: FnOnce() -> Result<Opened<D>, OpenError> + Send + 'static,
{
    check_cpus(&config.cpus)?;
    let (started, starting) = mpsc::channel();
    let thread = spawn(0, move || lead(&config, open, &started))?;
    match starting.recv() {
        Ok(Ok(Gathered { signals, memory, rules })) => {
            // Without it, frames are handed over.
            let rules = rules.and_then(|rules| rules.start().inspect_err(no_rules).ok());
            Ok(EndpointHandle { signals, memory, thread: Some(thread), rules })
        }
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

fn no_rules(error: &io::Error) {
    tracing::warn!(%error, "the ports are not told where flows go");
}

pub(super) fn spawn<T: Send + 'static>(
    core: usize,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, StartError> {
    std::thread::Builder::new().name(format!("mpdk-core-{core}")).spawn(run).map_err(StartError::System)
}

/// The first core's thread.
fn lead<D, F>(config: &EngineConfig, open: F, started: &Started) -> Ended
where
    D: Device + 'static,
    F: FnOnce() -> Result<Opened<D>, OpenError>,
{
    // A receiver that is gone has nobody to tell.
    match gather(config, open) {
        Ok((crew, gathered)) => {
            drop(started.send(Ok(gathered)));
            crew.run()
        }
        Err(error) => {
            drop(started.send(Err(error)));
            Ok(Vec::new())
        }
    }
}

/// Everything that the first core's thread has. Dropped in order: its own engine
/// ends, then all others are told to, then they are waited for.
struct Crew<D: Device> {
    engine: Engine<D>,
    guard: EndGuard,
    others: Others,
    /// What its part is to keep.
    keep: Option<Box<dyn Any>>,
}

impl<D: Device> Crew<D> {
    fn run(self) -> Ended {
        let Self { engine, guard, others, keep } = self;
        // Also when the engine unwinds, they are dropped in this order.
        let keep = keep;
        let mut others = others;
        let guard = guard;
        let report = engine.run();
        drop(guard);
        let ended = others.join();
        drop(keep);
        let mut reports = vec![report];
        for report in ended {
            reports.push(report?);
        }
        Ok(reports)
    }
}

/// Opens the ports and starts the other cores' threads.
fn gather<D, F>(config: &EngineConfig, open: F) -> Result<(Crew<D>, Gathered), StartError>
where
    D: Device + 'static,
    F: FnOnce() -> Result<Opened<D>, OpenError>,
{
    // What the ports' drivers start may run elsewhere.
    let Opened { cores, memory, flows } = open().map_err(StartError::Open)?;
    config.cpus.first().map_or(Ok(()), |&cpu| pin(cpu))?;
    let (configured, opened) = (config.cpus.len().max(1), cores.len());
    if configured != opened {
        return Err(StartError::Cores { configured, opened });
    }
    let seats = Seat::several(opened)?;
    let signals: Signals = seats.iter().map(|seat| Arc::clone(&seat.signal)).collect();
    let (rules, wishes) = flows.and_then(|flows| rule_task(flows, opened)).unzip();
    let mut wishes = wishes.into_iter().flatten();
    let mut places = cores.into_iter().zip(seats).enumerate().map(|(core, (make, seat))| {
        let rules = wishes.next();
        Place { core, make, seat, rules }
    });
    let first = places.next();
    let mut others = Others::new(Arc::clone(&signals));
    for place in places {
        let (config, memory, signals) = (config.clone(), memory.clone(), Arc::clone(&signals));
        others.start(place.core, move |started| follow(&config, place, &memory, signals, started))?;
    }
    // At least one core is configured.
    let Some(first) = first else { return Err(StartError::Cores { configured, opened }) };
    let (engine, keep) = build(config, first, &memory)?;
    others.wait()?;
    let guard = EndGuard { own: Arc::clone(&engine.signal), all: Arc::clone(&signals) };
    let packets = memory.as_ref().and_then(|memory| memory.packets());
    let reserve = Box::new(move |len| memory.as_ref()?.reserve(len));
    let gathered = Gathered { signals, memory: Memory { reserve, packets }, rules };
    Ok((Crew { engine, guard, others, keep }, gathered))
}

/// One core's beginnings.
struct Place<D: Device> {
    core: usize,
    make: MakePart<D>,
    seat: Seat<D::Packet>,
    rules: Option<RuleWishes>,
}

/// Another core's thread.
fn follow<D: Device>(
    config: &EngineConfig,
    place: Place<D>,
    memory: &Memories<D>,
    all: Signals,
    started: &Sender<Result<(), StartError>>,
) -> Option<Report> {
    // Dropped after the engine, also when that unwinds.
    let _guard = EndGuard { own: Arc::clone(&place.seat.signal), all };
    let pinned = config.cpus.get(place.core).map_or(Ok(()), |&cpu| pin(cpu));
    match pinned.and_then(|()| build(config, place, memory)) {
        Ok((engine, keep)) => {
            let keep = keep;
            drop(started.send(Ok(())));
            let report = engine.run();
            drop(keep);
            Some(report)
        }
        Err(error) => {
            drop(started.send(Err(error)));
            None
        }
    }
}

/// One core's engine, with what its part is to keep.
type Built<D> = (Engine<D>, Option<Box<dyn Any>>);

fn build<D: Device>(
    config: &EngineConfig,
    place: Place<D>,
    memory: &Memories<D>,
) -> Result<Built<D>, StartError> {
    let Place { core, make, seat, rules } = place;
    let Part { ports, endpoint, resident, keep } = make().map_err(StartError::Open)?;
    let mut engine = Engine::seated(config.settings.clone(), endpoint, ports, seat)?;
    engine.rules = rules;
    if let Some(resident) = resident {
        engine.house(resident);
    }
    if let Some(memory) = memory {
        engine.lend(Arc::clone(memory));
    }
    if let Some(folder) = &config.statistics {
        engine.show(folder, CoreIndex(core as u8));
    }
    Ok((engine, keep))
}

/// Whether this thread may run on these CPUs. For a thread that stays on none: one
/// that does may not say where those that it starts will run.
fn check_cpus(cpus: &[usize]) -> Result<(), StartError> {
    let allowed = core_affinity::get_core_ids().unwrap_or_default();
    let refused = cpus.iter().find(|&&cpu| !allowed.iter().any(|id| id.id == cpu));
    refused.map_or(Ok(()), |&cpu| Err(StartError::Cpu(cpu)))
}

/// Keeps this thread on one CPU, which was checked.
fn pin(cpu: usize) -> Result<(), StartError> {
    if core_affinity::set_for_current(CoreId { id: cpu }) { Ok(()) } else { Err(StartError::Cpu(cpu)) }
}

/// Nothing arrives at a core any more once this is dropped; and when the core
/// dies, all the others stop.
#[derive(Debug)]
struct EndGuard {
    own: Arc<Signal<Arrival>>,
    all: Signals,
}

impl Drop for EndGuard {
    fn drop(&mut self) {
        self.own.end();
        if std::thread::panicking() {
            stop(&self.all);
        }
    }
}
