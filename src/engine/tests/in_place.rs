//! Bytes that clients read where they arrived.

use super::pair::{Pair, attach_in_place, run, server};
use super::raw::RawClient;
use crate::base::{Outcome, Random};
use crate::engine::Settings;
use mpdk_client::layout::Address;
use mpdk_client::{Chunk, Context, Listener, Stream, Submission, Tickets};
use std::io::ErrorKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const BULK_BYTES: usize = 2 << 20;
/// What `pair` announces at most.
const WINDOW_BYTES: usize = 1 << 20;

fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    Random::from_number(seed).fill(&mut bytes);
    bytes
}

/// The left engine's client writes, the right one's reads in so many buffers.
async fn contexts(pair: &mut Pair, buffers: u32) -> (Context, Context) {
    let (left, _) = pair.contexts();
    (left, Context::spawn([attach_in_place(&mut pair.right, buffers)]).unwrap())
}

async fn connect(pair: &mut Pair, listener: &Listener, left: &Context) -> (Stream, Stream) {
    let both = async { tokio::join!(Stream::connect(left, server()), listener.accept()) };
    let (connected, accepted) = pair.drive(both).await;
    (connected.unwrap(), accepted.unwrap())
}

fn write(mut stream: Stream, bytes: &[u8]) -> tokio::task::JoinHandle<()> {
    let bytes = bytes.to_owned();
    tokio::spawn(async move {
        stream.write_all(&bytes).await.unwrap();
        stream.shutdown().await.unwrap();
    })
}

async fn read_chunks(stream: &mut Stream) -> Vec<u8> {
    let mut received = Vec::new();
    while let Some(chunk) = stream.read_chunk().await.unwrap() {
        received.extend_from_slice(&chunk);
    }
    received
}

fn count(pair: &Pair, outcome: Outcome) -> usize {
    pair.right.report().counters.get(outcome) as usize
}

#[test]
fn what_arrives_is_read_where_it_lies() {
    run(async {
        let mut pair = Pair::new(2);
        let (left, right) = contexts(&mut pair, 1024).await;
        let listener = pair.drive(Listener::bind(&right, server())).await.unwrap();
        let (connected, mut accepted) = connect(&mut pair, &listener, &left).await;
        let sent = noise(1, BULK_BYTES);
        let writing = write(connected, &sent);
        let received = pair.drive(read_chunks(&mut accepted)).await;
        assert!(received == sent, "{} of {} bytes", received.len(), sent.len());
        pair.drive(writing).await.unwrap();
        let (lent, copied) =
            (count(&pair, Outcome::PayloadBytesLent), count(&pair, Outcome::PayloadBytesCopied));
        assert_eq!(lent + copied, sent.len());
        assert!(copied < sent.len() / 50, "{copied} bytes are copied");
        pair.until(|pair| pair.right.lent_packets() == 0).await;
    });
}

#[test]
fn random_mixtures_of_in_place_and_copied_are_the_stream() {
    let (mut lent, mut copied) = (0, 0);
    for seed in 0..12 {
        run(async {
            let settings = Settings { held_buffers: 60, ..Settings::default() };
            let mut pair = Pair::with_settings(1 + seed as usize % 2, &settings);
            let (left, right) = contexts(&mut pair, 1 << (seed % 6)).await;
            let listener = pair.drive(Listener::bind(&right, server())).await.unwrap();
            let (mut connected, mut accepted) = connect(&mut pair, &listener, &left).await;
            let sent = noise(seed, 300_000);
            let writing = async {
                let mut random = Random::from_number(seed);
                let mut rest = &sent[..];
                while !rest.is_empty() {
                    let most = [30, 1500, 40_000][random.below(3) as usize];
                    let now = (random.below(most) as usize + 1).min(rest.len());
                    connected.write_all(&rest[..now]).await.unwrap();
                    rest = &rest[now..];
                    tokio::task::yield_now().await;
                }
                connected.shutdown().await.unwrap();
            };
            let reading = async {
                let (mut random, mut received, mut kept) =
                    (Random::from_number(!seed), Vec::new(), Vec::new());
                loop {
                    let before = received.len();
                    if random.below(2) == 0 {
                        let mut buffer = vec![0; random.below(9000) as usize + 1];
                        let count = accepted.read(&mut buffer).await.unwrap();
                        received.extend_from_slice(&buffer[..count]);
                    } else if let Some(chunk) = accepted.read_chunk().await.unwrap() {
                        received.extend_from_slice(&chunk);
                        kept.push(chunk);
                    }
                    kept.truncate(random.below(8) as usize);
                    if received.len() == before {
                        return received;
                    }
                }
            };
            let (received, ()) = pair.drive(async { tokio::join!(reading, writing) }).await;
            assert!(received == sent, "seed {seed}: {} of {} bytes", received.len(), sent.len());
            pair.until(|pair| pair.right.lent_packets() == 0).await;
            lent += count(&pair, Outcome::PayloadBytesLent);
            copied += count(&pair, Outcome::PayloadBytesCopied);
        });
    }
    assert!(lent > 300_000 && copied > 300_000, "{lent} lent, {copied} copied");
}

/// Reads until nothing more comes for a while, and keeps all of it.
async fn hoard(pair: &mut Pair, stream: &mut Stream) -> Vec<Chunk> {
    let mut hoarded = Vec::new();
    while let Some(chunk) = pair.briefly(stream.read_chunk()).await {
        hoarded.push(chunk.unwrap().unwrap());
    }
    hoarded
}

