use std::os::unix::fs::symlink;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::app::tests::tmpfs::Tmpfs;
use crate::app::tests::world::{World, content, names, read_reply, until};

fn length(body: &[u8]) -> String {
    format!("Content-Length: {}\r\n", body.len())
}

#[tokio::test]
async fn a_new_file_is_created_and_an_old_one_replaced() {
    for sync in [false, true] {
        let world = World::start_with(|options| {
            options.allow_put = true;
            options.sync_uploads = sync;
        })
        .await;
        let (first, second) = (content(900_000), content(10));
        let created = world.ask("PUT", "/f", &length(&first), &first).await;
        assert_eq!(created.status, 201);
        assert!(std::fs::read(world.path("f")).expect("there") == first);
        let replaced = world.ask("PUT", "/f", &length(&second), &second).await;
        assert_eq!(replaced.status, 204);
        assert!(std::fs::read(world.path("f")).expect("there") == second);
        assert_ne!(created.field("etag"), replaced.field("etag"));
        assert_eq!(world.names(), ["f"]);
    }
}

#[tokio::test]
async fn chunks_arrive_too() {
    let world = World::start().await;
    let body = b"5\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\n\r\n";
    let created = world.ask("PUT", "/f", "Transfer-Encoding: chunked\r\n", body).await;
    assert_eq!(created.status, 201);
    assert_eq!(std::fs::read(world.path("f")).expect("there"), b"hello world");
    // Thousands of chunks of one byte each.
    let tiny: Vec<u8> = b"1\r\nx\r\n".repeat(5000).into_iter().chain(*b"0\r\n\r\n").collect();
    assert_eq!(world.ask("PUT", "/tiny", "Transfer-Encoding: chunked\r\n", &tiny).await.status, 201);
    assert_eq!(std::fs::read(world.path("tiny")).expect("there"), [b'x'; 5000]);
}

#[tokio::test]
async fn where_nothing_can_be_put() {
    let world = World::start().await;
    world.write("folder/f", "");
    symlink("folder/f", world.path("link")).expect("a link");
    let cases = [
        ("/", 409),
        ("/folder", 409),
        ("/folder/", 409),
        ("/new/", 409),
        ("/missing/f", 409),
        ("/folder/f/x", 409),
        ("/link", 409),
        ("/.mpdk-upload-x", 404),
        ("/../f", 403),
    ];
    for (path, status) in cases {
        assert_eq!(world.ask("PUT", path, &length(b"x"), b"x").await.status, status, "{path}");
    }
    let part = world.ask("PUT", "/f", "Content-Range: bytes 0-0/2\r\nContent-Length: 1\r\n", b"x").await;
    assert_eq!(part.status, 400);
    assert_eq!(world.names(), ["folder", "link"]);
}

#[tokio::test]
async fn not_without_permission() {
    let world = World::start_with(|_| {}).await;
    let refused = world.ask("PUT", "/f", &length(b"x"), b"x").await;
    assert_eq!(refused.status, 403);
    assert!(world.names().is_empty());
}

#[tokio::test]
async fn conditions_protect_what_is_there() {
    let world = World::start().await;
    let only_new = format!("If-None-Match: *\r\n{}", length(b"1"));
    assert_eq!(world.ask("PUT", "/f", &only_new, b"1").await.status, 201);
    assert_eq!(world.ask("PUT", "/f", &only_new, b"2").await.status, 412);
    let tag = world.get_with("/f", "").await.field("etag").expect("a tag").to_owned();
    let matching = format!("If-Match: {tag}\r\n{}", length(b"3"));
    assert_eq!(world.ask("PUT", "/f", &matching, b"3").await.status, 204);
    assert_eq!(world.ask("PUT", "/f", &matching, b"4").await.status, 412);
    let missing = format!("If-Match: *\r\n{}", length(b"5"));
    assert_eq!(world.ask("PUT", "/new", &missing, b"5").await.status, 412);
    assert_eq!(std::fs::read(world.path("f")).expect("there"), b"3");
    assert_eq!(world.names(), ["f"]);
}

