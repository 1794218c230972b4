use std::io::ErrorKind;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio::time::Instant;

use crate::app::stall::{StallGuard, Watch};

const LIMIT: Duration = Duration::from_secs(10);

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_given_up_on() {
    let (_peer, stream) = duplex(16);
    let mut guarded = StallGuard::new(stream, Watch::Both, LIMIT);
    let started = Instant::now();
    let error = guarded.read_u8().await.expect_err("nothing comes");
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(started.elapsed() >= LIMIT && started.elapsed() < LIMIT * 2);
}

#[tokio::test(start_paused = true)]
async fn a_slow_peer_is_not() {
    let (mut peer, stream) = duplex(16);
    let mut guarded = StallGuard::new(stream, Watch::Both, LIMIT);
    let slow = async {
        for _ in 0..20 {
            tokio::time::sleep(LIMIT * 9 / 10).await;
            peer.write_u8(1).await.expect("taken");
        }
    };
    let read = async {
        for _ in 0..20 {
            assert_eq!(guarded.read_u8().await.expect("in time"), 1);
        }
    };
    tokio::join!(slow, read);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_does_not_read_is_given_up_on() {
    let (_peer, stream) = duplex(16);
    let mut guarded = StallGuard::new(stream, Watch::Writes, LIMIT);
    let error = guarded.write_all(&[0; 64]).await.expect_err("nobody reads");
    assert_eq!(error.kind(), ErrorKind::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn silence_before_a_write_does_not_count() {
    let (mut peer, stream) = duplex(16);
    let mut guarded = StallGuard::new(stream, Watch::Writes, LIMIT);
    // Nothing is read and nothing written for long: no stall of a server's.
    let silent = tokio::time::timeout(LIMIT * 5, guarded.read_u8()).await;
    assert!(silent.is_err(), "the guard does not watch reads: {silent:?}");
    let late = async {
        tokio::time::sleep(LIMIT * 9 / 10).await;
        let mut taken = [0; 64];
        peer.read_exact(&mut taken).await.expect("all of it");
    };
    let (written, ()) = tokio::join!(guarded.write_all(&[0; 64]), late);
    written.expect("taken in time");
}