#[test]
fn who_keeps_what_it_reads_holds_a_window_and_no_more() {
    run(async {
        let mut pair = Pair::new(1);
        let (left, right) = contexts(&mut pair, 1 << 20).await;
        let listener = pair.drive(Listener::bind(&right, server())).await.unwrap();
        let (connected, mut accepted) = connect(&mut pair, &listener, &left).await;
        let sent = noise(2, 2 * BULK_BYTES);
        let writing = write(connected, &sent);
        let hoarded = hoard(&mut pair, &mut accepted).await;
        let held: usize = hoarded.iter().filter(|chunk| chunk.is_in_place()).map(|chunk| chunk.len()).sum();
        assert!((WINDOW_BYTES / 2..=WINDOW_BYTES).contains(&held), "{held} bytes are held");
        let mut received = hoarded.iter().flat_map(|chunk| chunk.iter().copied()).collect::<Vec<_>>();
        drop(hoarded);
        received.extend(pair.drive(read_chunks(&mut accepted)).await);
        assert!(received == sent, "{} of {} bytes", received.len(), sent.len());
        pair.drive(writing).await.unwrap();
    });
}

#[test]
fn who_holds_all_it_may_does_not_stop_another() {
    run(async {
        let mut pair = Pair::new(1);
        let (left, right) = contexts(&mut pair, 16).await;
        let listener = pair.drive(Listener::bind(&right, server())).await.unwrap();
        let (connected, mut hoarding) = connect(&mut pair, &listener, &left).await;
        let sent = noise(3, BULK_BYTES);
        let writing = write(connected, &sent);
        let hoarded = hoard(&mut pair, &mut hoarding).await;
        assert!(hoarded.iter().any(Chunk::is_in_place) && pair.right.lent_packets() > 0);
        let (connected, mut other) = connect(&mut pair, &listener, &left).await;
        let others = noise(4, BULK_BYTES);
        let other_writing = write(connected, &others);
        let received = pair.drive(read_chunks(&mut other)).await;
        assert!(received == others, "{} of {} bytes", received.len(), others.len());
        pair.drive(other_writing).await.unwrap();
        assert!(!writing.is_finished());
        let mut received = hoarded.iter().flat_map(|chunk| chunk.iter().copied()).collect::<Vec<_>>();
        drop(hoarded);
        received.extend(pair.drive(read_chunks(&mut hoarding)).await);
        assert!(received == sent, "{} of {} bytes", received.len(), sent.len());
    });
}

#[test]
fn when_buffers_run_low_all_is_copied() {
    run(async {
        // So many that none may be lent at all.
        let settings = Settings { held_buffers: 0, ..Settings::default() };
        let mut pair = Pair::with_settings(1, &settings);
        let (left, right) = contexts(&mut pair, 1024).await;
        let listener = pair.drive(Listener::bind(&right, server())).await.unwrap();
        let (connected, mut accepted) = connect(&mut pair, &listener, &left).await;
        let sent = noise(5, BULK_BYTES / 4);
        let writing = write(connected, &sent);
        assert!(pair.drive(read_chunks(&mut accepted)).await == sent);
        pair.drive(writing).await.unwrap();
        assert_eq!(count(&pair, Outcome::PayloadBytesLent), 0);
    });
}

#[test]
fn a_client_that_dies_keeps_what_it_reads_until_it_reads_no_more() {
    run(async {
        let mut pair = Pair::new(1);
        let (left, _) = pair.contexts();
        let (dying, driver) = Context::new([attach_in_place(&mut pair.right, 1024)]).unwrap();
        let driver = tokio::spawn(driver.run());
        let listener = pair.drive(Listener::bind(&dying, server())).await.unwrap();
        let (mut connected, mut accepted) = connect(&mut pair, &listener, &left).await;
        pair.drive(connected.write_all(&[9; 3000])).await.unwrap();
        let chunk = pair.drive(accepted.read_chunk()).await.unwrap().unwrap();
        assert!(chunk.is_in_place());
        driver.abort();
        pair.until(|pair| pair.right.connection_count() == 0).await;
        assert!(pair.right.lent_packets() > 0);
        assert!(chunk.iter().all(|&byte| byte == 9));
        drop((accepted, listener, dying, chunk));
        pair.until(|pair| pair.right.lent_packets() == 0).await;
    });
}

#[test]
fn a_client_that_lies_about_packets_loses_them_and_its_connections() {
    run(async {
        let mut pair = Pair::new(1);
        let (_, right) = pair.contexts();
        let listener = pair.drive(Listener::bind(&right, server())).await.unwrap();
        let mut liar = RawClient::new(attach_in_place(&mut pair.left, 1024));
        let (remote, local) = (Address::from(server()), Address::NONE);
        liar.submit(Submission::Connect { user_data: 1, remote, local, flags: 0 });
        let mut deceived = pair.drive(listener.accept()).await.unwrap();
        pair.drive(deceived.write_all(&[1; 3000])).await.unwrap();
        pair.until(|pair| pair.left.lent_packets() > 0).await;
        let mut tickets = Tickets::default();
        assert!([1, 1].iter().all(|&ticket| tickets.push(ticket)));
        liar.submit(Submission::ReleasePacket { tickets });
        let error = pair.drive(deceived.read(&mut [0])).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert!(liar.is_abandoned());
        drop(liar);
        pair.until(|pair| pair.left.lent_packets() == 0).await;
        // Others go on.
        let (left, _) = pair.contexts();
        let (mut connected, mut accepted) = connect(&mut pair, &listener, &left).await;
        pair.drive(connected.write_all(b"still here")).await.unwrap();
        let mut received = [0; 10];
        pair.drive(accepted.read_exact(&mut received)).await.unwrap();
        assert_eq!(&received, b"still here");
    });
}
