//! Pages of this process, and pages that no honest writer made.

use super::layout::{Header, MAGIC, SEQUENCE, VERSION, core_of, names_offset, page_bytes};
use super::*;
use crate::base::CoreIndex;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;

const NAMES: [&str; 3] = ["FrameReceived", "port.left.received_frames", "engine.turns"];

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Two levels that are not there.
    fn path(&self) -> PathBuf {
        self.0.path().join("endpoint").join("statistics")
    }

    fn page(&self, core: u8) -> StatisticsPage {
        StatisticsPage::create(&self.path(), CoreIndex(core), &NAMES.map(str::to_owned)).unwrap()
    }

    fn snapshot(&self) -> Statistics {
        StatisticsReader::open(&self.path()).unwrap().snapshot().unwrap()
    }

    /// Why the one page is skipped.
    fn fault(&self) -> String {
        let statistics = self.snapshot();
        assert!(statistics.cores.is_empty(), "{statistics:?}");
        let [skipped] = &statistics.skipped[..] else { panic!("{statistics:?}") };
        skipped.reason.to_string()
    }
}

fn value(counters: &[(String, u64)], name: &str) -> Option<u64> {
    counters.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
}

#[test]
fn each_core_and_the_sum_are_read() {
    let folder = Folder::new();
    let (mut first, mut second) = (folder.page(0), folder.page(7));
    first.publish(&[1, 2, 3]);
    second.publish(&[10, 20, u64::MAX]);
    // A version of the program with another counter.
    let names = ["engine.turns", "New"].map(str::to_owned);
    let mut third = StatisticsPage::create(&folder.path(), CoreIndex(2), &names).unwrap();
    third.publish(&[100, 5]);

    let statistics = folder.snapshot();
    assert!(statistics.skipped.is_empty());
    let cores: Vec<_> = statistics.cores.iter().map(|core| core.core.0).collect();
    assert_eq!(cores, [0, 2, 7]);
    let last = &statistics.cores[2];
    assert_eq!(last.counters.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), NAMES);
    assert_eq!(last.counters.iter().map(|(_, value)| *value).collect::<Vec<_>>(), [10, 20, u64::MAX]);
    assert_eq!(last.process, std::process::id());
    assert!(last.cpu.is_some());
    assert!(last.started_ns > 0 && last.published_ns >= last.started_ns);
    let expected = [(NAMES[0], 11), (NAMES[1], 22), (NAMES[2], 102), ("New", 5)];
    assert_eq!(statistics.sum(), expected.map(|(name, value)| (name.to_owned(), value)));
}

#[test]
fn values_may_be_fewer_or_more_than_names() {
    let folder = Folder::new();
    let mut page = folder.page(0);
    let before = folder.snapshot();
    assert_eq!((before.cores[0].published_ns, before.cores[0].cpu), (0, None));
    page.publish(&[1, 2, 3, 4, 5]);
    page.publish(&[6]);
    assert_eq!(folder.snapshot().sum().iter().map(|(_, value)| *value).collect::<Vec<_>>(), [6, 2, 3]);
}

#[test]
fn readable_by_all_and_gone_at_the_end() {
    let folder = Folder::new();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o7777;
    let (first, second) = (folder.page(0), folder.page(1));
    assert_eq!(mode(first.path()), 0o644);
    assert_eq!((mode(&folder.path()), mode(folder.path().parent().unwrap())), (0o755, 0o755));
    assert_eq!(first.path().metadata().unwrap().len() % 4096, 0);
    drop(first);
    assert_eq!(folder.snapshot().cores.len(), 1);
    let reader = StatisticsReader::open(&folder.path()).unwrap();
    drop(second);
    assert!(!folder.path().parent().unwrap().exists());
    assert!(folder.0.path().exists(), "somebody else's folder");
    assert!(matches!(reader.snapshot(), Err(StatisticsError::System { .. })));
    assert!(matches!(StatisticsReader::open(&folder.path()), Err(StatisticsError::System { .. })));
    // And they come back.
    folder.page(0);
}

#[test]
fn a_page_has_one_writer() {
    let folder = Folder::new();
    let mut page = folder.page(0);
    page.publish(&[5]);
    let again = StatisticsPage::create(&folder.path(), CoreIndex(0), &NAMES.map(str::to_owned));
    assert!(matches!(again, Err(StatisticsError::InUse { .. })), "{again:?}");
    // Readers do not count.
    let _readers: Vec<_> = (0..3).map(|_| File::open(page.path()).unwrap()).collect();
    assert_eq!(folder.snapshot().sum()[0].1, 5);
    // Its writer removes what is its own only.
    let path = page.path().to_owned();
    fs::rename(&path, folder.0.path().join("moved")).unwrap();
    fs::write(&path, "mine").unwrap();
    drop(page);
    assert_eq!(fs::read(&path).unwrap(), b"mine");
}

