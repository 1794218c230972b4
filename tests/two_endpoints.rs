//! Two processes of ours move files over two Unix sockets, by the profiles for
//! it: no root, no NIC, no hugepages.
#![cfg(feature = "dpdk")]

mod support;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{DEADLINE, Process, RandomFile, profile, program, sha256_of};

const FILE_BYTES: u64 = 64 << 20;

/// A folder with both configurations and their sockets.
struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let desk = Self { folder: tempfile::tempdir().unwrap() };
        let sockets = format!("{}/mpdk-", desk.folder.path().display());
        for (name, keyword) in [("vhost.toml", "iface="), ("virtio-user.toml", "path=")] {
            let prefix = format!("mpdk-two-{}-{}", std::process::id(), name.trim_end_matches(".toml"));
            let text = profile(name, &prefix);
            // The profiles' sockets lie where everybody's do.
            let moved = text.replace(&format!("{keyword}/tmp/mpdk-"), &format!("{keyword}{sockets}"));
            assert_eq!(moved.matches(&sockets).count(), 2, "two sockets in {name}");
            std::fs::write(desk.path(name), moved).unwrap();
        }
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn mpdk(&self, verb: &str, config: &str) -> Command {
        let mut command = Command::new(program("mpdk"));
        command.args(["--log", "info,mpdk::cli=debug,dpdk=off", verb, "--config"]).arg(self.path(config));
        command
    }
}

fn digest(path: &Path) -> RandomFile {
    sha256_of(File::open(path).unwrap()).unwrap()
}

/// The report of a transfer that went over both links.
#[track_caller]
fn assert_over_both(report: &str, file: &RandomFile) {
    let report: serde_json::Value = serde_json::from_str(report).unwrap();
    assert_eq!(report["mptcp"], true, "{report}");
    assert_eq!(report["sha256"], file.sha256.as_str(), "{report}");
    let links = report["links"].as_array().unwrap();
    let names: Vec<_> = links.iter().map(|link| link["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["left", "right"], "{report}");
    for link in links {
        // The wire is fast: half of the file may be there when the second joins.
        assert!(link["bytes"].as_u64().unwrap() > 64 << 10, "{report}");
    }
}

#[test]
fn two_endpoints_move_files_both_ways_over_both_links() {
    let desk = Desk::new();
    let root = desk.path("root");
    std::fs::create_dir(&root).unwrap();
    let file = RandomFile::write(&root.join("file"), FILE_BYTES, 1);
    let mut serve = desk.mpdk("serve", "vhost.toml");
    serve.args(["--allow-put", "--listen", "0.0.0.0:8080", "--root"]).arg(&root);
    let mut server = Process::start(&mut serve);
    server.wait_for_text("serving", DEADLINE);

    let mut get = desk.mpdk("get", "virtio-user.toml");
    get.arg("http://10.1.1.1:8080/file").arg("--json").arg("--output").arg(desk.path("got"));
    assert_over_both(&Process::start(&mut get).success(DEADLINE), &file);
    assert_eq!(digest(&desk.path("got")), file);

    // Another process at the same sockets: the wires come up again.
    let mut put = desk.mpdk("put", "virtio-user.toml");
    put.arg("--json").arg(desk.path("got")).arg("http://10.1.1.1:8080/put");
    assert_over_both(&Process::start(&mut put).success(DEADLINE), &file);
    assert_eq!(digest(&root.join("put")), file);

    assert!(server.terminate(DEADLINE).success(), "{}", server.errors());
}
