//! Files between an endpoint of two cores and the kernel's MPTCP.

use crate::crew::{MOST, assert_clean, on_both_cores, two_cores};
use crate::support::{
    Counters, DEADLINE, HttpServer, LinkBytes, Process, RandomFile, Site, download, download_and_stay,
    is_root, sha256_of, upload, wait_for,
};
use std::fs::File;

const FILE_BYTES: u64 = 16 << 20;

/// More than handshakes and requests; on a busy machine one link may have little more.
const SOME_BYTES: u64 = 128 << 10;

/// Every link carried some.
#[track_caller]
fn assert_shared(carried: impl Fn(&str) -> u64) {
    for link in Site::LINKS {
        assert!(carried(link) > SOME_BYTES, "{link} carried {} bytes", carried(link));
    }
}

#[test]
fn the_kernel_downloads_from_both_cores_at_once() {
    if !is_root("the_kernel_downloads_from_both_cores_at_once") {
        return;
    }
    let site = two_cores("cores-down");
    let file = RandomFile::write(&site.path("file"), FILE_BYTES, 1);
    let mut server = site.serve(site.folder.path());
    let mut streams = on_both_cores(&site);
    let before = site.counts();
    std::thread::scope(|scope| {
        for stream in &mut streams {
            scope.spawn(|| download_and_stay(stream, &file));
        }
    });
    assert_shared(|link| LinkBytes::of(&site.kernel, link).received);
    // Each core sent, over each link and from queues of its own.
    wait_for("the statistics of both cores", DEADLINE, || {
        let after = site.counts();
        Site::LINKS
            .iter()
            .enumerate()
            .all(|(index, _)| {
                let sent = format!("port.link{}.transmitted_bytes", index + 1);
                let sent = before.each(&sent).into_iter().zip(after.each(&sent));
                sent.map(|(before, after)| after - before).all(|bytes| bytes > SOME_BYTES)
            })
            .then_some(())
    });
    assert_clean(&site);
    drop(streams);
    assert!(server.terminate(DEADLINE).success(), "{}", server.errors());
}

#[test]
fn the_kernel_uploads_to_both_cores_at_once() {
    if !is_root("the_kernel_uploads_to_both_cores_at_once") {
        return;
    }
    let site = two_cores("cores-up");
    let file = RandomFile::write(&site.path("file"), FILE_BYTES, 2);
    let _server = site.serve_with(site.folder.path(), &["--allow-put", "--listen", "0.0.0.0:5555"]);
    let mut streams = on_both_cores(&site);
    std::thread::scope(|scope| {
        for (number, stream) in streams.iter_mut().enumerate() {
            let (site, file) = (&site, &file);
            scope.spawn(move || {
                let answer = upload(stream, &format!("/up-{number}"), &site.path("file"));
                assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
                let got = File::open(site.path(&format!("up-{number}"))).unwrap();
                assert_eq!(sha256_of(got).unwrap(), *file);
            });
        }
    });
    assert_shared(|link| LinkBytes::of(&site.kernel, link).sent);
    assert_clean(&site);
}

/// Runs `mpdk get` or `mpdk put` with `--json`: at the first attempt, over MPTCP.
#[track_caller]
fn transfer(site: &Site, verb: &str, arguments: &[&str], file: &RandomFile) {
    let mut command = site.mpdk(verb);
    command.arg("--json").args(arguments);
    let report = Process::start(&mut command).success(DEADLINE);
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!((&report["attempts"], &report["mptcp"]), (&1.into(), &true.into()), "{report}");
    assert_eq!(report["sha256"], file.sha256.as_str());
}

#[test]
fn mpdk_moves_files_from_and_to_the_kernel() {
    if !is_root("mpdk_moves_files_from_and_to_the_kernel") {
        return;
    }
    let site = two_cores("cores-get");
    site.kernel.add_mptcp_endpoint("10.79.2.1", Site::LINKS[1], &["signal"]);
    let file = RandomFile::write(&site.path("file"), 16 * FILE_BYTES, 3);
    let _server = HttpServer::start(&site.kernel, "0.0.0.0:8080", site.folder.path());
    let got = site.path("got").display().to_string();
    transfer(&site, "get", &["http://10.79.1.1:8080/file", "--output", &got], &file);
    assert_eq!(sha256_of(File::open(&got).unwrap()).unwrap(), file);
    assert_shared(|link| LinkBytes::of(&site.kernel, link).sent);
    let before = Site::LINKS.map(|link| LinkBytes::of(&site.kernel, link).received);
    transfer(&site, "put", &[&got, "http://10.79.1.1:8080/put"], &file);
    assert_eq!(sha256_of(File::open(site.path("put")).unwrap()).unwrap(), file);
    assert_shared(|link| {
        let at = Site::LINKS.iter().position(|other| *other == link).unwrap();
        LinkBytes::of(&site.kernel, link).received - before[at]
    });
    site.assert_clean();
}

/// The kernel chooses the source port of a join by chance, and its TAP the queue by
/// the ports: every other join comes to the core that does not have the connection.
#[test]
fn joins_that_come_to_the_other_core_are_handed_over() {
    if !is_root("joins_that_come_to_the_other_core_are_handed_over") {
        return;
    }
    let site = two_cores("cores-join");
    let file = RandomFile::write(&site.path("file"), 2 << 20, 4);
    let _server = site.serve(site.folder.path());
    let mut streams = Vec::new();
    while site.counts().each("FrameHandedOver").contains(&0) {
        assert!(streams.len() < MOST, "{MOST} joins came to the cores of their connections");
        let stream = site.connect();
        site.wait_for_join(&stream);
        streams.push(stream);
    }
    for stream in &mut streams {
        download(stream, &file);
    }
    let counters = Counters::of(&site.kernel);
    assert_eq!(counters.get("MPTcpExtMPJoinSynAckRx"), streams.len() as u64);
    assert_shared(|link| LinkBytes::of(&site.kernel, link).received);
    assert_clean(&site);
    // The kernel sends to the queue that last sent to it: only the first frames of a
    // join come to the wrong one.
    let counts = site.counts();
    let (handed, received) = (counts.sum("FrameHandedOver"), counts.sum("FrameReceived"));
    assert!(handed < received / 10, "{handed} of {received} frames were handed over");
}