#[test]
fn what_a_dead_process_left_is_replaced() {
    let folder = Folder::new();
    let path = folder.page(0).path().to_owned();
    fs::create_dir_all(folder.path()).unwrap();
    fs::write(&path, page_of(&header(3))).unwrap();
    let old = File::open(&path).unwrap();
    assert_eq!(folder.fault(), "left behind by process 77, which is gone");
    let mut page = folder.page(0);
    page.publish(&[9]);
    assert_eq!(folder.snapshot().sum()[0], (NAMES[0].to_owned(), 9));
    // Whoever reads the old one keeps it as it was.
    let mut bytes = [0; 32];
    old.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(Header::from_bytes(&bytes), header(3));
}

#[test]
fn what_is_in_the_way_is_told_with_its_path() {
    let folder = Folder::new();
    let names = NAMES.map(str::to_owned);
    let create = |path: &Path| StatisticsPage::create(path, CoreIndex(0), &names).unwrap_err().to_string();
    fs::write(folder.0.path().join("endpoint"), "a file").unwrap();
    assert!(create(&folder.path()).contains("/endpoint/statistics: "), "{}", create(&folder.path()));
    // A page is not written through a link.
    let target = folder.0.path().join("target");
    fs::write(&target, "kept").unwrap();
    symlink(&target, folder.0.path().join("core-0")).unwrap();
    assert!(create(folder.0.path()).contains("/core-0: "));
    assert_eq!(fs::read(&target).unwrap(), b"kept");
    // Nor made where one leads.
    fs::remove_file(&target).unwrap();
    assert!(create(folder.0.path()).contains("/core-0: "));
    assert!(!target.exists());
}

#[test]
fn names_that_no_reader_would_take_are_refused() {
    let folder = Folder::new();
    let create = |names: &[&str]| {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        StatisticsPage::create(&folder.path(), CoreIndex(0), &names).map(drop)
    };
    let longest = "x".repeat(NAME_BYTES_MOST);
    create(&[&longest]).unwrap();
    create(&[]).unwrap();
    for wrong in [&["a", "b", "a"][..], &[""], &[&format!("{longest}x")], &["a\nb"], &["a\0"]] {
        assert!(matches!(create(wrong), Err(StatisticsError::Name { .. })), "{wrong:?}");
    }
    let many: Vec<_> = (0..=COUNTERS_MOST).map(|number| number.to_string()).collect();
    let many = StatisticsPage::create(&folder.path(), CoreIndex(0), &many).map(drop);
    assert!(matches!(many, Err(StatisticsError::TooMany(_))));
    assert!(!folder.path().exists());
}

#[test]
fn only_names_of_pages_are_pages() {
    assert_eq!(core_of("core-12"), Some(CoreIndex(12)));
    for other in ["core-", "core-256", "core-01", "core-+1", "core-1.tmp", "Core-1", ""] {
        assert_eq!(core_of(other), None, "{other}");
    }
}

fn header(counters: u32) -> Header {
    Header { magic: MAGIC, version: VERSION, core: 0, process: 77, counters, started_ns: 1 }
}

/// A whole page, of counters named `n`.
fn page_of(header: &Header) -> Vec<u8> {
    let counters = header.counters.min(8) as usize;
    let mut bytes = vec![0; page_bytes(counters)];
    bytes[..32].copy_from_slice(&header.to_bytes());
    for counter in 0..counters {
        bytes[names_offset(counters) + 64 * counter] = b'n';
    }
    bytes
}

/// Overwrites the page of a writer that lives.
fn fault_of(bytes: &[u8]) -> String {
    let folder = Folder::new();
    let page = folder.page(0);
    let file = File::options().write(true).open(page.path()).unwrap();
    file.set_len(bytes.len() as u64).unwrap();
    file.write_all_at(bytes, 0).unwrap();
    folder.fault()
}

#[test]
fn pages_that_lie_are_skipped_with_a_reason() {
    let changed = |change: &dyn Fn(&mut Header)| {
        let mut header = header(3);
        change(&mut header);
        fault_of(&page_of(&header))
    };
    assert_eq!(changed(&|header| header.magic = 0), "not written yet");
    assert_eq!(changed(&|header| header.magic ^= 1 << 40), "no statistics page");
    assert_eq!(changed(&|header| header.version = 9), "layout version 9, not 1");
    assert_eq!(changed(&|header| header.core = 1), "malformed: another core's page");
    assert_eq!(
        changed(&|header| header.counters = u32::MAX),
        "malformed: more counters than a page can have"
    );
    assert_eq!(changed(&|header| header.counters = COUNTERS_MOST as u32), "cut short");

    let good = page_of(&header(3));
    for (length, expected) in [
        (0, "not written yet"),
        (7, "not written yet"),
        (8, "cut short"),
        (31, "cut short"),
        (SEQUENCE + 4, "cut short"),
        (names_offset(3) + 3 * 64 - 1, "cut short"),
    ] {
        assert_eq!(fault_of(&good[..length]), expected, "{length} bytes");
    }
    let at = names_offset(3) + 64;
    for wrong in [&[0][..], b"\x1b[2J", b"\xff\xfe", &[b'x'; 64]] {
        let mut bytes = good.clone();
        bytes[at..at + wrong.len()].copy_from_slice(wrong);
        assert_eq!(fault_of(&bytes), "malformed: a counter's name is none", "{wrong:?}");
    }
    let mut bytes = good;
    bytes[SEQUENCE..SEQUENCE + 8].copy_from_slice(&7_u64.to_ne_bytes());
    assert_eq!(fault_of(&bytes), "its writer stands still in the middle of a publication");
}

