//! Zones of EAL memory and how other processes get to see them.

use super::{Eal, Errno, Error, ffi, log};
use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::ptr::NonNull;

/// What a process that is given memory may do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Map it for reading: the kernel refuses to map it for writing.
    Read,
    /// Read and write.
    ReadWrite,
}

/// A zone as other processes see it: files to map.
#[derive(Debug)]
pub struct ZoneExport {
    /// The pieces in order, without gaps.
    pub pieces: Vec<ExportedPiece>,
    /// Where the zone lies in this process: a payload's offset is its address
    /// minus this.
    pub address: usize,
    /// Bytes of the zone.
    pub len: usize,
    /// Bytes from one packet buffer to the next; a power of two.
    pub stride_bytes: usize,
    /// Whether the files hold nothing but the zone. If not, whoever gets them
    /// sees all of DPDK's memory, other clients' packets included.
    pub isolated: bool,
}

/// A contiguous part of a zone.
#[derive(Debug)]
pub struct ExportedPiece {
    /// The file to map. It stays valid when the zone is gone.
    pub fd: OwnedFd,
    /// Where in the file.
    pub fd_offset: u64,
    /// Where in the zone.
    pub offset: usize,
    /// How many bytes.
    pub len: usize,
}

/// Contiguous EAL memory on pages of its own.
#[derive(Debug)]
pub(super) struct Zone {
    zone: NonNull<ffi::rte_memzone>,
    address: usize,
    len: usize,
    /// Frees the zone before DPDK ends.
    _eal: Eal,
}

// SAFETY: the pointer is to DPDK's table of zones, which has its own lock.
unsafe impl Send for Zone {}
// SAFETY: as above.
unsafe impl Sync for Zone {}

/// A NUMA node as DPDK takes it: -1 is any.
pub(super) fn node_number(node: Option<u32>) -> i32 {
    node.and_then(|node| i32::try_from(node).ok()).unwrap_or(-1)
}

/// A run of pages that one file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    fd: RawFd,
    fd_offset: u64,
    offset: usize,
    len: usize,
}

impl Zone {
    /// At least `len` bytes on a NUMA node, any if `None`; rounded up to whole
    /// pages so that nothing else lies on them.
    pub(super) fn reserve(eal: &Eal, name: &str, len: usize, node: Option<u32>) -> Result<Self, Error> {
        // SAFETY: DPDK runs.
        let page_bytes = unsafe { ffi::mpdk_page_bytes() } as usize;
        let len = len.next_multiple_of(page_bytes.max(1));
        let c_name = CString::new(name).map_err(|_| name_error(name))?;
        let mut errno = 0;
        log::mark();
        // SAFETY: DPDK runs; the name lives through the call and is copied.
        let zone = unsafe {
            ffi::mpdk_zone_reserve(c_name.as_ptr(), len, page_bytes, node_number(node), &raw mut errno)
        };
        let Some(zone) = NonNull::new(zone.cast_mut()) else {
            let errno = Errno::check(errno).err().unwrap_or_else(Errno::last);
            return Err(Error::Memory { what: format!("zone {name}"), bytes: len, errno, log: log::tail() });
        };
        // SAFETY: the zone was just reserved.
        let address = unsafe { ffi::mpdk_zone_address(zone.as_ptr()) } as usize;
        Ok(Self { zone, address, len, _eal: eal.clone() })
    }

    pub(super) fn address(&self) -> usize {
        self.address
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The zone in parts that are contiguous for devices.
    pub(super) fn extents(&self) -> Result<Vec<ffi::mpdk_extent>, Errno> {
        extents_of(self.address, self.len)
    }

    /// The zone's files.
    pub(super) fn export(&self, stride_bytes: usize, access: Access) -> Result<ZoneExport, Error> {
        let mut runs: Vec<Run> = Vec::new();
        for_each_page(self.address, self.len, |page, offset| {
            let len = page.len as usize;
            match runs.last_mut() {
                Some(last) if last.fd == page.fd && last.fd_offset + last.len as u64 == page.fd_offset => {
                    last.len += len;
                }
                _ => runs.push(Run { fd: page.fd, fd_offset: page.fd_offset, offset, len }),
            }
        })
        .map_err(Error::Export)?;
        let mut isolated = true;
        let mut pieces = Vec::with_capacity(runs.len());
        for run in runs {
            let file = reopen(run.fd, access).map_err(|error| Error::Export(Errno::from(&error)))?;
            let size = file.metadata().map_err(|error| Error::Export(Errno::from(&error)))?.len();
            isolated &= run.fd_offset == 0 && size == run.len as u64;
            let Run { fd_offset, offset, len, .. } = run;
            pieces.push(ExportedPiece { fd: file.into(), fd_offset, offset, len });
        }
        Ok(ZoneExport { pieces, address: self.address, len: self.len, stride_bytes, isolated })
    }
}

/// A part of DPDK's memory in parts that are contiguous for devices.
///
/// # Errors
/// If it is not all DPDK's memory.
pub(super) fn extents_of(address: usize, len: usize) -> Result<Vec<ffi::mpdk_extent>, Errno> {
    let mut extents: Vec<ffi::mpdk_extent> = Vec::new();
    for_each_page(address, len, |page, _| match extents.last_mut() {
        Some(last) if last.iova + last.len == page.iova => last.len += page.len,
        _ => extents.push(ffi::mpdk_extent { address: page.address, iova: page.iova, len: page.len }),
    })?;
    Ok(extents)
}

/// Visits what lies on each page, in order, with its distance from `address`.
fn for_each_page(
    address: usize,
    len: usize,
    mut visit: impl FnMut(&ffi::mpdk_page, usize),
) -> Result<(), Errno> {
    let mut offset = 0;
    while offset < len {
        let mut page = ffi::mpdk_page::default();
        let at = address + offset;
        // SAFETY: DPDK only looks the address up.
        Errno::check(unsafe { ffi::mpdk_page_of(at as *const _, &raw mut page) })?;
        // Of the page only what lies in the range.
        let before = at as u64 - page.address;
        page.address += before;
        page.iova += before;
        page.fd_offset += before;
        page.len = (page.len - before).min((len - offset) as u64);
        visit(&page, offset);
        offset += page.len as usize;
    }
    Ok(())
}

impl Drop for Zone {
    fn drop(&mut self) {
        // SAFETY: the zone is freed once, and DPDK still runs.
        if let Err(errno) = Errno::check(unsafe { ffi::mpdk_zone_free(self.zone.as_ptr()) }) {
            tracing::warn!(%errno, "a memory zone was not freed");
        }
    }
}

fn name_error(name: &str) -> Error {
    Error::Config { key: "name", reason: format!("{name:?} contains a zero byte") }
}

/// Another description of the same file, so that read-only is really
/// read-only: a duplicate would keep DPDK's right to write.
fn reopen(fd: RawFd, access: Access) -> std::io::Result<File> {
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    File::options().read(true).write(access == Access::ReadWrite).open(path)
}
