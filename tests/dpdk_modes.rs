//! The three ways to have packet memory, each in a process of its own, because
//! DPDK starts once per process.
#![cfg(feature = "dpdk")]
#![allow(unsafe_code)]

mod dpdk_support;

use dpdk_support::frames::{numbered, receive, send};
use dpdk_support::process::{self, Other};
use dpdk_support::{open, wait_for};
use mpdk::base::Packet;
use mpdk::device::Device;
use mpdk::dpdk::{Access, Eal, EalConfig, Error, MemoryMode, Pool, PoolConfig, PortConfig, ZoneExport};
use std::fs;
use std::os::fd::AsRawFd;
use std::process::Command;

const TEST: &str = "every_memory_mode_carries_frames_and_is_given_back";
const HUGE_PAGES: &str = "/proc/sys/vm/nr_hugepages";
const PAGES_NEEDED: u64 = 64;

/// Hugepages for the time of a test.
#[derive(Debug)]
struct HugePages {
    before: String,
}

impl HugePages {
    /// `None`, said aloud, where they cannot be had.
    fn reserve() -> Option<Self> {
        let before = fs::read_to_string(HUGE_PAGES).ok()?;
        let free = meminfo("HugePages_Free:")?;
        let pages = Self { before };
        if free < PAGES_NEEDED {
            let wanted = pages.before.trim().parse::<u64>().ok()? + PAGES_NEEDED - free;
            fs::write(HUGE_PAGES, wanted.to_string()).ok()?;
        }
        (meminfo("HugePages_Free:")? >= PAGES_NEEDED && meminfo("Hugepagesize:")? == 2048).then_some(pages)
    }
}

impl Drop for HugePages {
    fn drop(&mut self) {
        let _ = fs::write(HUGE_PAGES, &self.before);
    }
}

fn meminfo(field: &str) -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    text.lines().find(|line| line.starts_with(field))?.split_whitespace().nth(1)?.parse().ok()
}

/// A mounted hugetlbfs for the time of a test.
#[derive(Debug)]
struct HugeFolder(tempfile::TempDir);

impl HugeFolder {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str()?;
        let mounted = Command::new("mount").args(["-t", "hugetlbfs", "mpdk-test", path]).status();
        mounted.is_ok_and(|status| status.success()).then_some(Self(folder))
    }
}

impl Drop for HugeFolder {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn every_memory_mode_carries_frames_and_is_given_back() {
    if let Some(part) = process::part() {
        return play(&part);
    }
    run_part("no-huge");
    run_part("no-hugepages-left");
    let Some(_pages) = HugePages::reserve() else {
        println!("SKIPPED in-memory and files: no hugepages can be had");
        return;
    };
    let free = meminfo("HugePages_Free:");
    run_part("in-memory");
    run_part("in-memory-single-file");
    if let Some(folder) = HugeFolder::mount() {
        run_part(&format!("files:{}", folder.0.path().display()));
    } else {
        println!("SKIPPED files: hugetlbfs cannot be mounted");
    }
    // The kernel gives the pages of an unmounted folder back in its own time.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while meminfo("HugePages_Free:") != free && std::time::Instant::now() < deadline {
        std::thread::yield_now();
    }
    assert_eq!(meminfo("HugePages_Free:"), free, "all pages were given back");
}

fn run_part(part: &str) {
    let mut other = Other::start(TEST, part);
    other.expect("good");
    other.finish();
}