#[test]
fn other_things_in_the_folder_do_no_harm() {
    let folder = Folder::new();
    let mut page = folder.page(3);
    page.publish(&[4]);
    fs::write(folder.path().join("README"), "nothing").unwrap();
    fs::create_dir(folder.path().join("core-0")).unwrap();
    symlink(page.path(), folder.path().join("core-1")).unwrap();
    let pipe = folder.path().join("core-2");
    let made = rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    );
    made.unwrap();
    let statistics = folder.snapshot();
    assert_eq!(statistics.sum()[0].1, 4);
    let skipped: Vec<_> = statistics.skipped.iter().map(ToString::to_string).collect();
    assert_eq!(skipped.len(), 3, "{skipped:?}");
    assert!(skipped[0].ends_with("/core-0: no statistics page"), "{skipped:?}");
    assert!(skipped[2].ends_with("/core-2: no statistics page"), "{skipped:?}");
}

/// A random page, whoever wrote it, is skipped or read, and nothing else.
#[test]
fn any_bytes_are_survived() {
    let folder = Folder::new();
    let page = folder.page(0);
    let file = File::options().write(true).open(page.path()).unwrap();
    let good = page_of(&header(3));
    let mut state = 1_u64;
    let mut random = || {
        // Knuth's MMIX generator.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    };
    let (mut read, mut skipped) = (0, 0);
    for _ in 0..400 {
        let mut bytes = good.clone();
        for _ in 0..random() % 4 {
            // The sequence number stays even: an odd one is waited for.
            let at = random() % names_offset(8);
            bytes[at] = random() as u8 & if at == SEQUENCE { 0xfe } else { 0xff };
        }
        bytes.truncate(if random() % 4 == 0 { random() % bytes.len() } else { bytes.len() });
        file.set_len(bytes.len() as u64).unwrap();
        file.write_all_at(&bytes, 0).unwrap();
        let statistics = folder.snapshot();
        read += statistics.cores.len();
        skipped += statistics.skipped.len();
    }
    assert_eq!(read + skipped, 400);
    assert!(read > 20 && skipped > 20, "{read} read, {skipped} skipped");
}

/// Ends a writer when a test ends, however it does.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Publishes the same number everywhere, the next each time, until told to stop.
/// Gives the last.
fn publish_until(stop: &AtomicBool, page: &mut StatisticsPage, counters: usize) -> u64 {
    let mut turn = 0;
    while !stop.load(Ordering::Relaxed) {
        turn += 1;
        page.publish(&vec![turn; counters]);
        // A reader beside a writer that never rests finds no gap: of every length.
        for _ in 0..turn % 512 {
            std::hint::spin_loop();
        }
    }
    turn
}

#[test]
fn no_snapshot_is_torn() {
    const COUNTERS: usize = 200;
    let folder = Folder::new();
    let names: Vec<_> = (0..COUNTERS).map(|number| format!("n{number}")).collect();
    let mut page = StatisticsPage::create(&folder.path(), CoreIndex(0), &names).unwrap();
    let reader = StatisticsReader::open(&folder.path()).unwrap();
    let stop = AtomicBool::new(false);
    let published = std::thread::scope(|scope| {
        let writer = scope.spawn(|| publish_until(&stop, &mut page, COUNTERS));
        let stop = Stop(&stop);
        let (mut whole, mut moved, mut last) = (0, 0, 0);
        while whole < 1_000 || moved < 100 {
            let statistics = reader.snapshot().unwrap();
            let Some(core) = statistics.cores.first() else {
                // Its thread was taken from its core in the middle.
                assert!(matches!(statistics.skipped[..], [Skipped { reason: SkipReason::StandsStill, .. }]));
                continue;
            };
            let first = core.counters[0].1;
            assert!(core.counters.iter().all(|(_, value)| *value == first), "torn: {core:?}");
            assert!(first >= last, "{first} after {last}");
            (whole, moved, last) = (whole + 1, moved + u64::from(first > last), first);
        }
        drop(stop);
        writer.join().unwrap()
    });
    assert_eq!(value(&folder.snapshot().sum(), "n0"), Some(published));
}
