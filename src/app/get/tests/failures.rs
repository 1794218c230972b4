//! Downloads that fail: they say why, and leave no half file.

use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::app::tests::scripted::{Scripted, answer};
use crate::app::tests::tcp::{Cut, CuttingConnector, TcpConnector};
use crate::app::tests::tmpfs::Tmpfs;
use crate::app::tests::world::{PATIENCE, World, content, names, quick_get};
use crate::app::{DigestCheck, Failed, Status, TransferError, get};

/// Downloads what `server` says to a fresh folder; the failure, and what is
/// left there.
async fn fail(answers: Vec<Vec<u8>>, retries: u32) -> (Failed, Vec<String>) {
    let server = Scripted::start(answers).await;
    let local = TempDir::new().expect("a folder");
    let mut options = quick_get(server.url("/f"), &local.path().join("out"));
    options.retries = retries;
    let failed = get(&TcpConnector, &options).await.expect_err("a failure");
    assert_eq!(failed.report.status, Status::Failed);
    let (told, left) = (failed.report.error.clone().expect("a reason"), names(local.path()));
    assert!(told.starts_with(&failed.to_string()), "{told}");
    let is_kept = left.iter().any(|name| name == "out.part");
    assert_eq!(told.contains("; what came is kept in `"), is_kept, "{told}");
    (failed, left)
}

#[tokio::test]
async fn retries_end_and_the_part_is_kept() {
    let cut = || answer("200 OK", &["Content-Length: 10", "ETag: \"a\""], b"0123");
    let again = answer(
        "206 Partial Content",
        &["Content-Length: 6", "ETag: \"a\"", "Content-Range: bytes 4-9/10"],
        b"4",
    );
    let (failed, left) = fail(vec![cut(), again], 1).await;
    assert_eq!(left, ["out.part", "out.part.json"]);
    assert_eq!((failed.error.exit_code(), failed.report.attempts), (1, 2));
    assert!(failed.to_string().contains("after 5 of 10 bytes"), "{failed}");
    assert_eq!((failed.report.bytes, failed.report.size), (5, Some(10)));
}

#[tokio::test]
async fn an_end_that_nobody_can_tell_from_a_cut() {
    let endless = || answer("200 OK", &["Connection: close"], b"perhaps half");
    let (failed, left) = fail(vec![endless()], 0).await;
    assert!(matches!(failed.error, TransferError::NoLength), "{failed}");
    assert!(left.is_empty(), "{left:?}");

    // With a digest to compare with, the end can be told.
    let server = Scripted::start(vec![endless()]).await;
    let local = TempDir::new().expect("a folder");
    let output = local.path().join("out");
    let mut options = quick_get(server.url("/f"), &output);
    // sha256 of "perhaps half"
    use sha2::Digest as _;
    let digest = crate::app::Sha256Digest::of(sha2::Sha256::new_with_prefix("perhaps half"));
    options.check = DigestCheck::Expect(digest);
    get(&TcpConnector, &options).await.expect("the digest is right");
    assert_eq!(std::fs::read(&output).expect("there"), b"perhaps half");
}

#[tokio::test]
async fn cut_chunks_are_not_the_end() {
    let chunk = answer("200 OK", &["Transfer-Encoding: chunked"], b"5\r\nhello\r\n");
    let (failed, left) = fail(vec![chunk], 0).await;
    assert!(matches!(failed.error, TransferError::Broken { .. }), "{failed}");
    assert_eq!(left, ["out.part"]);
}

#[tokio::test]
async fn refusals_say_what_the_server_said() {
    let (failed, left) =
        fail(vec![answer("404 Not Found", &["Content-Length: 10"], b"not \x1b[31mh")], 3).await;
    assert_eq!((failed.error.exit_code(), failed.report.attempts), (3, 1));
    assert!(failed.to_string().contains("404 Not Found: not [31mh"), "{failed}");
    assert!(left.is_empty(), "{left:?}");
    let moved = answer("301 Moved Permanently", &["Content-Length: 0", "Location: /there/"], b"");
    let (failed, _) = fail(vec![moved], 3).await;
    assert!(failed.to_string().contains("it points to /there/"), "{failed}");
}

