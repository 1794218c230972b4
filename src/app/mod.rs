//! What runs on top of the socket API, as an ordinary client: an HTTP/1.1
//! server for files, a downloader and an uploader.
//!
//! They need byte streams and nothing else; [`Transport`], [`Connector`],
//! [`Acceptor`] and [`Probe`] say which. Everything runs on a current-thread
//! runtime with timers enabled: disk work and hashing go to its blocking
//! threads, in pieces, with at most two pieces of a transfer in memory.
//!
//! ```text
//! serve   accept -> connection (limits, stall guard, linger) -> route -> target -> root (openat2)
//!                                                                   -> range, conditional, listing, upload
//! get     destination (NAME.part + note) -> attempts: dial, judge, pump -> digest -> rename
//! put     file -> attempts: dial, expect 100-continue, send
//! ```

mod client;
mod digest;
mod error;
mod get;
mod ledger;
mod monitor;
mod piece_reader;
mod piece_writer;
mod put;
mod report;
mod retry;
mod serve;
mod sockets;
mod stall;
#[cfg(test)]
mod tests;
mod transport;
mod upload_body;
mod url;

pub use digest::{DigestCheck, DigestError, Sha256Digest};
pub use error::{Failed, TransferError};
pub use get::{GetOptions, get, get_until};
pub use put::{PutOptions, put, put_until};
pub use report::{LinkReport, Report, Status, present};
pub use serve::{ServeError, ServeOptions, ServeSummary, serve};
pub use transport::{Accepted, Acceptor, Connector, Link, Probe, Progress, Transport};
pub use url::{Host, Url, UrlError};