#[tokio::test]
async fn a_cut_upload_leaves_nothing() {
    let world = World::start().await;
    world.write("f", "old");
    let head = "PUT /f HTTP/1.1\r\nHost: t\r\nContent-Length: 1000000\r\n\r\n";
    let mut stream = TcpStream::connect(world.address).await.expect("connected");
    stream.write_all(head.as_bytes()).await.expect("sent");
    stream.write_all(&content(400_000)).await.expect("sent");
    until("the upload has begun", || world.names().len() == 2).await;
    // It is there, and nobody can see it.
    let temporary = world.names()[0].clone();
    assert!(temporary.starts_with(".mpdk-upload-"), "{temporary}");
    assert_eq!(world.get_with(&format!("/{temporary}"), "").await.status, 404);
    assert!(!world.get_with("/", "").await.text().contains("mpdk-upload"));
    drop(stream);
    until("it is gone", || world.names() == ["f"]).await;
    assert_eq!(std::fs::read(world.path("f")).expect("there"), b"old");
}

#[tokio::test]
async fn a_silent_upload_times_out() {
    let world = World::start_with(|options| {
        options.allow_put = true;
        options.stall_timeout = std::time::Duration::from_millis(50);
    })
    .await;
    let mut stream = TcpStream::connect(world.address).await.expect("connected");
    let head = "PUT /f HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\nhalf";
    stream.write_all(head.as_bytes()).await.expect("sent");
    assert_eq!(read_reply(&mut stream, false).await.status, 408);
    assert!(world.names().is_empty());
}

#[tokio::test]
async fn an_upload_that_is_too_large_hears_so() {
    let world = World::start_with(|options| {
        options.allow_put = true;
        options.max_upload_bytes = 1000;
    })
    .await;
    let body = content(5_000_000);
    assert_eq!(world.ask("PUT", "/f", &length(&body), &body).await.status, 413);
    let chunk = [b"4c4b40\r\n", &body[..], b"\r\n0\r\n\r\n"].concat();
    assert_eq!(world.ask("PUT", "/f", "Transfer-Encoding: chunked\r\n", &chunk).await.status, 413);
    let fits = &body[..1000];
    assert_eq!(world.ask("PUT", "/f", &length(fits), fits).await.status, 201);
    assert_eq!(world.names(), ["f"]);
}

#[tokio::test]
async fn a_full_disk_is_507_and_leaves_nothing() {
    let Some(disk) = Tmpfs::mount(512) else { return };
    let world = World::start_with(|options| {
        options.root = disk.path().to_owned();
        options.allow_put = true;
    })
    .await;
    let body = content(2_000_000);
    // Announced: refused at once. Not announced: refused when it is full.
    assert_eq!(world.ask("PUT", "/f", &length(&body), &body).await.status, 507);
    let chunk = [format!("{:x}\r\n", body.len()).as_bytes(), &body, b"\r\n0\r\n\r\n"].concat();
    assert_eq!(world.ask("PUT", "/f", "Transfer-Encoding: chunked\r\n", &chunk).await.status, 507);
    assert!(names(disk.path()).is_empty());
    assert_eq!(world.ask("PUT", "/f", &length(b"x"), b"x").await.status, 201, "there is room again");
}

#[tokio::test]
async fn uploads_to_one_name_do_not_mix() {
    let world = World::start().await;
    let bodies: Vec<Vec<u8>> = (0_u8..4).map(|byte| vec![byte; 700_000]).collect();
    let put = |body: &Vec<u8>| {
        let (body, address) = (body.clone(), world.address);
        async move {
            let head = format!("PUT /f HTTP/1.1\r\nHost: t\r\nConnection: close\r\n{}\r\n", length(&body));
            let mut stream = TcpStream::connect(address).await.expect("connected");
            stream.write_all(head.as_bytes()).await.expect("sent");
            stream.write_all(&body).await.expect("sent");
            read_reply(&mut stream, false).await.status
        }
    };
    let (a, b, c, d) = tokio::join!(put(&bodies[0]), put(&bodies[1]), put(&bodies[2]), put(&bodies[3]));
    let mut statuses = [a, b, c, d];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 204, 204, 204]);
    let stored = std::fs::read(world.path("f")).expect("there");
    assert!(bodies.contains(&stored), "one of them, whole");
    assert_eq!(world.names(), ["f"]);
}
