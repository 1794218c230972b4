//! Brings up an endpoint for the verbs.

use super::{Endpoint, StartError, ports};
use crate::control::{Config, CorePlace};
use crate::device::DeviceStatistics;
use crate::dpdk::{ClientMemory, DpdkDevice, Eal, Mbuf};
use crate::engine::{
    EndpointHandle, EngineDied, HandOvers, Load, MakePart, Opened, Part, Report, Resident, StopHandle,
};
use mpdk_client::{Context, Listener};
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Why something could not be opened, as text for people.
pub(super) type Failure = Box<dyn Error + Send + Sync>;

/// A running engine, with this process as a client.
#[derive(Debug)]
pub struct RunningEndpoint {
    context: Context,
    stop: StopHandle,
    /// What the engine leaves behind.
    end: oneshot::Receiver<Result<Vec<Report>, EngineDied>>,
}

/// Starts the ports and the packet loop of a configuration. Inside a tokio
/// runtime, which drives this process's side of the sockets.
///
/// # Errors
/// What DPDK or the engine refuses.
pub fn start_endpoint(config: &Config) -> Result<RunningEndpoint, StartError> {
    let for_thread = config.clone();
    let open = move || {
        let mut opened = ports::open(&for_thread)?;
        let memory = Some(Arc::new(ClientMemory::new(&opened.eal, &opened.receive)) as _);
        let flows = Some(opened.flows());
        Ok(Opened { cores: parts(for_thread, opened, |_, _| Ok(None)), memory, flows })
    };
    let handle = crate::engine::start(config.engine(), open).map_err(StartError::new)?;
    let attachments = handle.attach(&config.region(), config.client_limits()).map_err(StartError::new)?;
    let context = Context::spawn(attachments).map_err(StartError::new)?;
    let stop = handle.stop_handle();
    Ok(RunningEndpoint { context, stop, end: watch(handle).map_err(StartError::new)? })
}

/// For each core what makes its part of the endpoint, on the core's thread, with
/// the program that `resident` makes for it.
pub(super) fn parts(
    config: Config,
    opened: ports::Opened,
    resident: impl Fn(&Eal, usize) -> Result<Option<Box<dyn Resident<Mbuf>>>, Failure> + Send + Sync + 'static,
) -> Vec<MakePart<DpdkDevice>> {
    let ports::Opened { eal, cores, places, .. } = opened;
    let shared = Arc::new((config, eal, resident));
    let part = |(ports, place): (Vec<DpdkDevice>, CorePlace)| -> MakePart<DpdkDevice> {
        let shared = Arc::clone(&shared);
        Box::new(move || {
            let (config, eal, resident) = &*shared;
            let registered = eal.register_thread()?;
            let endpoint = config.endpoint(&ports, &place);
            let resident = resident(eal, place.core.0.into())?;
            Ok(Part { endpoint, ports, resident, keep: Some(Box::new(registered)) })
        })
    };
    cores.into_iter().zip(places).map(part).collect()
}

/// Waits for the engine's end, on a thread of its own.
fn watch(handle: EndpointHandle) -> io::Result<oneshot::Receiver<Result<Vec<Report>, EngineDied>>> {
    let (ended, end) = oneshot::channel();
    // Nobody waits any more if the process is about to end.
    let wait = move || drop(ended.send(handle.wait()));
    std::thread::Builder::new().name("mpdk-watch".into()).spawn(wait)?;
    Ok(end)
}

impl Endpoint for RunningEndpoint {
    type Connector = Context;
    type Acceptor = Listener;

    async fn connector(&self) -> io::Result<Context> {
        Ok(self.context.clone())
    }

    async fn listen(&self, address: SocketAddr) -> io::Result<Listener> {
        Listener::bind(&self.context, address).await
    }

    async fn failed(&mut self) -> io::Error {
        match (&mut self.end).await {
            Ok(Err(died)) => io::Error::other(died),
            // Nobody but `stop` ends it in order.
            _ => io::Error::other("the engine has ended"),
        }
    }

    async fn stop(self) {
        self.stop_and_report().await;
    }
}

impl RunningEndpoint {
    /// Stops it; what it counted, if it ended in order.
    pub(super) async fn stop_and_report(self) -> Option<Report> {
        self.stop.stop();
        match self.end.await {
            Ok(Ok(reports)) => {
                tell(&reports);
                Some(Report::sum(&reports))
            }
            Ok(Err(died)) => {
                tracing::error!(%died, "the engine did not end in order");
                None
            }
            Err(_) => None,
        }
    }
}

/// What was counted, for those who look for a reason.
pub(super) fn tell(reports: &[Report]) {
    for (outcome, count) in Report::sum(reports).counters.non_zero() {
        tracing::debug!(count, "{}", outcome.name());
    }
    for (core, report) in reports.iter().enumerate() {
        let Load { turns, busy_turns, busy } = report.load;
        let frames = |count: fn(&DeviceStatistics) -> u64| report.ports.iter().map(count).sum::<u64>();
        tracing::debug!(
            core,
            turns,
            busy_turns,
            busy_ms = busy.as_nanos() / 1_000_000,
            received_frames = frames(|port| port.received_frames),
            transmitted_frames = frames(|port| port.transmitted_frames),
            "the loop's time"
        );
        for (port, HandOvers { given, taken, dropped }) in report.hand_overs.iter().enumerate() {
            tracing::debug!(core, port, given, taken, dropped, "frames that went from core to core");
        }
    }
}
