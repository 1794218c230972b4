//! The command line.

use super::{bench, check, get, logging, put, run, serve, stats, wire};
use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// An MPTCP endpoint in user space, on DPDK.
#[derive(Debug, Parser)]
#[command(name = "mpdk", version, max_term_width = 100, arg_required_else_help = true)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) logging: logging::Options,
    #[command(subcommand)]
    pub(super) verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Serve a folder over HTTP/1.1.
    Serve(serve::Options),
    /// Download a file.
    Get(get::Options),
    /// Upload a file.
    Put(put::Options),
    /// Run an endpoint for programs on this machine.
    Run(run::Options),
    /// Emulate links: join ports with rate, delay, loss and more between them.
    Wire(wire::Options),
    /// Measure an endpoint against another.
    Bench(bench::Options),
    /// Show what a running endpoint counts.
    Stats(stats::Options),
    /// Check a configuration and tell what it starts.
    Check(check::Options),
}

/// Which configuration.
#[derive(Debug, clap::Args)]
pub(super) struct ConfigFile {
    /// The endpoint's configuration, a TOML file.
    #[arg(long = "config", value_name = "FILE")]
    pub(super) path: PathBuf,
}

impl Verb {
    /// What is logged unless the command line says otherwise. A server tells
    /// what it does; a transfer has a progress bar and a report for that.
    pub(super) fn default_level(&self) -> &'static str {
        match self {
            Self::Serve(_) | Self::Run(_) => "info",
            Self::Wire(options) if options.stays() => "info",
            Self::Get(_)
            | Self::Put(_)
            | Self::Wire(_)
            | Self::Stats(_)
            | Self::Check(_)
            | Self::Bench(_) => "warn",
        }
    }
}
