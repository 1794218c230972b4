use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::scripted::{Scripted, answer};
use super::tcp::{Cut, CuttingConnector, TcpConnector};
use super::tmpfs::Tmpfs;
use super::world::{World, content};
use crate::app::upload_body::UploadBody;
use crate::app::{Sha256Digest, Status, TransferError, put};

fn digest(bytes: &[u8]) -> Sha256Digest {
    Sha256Digest::of(Sha256::new_with_prefix(bytes))
}

fn local(bytes: &[u8]) -> (TempDir, std::path::PathBuf) {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("up load.bin");
    std::fs::write(&path, bytes).expect("written");
    (folder, path)
}

#[tokio::test]
async fn files_of_every_size_arrive() {
    let world = World::start().await;
    for length in [0, 1, 64 * 1024 - 1, 64 * 1024, 256 * 1024, 3_000_001] {
        let bytes = content(length);
        let (_folder, file) = local(&bytes);
        let report = put(&TcpConnector, &world.put(&file, "/f")).await.expect("uploaded");
        assert!(std::fs::read(world.path("f")).expect("there") == bytes, "{length}");
        assert_eq!((report.bytes, report.size), (length as u64, Some(length as u64)));
        assert_eq!((report.sha256, report.attempts), (Some(digest(&bytes)), 1));
        let carried: u64 = report.links.iter().map(|link| link.bytes).sum();
        assert!(carried > length as u64, "content and heads, {carried}");
        assert!(report.mptcp);
    }
    assert_eq!(world.names(), ["f"]);
}

#[tokio::test]
async fn a_url_of_a_folder_gets_the_name() {
    let world = World::start().await;
    let (_folder, file) = local(b"content");
    let report = put(&TcpConnector, &world.put(&file, "/")).await.expect("uploaded");
    assert_eq!(report.url, world.url("/up%20load.bin"));
    assert_eq!(world.names(), ["up load.bin"]);
}

#[tokio::test]
async fn a_broken_upload_is_sent_again() {
    let world = World::start().await;
    let bytes = content(2_000_000);
    let (_folder, file) = local(&bytes);
    let connector = CuttingConnector::new([Cut::Refused, Cut::Sent(900_000), Cut::Sent(100)]);
    let report = put(&connector, &world.put(&file, "/f")).await.expect("the fourth attempt");
    assert_eq!((report.attempts, report.sha256), (4, Some(digest(&bytes))));
    assert!(std::fs::read(world.path("f")).expect("there") == bytes);
    super::world::until("only the file is left", || world.names() == ["f"]).await;
}

#[tokio::test]
async fn retries_end() {
    let world = World::start().await;
    let (_folder, file) = local(&content(2_000_000));
    let mut options = world.put(&file, "/f");
    options.retries = 1;
    let connector = CuttingConnector::new([Cut::Sent(500_000), Cut::Sent(500_000)]);
    let failed = put(&connector, &options).await.expect_err("both attempts broke");
    assert!(matches!(failed.error, TransferError::Broken { .. }), "{failed:?}");
    assert_eq!((failed.report.status, failed.report.attempts), (Status::Failed, 2));
    super::world::until("nothing is left", || world.names().is_empty()).await;
}

#[tokio::test]
async fn a_refusal_comes_before_the_body() {
    let world = World::start_with(|_| {}).await;
    let (_folder, file) = local(&content(2_000_000));
    let failed = put(&TcpConnector, &world.put(&file, "/f")).await.expect_err("not allowed");
    assert_eq!(failed.error.exit_code(), 3);
    assert!(failed.to_string().contains("403"), "{failed}");
    assert!(failed.to_string().contains("uploads are not allowed"), "{failed}");
    assert_eq!((failed.report.bytes, failed.report.attempts), (0, 1));
}

#[tokio::test]
async fn a_full_disk_at_the_other_end_is_said() {
    let Some(disk) = Tmpfs::mount(512) else { return };
    let world = World::start_with(|options| {
        options.root = disk.path().to_owned();
        options.allow_put = true;
    })
    .await;
    let (_folder, file) = local(&content(2_000_000));
    let mut options = world.put(&file, "/f");
    options.retries = 0;
    let failed = put(&TcpConnector, &options).await.expect_err("it does not fit");
    assert!(failed.to_string().contains("507"), "{failed}");
    assert_eq!(std::fs::read_dir(disk.path()).expect("a folder").count(), 0);
}

#[tokio::test]
async fn a_server_that_never_says_continue_gets_the_body_too() {
    let server = Scripted::start(vec![answer("200 OK", &["Content-Length: 0"], b"")]).await;
    let (_folder, file) = local(b"small");
    let mut options = crate::app::PutOptions::new(&file, server.url("/f"));
    options.progress = false;
    let report = put(&TcpConnector, &options).await.expect("stored");
    assert_eq!(report.bytes, 5);
    let head = &server.heads()[0].to_ascii_lowercase();
    assert!(head.starts_with("put /f http/1.1\r\n") && head.contains("content-length: 5\r\n"), "{head}");
    assert!(!head.contains("expect:"), "{head}");
}

#[tokio::test(start_paused = true)]
async fn the_gate_opens_by_itself() {
    use http_body_util::BodyExt as _;
    let (_folder, path) = local(&content(100_000));
    let file = std::fs::File::open(path).expect("there");
    let transferred = Arc::new(AtomicU64::new(0));
    let (request, state) = UploadBody::request(file, 100_000, Some(Sha256::new()), transferred);
    assert_eq!(request.headers()["expect"], "100-continue");
    let sent = request.into_body().collect().await.expect("readable").to_bytes();
    assert!(sent == content(100_000));
    assert!(state.take_hasher().is_some() && state.take_error().is_none());
}

#[tokio::test]
async fn a_success_before_the_end_is_no_success() {
    let server = Scripted::start(vec![answer("201 Created", &["Content-Length: 0"], b"")]).await;
    let (_folder, file) = local(&content(2_000_000));
    let mut options = crate::app::PutOptions::new(&file, server.url("/f"));
    options.progress = false;
    options.retries = 0;
    let failed = put(&TcpConnector, &options).await.expect_err("not all was sent");
    assert_eq!(failed.error.exit_code(), 1, "{failed}");
}

#[tokio::test]
async fn what_cannot_be_sent_is_said_at_once() {
    let folder = TempDir::new().expect("a folder");
    let options = |path: &std::path::Path| crate::app::PutOptions::new(path, "http://127.0.0.1:1/f");
    let directory = put(&TcpConnector, &options(folder.path())).await.expect_err("a directory");
    assert!(matches!(directory.error, TransferError::IsDirectory { .. }), "{directory:?}");
    let missing = put(&TcpConnector, &options(&folder.path().join("no"))).await.expect_err("missing");
    assert_eq!(missing.error.exit_code(), 4);
    let device = put(&TcpConnector, &options("/dev/null".as_ref())).await.expect_err("a device");
    assert!(device.to_string().contains("not a regular file"), "{device}");
}
