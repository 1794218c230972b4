//! What a person sees when something goes wrong with a live transfer: an exit
//! code, a reason, what is kept, and nothing under the file's name.
//!
//! `--nocapture` shows what was said.
#![cfg(feature = "dpdk")]

mod support;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{
    DEADLINE, HttpServer, Process, RandomFile, Site, SmallDisk, is_root, kernel_mptcp_listener, program,
    read_head, sha256_of, wait_until,
};

const FILE_BYTES: u64 = 256 << 20;

/// How a program ended, and what it said.
struct Seen {
    code: Option<i32>,
    errors: String,
    output: String,
}

impl Seen {
    #[track_caller]
    fn of(command: &mut Command) -> Self {
        let shown = shown(command);
        Self::at_end(Process::start(command), &shown)
    }

    /// When it has ended; shows it as a terminal would.
    #[track_caller]
    fn at_end(mut process: Process, command: &str) -> Self {
        let code = process.wait(DEADLINE).code();
        let seen = Self { code, errors: process.errors(), output: process.output() };
        println!("$ {command}\n{}{}exit code {code:?}\n", seen.errors, seen.output);
        seen
    }

    /// It failed with this code and said so, without a panic.
    #[track_caller]
    fn failed(&self, code: i32, reason: &str) {
        assert_eq!(self.code, Some(code), "{}", self.errors);
        assert!(self.errors.contains(reason), "\"{reason}\" is not in\n{}", self.errors);
        assert!(!self.errors.contains("panicked"), "{}", self.errors);
        // Nothing that is no reason looks like one.
        assert!(!self.errors.contains(" ERROR "), "{}", self.errors);
    }
}

/// The command as a person types it: behind the namespace and the log.
fn shown(command: &Command) -> String {
    let words = command.get_args().map(|word| word.to_string_lossy().into_owned());
    let words = words.skip_while(|word| !matches!(word.as_str(), "get" | "put" | "serve" | "run"));
    format!("mpdk {}", words.collect::<Vec<_>>().join(" "))
}

/// `mpdk get URL -o FILE`, without a log.
fn get(site: &Site, url: &str, output: &Path) -> Command {
    let mut command = site.kernel.command(&program("mpdk").display().to_string());
    command.args(["get", "--config"]).arg(site.path("config.toml")).arg(url).arg("-o").arg(output);
    command
}

fn part_of(output: &Path) -> PathBuf {
    PathBuf::from(format!("{}.part", output.display()))
}

fn bytes_of(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |metadata| metadata.len())
}

/// Nothing came, and nothing is left.
#[track_caller]
fn nothing_at(output: &Path) {
    assert!(!output.exists() && !part_of(output).exists(), "nothing came");
}

/// The same command, where the server is there again, gets the rest.
#[track_caller]
fn goes_on(site: &Site, url: &str, output: &Path, file: &RandomFile) {
    let seen = Seen::of(get(site, url, output).arg("--json"));
    assert_eq!(seen.code, Some(0), "{}", seen.errors);
    let report: serde_json::Value = serde_json::from_str(&seen.output).unwrap();
    assert!(report["resumed_from"].as_u64().unwrap() > 0, "{report}");
    assert_eq!(sha256_of(File::open(output).unwrap()).unwrap(), *file);
    assert!(!part_of(output).exists());
}

#[test]
fn a_bad_configuration_is_told_by_every_verb() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("bad.toml");
    let port = "[[port]]\nname = \"left\"\ndevice = \"net_tpa0\"\naddresses = [\"10.1.1.2\"]\nmtu = 70_000\n";
    std::fs::write(&config, port).unwrap();
    for verb in [
        &["get", "http://10.1.1.1/file"][..],
        &["put", "bad.toml", "http://10.1.1.1/"],
        &["serve", "--root", "."],
        &["run"],
    ] {
        let mut command = Command::new(program("mpdk"));
        let seen = Seen::of(command.arg(verb[0]).arg("--config").arg(&config).args(&verb[1..]));
        seen.failed(6, "bad.toml:3: port.device: unknown driver \"net_tpa\": did you mean \"net_tap\"?");
        seen.failed(6, "bad.toml:4: port.addresses: \"10.1.1.2\" has no prefix length");
        seen.failed(6, "bad.toml:5: port.mtu: 70000 is out of range");
        assert_eq!(seen.output, "");
    }
}

#[test]
fn urls_that_lead_nowhere() {
    if !is_root("urls_that_lead_nowhere") {
        return;
    }
    let site = Site::new("nowhere");
    let output = site.path("output");
    let _server = HttpServer::start(&site.kernel, "0.0.0.0:8080", site.folder.path());
    for (url, code, reason) in [
        ("http://10.79.1.1:8080/none", 3, "the server refused `http://10.79.1.1:8080/none`: 404 Not Found"),
        ("http://10.79.1.1:9/file", 1, "no connection to 10.79.1.1:9: "),
        ("http://10.80.1.1/file", 1, "no connection to 10.80.1.1:80: "),
        ("http://no-such-host.invalid/file", 1, "the host `no-such-host.invalid` cannot be resolved: "),
        ("https://10.79.1.1/file", 2, "the URL `https://10.79.1.1/file` cannot be used: "),
    ] {
        Seen::of(&mut get(&site, url, &output)).failed(code, reason);
        nothing_at(&output);
    }
}

