//! Files between the binary's verbs and the kernel's MPTCP, over both links at
//! once: large and tiny ones, down and up.
#![cfg(feature = "dpdk")]

mod support;

use std::fs::File;
use std::path::Path;
use std::process::Command;
use support::{
    Capture, Counters, DEADLINE, HttpServer, LinkBytes, Process, RandomFile, Site, download, is_root,
    mptcp_info, read_head, request, sha256_of, upload,
};

const TRANSFER_BYTES: u64 = 64 << 20;

/// Around what fits into one segment, and into none.
const TINY_BYTES: [u64; 8] = [0, 1, 1428, 1459, 1460, 1461, 2921, 65_537];

#[test]
fn the_kernel_downloads_over_both_links_and_the_server_ends_in_order() {
    if !is_root("the_kernel_downloads_over_both_links_and_the_server_ends_in_order") {
        return;
    }
    let site = Site::new("serve");
    let file = RandomFile::write(&site.path("file"), TRANSFER_BYTES, 1);
    let mut server = site.serve(site.folder.path());
    let capture = Capture::start(&site.kernel, Site::LINKS[1], &site.path("tap2.pcap"));
    let mut stream = site.connect();
    site.wait_for_join(&stream);
    assert!(!mptcp_info(&stream).unwrap().fallback);
    request(&mut stream, "/file");
    assert!(read_head(&mut stream).unwrap().starts_with("HTTP/1.1 200"));
    assert_eq!(sha256_of(&mut stream).unwrap(), file);
    for link in Site::LINKS {
        let carried = LinkBytes::of(&site.kernel, link).received;
        assert!(carried > TRANSFER_BYTES / 20, "{link} carried {carried} bytes");
    }
    let counters = Counters::of(&site.kernel);
    assert_eq!(counters.get("MPTcpExtMPJoinSynAckRx"), 1);
    assert_eq!(counters.get("MPTcpExtMPJoinSynAckHMacFailure"), 0);
    assert_eq!(counters.get("MPTcpExtDSSNotMatching"), 0);
    let captured = capture.finish();
    // Random payload looks like many a protocol, and like a broken one: only
    // segments without any are judged.
    let broken = "tcp.len == 0 && (_ws.malformed || _ws.expert.severity == \"Error\")";
    assert_eq!(Capture::count(&captured, broken), 0);
    assert_eq!(Capture::count(&captured, "tcp.options.mptcp.subtype == 1 && tcp.flags.syn == 1"), 2);
    assert!(server.terminate(DEADLINE).success(), "{}", server.errors());
}

/// The digest of a file.
#[track_caller]
fn digest(path: &Path) -> RandomFile {
    sha256_of(File::open(path).unwrap()).unwrap()
}

/// Runs a transfer with `--json` and gives its report: MPTCP, at the first
/// attempt.
#[track_caller]
fn report_of(command: &mut Command) -> serde_json::Value {
    let mut transfer = Process::start(command);
    let status = transfer.wait(DEADLINE);
    let (report, errors) = (transfer.output(), transfer.errors());
    assert!(status.success(), "{report}{errors}");
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!((&report["attempts"], &report["mptcp"]), (&1.into(), &true.into()), "{report}\n{errors}");
    report
}

/// Every link carried some of so many bytes.
#[track_caller]
fn assert_shared(bytes: u64, carried: impl Fn(&str) -> u64) {
    for link in Site::LINKS {
        assert!(carried(link) > bytes / 20, "{link} carried {} of {bytes} bytes", carried(link));
    }
}

#[test]
fn the_kernel_downloads_tiny_files() {
    if !is_root("the_kernel_downloads_tiny_files") {
        return;
    }
    let site = Site::new("tiny");
    let _server = site.serve(site.folder.path());
    for bytes in TINY_BYTES {
        let file = RandomFile::write(&site.path("file"), bytes, bytes);
        download(&mut site.connect(), &file);
    }
    assert_eq!(Counters::of(&site.kernel).get("MPTcpExtMPCapableSYNACKRX"), TINY_BYTES.len() as u64);
    site.assert_clean();
}

#[test]
fn the_kernel_uploads_tiny_files() {
    if !is_root("the_kernel_uploads_tiny_files") {
        return;
    }
    let site = Site::new("tiny-up");
    let _server = site.serve_with(site.folder.path(), &["--allow-put", "--listen", "0.0.0.0:5555"]);
    for bytes in TINY_BYTES {
        let file = RandomFile::write(&site.path("file"), bytes, bytes);
        let answer = upload(&mut site.connect(), &format!("/up-{bytes}"), &site.path("file"));
        assert!(answer.starts_with("HTTP/1.1 201"), "{bytes} bytes: {answer}");
        assert_eq!(digest(&site.path(&format!("up-{bytes}"))), file);
    }
    site.assert_clean();
}

#[test]
fn mpdk_moves_tiny_files_from_and_to_the_kernel() {
    if !is_root("mpdk_moves_tiny_files_from_and_to_the_kernel") {
        return;
    }
    let site = Site::new("tiny-get");
    let _server = HttpServer::start(&site.kernel, "0.0.0.0:8080", site.folder.path());
    for bytes in TINY_BYTES {
        let file = RandomFile::write(&site.path("file"), bytes, bytes);
        let mut get = site.mpdk("get");
        get.arg("http://10.79.1.1:8080/file").arg("--json").arg("--output").arg(site.path("got"));
        report_of(&mut get);
        assert_eq!(digest(&site.path("got")), file);
        let mut put = site.mpdk("put");
        put.arg(site.path("got")).arg("http://10.79.1.1:8080/put").arg("--json");
        report_of(&mut put);
        assert_eq!(digest(&site.path("put")), file);
    }
    assert_eq!(Counters::of(&site.kernel).get("MPTcpExtMPCapableACKRX"), 2 * TINY_BYTES.len() as u64);
    site.assert_clean();
}

#[test]
fn the_kernel_uploads_over_both_links() {
    if !is_root("the_kernel_uploads_over_both_links") {
        return;
    }
    let site = Site::new("up");
    let file = RandomFile::write(&site.path("file"), TRANSFER_BYTES, 2);
    let _server = site.serve_with(site.folder.path(), &["--allow-put", "--listen", "0.0.0.0:5555"]);
    let mut stream = site.connect();
    site.wait_for_join(&stream);
    let answer = upload(&mut stream, "/up", &site.path("file"));
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert_eq!(digest(&site.path("up")), file);
    assert_shared(TRANSFER_BYTES, |link| LinkBytes::of(&site.kernel, link).sent);
    site.assert_clean();
}

#[test]
fn mpdk_uploads_to_the_kernel_over_both_links() {
    if !is_root("mpdk_uploads_to_the_kernel_over_both_links") {
        return;
    }
    let site = Site::new("put");
    site.kernel.add_mptcp_endpoint("10.79.2.1", Site::LINKS[1], &["signal"]);
    let file = RandomFile::write(&site.path("file"), TRANSFER_BYTES, 3);
    let _server = HttpServer::start(&site.kernel, "0.0.0.0:8080", site.folder.path());
    let mut put = site.mpdk("put");
    put.arg(site.path("file")).arg("http://10.79.1.1:8080/put").arg("--json");
    let report = report_of(&mut put);
    assert_eq!(digest(&site.path("put")), file);
    assert_eq!(report["sha256"], file.sha256.as_str());
    assert_shared(TRANSFER_BYTES, |link| LinkBytes::of(&site.kernel, link).received);
    site.assert_clean();
}
