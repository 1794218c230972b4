//! What a stranger cannot do, and how it ends.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::app::tests::world::{PATIENCE, World, content};

const SHORT: Duration = Duration::from_millis(50);

/// More than all the buffers between two ends.
const LARGE: usize = 64 << 20;

async fn connect(world: &World) -> TcpStream {
    TcpStream::connect(world.address).await.expect("connected")
}

/// Reads until the other side ends, in time.
async fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
    // A reset is an end too.
    let _ = read.expect("it ends");
    bytes
}

#[tokio::test]
async fn a_head_must_arrive_in_time_and_size() {
    let world = World::start_with(|options| options.header_timeout = SHORT).await;
    let mut slow = connect(&world).await;
    slow.write_all(b"GET / HTTP/1.1\r\n").await.expect("sent");
    let said = String::from_utf8(read_to_end(&mut slow).await).expect("text");
    assert!(said.is_empty() || said.contains(" 408 "), "{said}");
    let mut silent = connect(&world).await;
    assert!(read_to_end(&mut silent).await.is_empty());

    let large = format!("GET / HTTP/1.1\r\nHost: t\r\nX: {}\r\n\r\n", "x".repeat(20_000));
    assert_eq!(world.ask_raw(false, large.as_bytes()).await.status, 431);
    let many = format!("GET / HTTP/1.1\r\nHost: t\r\n{}\r\n", "X: y\r\n".repeat(100));
    assert_eq!(world.ask_raw(false, many.as_bytes()).await.status, 431);
    assert_eq!(world.ask_raw(false, b"nonsense\r\n\r\n").await.status, 400);
}

#[tokio::test]
async fn a_reader_that_does_not_read_holds_nobody_up_and_is_cut() {
    let world = World::start_with(|options| options.stall_timeout = Duration::from_secs(2)).await;
    world.write("large", content(LARGE));
    world.write("small", "small");
    let mut lazy = Vec::new();
    for _ in 0..8 {
        let mut stream = connect(&world).await;
        stream.write_all(b"GET /large HTTP/1.1\r\nHost: t\r\n\r\n").await.expect("sent");
        lazy.push(stream);
    }
    for _ in 0..20 {
        assert_eq!(world.get_with("/small", "").await.text(), "small");
    }
    // Stopping waits for the lazy ones no longer than their stall.
    let summary = world.stop().await;
    assert_eq!((summary.requests, summary.aborted), (28, 0));
    for stream in &mut lazy {
        assert!(read_to_end(stream).await.len() < LARGE, "it was cut");
    }
}

#[tokio::test]
async fn too_many_connections_are_told_to_come_back() {
    let world = World::start_with(|options| options.max_connections = 2).await;
    world.write("f", "content");
    let mut held = [connect(&world).await, connect(&world).await];
    for stream in &mut held {
        stream.write_all(b"GET /f HTTP/1.1\r\nHost: t\r\n\r\n").await.expect("sent");
        // Answered: the connection is counted, and stays open.
        assert_eq!(stream.read_u8().await.expect("an answer"), b'H');
    }
    let busy = world.get_with("/f", "").await;
    assert_eq!((busy.status, busy.field("retry-after")), (503, Some("1")));
    // Beyond twice the limit not even a refusal: two of these can wait for
    // one, the others are closed.
    let mut silent = tokio::task::JoinSet::new();
    for _ in 0..5 {
        let mut stream = connect(&world).await;
        silent.spawn(async move { read_to_end(&mut stream).await });
    }
    for _ in 0..3 {
        let closed = silent.join_next().await.expect("five of them").expect("no panic");
        assert!(closed.is_empty());
    }
    silent.shutdown().await;
    drop(held);
    let mut status = 0;
    while status != 200 {
        status = world.get_with("/f", "").await.status;
        assert!(status == 200 || status == 503, "{status}");
    }
    assert!(world.stop().await.turned_away >= 4);
}

#[tokio::test]
async fn a_request_in_flight_is_finished_at_shutdown() {
    let mut world = World::start().await;
    let bytes = content(LARGE);
    world.write("large", &bytes);
    let mut stream = connect(&world).await;
    stream.write_all(b"GET /large HTTP/1.1\r\nHost: t\r\n\r\n").await.expect("sent");
    let mut first = [0; 1000];
    stream.read_exact(&mut first).await.expect("it has begun");
    let mut idle = connect(&world).await;
    idle.write_all(b"GET /missing HTTP/1.1\r\nHost: t\r\n\r\n").await.expect("sent");
    assert_eq!(idle.read_u8().await.expect("an answer"), b'H');
    world.begin_stop();
    // The idle connection is closed, and no other is accepted.
    read_to_end(&mut idle).await;
    drop(idle);
    let address = world.address;
    let refused = async { while TcpStream::connect(address).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, refused).await.expect("no more connections");
    let rest = read_to_end(&mut stream).await;
    assert!(rest.ends_with(&bytes[bytes.len() - 1000..]), "all of it came");
    assert!(rest.len() + first.len() > bytes.len());
    drop(stream);
    assert_eq!(world.stop().await.aborted, 0);
}

#[tokio::test]
async fn the_grace_is_bounded() {
    let mut world = World::start_with(|options| options.shutdown_grace = SHORT).await;
    world.write("large", content(LARGE));
    let mut stream = connect(&world).await;
    stream.write_all(b"GET /large HTTP/1.1\r\nHost: t\r\n\r\n").await.expect("sent");
    assert_eq!(stream.read_u8().await.expect("it has begun"), b'H');
    world.begin_stop();
    assert_eq!(world.stop().await.aborted, 1);
    assert!(read_to_end(&mut stream).await.len() < LARGE);
}

#[tokio::test]
async fn a_file_that_shrinks_ends_the_connection_early() {
    let world = World::start().await;
    let path = world.write("f", content(LARGE));
    let mut stream = connect(&world).await;
    stream.write_all(b"GET /f HTTP/1.1\r\nHost: t\r\n\r\n").await.expect("sent");
    assert_eq!(stream.read_u8().await.expect("it has begun"), b'H');
    std::fs::File::options().write(true).open(path).and_then(|file| file.set_len(10)).expect("cut");
    assert!(read_to_end(&mut stream).await.len() < LARGE, "no made-up bytes");
    assert_eq!(world.get_with("/f", "").await.body.len(), 10);
}
