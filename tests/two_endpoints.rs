//! Two processes of ours move files over two Unix sockets, by the profiles for
//! it: no root, no NIC, no hugepages.
#![cfg(feature = "dpdk")]

mod support;

use std::fs::File;
use std::path::Path;
use support::{DEADLINE, Desk, Process, RandomFile, sha256_of};

const FILE_BYTES: u64 = 256 << 20;

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
    // The one reads where its bytes arrive, the other copies.
    desk.read_in_place("virtio-user.toml");
    let root = desk.path("root");
    std::fs::create_dir(&root).unwrap();
    let file = RandomFile::write(&root.join("file"), FILE_BYTES, 1);
    let mut serve = desk.mpdk("serve", "vhost.toml");
    serve.args(["--allow-put", "--listen", "0.0.0.0:8080", "--root"]).arg(&root);
    let mut server = Process::start(&mut serve);
    server.wait_for_text("serving", DEADLINE);

    let mut get = desk.mpdk("get", "virtio-user.toml");
    get.arg("http://10.1.1.1:8080/file").arg("--json").arg("--output").arg(desk.path("got"));
    let mut get = Process::start(&mut get);
    assert!(get.wait(DEADLINE).success(), "{}", get.errors());
    assert_over_both(&get.output(), &file);
    assert_eq!(digest(&desk.path("got")), file);
    let (lent, copied) = (get.counted("PayloadBytesLent"), get.counted("PayloadBytesCopied"));
    assert!(lent + copied >= FILE_BYTES, "{lent} lent, {copied} copied");
    // However slowly the file is written: the window waits for it, and only short pieces are copied.
    assert!(copied < FILE_BYTES / 20, "{lent} lent, {copied} copied");

    // Another process at the same sockets: the wires come up again.
    let mut put = desk.mpdk("put", "virtio-user.toml");
    put.arg("--json").arg(desk.path("got")).arg("http://10.1.1.1:8080/put");
    assert_over_both(&Process::start(&mut put).success(DEADLINE), &file);
    assert_eq!(digest(&root.join("put")), file);

    assert!(server.terminate(DEADLINE).success(), "{}", server.errors());
}