#[tokio::test]
async fn a_busy_server_is_asked_again() {
    let busy = || answer("503 Service Unavailable", &["Content-Length: 0"], b"");
    let (failed, _) = fail(vec![busy(), busy(), busy()], 2).await;
    assert_eq!((failed.error.exit_code(), failed.report.attempts), (3, 3));
    let server = Scripted::start(vec![busy(), answer("200 OK", &["Content-Length: 2"], b"ok")]).await;
    let local = TempDir::new().expect("a folder");
    let output = local.path().join("out");
    get(&TcpConnector, &quick_get(server.url("/f"), &output)).await.expect("the second time");
    assert_eq!(std::fs::read(&output).expect("there"), b"ok");
}

#[tokio::test]
async fn nonsense_is_an_error() {
    for nonsense in [b"SSH-2.0-OpenSSH\r\n".to_vec(), Vec::new(), b"HTTP/1.1 abc\r\n\r\n".to_vec()] {
        let (failed, left) = fail(vec![nonsense], 0).await;
        assert_eq!(failed.error.exit_code(), 1, "{failed}");
        assert!(left.is_empty(), "{left:?}");
    }
    let head = format!("X: {}", "x".repeat(100_000));
    let (failed, _) = fail(vec![answer("200 OK", &[&head], b"")], 0).await;
    assert_eq!(failed.error.exit_code(), 1, "{failed}");
}

#[tokio::test]
async fn a_wrong_digest_keeps_the_content_but_not_to_resume() {
    let world = World::start().await;
    world.write("f", "content");
    let local = TempDir::new().expect("a folder");
    let mut options = world.get("/f", &local.path().join("out"));
    options.check = DigestCheck::Expect("00".repeat(32).parse().expect("a digest"));
    let failed = get(&TcpConnector, &options).await.expect_err("another digest");
    assert_eq!(failed.error.exit_code(), 5);
    assert!(failed.to_string().contains("out.part"), "{failed}");
    assert!(failed.report.sha256.is_some());
    assert_eq!(names(local.path()), ["out.part"]);
    options.check = DigestCheck::Compute;
    assert_eq!(get(&TcpConnector, &options).await.expect("anew").resumed_from, 0);
}

#[tokio::test]
async fn a_full_disk_is_said_and_the_part_can_be_resumed() {
    let Some(disk) = Tmpfs::mount(1024) else { return };
    let world = World::start().await;
    let bytes = content(900_000);
    world.write("f", &bytes);
    std::fs::write(disk.join("ballast"), content(600_000)).expect("it fits");
    let options = world.get("/f", &disk.join("out"));
    let failed = get(&TcpConnector, &options).await.expect_err("it does not fit");
    assert_eq!((failed.error.exit_code(), failed.report.attempts), (4, 1));
    assert!(failed.to_string().contains("no space left"), "{failed}");
    assert!(failed.to_string().contains("is kept in"), "{failed}");
    assert_eq!(names(disk.path()), ["ballast", "out.part", "out.part.json"]);

    std::fs::remove_file(disk.join("ballast")).expect("removed");
    let report = get(&TcpConnector, &options).await.expect("there is room now");
    assert!(report.resumed_from > 0 && report.resumed_from < 900_000);
    assert!(std::fs::read(disk.join("out")).expect("there") == bytes);
}

#[tokio::test]
async fn a_full_device() {
    let world = World::start().await;
    world.write("f", content(3_000_000));
    let failed = get(&TcpConnector, &world.get("/f", "/dev/full".as_ref())).await.expect_err("full");
    assert!(matches!(failed.error, TransferError::DiskFull { kept: None, .. }), "{failed:?}");
}

#[tokio::test]
async fn what_was_passed_on_cannot_be_taken_back() {
    let first = answer("200 OK", &["Content-Length: 10", "ETag: \"a\""], b"0123");
    let changed = answer("200 OK", &["Content-Length: 10", "ETag: \"b\""], b"abcdefghij");
    let server = Scripted::start(vec![first, changed]).await;
    let failed = get(&TcpConnector, &quick_get(server.url("/f"), "/dev/null".as_ref())).await;
    let failed = failed.expect_err("it changed");
    assert!(matches!(failed.error, TransferError::Changed { done_bytes: 4 }), "{failed:?}");
    // Without a validator the first cut is the end.
    let server = Scripted::start(vec![answer("200 OK", &["Content-Length: 10"], b"0123")]).await;
    let failed = get(&TcpConnector, &quick_get(server.url("/f"), "/dev/null".as_ref())).await;
    assert_eq!(failed.expect_err("it broke").report.attempts, 1);
}

