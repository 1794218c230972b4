//! Files, their fields, and conditional requests.

use std::time::{Duration, SystemTime};

use super::super::conditional::{Validators, range_applies};
use crate::app::tests::world::{World, content};

#[tokio::test]
async fn a_file_and_its_head() {
    let world = World::start().await;
    let bytes = content(700_001);
    world.write("d/data.bin", &bytes);
    let got = world.get_with("/d/data.bin?query", "").await;
    assert_eq!(got.status, 200);
    assert!(got.body == bytes);
    assert_eq!(got.field("content-type"), Some("application/octet-stream"));
    assert_eq!(got.field("accept-ranges"), Some("bytes"));
    assert_eq!(got.field("x-content-type-options"), Some("nosniff"));

    let head = world.ask("HEAD", "/d/data.bin", "", b"").await;
    assert_eq!((head.status, head.field("content-length")), (200, Some("700001")));
    assert_eq!(head.field("etag"), got.field("etag"));
    assert_eq!(head.field("last-modified"), got.field("last-modified"));
}

#[tokio::test]
async fn an_empty_file() {
    let world = World::start().await;
    world.write("empty.txt", "");
    let got = world.get_with("/empty.txt", "").await;
    assert_eq!((got.status, got.body.len(), got.field("content-length")), (200, 0, Some("0")));
    assert_eq!(got.field("content-type"), Some("text/plain; charset=utf-8"));
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let world = World::start().await;
    world.write("a", "first");
    world.write("b", "second");
    let requests =
        "GET /a HTTP/1.1\r\nHost: t\r\n\r\nGET /b HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n";
    let mut stream = tokio::net::TcpStream::connect(world.address).await.expect("connected");
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    stream.write_all(requests.as_bytes()).await.expect("sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).await.expect("text");
    let first = text.find("\r\n\r\nfirstHTTP/1.1 200 OK").expect("the first answer, then the second");
    assert!(text[first..].ends_with("\r\n\r\nsecond"));
    assert_eq!(world.stop().await.requests, 2);
}

#[tokio::test]
async fn old_and_half_closed_clients() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let world = World::start().await;
    let bytes = content(3_000_000);
    world.write("f", &bytes);
    let old = world.ask_raw(false, b"GET /f HTTP/1.0\r\n\r\n").await;
    assert!(old.status == 200 && old.body == bytes);
    let mut stream = tokio::net::TcpStream::connect(world.address).await.expect("connected");
    stream.write_all(b"GET /f HTTP/1.1\r\nHost: t\r\n\r\n").await.expect("sent");
    stream.shutdown().await.expect("this side ends");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("an answer");
    assert!(answer.ends_with(&bytes), "all of it, {}", answer.len());
}

#[tokio::test]
async fn methods_that_are_not_served() {
    let reading = World::start_with(|_| {}).await;
    let writing = World::start().await;
    for method in ["POST", "DELETE", "OPTIONS", "PATCH", "TRACE"] {
        let refused = reading.ask(method, "/", "", b"").await;
        assert_eq!((refused.status, refused.field("allow")), (405, Some("GET, HEAD")), "{method}");
        let refused = writing.ask(method, "/", "", b"").await;
        assert_eq!((refused.status, refused.field("allow")), (405, Some("GET, HEAD, PUT")), "{method}");
    }
}

#[tokio::test]
async fn conditions_on_the_entity_tag() {
    let world = World::start().await;
    world.write("f", "content");
    let tag = world.get_with("/f", "").await.field("etag").expect("a tag").to_owned();
    let cases = [
        (format!("If-None-Match: {tag}\r\n"), 304),
        (format!("If-None-Match: W/{tag}\r\n"), 304),
        (format!("If-None-Match: \"a,b\", {tag}\r\n"), 304),
        ("If-None-Match: *\r\n".to_owned(), 304),
        ("If-None-Match: \"other\"\r\n".to_owned(), 200),
        ("If-None-Match: malformed\r\n".to_owned(), 200),
        (format!("If-Match: {tag}\r\n"), 200),
        (format!("If-Match: \"x\"\r\nIf-Match: {tag}\r\n"), 200),
        ("If-Match: *\r\n".to_owned(), 200),
        (format!("If-Match: W/{tag}\r\n"), 412),
        ("If-Match: \"other\"\r\n".to_owned(), 412),
    ];
    for (field, status) in cases {
        let got = world.get_with("/f", &field).await;
        assert_eq!(got.status, status, "{field}");
        if status == 304 {
            assert!(got.body.is_empty() && got.field("etag") == Some(tag.as_str()));
        }
    }
    // Replaced by content of the same size, the tag is another.
    let put = world.ask("PUT", "/f", "Content-Length: 7\r\n", b"CONTENT").await;
    assert_eq!(put.status, 204);
    let now = world.get_with("/f", &format!("If-None-Match: {tag}\r\n")).await;
    assert_eq!((now.status, now.text()), (200, "CONTENT"));
    assert_eq!(now.field("etag"), put.field("etag"));
}

#[tokio::test]
async fn conditions_on_the_date() {
    let world = World::start().await;
    let path = world.write("f", "content");
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000);
    std::fs::File::options()
        .write(true)
        .open(path)
        .and_then(|file| file.set_modified(modified))
        .expect("set");
    let (same, earlier) = ("Sun, 13 Sep 2020 12:26:40 GMT", "Sun, 13 Sep 2020 12:26:39 GMT");
    assert_eq!(world.get_with("/f", "").await.field("last-modified"), Some(same));
    let cases = [
        (format!("If-Modified-Since: {same}\r\n"), 304),
        (format!("If-Modified-Since: {earlier}\r\n"), 200),
        ("If-Modified-Since: yesterday\r\n".to_owned(), 200),
        // An entity tag is asked for: the date does not count.
        (format!("If-None-Match: \"x\"\r\nIf-Modified-Since: {same}\r\n"), 200),
        (format!("If-Unmodified-Since: {same}\r\n"), 200),
        (format!("If-Unmodified-Since: {earlier}\r\n"), 412),
    ];
    for (field, status) in cases {
        assert_eq!(world.get_with("/f", &field).await.status, status, "{field}");
    }
}

#[tokio::test]
async fn dates_outside_what_http_can_say() {
    let world = World::start().await;
    let year = Duration::from_secs(366 * 86_400);
    for modified in [SystemTime::UNIX_EPOCH - year, SystemTime::now() + year] {
        let path = world.write("f", "content");
        std::fs::File::options().write(true).open(path).and_then(|f| f.set_modified(modified)).expect("set");
        let got = world.get_with("/f", "").await;
        let said = httpdate::parse_http_date(got.field("last-modified").expect("a date")).expect("a date");
        assert_eq!(got.status, 200);
        assert!(said >= SystemTime::UNIX_EPOCH && said <= SystemTime::now());
    }
}

#[test]
fn a_date_in_if_range_counts_once_it_is_settled() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000);
    let validators = Validators::new(1, 2, (1_600_000_000, 3), now);
    let applies = |value: &str, later: u64| {
        let mut headers = hyper::HeaderMap::new();
        headers.insert("if-range", value.parse().expect("a value"));
        range_applies(&headers, &validators, now + Duration::from_secs(later))
    };
    let date = validators.last_modified();
    assert!(!applies(&date, 0) && applies(&date, 1));
    assert!(!applies("Sun, 13 Sep 2020 12:26:39 GMT", 9));
    assert!(applies(validators.etag(), 0));
    assert!(!applies(&format!("W/{}", validators.etag()), 9));
    assert!(!applies("\"other\"", 9));
    assert!(range_applies(&hyper::HeaderMap::new(), &validators, now));
}
