//! The reader's side: all pages of a folder.
//!
//! Pages are copied out by `pread`, not mapped: a mapped page that somebody cuts
//! short ends its reader by a signal (SIGBUS) at the next look, a `pread` comes
//! back short. Files of a tmpfs and of every local file system are one memory,
//! mapped or read, so the sequence lock holds for what `pread` copies.

use super::error::{SkipReason, Skipped, StatisticsError};
use super::file::is_locked;
use super::layout::{
    COUNTERS_MOST, HEADER_BYTES, Header, MAGIC, PUBLISHED, SEQUENCE, VALUES, VERSION, core_of, names_bytes,
    names_in, names_offset, words_in,
};
use super::sequence;
use super::snapshot::{CoreStatistics, Statistics};
use crate::base::CoreIndex;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Acquire;
use std::sync::atomic::fence;
use std::time::Duration;

/// Looks at a page that may each meet a publication: a writer takes microseconds
/// for one, or was interrupted in it. The first come at once.
const LOOKS: u32 = 100;
const LOOKS_AT_ONCE: u32 = 8;
/// How long to leave an interrupted writer alone.
const PAUSE: Duration = Duration::from_millis(1);

/// A folder of pages, for reading. No reader keeps a writer waiting.
#[derive(Debug)]
pub struct StatisticsReader {
    folder: PathBuf,
}

impl StatisticsReader {
    /// The pages in `folder`.
    ///
    /// # Errors
    /// There is no such folder, or it cannot be read.
    pub fn open(folder: &Path) -> Result<Self, StatisticsError> {
        let reader = Self { folder: folder.to_owned() };
        reader.pages()?;
        Ok(reader)
    }

    /// What the cores that live have counted. Pages come and go: those of this
    /// moment.
    ///
    /// # Errors
    /// The folder is gone, or cannot be read any more.
    pub fn snapshot(&self) -> Result<Statistics, StatisticsError> {
        let mut statistics = Statistics::default();
        for core in self.pages()? {
            let path = self.folder.join(super::layout::file_name(core));
            match read_page(&path, core) {
                Ok(core) => statistics.cores.push(core),
                // It went after the folder was read.
                Err(SkipReason::System(error)) if error.kind() == ErrorKind::NotFound => {}
                Err(reason) => statistics.skipped.push(Skipped { path, reason }),
            }
        }
        Ok(statistics)
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The cores whose files are there, in order.
    fn pages(&self) -> Result<Vec<CoreIndex>, StatisticsError> {
        let system = |source| StatisticsError::System { path: self.folder.clone(), source };
        let entries = std::fs::read_dir(&self.folder).map_err(system)?;
        let names = entries.map(|entry| entry.map(|entry| entry.file_name()));
        let names: Vec<_> = names.collect::<io::Result<_>>().map_err(system)?;
        let mut cores: Vec<_> = names.iter().filter_map(|name| core_of(name.to_str()?)).collect();
        cores.sort_unstable();
        Ok(cores)
    }
}

fn read_page(path: &Path, core: CoreIndex) -> Result<CoreStatistics, SkipReason> {
    // Neither led elsewhere nor kept waiting by what lies there.
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(SkipReason::NoPage);
    }
    let header = read_header(&file, core)?;
    if !is_locked(&file)? {
        return Err(SkipReason::LeftBehind { process: header.process });
    }
    let counters = header.counters as usize;
    let names = read_names(&file, counters)?;
    let moving = read_moving(&file, counters)?;
    let mut words = words_in(&moving);
    let published_ns = words.next().unwrap_or_default();
    let cpu = words.next().and_then(|cpu| u32::try_from(cpu).ok());
    let values = words_in(&moving[VALUES - PUBLISHED..]);
    Ok(CoreStatistics {
        core,
        cpu,
        process: header.process,
        started_ns: header.started_ns,
        published_ns,
        counters: names.into_iter().zip(values).collect(),
    })
}

fn read_header(file: &File, core: CoreIndex) -> Result<Header, SkipReason> {
    let magic = words_in(&read_part(file, 0, size_of::<u64>()).map_err(short_is_not_ready)?).next();
    match magic {
        Some(MAGIC) => {}
        Some(0) => return Err(SkipReason::NotReady),
        _ => return Err(SkipReason::NoPage),
    }
    // Pairs with the store of the magic in `StatisticsPage::create`.
    fence(Acquire);
    let mut bytes = [0; HEADER_BYTES];
    bytes.copy_from_slice(&read_part(file, 0, HEADER_BYTES)?);
    let header = Header::from_bytes(&bytes);
    if header.version != VERSION {
        return Err(SkipReason::Version(header.version));
    }
    if header.counters as usize > COUNTERS_MOST {
        return Err(SkipReason::Malformed("more counters than a page can have"));
    }
    if header.core != u32::from(core.0) {
        return Err(SkipReason::Malformed("another core's page"));
    }
    Ok(header)
}

fn read_names(file: &File, counters: usize) -> Result<Vec<String>, SkipReason> {
    let bytes = read_part(file, names_offset(counters), names_bytes(counters))?;
    let names: Option<Vec<_>> = names_in(&bytes).map(|name| name.map(str::to_owned)).collect();
    names.ok_or(SkipReason::Malformed("a counter's name is none"))
}

/// Everything behind the sequence number to the last value, of one publication.
fn read_moving(file: &File, counters: usize) -> Result<Vec<u8>, SkipReason> {
    let mut bytes = vec![0; VALUES - PUBLISHED + counters * size_of::<u64>()];
    for look_number in 0..LOOKS {
        if look_number >= LOOKS_AT_ONCE {
            std::thread::sleep(PAUSE);
        }
        let mut number = [0; size_of::<u64>()];
        let look = || {
            file.read_exact_at(&mut number, SEQUENCE as u64)?;
            Ok(u64::from_ne_bytes(number))
        };
        let is_whole = sequence::read(look, || file.read_exact_at(&mut bytes, PUBLISHED as u64));
        if is_whole.map_err(short_is_truncated)? {
            return Ok(bytes);
        }
    }
    Err(SkipReason::StandsStill)
}

fn read_part(file: &File, offset: usize, bytes: usize) -> Result<Vec<u8>, SkipReason> {
    let mut part = vec![0; bytes];
    file.read_exact_at(&mut part, offset as u64).map_err(short_is_truncated)?;
    Ok(part)
}

fn short_is_truncated(error: io::Error) -> SkipReason {
    if error.kind() == ErrorKind::UnexpectedEof { SkipReason::Truncated } else { error.into() }
}

/// A page of which not even the magic is there is about to be written.
fn short_is_not_ready(reason: SkipReason) -> SkipReason {
    if matches!(reason, SkipReason::Truncated) { SkipReason::NotReady } else { reason }
}