fn play(part: &str) {
    let config = EalConfig { memory_mb: 64, ..EalConfig::default() };
    let in_memory = EalConfig { memory: MemoryMode::InMemory, ..config.clone() };
    match part.split(':').collect::<Vec<_>>()[..] {
        ["no-huge"] => carry(&config, |export| {
            assert_eq!((export.pieces.len(), export.isolated), (1, false));
        }),
        ["no-hugepages-left"] => refused(&EalConfig { memory_mb: 1 << 20, ..in_memory }),
        ["in-memory"] => carry(&in_memory, |export| {
            assert_eq!(export.pieces.len(), 4, "8 MB on pages of 2 MB");
            assert!(export.isolated, "each page is a file that holds nothing else");
        }),
        ["in-memory-single-file"] => carry(&EalConfig { single_file: true, ..in_memory }, |export| {
            assert!(!export.isolated, "one file for everything");
        }),
        ["files", folder] => {
            let extra = vec![format!("--huge-dir={folder}")];
            carry(&EalConfig { memory: MemoryMode::Files, extra, ..config }, |export| {
                assert!(export.isolated);
            });
        }
        _ => panic!("unknown part {part}"),
    }
    process::say("good");
    process::wait_for_parent();
}

/// The whole way: start, exchange frames, read them through the export, end.
fn carry(config: &EalConfig, check_export: impl FnOnce(&ZoneExport)) {
    let cores = core_affinity::get_core_ids().unwrap().len();
    let eal = Eal::start(config).unwrap();
    assert_eq!(core_affinity::get_core_ids().unwrap().len(), cores, "DPDK pins nobody but itself");
    let registration = eal.register_thread().unwrap();
    let receive_pool = Pool::new(&eal, &PoolConfig::receive("rx", 4096)).unwrap();
    let transmit_pool = Pool::new(&eal, &PoolConfig::transmit("tx", 1024)).unwrap();
    let export = receive_pool.export(Access::Read).unwrap().unwrap();
    check_export(&export);
    let mapped = map(&export);

    let null = PortConfig { receive_descriptors: 512, ..PortConfig::default() };
    let (port, mut device) =
        open(&eal, "net_null0,size=100", &null, &(receive_pool.clone(), transmit_pool.clone()));
    let mut burst = Vec::new();
    wait_for("a received frame", || (device.receive(&mut burst) > 0).then_some(()));
    for (packet, _) in &burst {
        let offset = receive_pool.offset_of(packet.head()).unwrap();
        assert_eq!(&mapped[offset..offset + packet.len()], packet.head());
    }
    let (ring, mut looped) = open(&eal, "net_ring0", &null, &(receive_pool.clone(), transmit_pool.clone()));
    send(&mut looped, &numbered(1, 1000)).unwrap();
    looped.flush();
    assert_eq!(receive(&mut looped)[0].0, numbered(1, 1000));

    // In no particular order.
    drop(receive_pool);
    drop(eal);
    drop(port);
    drop(burst);
    drop(device);
    drop(transmit_pool);
    drop(looped);
    ring.close().unwrap();
    drop(registration);
}

/// Maps the pieces one behind the other.
fn map(export: &ZoneExport) -> &'static [u8] {
    // SAFETY: new mappings, the later ones in place of parts of the first.
    unsafe {
        let anonymous = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        let huge = 2 << 20;
        let space = libc::mmap(std::ptr::null_mut(), export.len + huge, libc::PROT_NONE, anonymous, -1, 0);
        assert_ne!(space, libc::MAP_FAILED);
        let base = (space as usize).next_multiple_of(huge);
        for piece in &export.pieces {
            let (fd, at) = (piece.fd.as_raw_fd(), piece.fd_offset as libc::off_t);
            let flags = libc::MAP_SHARED | libc::MAP_FIXED;
            let to = (base + piece.offset) as *mut libc::c_void;
            assert_ne!(libc::mmap(to, piece.len, libc::PROT_READ, flags, fd, at), libc::MAP_FAILED);
        }
        std::slice::from_raw_parts(base as *const u8, export.len)
    }
}

/// More memory than there is: an error that says so, not an abort.
fn refused(config: &EalConfig) {
    let error = Eal::start(config).unwrap_err();
    assert!(matches!(error, Error::Start { .. }));
    let text = error.to_string();
    assert!(text.contains("hugepage") || text.contains("memory"), "{text}");
}
