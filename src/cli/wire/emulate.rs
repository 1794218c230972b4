//! The running emulator.

use super::links::Links;
use super::{WireError, ports, server, socket};
use crate::cli::signals::EndSignals;
use crate::control::WireConfig;
use crate::relay::{self, LinkReport, RelayDied, RelayHandle};
use std::io;
use tokio::net::UnixListener;
use tokio::sync::oneshot;

/// Runs until a signal asks for an end.
pub(super) fn run(config: &WireConfig) -> Result<(), WireError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(WireError::Runtime)?;
    let _entered = runtime.enter();
    // Before anything that has to be undone in order.
    let mut signals = EndSignals::catch().map_err(WireError::Runtime)?;
    let at_socket = |source| WireError::Socket { path: config.control.clone(), source };
    let (listener, _file) = socket::listen_at(&config.control).map_err(at_socket)?;
    let listener = UnixListener::from_std(listener).map_err(at_socket)?;
    let settings = config.relay(seed().map_err(WireError::Runtime)?);
    let seed = settings.seed;
    let for_thread = config.clone();
    let links = config.links.iter().map(crate::control::WireLink::link).collect();
    let handle = relay::start(settings, links, move || ports::open(&for_thread))?;
    let orders = handle.orders();
    tracing::info!(config = %config.file.display(), links = config.links.len(), seed, "the emulator runs");
    let mut end = watch(handle).map_err(WireError::Runtime)?;
    runtime.block_on(async {
        let died = tokio::select! {
            biased;
            signal = signals.next() => {
                tracing::info!(signal, "ending");
                None
            }
            () = server::serve(listener, Links::new(config, orders.clone())) => None,
            end = &mut end => Some(end),
        };
        orders.stop();
        let reports = match died {
            Some(end) => end,
            None => end.await,
        };
        tell(config, &reports.unwrap_or_else(|_| Err(RelayDied("its watcher died".into())))?);
        Ok(())
    })
}

type End = Result<Vec<LinkReport>, RelayDied>;

/// Waits for the loop's end, on a thread of its own.
fn watch(handle: RelayHandle) -> io::Result<oneshot::Receiver<End>> {
    let (ended, end) = oneshot::channel();
    // Nobody waits any more if the process is about to end.
    let wait = move || drop(ended.send(handle.wait()));
    std::thread::Builder::new().name("mpdk-watch".into()).spawn(wait)?;
    Ok(end)
}

/// A number that nobody knows before.
fn seed() -> io::Result<u64> {
    let mut bytes = [0; 8];
    // So few bytes come whole.
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    // What a configuration can name, to see the same again.
    Ok(u64::from_ne_bytes(bytes) >> 1)
}

/// What went where, for those who look for a reason.
fn tell(config: &WireConfig, reports: &[LinkReport]) {
    for (link, report) in config.links.iter().zip(reports) {
        for (side, direction) in report.sides.iter().zip(super::change::DIRECTIONS) {
            let counts = &side.counts;
            tracing::info!(
                link = link.name,
                direction,
                received = counts.received.frames,
                sent = counts.sent.frames,
                lost = counts.lost.frames,
                queue_dropped = counts.queue_dropped.frames,
                down_dropped = counts.down_dropped.frames,
                overflowed = counts.overflowed.frames,
                refused = side.refused,
            );
        }
    }
}
