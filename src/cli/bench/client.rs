//! Bulk through the client API: as a service would, with its rings and copies.

use super::options::SourceOptions;
use crate::base::Duration;
use crate::bench::{LinkBytes, Measured, Plan, Value, Wish};
use mpdk_client::layout::ConnectionInfo;
use mpdk_client::{Context, Observer, Stream};
use rustix::time::{ClockId, clock_gettime};
use std::io;
use std::rc::Rc;
use std::time::Instant;
use tokio::io::AsyncWriteExt;
use tokio::task::LocalSet;

/// Keeps streams full and counts what the peer acknowledges at data level.
pub(super) async fn source(context: &Context, options: &SourceOptions) -> io::Result<Vec<Measured>> {
    let mut streams = Vec::new();
    for _ in 0..options.connections {
        let mut stream = Stream::connect(context, options.active.target).await?;
        stream.write_all(&Wish::Discard.encode()).await?;
        streams.push(stream);
    }
    let payload: Rc<[u8]> =
        (0..options.buffer_kib << 10).map(|at| (at.wrapping_mul(31) >> 8) as u8).collect();
    let observers: Vec<_> = streams.iter().map(Stream::observer).collect();
    let tasks = LocalSet::new();
    for stream in streams {
        tasks.spawn_local(keep_full(stream, Rc::clone(&payload)));
    }
    tasks.run_until(measure(options.active.plan(), &observers)).await
}

async fn keep_full(mut stream: Stream, payload: Rc<[u8]>) {
    // An error ends the stream, and whoever asks about it hears the reason.
    while stream.write_all(&payload).await.is_ok() {}
}

/// What is known of all connections at a time.
struct Reading {
    at: Instant,
    cpu: Duration,
    connections: Vec<ConnectionInfo>,
}

impl Reading {
    async fn take(observers: &[Observer]) -> io::Result<Self> {
        let mut connections = Vec::new();
        for observer in observers {
            connections.push(observer.info().await?);
        }
        Ok(Self { at: Instant::now(), cpu: process_cpu_time(), connections })
    }

    fn acknowledged(&self) -> u64 {
        self.connections.iter().map(|info| info.bytes_acked).sum()
    }

    /// Payload bytes that each link carried, in the order of the ports.
    fn links(&self) -> Vec<(String, u64, u64)> {
        let mut links: Vec<(String, u64, u64)> = Vec::new();
        for subflow in self.connections.iter().flat_map(ConnectionInfo::subflows) {
            let name = subflow.interface_name();
            let at = links.iter().position(|link| link.0 == name).unwrap_or_else(|| {
                links.push((name, 0, 0));
                links.len() - 1
            });
            links[at].1 += subflow.bytes_sent;
            links[at].2 += subflow.bytes_received;
        }
        links
    }
}

async fn measure(plan: Plan, observers: &[Observer]) -> io::Result<Vec<Measured>> {
    let wait = |duration: Duration| tokio::time::sleep(std::time::Duration::from_nanos(duration.as_nanos()));
    wait(plan.warm_up).await;
    let mut runs = Vec::new();
    let mut before = Reading::take(observers).await?;
    for _ in 0..plan.runs {
        wait(plan.run).await;
        let now = Reading::take(observers).await?;
        runs.push(between(&before, &now));
        before = now;
    }
    Ok(runs)
}

fn between(before: &Reading, now: &Reading) -> Measured {
    let earlier = before.links();
    let link = |(name, sent, received): (String, u64, u64)| {
        let (_, sent_before, received_before) =
            earlier.iter().find(|link| link.0 == name).cloned().unwrap_or_default();
        LinkBytes {
            name,
            frames_received: 0,
            bytes_received: received.saturating_sub(received_before),
            frames_sent: 0,
            bytes_sent: sent.saturating_sub(sent_before),
        }
    };
    Measured {
        cores: Vec::new(),
        elapsed: Duration::from_nanos(now.at.duration_since(before.at).as_nanos() as u64),
        cpu: Duration::from_nanos(now.cpu.as_nanos() - before.cpu.as_nanos()),
        value: Value::Bytes(now.acknowledged() - before.acknowledged()),
        allocations: 0,
        links: now.links().into_iter().map(link).collect(),
        counters: Vec::new(),
        mptcp: now.connections.iter().all(|info| info.fallback == 0),
    }
}

/// The engine and the client are threads of one process.
fn process_cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::from_nanos(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}
