//! What a transfer did, for a person and as JSON.

use std::fmt;
use std::io::Write as _;
use std::net::SocketAddr;

use serde::Serialize;

use super::digest::Sha256Digest;
use super::error::Failed;

/// How a transfer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Everything was transferred and is in its place.
    Complete,
    /// It was not; the report says how far it came.
    Failed,
}

/// What a transfer did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The URL.
    pub url: String,
    /// How it ended.
    pub status: Status,
    /// Why it failed.
    pub error: Option<String>,
    /// The local file; `-` for standard output.
    pub file: String,
    /// Bytes of content that this run transferred.
    pub bytes: u64,
    /// The size of the whole file, once known.
    pub size: Option<u64>,
    /// From the first connection attempt to the last byte.
    pub seconds: f64,
    /// `bytes` over `seconds`.
    pub bits_per_second: f64,
    /// The digest of the whole file, where it was computed to the end.
    pub sha256: Option<Sha256Digest>,
    /// How many bytes were there already when this run began.
    pub resumed_from: u64,
    /// Connections that were tried.
    pub attempts: u32,
    /// Multipath was negotiated on the last connection.
    pub mptcp: bool,
    /// Received frames that came to another core than their connection's, and
    /// were handed over.
    pub taken_over_frames: u64,
    /// What each link carried.
    pub links: Vec<LinkReport>,
}

/// What one link carried, over all connections and subflows of a transfer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LinkReport {
    /// The local interface or port.
    pub name: String,
    /// This end, of the latest subflow.
    pub local: SocketAddr,
    /// The other end.
    pub remote: SocketAddr,
    /// Bytes carried in the direction of the transfer.
    pub bytes: u64,
    /// Its part of what all links carried, 0 to 1.
    pub share: f64,
    /// `bytes` over the seconds of the transfer.
    pub bits_per_second: f64,
}

/// Prints how a transfer ended and returns the exit code. With `json`, one
/// object goes to standard output, unless the content itself went there, then
/// to standard error. Without, a summary for a person goes to standard error.
pub fn present(result: &Result<Report, Failed>, json: bool) -> u8 {
    let (report, code) = match result {
        Ok(report) => (report, 0),
        Err(failed) => (&*failed.report, failed.error.exit_code()),
    };
    let text = if json { to_json(report) } else { report.to_string() };
    // Nobody is left to tell when standard output and error are closed.
    let _ = match json && report.file != "-" {
        true => writeln!(std::io::stdout(), "{text}"),
        false => writeln!(std::io::stderr(), "{text}"),
    };
    code
}

fn to_json(report: &Report) -> String {
    // Numbers, strings and lists always become JSON.
    serde_json::to_string(report).unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"))
}

/// `bytes` over `seconds` in bits; 0 before any time has passed.
pub(super) fn bits_per_second(bytes: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { bytes as f64 * 8.0 / seconds } else { 0.0 }
}

/// A rate as a person reads it: `9.41 Gbit/s`.
pub(super) fn rate_text(bits_per_second: f64) -> String {
    let (value, unit) = match bits_per_second {
        rate if rate >= 1e9 => (rate / 1e9, "Gbit/s"),
        rate if rate >= 1e6 => (rate / 1e6, "Mbit/s"),
        rate if rate >= 1e3 => (rate / 1e3, "kbit/s"),
        rate => (rate, "bit/s"),
    };
    format!("{value:.2} {unit}")
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(error) = &self.error {
            writeln!(f, "failed: {error}")?;
        }
        write!(f, "{}  {} bytes in {:.3} s", self.file, self.bytes, self.seconds)?;
        write!(f, "  {:.3} Gbit/s", self.bits_per_second / 1e9)?;
        write!(f, "  {}", if self.mptcp { "MPTCP" } else { "TCP" })?;
        if self.resumed_from > 0 {
            write!(f, "  resumed from {}", self.resumed_from)?;
        }
        for link in &self.links {
            write!(f, "\n  {link}")?;
        }
        match &self.sha256 {
            Some(digest) => write!(f, "\n  sha256 {digest}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for LinkReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (share, rate) = (self.share * 100.0, rate_text(self.bits_per_second));
        let LinkReport { name, local, remote, bytes, .. } = self;
        write!(f, "{name}  {local} -> {remote}  {bytes} bytes  {share:.1} %  {rate}")
    }
}
