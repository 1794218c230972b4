//! The writer's side of a page.

use super::file::PageFile;
use super::layout::{
    COUNTERS_MOST, CPU, Header, MAGIC, PUBLISHED, SEQUENCE, VALUES, VERSION, file_name, name_fault,
    name_to_bytes, names_offset, page_bytes,
};
use super::{StatisticsError, sequence};
use crate::base::CoreIndex;
use rustix::time::{ClockId, clock_gettime};
use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::ptr::{self, NonNull};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Relaxed, Release};

/// A core's page, which its engine alone writes. The file goes when this does,
/// and its folder with the last page.
#[derive(Debug)]
pub struct StatisticsPage {
    memory: Mapping,
    counters: usize,
    file: PageFile,
}

impl StatisticsPage {
    /// Makes the page `core-<n>` in `folder`, which is made too: readable by
    /// all, with every counter at zero. The values come in the order of `names`,
    /// of 1 to [`NAME_BYTES_MOST`](super::NAME_BYTES_MOST) bytes each.
    ///
    /// # Errors
    /// The folder or the file cannot be made, an engine that lives has it, or the
    /// names do not fit.
    pub fn create(folder: &Path, core: CoreIndex, names: &[String]) -> Result<Self, StatisticsError> {
        check_names(names)?;
        let file = PageFile::create(folder.join(file_name(core)))?;
        let system = |source| StatisticsError::System { path: file.path().to_owned(), source };
        let header = Header {
            magic: 0,
            version: VERSION,
            core: core.0.into(),
            process: std::process::id(),
            counters: names.len() as u32,
            started_ns: now_ns(),
        };
        // Written and not just reserved: where there is no room, this fails, and
        // not a store into the mapping later.
        file.file().write_all_at(&first_bytes(header, names), 0).map_err(system)?;
        let memory = Mapping::new(file.file(), page_bytes(names.len())).map_err(system)?;
        // Pairs with the fence behind the reader's look at it: the rest is there first.
        memory.word(0).store(MAGIC, Release);
        Ok(Self { memory, counters: names.len(), file })
    }

    /// Shows readers these values, all at once; those of counters behind the
    /// last value stay, values behind the last counter are ignored. Allocates
    /// nothing and never waits.
    pub fn publish(&mut self, values: &[u64]) {
        let (now, cpu) = (now_ns(), current_cpu());
        sequence::publish(self.memory.word(SEQUENCE), || {
            self.memory.word(PUBLISHED).store(now, Relaxed);
            self.memory.word(CPU).store(cpu, Relaxed);
            for (place, &value) in self.memory.words(VALUES, self.counters).iter().zip(values) {
                place.store(value, Relaxed);
            }
        });
    }

    /// The page's file.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Where in this process's memory the page is written.
    pub fn addresses(&self) -> Range<usize> {
        let start = self.memory.base.as_ptr() as usize;
        start..start + self.memory.bytes
    }
}

fn check_names(names: &[String]) -> Result<(), StatisticsError> {
    if names.len() > COUNTERS_MOST {
        return Err(StatisticsError::TooMany(names.len()));
    }
    let mut known = HashSet::new();
    for name in names {
        let repeated = (!known.insert(name)).then_some("it is there twice");
        if let Some(reason) = name_fault(name).or(repeated) {
            return Err(StatisticsError::Name { name: name.clone(), reason });
        }
    }
    Ok(())
}

/// A page before its first publication.
fn first_bytes(header: Header, names: &[String]) -> Vec<u8> {
    let mut bytes = vec![0; page_bytes(names.len())];
    let header = header.to_bytes();
    bytes[..header.len()].copy_from_slice(&header);
    bytes[CPU..CPU + size_of::<u64>()].fill(0xff);
    let places = bytes[names_offset(names.len())..].as_chunks_mut().0;
    for (place, name) in places.iter_mut().zip(names) {
        *place = name_to_bytes(name);
    }
    bytes
}

fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    // The clock begins at zero when the machine starts.
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// The CPU that runs this, all ones if the system does not say.
fn current_cpu() -> u64 {
    // SAFETY: asks for a number and touches nothing.
    let cpu = unsafe { libc::sched_getcpu() };
    u64::try_from(cpu).unwrap_or(u64::MAX)
}

/// A file in this process's memory.
#[derive(Debug)]
struct Mapping {
    base: NonNull<u8>,
    bytes: usize,
}

// SAFETY: the memory stays until the mapping is dropped, whichever thread does
// that, and is reached as atomics only.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// The first `bytes` of `file`, which has them.
    fn new(file: &File, bytes: usize) -> io::Result<Self> {
        // SAFETY: a new mapping at a place of the system's choice touches no
        // memory of ours; arguments are plain integers and an open file.
        let mapped = unsafe {
            let access = libc::PROT_READ | libc::PROT_WRITE;
            libc::mmap(ptr::null_mut(), bytes, access, libc::MAP_SHARED, file.as_raw_fd(), 0)
        };
        if mapped == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(mapped.cast()).ok_or_else(|| io::Error::other("mapped at zero"))?;
        Ok(Self { base, bytes })
    }

    /// The word at `offset`, which is one of the layout's.
    fn word(&self, offset: usize) -> &AtomicU64 {
        &self.words(offset, 1)[0]
    }

    fn words(&self, offset: usize, count: usize) -> &[AtomicU64] {
        assert!(offset.is_multiple_of(size_of::<u64>()) && offset + count * size_of::<u64>() <= self.bytes);
        // SAFETY: the words lie inside the mapping, by the assertion, and are
        // aligned in it as they are in the page, whose start the system aligns.
        // Any bytes are a valid atomic, and nothing here is ever not one.
        unsafe {
            let first = self.base.add(offset).cast::<AtomicU64>();
            std::slice::from_raw_parts(first.as_ptr(), count)
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped by `new` with this length; no reference into it outlives it.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.bytes) };
    }
}