#[tokio::test]
async fn two_downloads_to_one_file_do_not_mix() {
    let world = World::start().await;
    world.write("f", "content");
    // One that never answers holds the file.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let silent = format!("http://{}/f", listener.local_addr().expect("bound"));
    let local = TempDir::new().expect("a folder");
    let output = local.path().join("out");
    let waiting = quick_get(silent, &output);
    let (second, options) = (local.path().join("out.part"), world.get("/f", &output));
    let busy = async {
        crate::app::tests::world::until("the first has begun", || second.exists()).await;
        get(&TcpConnector, &options).await.expect_err("busy")
    };
    let failed = tokio::select! {
        ended = get(&TcpConnector, &waiting) => panic!("it cannot end: {ended:?}"),
        failed = busy => failed,
    };
    assert!(matches!(failed.error, TransferError::Busy { .. }), "{failed:?}");
    assert_eq!(failed.error.exit_code(), 4);
    // Not at once: a child that another test forks holds the lock until it
    // has become its program.
    let free = async { while get(&TcpConnector, &options).await.is_err() {} };
    tokio::time::timeout(PATIENCE, free).await.expect("the first is gone");
    assert_eq!(names(local.path()), ["out"]);
}

#[tokio::test]
async fn silence_is_given_up_on() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let local = TempDir::new().expect("a folder");
    let url = format!("http://{}/f", listener.local_addr().expect("bound"));
    let mut options = quick_get(url, &local.path().join("out"));
    (options.stall_timeout, options.retries) = (Duration::from_millis(50), 1);
    let failed = get(&TcpConnector, &options).await.expect_err("nobody answers");
    assert_eq!((failed.error.exit_code(), failed.report.attempts), (1, 2));
    assert!(failed.to_string().contains("nothing moved"), "{failed}");
    assert!(names(local.path()).is_empty());
}

#[tokio::test]
async fn places_that_cannot_be_written() {
    let world = World::start().await;
    world.write("f", "content");
    let local = TempDir::new().expect("a folder");
    let directory = get(&TcpConnector, &world.get("/f", local.path())).await.expect_err("a directory");
    assert_eq!(directory.error.exit_code(), 2);
    let missing = local.path().join("missing/out");
    assert_eq!(
        get(&TcpConnector, &world.get("/f", &missing)).await.expect_err("no folder").error.exit_code(),
        4
    );
    std::os::unix::fs::symlink("/dev/null", local.path().join("out.part")).expect("a link");
    let link = get(&TcpConnector, &world.get("/f", &local.path().join("out"))).await.expect_err("a link");
    assert_eq!(link.error.exit_code(), 4);
}

#[tokio::test]
async fn addresses_that_do_not_answer() {
    let local = TempDir::new().expect("a folder");
    let output = local.path().join("out");
    let connector = CuttingConnector::new([Cut::Refused, Cut::Refused, Cut::Refused, Cut::Refused]);
    let failed = get(&connector, &quick_get("http://127.0.0.1:9/f".to_owned(), &output)).await;
    let failed = failed.expect_err("refused");
    assert_eq!((failed.error.exit_code(), failed.report.attempts), (1, 4));
    assert!(failed.to_string().contains("no connection to 127.0.0.1:9"), "{failed}");
    let mut nowhere = quick_get("http://no-such-host.invalid/f".to_owned(), &output);
    nowhere.retries = 0;
    let failed = get(&TcpConnector, &nowhere).await.expect_err("no such name");
    assert!(failed.to_string().contains("no-such-host.invalid"), "{failed}");
    let https = get(&TcpConnector, &quick_get("https://127.0.0.1/f".to_owned(), &output)).await;
    let https = https.expect_err("no TLS");
    assert_eq!(https.error.exit_code(), 2);
    assert!(https.to_string().contains("https is not supported"), "{https}");
    assert!(names(local.path()).is_empty());
}
