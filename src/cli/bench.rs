//! `mpdk bench`: line-rate source and sink.

mod client;
mod client_sink;
mod listen;
mod options;
mod report;
mod start;

pub(super) use options::Options;

use super::signals::EndSignals;
use super::start::tell;
use super::{EXIT_CONFIGURATION, EXIT_START, Endpoint, start_endpoint};
use crate::control::Config;
use listen::{End, listen};
use options::Role;
use std::io::Write;

/// Runs the program inside an engine until it is done or a signal comes.
pub(super) fn run(options: &Options) -> u8 {
    let config = match Config::load(&options.role.config().path) {
        Ok(config) => config,
        Err(error) => return fail(EXIT_CONFIGURATION, &error),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(EXIT_START, &error),
    };
    let _entered = runtime.enter();
    let signals = match EndSignals::catch() {
        Ok(signals) => signals,
        Err(error) => return fail(EXIT_START, &error),
    };
    if let Role::Source(source) = &options.role
        && source.client_api
    {
        return runtime.block_on(through_client(&config, options, source, signals));
    }
    if let Role::Sink(sink) = &options.role
        && sink.client_api
    {
        return runtime.block_on(sink_through_client(&config, sink, signals));
    }
    let (handle, from_cores) = match start::start(&config, &options.role) {
        Ok(started) => started,
        Err(error) => return fail(EXIT_START, &error),
    };
    tracing::info!(config = %config.file.display(), ports = config.ports.len(), "the endpoint runs");
    let stop = handle.stop_handle();
    let end = runtime.block_on(listen(from_cores, signals));
    stop.stop();
    let stopped = handle.wait();
    match stopped {
        Ok(reports) => tell(&reports),
        Err(died) => return fail(1, &died),
    }
    match end {
        End::Done(runs) => {
            report::print(&config, options, &runs);
            0
        }
        // The passive side is ended by a signal, and by nothing else.
        End::Signal(_) if matches!(options.role, Role::Sink(_)) => 0,
        // As shells show it.
        End::Signal(signal) => u8::try_from(128 + signal).unwrap_or(1),
        End::Failed(reason) => fail(1, &reason),
    }
}

/// The same by a client of an engine in this process.
async fn through_client(
    config: &Config,
    options: &Options,
    source: &options::SourceOptions,
    mut signals: EndSignals,
) -> u8 {
    let mut config = config.clone();
    config.mptcp.enabled &= !options.role.plain_tcp();
    let endpoint = match start_endpoint(&config) {
        Ok(endpoint) => endpoint,
        Err(error) => return fail(EXIT_START, &error),
    };
    let measure = async {
        let context = endpoint.connector().await?;
        client::source(&context, source).await
    };
    let measured = tokio::select! {
        biased;
        // As shells show it.
        signal = signals.next() => Err(u8::try_from(128 + signal).unwrap_or(1)),
        result = measure => result.map_err(|error| fail(1, &error)),
    };
    let counters = endpoint.stop_and_report().await.map(|report| report.counters);
    let mut runs = match measured {
        Ok(runs) => runs,
        Err(code) => return code,
    };
    // The engine tells at its end, of all its life.
    if let (Some(run), Some(counters)) = (runs.last_mut(), counters) {
        run.counters = counters.non_zero().collect();
    }
    report::print(&config, options, &runs);
    0
}

/// The passive side by a client of an engine in this process.
async fn sink_through_client(config: &Config, sink: &options::SinkOptions, mut signals: EndSignals) -> u8 {
    let mut config = config.clone();
    config.mptcp.enabled &= !sink.plain_tcp;
    let endpoint = match start_endpoint(&config) {
        Ok(endpoint) => endpoint,
        Err(error) => return fail(EXIT_START, &error),
    };
    let take = async {
        let context = endpoint.connector().await?;
        client_sink::sink(&context, sink.listen).await
    };
    let code = tokio::select! {
        biased;
        // It is ended by a signal, and by nothing else.
        _ = signals.next() => 0,
        result = take => result.map_or_else(|error| fail(1, &error), |()| 0),
    };
    endpoint.stop_and_report().await;
    code
}

fn fail(code: u8, error: &dyn std::fmt::Display) -> u8 {
    // Nobody is left to tell when standard error is closed.
    let _ = writeln!(std::io::stderr(), "mpdk: {error}");
    code
}
