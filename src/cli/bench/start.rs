//! An engine with a benchmark inside.

use super::options::Role;
use crate::bench::{Connects, Exchange, Idlers, News, Pattern, RoundTrips, Sink, Source, Target, Wish};
use crate::cli::StartError;
use crate::cli::ports;
use crate::cli::start::{Failure, parts};
use crate::control::Config;
use crate::dpdk::{Eal, Mbuf, Pool, PoolConfig, PoolKind};
use crate::engine::{EndpointHandle, Opened, Resident};
use std::net::SocketAddr;
use std::sync::mpsc::{self, Receiver, Sender};

/// Bytes of one packet of a pattern.
const PACKET_BYTES: u16 = 16 * 1024;

/// What the program needs to know, on the engine's thread.
#[derive(Clone, Debug)]
enum Job {
    Sink { listen: SocketAddr, ports: u16 },
    Source { target: Target, plan: crate::bench::Plan, packets: u32 },
    RoundTrips { target: Target, plan: crate::bench::Plan, exchange: Exchange },
    Connects { target: Target, plan: crate::bench::Plan },
    Idlers { target: Target, plan: crate::bench::Plan },
}

/// Starts it. What each core's program tells comes by a receiver of its own; there
/// are no more of them than connections to open.
pub(super) fn start(
    config: &Config,
    role: &Role,
) -> Result<(EndpointHandle, Vec<Receiver<News>>), StartError> {
    let mut config = config.clone();
    config.mptcp.enabled &= !role.plain_tcp();
    let engine = config.engine();
    let with_channel = |job| {
        let (news, told) = mpsc::channel();
        ((job, news), told)
    };
    let jobs = Job::new(role).divide(config.eal.cores.len()).into_iter().map(with_channel);
    let (jobs, receivers): (Vec<_>, Vec<_>) = jobs.unzip();
    let open = move || {
        let mut opened = ports::open(&config)?;
        let flows = Some(opened.flows());
        let resident = move |eal: &Eal, core: usize| {
            let Some((job, news)) = jobs.get(core) else { return Ok(None) };
            job.clone().resident(eal, core, news.clone()).map(Some)
        };
        Ok(Opened { cores: parts(config, opened, resident), memory: None, flows })
    };
    let handle = crate::engine::start(engine, open).map_err(StartError::new)?;
    Ok((handle, receivers))
}

impl Job {
    fn new(role: &Role) -> Self {
        let target =
            |address, connections: u32| Target { address, ports: 1, connections: connections as usize };
        match role {
            Role::Sink(options) => Self::Sink { listen: options.listen, ports: options.ports },
            Role::Source(options) => Self::Source {
                target: target(options.active.target, options.connections),
                plan: options.active.plan(),
                packets: options.buffer_kib.div_ceil(u32::from(PACKET_BYTES) / 1024),
            },
            Role::Rr(options) => Self::RoundTrips {
                target: target(options.active.target, options.connections),
                plan: options.active.plan(),
                exchange: Exchange {
                    request_bytes: options.request_bytes,
                    response_bytes: options.response_bytes,
                    pipeline: options.pipeline.into(),
                },
            },
            Role::Cps(options) => Self::Connects {
                target: target(options.active.target, options.connections),
                plan: options.active.plan(),
            },
            Role::Idle(options) => Self::Idlers {
                target: Target { ports: options.ports, ..target(options.active.target, options.connections) },
                plan: options.active.plan(),
            },
        }
    }

    /// Each core's part of the job: its share of the connections, or a sink like
    /// all others. Cores without a connection have none.
    fn divide(self, cores: usize) -> Vec<Self> {
        let whole = self.connections();
        let share = |core| whole / cores + usize::from(core < whole % cores);
        let mut parts = vec![self; cores];
        for (core, part) in parts.iter_mut().enumerate() {
            if let Some(target) = part.target() {
                target.connections = share(core);
            }
        }
        parts.retain(|part| part.connections() > 0);
        parts
    }

    fn target(&mut self) -> Option<&mut Target> {
        match self {
            Self::Sink { .. } => None,
            Self::Source { target, .. }
            | Self::RoundTrips { target, .. }
            | Self::Connects { target, .. }
            | Self::Idlers { target, .. } => Some(target),
        }
    }

    /// How many it opens; a sink counts for one.
    fn connections(&self) -> usize {
        self.clone().target().map_or(1, |target| target.connections)
    }

    fn resident(
        self,
        eal: &Eal,
        core: usize,
        news: Sender<News>,
    ) -> Result<Box<dyn Resident<Mbuf>>, Failure> {
        let packets = if let Self::Source { packets, .. } = self { packets } else { 1 };
        let memory = Memory::new(eal, core, packets)?;
        let pattern = memory.pattern(packets)?;
        Ok(match self {
            Self::Sink { listen, ports } => Box::new(Sink::new(listen, ports, pattern, news)),
            Self::Source { target, plan, .. } => {
                Box::new(Source::new(target, pattern, memory.packet(&Wish::Discard.encode())?, plan, news))
            }
            Self::RoundTrips { target, plan, exchange } => {
                let Exchange { request_bytes, response_bytes, .. } = exchange;
                let wish = memory.packet(&Wish::Answer { request_bytes, response_bytes }.encode())?;
                Box::new(RoundTrips::new(target, exchange, pattern, wish, plan, news))
            }
            Self::Connects { target, plan } => {
                Box::new(Connects::new(target, memory.packet(&Wish::Once.encode())?, plan, news))
            }
            Self::Idlers { target, plan } => {
                Box::new(Idlers::new(target, memory.packet(&Wish::Idle.encode())?, plan, news))
            }
        })
    }
}

/// Buffers that the program sends from.
struct Memory(Pool);

impl Memory {
    fn new(eal: &Eal, core: usize, packets: u32) -> Result<Self, Failure> {
        let config = PoolConfig {
            name: format!("pattern{core}"),
            kind: PoolKind::Ordinary,
            buffers: (packets + 8).max(64),
            payload_bytes: PACKET_BYTES,
            node: None,
        };
        let pool = Pool::new(eal, &config)?;
        // The ports' rings hold what was sent from it until they close, behind
        // everything here: it stays until the process ends.
        std::mem::forget(pool.clone());
        Ok(Self(pool))
    }

    fn packet(&self, bytes: &[u8]) -> Result<Mbuf, Failure> {
        self.0.packet(&[bytes]).ok_or_else(|| "no buffer for the payload".into())
    }

    /// Packets of bytes that differ, so that a byte in the wrong place shows.
    fn pattern(&self, packets: u32) -> Result<Pattern<Mbuf>, Failure> {
        let bytes = |packet: u32| -> Vec<u8> {
            (0..u32::from(PACKET_BYTES))
                .map(|at| (at.wrapping_mul(31) ^ packet.wrapping_mul(17)) as u8)
                .collect()
        };
        let packets =
            (0..packets).map(|packet| self.packet(&bytes(packet))).collect::<Result<Vec<_>, _>>()?;
        Ok(Pattern::new(packets))
    }
}
