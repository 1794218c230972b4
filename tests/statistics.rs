//! The statistics pages, and `mpdk stats` on them.
#![cfg(feature = "dpdk")]

mod support;

use mpdk::base::CoreIndex;
use mpdk::engine::{CountingAllocator, allocations};
use mpdk::shm::{SkipReason, StatisticsPage, StatisticsReader};
use serde_json::{Value, json};
use std::alloc::System;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use support::{DEADLINE, Process, SmallDisk, disjoint_lines, is_root, program, wait_until};

/// For [`a_publication_asks_for_no_memory`].
#[global_allocator]
static ALLOCATOR: CountingAllocator<System> = CountingAllocator(System);

const NAMES: [&str; 4] = ["FrameReceived", "FrameTruncated", "port.left.received_bytes", "engine.turns"];

fn page(folder: &Path, core: u8) -> StatisticsPage {
    StatisticsPage::create(folder, CoreIndex(core), &NAMES.map(str::to_owned)).unwrap()
}

fn stats(arguments: &[&str]) -> Command {
    let mut command = Command::new(program("mpdk"));
    command.arg("stats").args(arguments);
    command
}

fn output(arguments: &[&str]) -> Output {
    stats(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// What it prints; it must succeed and complain of nothing.
#[track_caller]
fn told(arguments: &[&str]) -> String {
    let output = output(arguments);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    text(&output.stdout).to_owned()
}

/// What it says; it must fail with this code and print nothing.
#[track_caller]
fn refused(arguments: &[&str], code: i32) -> String {
    let output = output(arguments);
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    text(&output.stderr).to_owned()
}

/// A folder that an endpoint's pages can be in, as an argument too.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("statistics")
    }

    fn argument(&self) -> String {
        self.path().display().to_string()
    }
}

#[test]
fn no_two_cores_write_to_one_line() {
    let folder = Folder::new();
    let pages: Vec<_> = (0..8).map(|core| page(&folder.path(), core)).collect();
    let written: Vec<_> = (0..).zip(&pages).map(|(core, page)| (CoreIndex(core), page.addresses())).collect();
    assert!(written.iter().all(|(_, range)| range.start % 4096 == 0 && range.len() % 4096 == 0));
    disjoint_lines(&written).unwrap();
}

#[test]
fn a_shared_line_is_found() {
    let check = |ranges: &[(u8, std::ops::Range<usize>)]| {
        let written: Vec<_> = ranges.iter().map(|(core, range)| (CoreIndex(*core), range.clone())).collect();
        disjoint_lines(&written)
    };
    check(&[(0, 0..64), (1, 64..65), (0, 128..130), (1, 192..300)]).unwrap();
    check(&[(0, 0..8), (0, 8..16), (1, 3..3)]).unwrap();
    let shared = check(&[(0, 0..8), (2, 640..648), (1, 600..641)]).unwrap_err();
    assert_eq!(shared, "cores 2 and 1 write to the line at 0x280");
    check(&[(0, 0..1000), (1, 500..501)]).unwrap_err();
    check(&[(0, 63..64), (1, 0..1)]).unwrap_err();
}

#[test]
fn a_publication_asks_for_no_memory() {
    let folder = Folder::new();
    let mut page = page(&folder.path(), 0);
    let before = allocations();
    assert!(before > 0, "nobody counts");
    for turn in 0..100 {
        page.publish(&[turn; NAMES.len()]);
    }
    assert_eq!(allocations(), before);
}

