//! Going on where it broke.

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::app::tests::scripted::{Scripted, answer};
use crate::app::tests::tcp::{Cut, CuttingConnector, TcpConnector};
use crate::app::tests::world::{World, content, names, quick_get};
use crate::app::{DigestCheck, GetOptions, Sha256Digest, TransferError, get};

const SIZE: usize = 2_000_000;

fn digest(bytes: &[u8]) -> Sha256Digest {
    Sha256Digest::of(Sha256::new_with_prefix(bytes))
}

/// Breaks a download of `/f` after about `cut` bytes.
async fn break_off(options: &GetOptions, cut: u64) {
    let mut options = options.clone();
    options.retries = 0;
    let connector = CuttingConnector::new([Cut::Received(cut)]);
    let failed = get(&connector, &options).await.expect_err("it was cut");
    assert!(matches!(failed.error, TransferError::Broken { .. }), "{failed:?}");
}

#[tokio::test]
async fn cuts_anywhere_are_survived_in_one_run() {
    let world = World::start().await;
    let bytes = content(SIZE);
    world.write("f", &bytes);
    let local = TempDir::new().expect("a folder");
    for cut in [10, 200, 400, 1000, 262_500, 1_000_000, 1_999_999] {
        let output = local.path().join(cut.to_string());
        let connector = CuttingConnector::new([Cut::Received(cut), Cut::Refused, Cut::Received(cut / 2)]);
        let report = get(&connector, &world.get("/f", &output)).await.expect("at last");
        assert!(std::fs::read(&output).expect("there") == bytes, "{cut}");
        // Hardly anything is left to cut after the largest.
        let attempts = if cut == 1_999_999 { 3 } else { 4 };
        assert_eq!((report.attempts, report.resumed_from), (attempts, 0), "{cut}");
        assert_eq!(report.sha256, Some(digest(&bytes)), "{cut}");
        assert_eq!(report.bytes, SIZE as u64, "nothing came twice");
    }
}

#[tokio::test]
async fn another_run_goes_on() {
    let world = World::start().await;
    let bytes = content(SIZE);
    world.write("f", &bytes);
    let local = TempDir::new().expect("a folder");
    let output = local.path().join("out");
    let mut options = world.get("/f", &output);
    options.check = DigestCheck::Expect(digest(&bytes));
    break_off(&options, 700_000).await;
    assert_eq!(names(local.path()), ["out.part", "out.part.json"]);
    let kept = std::fs::read(local.path().join("out.part")).expect("there");
    assert!(kept.len() > 600_000 && bytes.starts_with(&kept), "{}", kept.len());

    let report = get(&TcpConnector, &options).await.expect("resumed");
    assert!(std::fs::read(&output).expect("there") == bytes);
    assert_eq!((report.resumed_from, report.bytes), (kept.len() as u64, (SIZE - kept.len()) as u64));
    assert_eq!(names(local.path()), ["out"]);
}

#[tokio::test]
async fn a_part_that_is_complete_is_only_checked() {
    let world = World::start().await;
    let bytes = content(SIZE);
    world.write("f", &bytes);
    let local = TempDir::new().expect("a folder");
    let output = local.path().join("out");
    break_off(&world.get("/f", &output), 700_000).await;
    std::fs::write(local.path().join("out.part"), &bytes).expect("written");
    let report = get(&TcpConnector, &world.get("/f", &output)).await.expect("checked");
    assert_eq!((report.bytes, report.sha256), (1, Some(digest(&bytes))));
    assert!(std::fs::read(&output).expect("there") == bytes);
}

#[tokio::test]
async fn a_file_that_changed_is_fetched_anew() {
    let world = World::start().await;
    world.write("f", content(SIZE));
    let local = TempDir::new().expect("a folder");
    let output = local.path().join("out");
    break_off(&world.get("/f", &output), 700_000).await;
    let mut changed = content(SIZE);
    changed.reverse();
    std::fs::remove_file(world.path("f")).expect("removed");
    world.write("f", &changed);
    let report = get(&TcpConnector, &world.get("/f", &output)).await.expect("downloaded");
    assert!(std::fs::read(&output).expect("there") == changed);
    assert_eq!((report.resumed_from, report.bytes), (0, SIZE as u64));
    assert_eq!(report.sha256, Some(digest(&changed)));
}