#[test]
fn a_server_that_stops_in_the_middle() {
    if !is_root("a_server_that_stops_in_the_middle") {
        return;
    }
    let site = Site::new("stops");
    let (output, url) = (site.path("output"), "http://10.79.1.1:8080/file");
    let file = RandomFile::write(&site.path("file"), FILE_BYTES / 8, 1);
    let server =
        HttpServer::that_stops_after(&site.kernel, "0.0.0.0:8080", site.folder.path(), file.bytes / 2);
    let seen = Seen::of(&mut get(&site, url, &output));
    seen.failed(1, "failed: no connection to 10.79.1.1:8080: ");
    seen.failed(1, &format!("; what came is kept in `{}`", part_of(&output).display()));
    drop(server);
    assert!(!output.exists());
    assert_eq!(bytes_of(&part_of(&output)), file.bytes / 2);
    let _server = HttpServer::start(&site.kernel, "0.0.0.0:8080", site.folder.path());
    goes_on(&site, url, &output, &file);
}

#[test]
fn a_disk_that_is_full() {
    if !is_root("a_disk_that_is_full") {
        return;
    }
    let site = Site::new("full");
    let disk = SmallDisk::mount(8);
    let output = disk.path("output");
    RandomFile::write(&site.path("file"), FILE_BYTES / 8, 2);
    let _server = HttpServer::start(&site.kernel, "0.0.0.0:8080", site.folder.path());
    let seen = Seen::of(&mut get(&site, "http://10.79.1.1:8080/file", &output));
    let part = part_of(&output);
    seen.failed(4, &format!("no space left for `{0}`; what came is kept in `{0}`", part.display()));
    assert!(!output.exists());
    assert!(bytes_of(&part) > 4 << 20, "{} bytes kept", bytes_of(&part));
}

#[test]
fn an_interrupt_in_the_middle() {
    if !is_root("an_interrupt_in_the_middle") {
        return;
    }
    let site = Site::new("interrupt");
    let (output, url) = (site.path("output"), "http://10.79.1.1:8080/file");
    let part = part_of(&output);
    let file = RandomFile::write(&site.path("file"), FILE_BYTES, 3);
    let _server = HttpServer::start(&site.kernel, "0.0.0.0:8080", site.folder.path());
    for signal in [libc::SIGINT, libc::SIGTERM] {
        let before = bytes_of(&part);
        let mut command = get(&site, url, &output);
        let download = Process::start(&mut command);
        wait_until("some of it", DEADLINE, || bytes_of(&part) > before + (2 << 20));
        download.signal(signal);
        let seen = Seen::at_end(download, &format!("{}\n^C", shown(&command)));
        seen.failed(128 + signal, &format!("what came is kept in `{}`", part.display()));
        assert!(!output.exists());
        assert!(bytes_of(&part) > before);
    }
    goes_on(&site, url, &output, &file);
}

#[test]
fn an_interrupt_before_anything_came() {
    if !is_root("an_interrupt_before_anything_came") {
        return;
    }
    let site = Site::new("early");
    let output = site.path("output");
    // Accepts, and never answers.
    let listener = kernel_mptcp_listener(&site.kernel, "0.0.0.0:8080".parse().unwrap()).unwrap();
    let mut command = get(&site, "http://10.79.1.1:8080/file", &output);
    let download = Process::start(&mut command);
    let (mut connection, _) = listener.accept().unwrap();
    read_head(&mut connection).unwrap();
    download.signal(libc::SIGINT);
    let seen = Seen::at_end(download, &format!("{}\n^C", shown(&command)));
    seen.failed(130, "interrupted");
    nothing_at(&output);
}

#[test]
fn uploads_that_are_refused_or_interrupted() {
    if !is_root("uploads_that_are_refused_or_interrupted") {
        return;
    }
    let site = Site::new("uploads");
    RandomFile::write(&site.path("file"), FILE_BYTES / 8, 4);
    let put = |file: &str, url: &str| {
        let mut command = site.kernel.command(&program("mpdk").display().to_string());
        command.args(["put", "--config"]).arg(site.path("config.toml")).arg(site.path(file)).arg(url);
        command
    };
    Seen::of(&mut put("none", "http://10.79.1.1:8080/up")).failed(4, "none`: No such file or directory");
    // Accepts, and never answers.
    let listener = kernel_mptcp_listener(&site.kernel, "0.0.0.0:8080".parse().unwrap()).unwrap();
    let mut command = put("file", "http://10.79.1.1:8080/up");
    let upload = Process::start(&mut command);
    let (mut connection, _) = listener.accept().unwrap();
    read_head(&mut connection).unwrap();
    upload.signal(libc::SIGINT);
    Seen::at_end(upload, &format!("{}\n^C", shown(&command))).failed(130, "interrupted");
}

#[test]
fn a_server_that_cannot_start() {
    if !is_root("a_server_that_cannot_start") {
        return;
    }
    let site = Site::new("start");
    let serve = |root: &Path, listen: &str| {
        let mut command = site.kernel.command(&program("mpdk").display().to_string());
        command.args(["serve", "--log", "warn,dpdk=off", "--config"]).arg(site.path("config.toml"));
        command.arg("--root").arg(root).args(["--listen", listen]);
        Seen::of(&mut command)
    };
    serve(site.folder.path(), "10.99.1.2:80").failed(7, "cannot listen at 10.99.1.2:80: ");
    serve(&site.path("none"), "0.0.0.0:80").failed(4, "none");
}