/// Where there is no room for a page, making one fails: storing into it later
/// would end the process (SIGBUS).
#[test]
fn a_full_file_system_is_an_error() {
    if !is_root("a_full_file_system_is_an_error") {
        return;
    }
    let disk = SmallDisk::mount(1);
    let folder = disk.path("statistics");
    let kept = page(&folder, 0);
    let filled = std::fs::write(disk.path("filler"), vec![1; 2 << 20]);
    assert_eq!(filled.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    let error = StatisticsPage::create(&folder, CoreIndex(1), &NAMES.map(str::to_owned)).unwrap_err();
    assert!(error.to_string().contains("/statistics/core-1: No space left"), "{error}");
    assert!(!folder.join("core-1").exists());
    drop(kept);
}

/// Not a test: the writer that the next one kills.
#[test]
fn a_writer_that_stays() {
    let Some(folder) = std::env::var_os("MPDK_TEST_STATISTICS") else { return };
    let mut page = page(Path::new(&folder), 0);
    page.publish(&[1]);
    std::io::Read::read(&mut std::io::stdin(), &mut [0]).unwrap();
}

#[test]
fn a_killed_writer_is_known_and_replaced() {
    let folder = Folder::new();
    let mut writer = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_writer_that_stays"])
        .env("MPDK_TEST_STATISTICS", folder.path())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let snapshot = || StatisticsReader::open(&folder.path()).and_then(|reader| reader.snapshot());
    wait_until("the page", DEADLINE, || {
        snapshot().is_ok_and(|statistics| statistics.cores.iter().any(|core| core.counters[0].1 == 1))
    });
    let process = snapshot().unwrap().cores[0].process;
    assert_eq!(process, writer.id());
    writer.kill().unwrap();
    writer.wait().unwrap();

    let dead = snapshot().unwrap();
    assert!(dead.cores.is_empty());
    assert!(
        matches!(dead.skipped[0].reason, SkipReason::LeftBehind { process: left } if left == process),
        "{dead:?}"
    );
    let said = refused(&["--folder", &folder.argument()], 1);
    assert!(said.contains(&format!("left behind by process {process}, which is gone")), "{said}");
    let _page = page(&folder.path(), 0);
    assert_eq!(snapshot().unwrap().cores[0].process, std::process::id());
}

#[test]
fn counters_are_told_as_a_table_and_as_json() {
    let folder = Folder::new();
    let (mut first, mut second) = (page(&folder.path(), 0), page(&folder.path(), 1));
    first.publish(&[1_000, 0, 64_000, 7]);
    second.publish(&[11, 0, 0, 3]);
    let folder = folder.argument();
    let arguments = ["--folder", &folder];

    let table = told(&arguments);
    let lines: Vec<Vec<_>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    let expected = [
        ["counter", "sum"],
        ["FrameReceived", "1011"],
        ["port.left.received_bytes", "64000"],
        ["engine.turns", "10"],
    ];
    assert_eq!(lines, expected);
    let per_core = told(&[&arguments[..], &["--per-core"]].concat());
    let turns = per_core.lines().find(|line| line.starts_with("engine.turns")).unwrap();
    assert_eq!(turns.split_whitespace().collect::<Vec<_>>(), ["engine.turns", "10", "7", "3"]);

    let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let sum = json!({
        "FrameReceived": 1011, "FrameTruncated": 0, "port.left.received_bytes": 64000, "engine.turns": 10,
    });
    assert_eq!(parse(&told(&[&arguments[..], &["--json"]].concat())), json!({ "sum": sum }));
    let all = parse(&told(&[&arguments[..], &["--json", "--per-core"]].concat()));
    assert_eq!((&all["sum"], all["cores"].as_array().map(Vec::len)), (&sum, Some(2)));
    assert_eq!(all["cores"][1]["counters"]["FrameReceived"], 11);
    assert_eq!(all["cores"][1]["process"], std::process::id());
}

#[test]
fn a_page_that_is_left_out_is_told_of() {
    let folder = Folder::new();
    let mut good = page(&folder.path(), 0);
    good.publish(&[5]);
    std::fs::write(folder.path().join("core-1"), [b'x'; 5000]).unwrap();
    let output = output(&["--folder", &folder.argument()]);
    assert!(output.status.success());
    assert!(text(&output.stdout).contains("FrameReceived"));
    assert!(text(&output.stderr).contains("/core-1: no statistics page"), "{output:?}");
    drop(good);
    let said = refused(&["--folder", &folder.argument()], 1);
    assert!(said.starts_with("mpdk: no endpoint runs\n"), "{said}");
    assert!(said.contains("/core-1: no statistics page"), "{said}");
}

#[test]
fn without_an_endpoint_it_says_so() {
    let folder = Folder::new();
    let prefix = format!("mpdk-none-{}", std::process::id());
    let said = refused(&["--prefix", &prefix], 1);
    assert!(said.starts_with(&format!("mpdk: no endpoint runs with file prefix \"{prefix}\"\n")), "{said}");
    assert!(said.contains(&format!("/mpdk/{prefix}/statistics: no statistics\n")), "{said}");

    // Of a configuration only the prefix counts: this machine lacks all the rest.
    let config = folder.0.path().join("mpdk.toml");
    let argument = config.display().to_string();
    let other = "[eal]\nmemory = \"files\"\nmemory_mb = 1048576\ncores = [9999]\n";
    std::fs::write(&config, format!("{other}file_prefix = \"{prefix}\"\n")).unwrap();
    assert_eq!(refused(&["--config", &argument], 1), said);
    std::fs::write(&config, "[eal]\nfile_prefix = \"../x\"\n").unwrap();
    let said = refused(&["--config", &argument], 6);
    assert!(said.contains("mpdk.toml:2: eal.file_prefix: 1 to 32 letters"), "{said}");
    std::fs::write(&config, "[eal\n").unwrap();
    refused(&["--config", &argument], 6);
    std::fs::remove_file(&config).unwrap();
    refused(&["--config", &argument], 6);
}

#[test]
fn wrong_usage() {
    for wrong in [
        &["--prefix", "../x"][..],
        &["--prefix", "x", "--config", "y"],
        &["--watch", "0"],
        &["--watch", "nan"],
        &["--watch", "1e9"],
        &["left"],
    ] {
        refused(wrong, 2);
    }
}

#[test]
fn a_file_prefix_leads_to_the_pages() {
    if !is_root("a_file_prefix_leads_to_the_pages") {
        return;
    }
    let prefix = format!("mpdk-stats-{}", std::process::id());
    let folder = mpdk::control::statistics_folder(&prefix);
    let mut page = page(&folder, 0);
    page.publish(&[77]);
    let table = told(&["--prefix", &prefix]);
    assert_eq!(table.lines().last().unwrap().split_whitespace().collect::<Vec<_>>(), ["FrameReceived", "77"]);
    drop(page);
    assert!(!folder.parent().unwrap().exists(), "nothing is left behind");
}

#[test]
fn rates_are_told_until_a_signal_or_the_end_comes() {
    let folder = Folder::new();
    let mut first = page(&folder.path(), 0);
    let arguments = ["--folder", &folder.argument(), "--watch", "0.2", "--json", "--per-core"];
    let lines = |watch: &Process| -> Vec<Value> {
        // The last line may be half there.
        let output = watch.output();
        let whole = output.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    for signal in [libc::SIGINT, libc::SIGTERM] {
        let mut watch = Process::start(&mut stats(&arguments));
        let mut turn = 0;
        wait_until("a rate", DEADLINE, || {
            turn += 1;
            first.publish(&[turn, 0, 1, 5]);
            assert!(watch.is_running(), "{}", watch.errors());
            lines(&watch).iter().any(|line| {
                let rate = line["sum"]["FrameReceived"].as_f64().unwrap();
                // What stays as it is has no rate.
                assert_eq!(line["sum"]["FrameTruncated"], 0.0);
                assert_eq!(line["cores"][0]["counters"]["FrameReceived"].as_f64(), Some(rate));
                rate > 0.0
            })
        });
        watch.signal(signal);
        let status = watch.wait(DEADLINE);
        assert_eq!((status.code(), watch.errors().as_str()), (Some(0), ""));
    }
    let mut watch = Process::start(&mut stats(&arguments));
    wait_until("a report", DEADLINE, || !lines(&watch).is_empty());
    drop(first);
    assert_eq!(watch.wait(DEADLINE).code(), Some(1));
    assert_eq!(watch.errors(), "mpdk: the endpoint has ended\n");
}
