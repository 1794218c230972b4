//! Why there is no page, or nothing to read from one.

use std::io;
use std::path::PathBuf;

/// Why a page could not be made, or a folder of them not be read.
#[derive(Debug, thiserror::Error)]
pub enum StatisticsError {
    /// The system refused.
    #[error("{}: {source}", path.display())]
    System {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody who lives writes that page.
    #[error("{}: another engine writes this page", path.display())]
    InUse {
        /// The page's file.
        path: PathBuf,
    },
    /// A counter's name that a page does not take, or twice the same.
    #[error("\"{name}\" cannot name a counter here: {reason}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// More counters than a page takes.
    #[error("{0} counters: a page has at most {most}", most = super::COUNTERS_MOST)]
    TooMany(usize),
}

/// A page that was left out of a snapshot.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct Skipped {
    /// The page's file.
    pub path: PathBuf,
    /// Why.
    pub reason: SkipReason,
}

/// Why a page was left out of a snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SkipReason {
    /// The system refused to read it.
    #[error("{0}")]
    System(#[from] io::Error),
    /// It is being made.
    #[error("not written yet")]
    NotReady,
    /// It is no statistics page.
    #[error("no statistics page")]
    NoPage,
    /// Its layout is another version's.
    #[error("layout version {0}, not {version}", version = super::layout::VERSION)]
    Version(u32),
    /// It ends before its last counter.
    #[error("cut short")]
    Truncated,
    /// What it says cannot be.
    #[error("malformed: {0}")]
    Malformed(&'static str),
    /// Whoever wrote it is gone without having removed it.
    #[error("left behind by process {process}, which is gone")]
    LeftBehind {
        /// Its id, in its own process namespace.
        process: u32,
    },
    /// Its writer has been in the middle of a publication for too long: stopped,
    /// or never given its core.
    #[error("its writer stands still in the middle of a publication")]
    StandsStill,
}
