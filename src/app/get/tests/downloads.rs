//! Downloads that succeed.

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::app::tests::scripted::{Scripted, answer};
use crate::app::tests::tcp::TcpConnector;
use crate::app::tests::world::{World, content, names, quick_get};
use crate::app::{DigestCheck, Sha256Digest, Status, get};

fn digest(bytes: &[u8]) -> Sha256Digest {
    Sha256Digest::of(Sha256::new_with_prefix(bytes))
}

#[tokio::test]
async fn files_of_every_size_come_whole() {
    let world = World::start().await;
    let local = TempDir::new().expect("a folder");
    let output = local.path().join("out");
    for length in [0, 1, 262_144, 1_048_576, 5_000_003] {
        let bytes = content(length);
        world.write("f", &bytes);
        let mut options = world.get("/f", &output);
        options.check = DigestCheck::Expect(digest(&bytes));
        options.progress = true;
        let report = get(&TcpConnector, &options).await.expect("downloaded");
        assert!(std::fs::read(&output).expect("there") == bytes, "{length}");
        assert_eq!(names(local.path()), ["out"], "nothing else is left");
        assert_eq!((report.bytes, report.size, report.resumed_from), (length as u64, Some(length as u64), 0));
        assert_eq!((report.status, report.attempts), (Status::Complete, 1));
        assert_eq!(report.sha256, Some(digest(&bytes)));
        assert!(report.seconds > 0.0 && (length == 0 || report.bits_per_second > 0.0));
    }
}

#[tokio::test]
async fn the_report_names_the_links() {
    let world = World::start().await;
    world.write("f", content(1_000_000));
    let local = TempDir::new().expect("a folder");
    let report = get(&TcpConnector, &world.get("/f", &local.path().join("out"))).await.expect("downloaded");
    let [first, second] = report.links.as_slice() else { panic!("{:?}", report.links) };
    assert_eq!((first.name.as_str(), second.name.as_str()), ("p0", "p1"));
    assert!(first.bytes + second.bytes > 1_000_000, "content and the head");
    assert!((first.share - 0.75).abs() < 0.01 && (first.share + second.share - 1.0).abs() < 1e-9);
    assert!(report.mptcp && first.bits_per_second > second.bits_per_second);
}

#[tokio::test]
async fn without_a_digest() {
    let world = World::start().await;
    world.write("f", "content");
    let local = TempDir::new().expect("a folder");
    let mut options = world.get("/f", &local.path().join("out"));
    options.check = DigestCheck::Skip;
    assert_eq!(get(&TcpConnector, &options).await.expect("downloaded").sha256, None);
}

#[tokio::test]
async fn an_old_file_is_replaced_and_a_link_is_kept() {
    let world = World::start().await;
    world.write("f", "new");
    let local = TempDir::new().expect("a folder");
    let (output, link) = (local.path().join("out"), local.path().join("link"));
    std::fs::write(&output, "old").expect("written");
    std::os::unix::fs::symlink("out", &link).expect("a link");
    get(&TcpConnector, &world.get("/f", &link)).await.expect("downloaded");
    assert_eq!(std::fs::read(&output).expect("there"), b"new");
    assert!(link.is_symlink());
}

#[tokio::test]
async fn a_device_is_written_to_and_stays_one() {
    use std::os::unix::fs::FileTypeExt as _;
    let world = World::start().await;
    let bytes = content(3_000_000);
    world.write("f", &bytes);
    let report = get(&TcpConnector, &world.get("/f", "/dev/null".as_ref())).await.expect("downloaded");
    assert_eq!((report.bytes, report.sha256), (3_000_000, Some(digest(&bytes))));
    assert!(std::fs::metadata("/dev/null").expect("there").file_type().is_char_device());
}

#[tokio::test]
async fn a_pipe_gets_the_bytes() {
    let world = World::start().await;
    let bytes = content(300_000);
    world.write("f", &bytes);
    let local = TempDir::new().expect("a folder");
    let fifo = local.path().join("fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::from_raw_mode(0o600)).expect("a pipe");
    let reading = {
        let fifo = fifo.clone();
        // Open at both ends before the download opens it for writing.
        let file = std::fs::File::options().read(true).write(true).open(&fifo).expect("open");
        tokio::task::spawn_blocking(move || {
            use std::io::Read as _;
            let mut bytes = vec![0; 300_000];
            (&file).read_exact(&mut bytes).map(|()| bytes)
        })
    };
    get(&TcpConnector, &world.get("/f", &fifo)).await.expect("downloaded");
    assert!(reading.await.expect("no panic").expect("read") == bytes);
    assert_eq!(names(local.path()), ["fifo"]);
}

#[tokio::test]
async fn chunks_and_trailers() {
    let body = b"5\r\nhello\r\n6\r\n world\r\n0\r\nX-Trailer: x\r\n\r\n";
    let server = Scripted::start(vec![answer("200 OK", &["Transfer-Encoding: chunked"], body)]).await;
    let local = TempDir::new().expect("a folder");
    let output = local.path().join("out");
    let report = get(&TcpConnector, &quick_get(server.url("/f"), &output)).await.expect("downloaded");
    assert_eq!(std::fs::read(&output).expect("there"), b"hello world");
    assert_eq!((report.bytes, report.size), (11, None));
}

#[tokio::test]
async fn the_name_comes_from_the_url() {
    let server = Scripted::start(Vec::new()).await;
    let mut options = crate::app::GetOptions::new(server.url("/"));
    options.progress = false;
    let failed = get(&TcpConnector, &options).await.expect_err("no name");
    assert_eq!(failed.error.exit_code(), 2);
    assert!(failed.to_string().contains("-o FILE"), "{failed}");
}