#[tokio::test]
async fn what_does_not_belong_is_not_resumed() {
    let world = World::start().await;
    let bytes = content(SIZE);
    world.write("f", &bytes);
    world.write("g", &bytes);
    let local = TempDir::new().expect("a folder");
    let output = local.path().join("out");
    let note = local.path().join("out.part.json");
    let spoil: [(&str, &dyn Fn()); 4] = [
        ("no note", &|| std::fs::remove_file(&note).expect("removed")),
        ("half a note", &|| std::fs::write(&note, "{\"url\":").expect("written")),
        ("a note of another file", &|| {
            let text = std::fs::read_to_string(&note).expect("there").replace("/f\"", "/g\"");
            std::fs::write(&note, text).expect("written");
        }),
        ("more than there is", &|| {
            let part = std::fs::File::options().write(true).open(local.path().join("out.part"));
            part.and_then(|part| part.set_len(SIZE as u64 + 1)).expect("longer");
        }),
    ];
    for (what, spoil) in spoil {
        break_off(&world.get("/f", &output), 700_000).await;
        spoil();
        let report = get(&TcpConnector, &world.get("/f", &output)).await.expect(what);
        assert_eq!((report.resumed_from, report.bytes), (0, SIZE as u64), "{what}");
        assert!(std::fs::read(&output).expect("there") == bytes, "{what}");
    }
    break_off(&world.get("/f", &output), 700_000).await;
    let mut options = world.get("/f", &output);
    options.resume = false;
    assert_eq!(get(&TcpConnector, &options).await.expect("downloaded").resumed_from, 0);
}

#[tokio::test]
async fn the_rest_is_asked_for_by_its_tag() {
    let fields = ["Content-Length: 10", "ETag: \"v1\""];
    let rest = ["Content-Length: 6", "ETag: \"v1\"", "Content-Range: bytes 4-9/10"];
    let server = Scripted::start(vec![
        answer("200 OK", &fields, b"0123"),
        answer("206 Partial Content", &rest, b"456789"),
    ])
    .await;
    let local = TempDir::new().expect("a folder");
    let output = local.path().join("out");
    get(&TcpConnector, &quick_get(server.url("/f"), &output)).await.expect("downloaded");
    assert_eq!(std::fs::read(&output).expect("there"), b"0123456789");
    let heads: Vec<String> = server.heads().iter().map(|head| head.to_ascii_lowercase()).collect();
    assert!(!heads[0].contains("range"), "{}", heads[0]);
    assert!(heads[1].contains("range: bytes=4-\r\n") && heads[1].contains("if-range: \"v1\"\r\n"));
    assert!(heads[1].contains(&format!("host: {}\r\n", server.address)), "{}", heads[1]);
}

#[tokio::test]
async fn a_wrong_rest_is_not_put_behind_the_part() {
    let whole = ["Content-Length: 10", "ETag: \"v2\""];
    let first = ["Content-Length: 10", "ETag: \"v1\""];
    let wrong_parts = [
        answer(
            "206 Partial Content",
            &["Content-Length: 6", "ETag: \"v2\"", "Content-Range: bytes 4-9/10"],
            b"xxxxxx",
        ),
        answer("206 Partial Content", &["Content-Length: 5", "Content-Range: bytes 5-9/10"], b"xxxxx"),
        answer("206 Partial Content", &["Content-Length: 6"], b"xxxxxx"),
        answer("416 Range Not Satisfiable", &["Content-Length: 0", "Content-Range: bytes */3"], b""),
    ];
    for wrong in wrong_parts {
        let answers = vec![answer("200 OK", &first, b"0123"), wrong, answer("200 OK", &whole, b"abcdefghij")];
        let server = Scripted::start(answers).await;
        let local = TempDir::new().expect("a folder");
        let output = local.path().join("out");
        let mut options = quick_get(server.url("/f"), &output);
        options.retries = 1;
        get(&TcpConnector, &options).await.expect("the whole at last");
        assert_eq!(std::fs::read(&output).expect("there"), b"abcdefghij");
    }
}

#[tokio::test]
async fn without_a_tag_it_starts_over() {
    let fields = ["Content-Length: 10"];
    let server =
        Scripted::start(vec![answer("200 OK", &fields, b"0123"), answer("200 OK", &fields, b"abcdefghij")])
            .await;
    let local = TempDir::new().expect("a folder");
    let output = local.path().join("out");
    let report = get(&TcpConnector, &quick_get(server.url("/f"), &output)).await.expect("downloaded");
    assert_eq!(std::fs::read(&output).expect("there"), b"abcdefghij");
    assert_eq!((report.bytes, report.sha256), (14, Some(digest(b"abcdefghij"))));
    assert!(!server.heads()[1].to_ascii_lowercase().contains("range"));
}
