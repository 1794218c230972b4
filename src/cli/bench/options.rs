//! What `mpdk bench` is told.

use crate::base::Duration;
use crate::bench::Plan;
use crate::cli::arguments::ConfigFile;
use std::net::SocketAddr;

/// Measure this endpoint.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Options {
    #[command(subcommand)]
    pub(super) role: Role,
}

/// Which side, and which figure.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Role {
    /// The passive side: takes and answers, for every figure, until a signal.
    Sink(SinkOptions),
    /// Bytes per second.
    Source(SourceOptions),
    /// Round trips: requests and responses.
    Rr(RoundTripOptions),
    /// Connections per second: connect, one byte each way, close.
    Cps(ConnectOptions),
    /// What idle connections cost.
    Idle(IdleOptions),
}

/// The passive side.
#[derive(Debug, clap::Args)]
pub(super) struct SinkOptions {
    #[command(flatten)]
    pub(super) config: ConfigFile,
    /// Where to listen.
    #[arg(long, default_value = "0.0.0.0:5001", value_name = "ADDRESS:PORT")]
    pub(super) listen: SocketAddr,
    /// Listen at so many ports, from that one on: for more connections than a
    /// client has ports of its own.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(super) ports: u16,
    /// Take bulk through the client API, with its rings, instead of from inside
    /// the engine.
    #[arg(long)]
    pub(super) client_api: bool,
    /// Report as JSON on standard output.
    #[arg(long)]
    pub(super) json: bool,
    /// Plain TCP only, whatever the configuration says.
    #[arg(long)]
    pub(super) plain_tcp: bool,
}

/// What every active program is told.
#[derive(Debug, clap::Args)]
pub(super) struct Active {
    #[command(flatten)]
    pub(super) config: ConfigFile,
    /// Where the passive side listens.
    #[arg(value_name = "ADDRESS:PORT")]
    pub(super) target: SocketAddr,
    /// Seconds before the first run.
    #[arg(long, default_value_t = 1.0, value_parser = seconds, value_name = "SECONDS")]
    warm_up: f64,
    /// Seconds of a run.
    #[arg(long, default_value_t = 5.0, value_parser = seconds, value_name = "SECONDS")]
    seconds: f64,
    /// How many runs.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// Report as JSON on standard output.
    #[arg(long)]
    pub(super) json: bool,
    /// Plain TCP only, whatever the configuration says.
    #[arg(long)]
    pub(super) plain_tcp: bool,
}

/// Bulk.
#[derive(Debug, clap::Args)]
pub(super) struct SourceOptions {
    #[command(flatten)]
    pub(super) active: Active,
    /// Connections at once.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) connections: u32,
    /// KiB of different payload, sent over and over.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(16..=65_536))]
    pub(super) buffer_kib: u32,
    /// Send through the client API, with its rings and copies, instead of from
    /// inside the engine.
    #[arg(long)]
    pub(super) client_api: bool,
}

/// Request and response.
#[derive(Debug, clap::Args)]
pub(super) struct RoundTripOptions {
    #[command(flatten)]
    pub(super) active: Active,
    /// Connections at once.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) connections: u32,
    /// Bytes of a request.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1 << 24))]
    pub(super) request_bytes: u32,
    /// Bytes of a response.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1 << 24))]
    pub(super) response_bytes: u32,
    /// Requests under way on each connection.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) pipeline: u16,
}

/// Connections.
#[derive(Debug, clap::Args)]
pub(super) struct ConnectOptions {
    #[command(flatten)]
    pub(super) active: Active,
    /// Connections at once.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) connections: u32,
}

/// Idle connections.
#[derive(Debug, clap::Args)]
pub(super) struct IdleOptions {
    #[command(flatten)]
    pub(super) active: Active,
    /// Connections at once.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) connections: u32,
    /// The passive side listens at so many ports, from that one on.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(super) ports: u16,
}

impl Role {
    pub(super) const fn config(&self) -> &ConfigFile {
        match self {
            Self::Sink(options) => &options.config,
            _ => match self.active() {
                Some(active) => &active.config,
                None => unreachable!(),
            },
        }
    }

    /// What an active program was told.
    pub(super) const fn active(&self) -> Option<&Active> {
        match self {
            Self::Sink(_) => None,
            Self::Source(options) => Some(&options.active),
            Self::Rr(options) => Some(&options.active),
            Self::Cps(options) => Some(&options.active),
            Self::Idle(options) => Some(&options.active),
        }
    }

    pub(super) fn plain_tcp(&self) -> bool {
        match self {
            Self::Sink(options) => options.plain_tcp,
            _ => self.active().is_some_and(|active| active.plain_tcp),
        }
    }

    /// The figure's name in reports.
    pub(super) const fn figure(&self) -> &'static str {
        match self {
            Self::Sink(_) => "sink",
            Self::Source(_) => "bulk",
            Self::Rr(_) => "rr",
            Self::Cps(_) => "cps",
            Self::Idle(_) => "idle",
        }
    }
}

impl Active {
    pub(super) fn plan(&self) -> Plan {
        let duration = |seconds: f64| Duration::from_nanos((seconds * 1e9) as u64);
        Plan { warm_up: duration(self.warm_up), run: duration(self.seconds), runs: self.runs.into() }
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "no number".to_string())?;
    if (0.01..=86_400.0).contains(&seconds) { Ok(seconds) } else { Err("not between 0.01 and 86400".into()) }
}
