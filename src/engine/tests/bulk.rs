//! Much data: both ways at once, over several wires, and to readers that rest.

use super::pair::{Pair, run, server};
use crate::base::{Outcome, Random};
use crate::engine::Settings;
use mpdk_client::layout::SubflowInfo;
use mpdk_client::{Listener, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const BULK_BYTES: usize = 4 << 20;

fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    Random::from_number(seed).fill(&mut bytes);
    bytes
}

/// Writes `out` while it reads to the end.
async fn exchange(stream: Stream, out: &[u8]) -> Vec<u8> {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let mut received = Vec::new();
    let write = async {
        writer.write_all(out).await.unwrap();
        writer.shutdown().await.unwrap();
    };
    let (read, ()) = tokio::join!(reader.read_to_end(&mut received), write);
    read.unwrap();
    received
}

async fn connect(pair: &mut Pair, listener: &Listener, context: &mpdk_client::Context) -> (Stream, Stream) {
    let both = async { tokio::join!(Stream::connect(context, server()), listener.accept()) };
    let (connected, accepted) = pair.drive(both).await;
    (connected.unwrap(), accepted.unwrap())
}

#[test]
fn bulk_both_ways_over_two_wires() {
    run(async {
        let mut pair = Pair::new(2);
        let (left, right) = pair.contexts();
        let listener = pair.drive(Listener::bind(&right, server())).await.unwrap();
        let (connected, accepted) = connect(&mut pair, &listener, &left).await;
        let (up, down) = (noise(1, BULK_BYTES), noise(2, BULK_BYTES));
        let both = async { tokio::join!(exchange(connected, &up), exchange(accepted, &down)) };
        let (at_left, at_right) = pair.drive(both).await;
        assert!(at_left == down, "{} of {} bytes are the same", at_left.len(), down.len());
        assert!(at_right == up, "{} of {} bytes are the same", at_right.len(), up.len());
        pair.until(|pair| pair.left.connection_count() + pair.right.connection_count() == 0).await;
        let ports = pair.left.report().ports;
        assert!(ports.iter().all(|port| port.transmitted_frames > 100), "{ports:?}");
    });
}

#[test]
fn information_names_each_wire() {
    run(async {
        let mut pair = Pair::new(2);
        let (left, right) = pair.contexts();
        let listener = pair.drive(Listener::bind(&right, server())).await.unwrap();
        let (connected, mut accepted) = connect(&mut pair, &listener, &left).await;
        let sending = noise(3, 300_000);
        let (mut reader, mut writer) = tokio::io::split(connected);
        let mut read = vec![0; sending.len()];
        let transfer = async {
            let (read, written) = tokio::join!(accepted.read_exact(&mut read), writer.write_all(&sending));
            (read.unwrap(), written.unwrap())
        };
        pair.drive(transfer).await;
        let info = pair.drive(accepted.info()).await.unwrap();
        assert_eq!(info.fallback, 0);
        assert_ne!(info.token, 0);
        let names: Vec<_> = info.subflows().iter().map(SubflowInfo::interface_name).collect();
        assert!(names.contains(&"wire0".into()) && names.contains(&"wire1".into()), "{names:?}");
        assert!(info.subflows().iter().all(|subflow| subflow.state_name() == "ESTABLISHED"));
        assert!(info.bytes_received >= sending.len() as u64);
        assert_eq!(info.subflows()[0].local.to_socket_addr(), Some(server()));
        drop(accepted);
        assert_eq!(pair.drive(reader.read(&mut [0])).await.unwrap(), 0);
    });
}

#[test]
fn a_reader_that_rests_holds_up_its_own_writer_only() {
    rest_and_read(&Settings::default());
}

#[test]
fn readers_that_rest_leave_buffers_to_the_others() {
    // Far fewer than the resting connection's window.
    rest_and_read(&Settings { held_buffers: 32, ..Settings::default() });
}

#[test]
fn what_is_dropped_for_want_of_memory_comes_again() {
    run(async {
        let settings = Settings { held_buffers: 16, held_copy_bytes: 100_000, ..Settings::default() };
        let mut pair = Pair::with_settings(1, &settings);
        let (left, right) = pair.contexts();
        let listener = pair.drive(Listener::bind(&right, server())).await.unwrap();
        let (connected, mut accepted) = connect(&mut pair, &listener, &left).await;
        let sent = noise(7, BULK_BYTES / 4);
        let expected = sent.clone();
        let writing = tokio::spawn(async move {
            let mut stream = connected;
            stream.write_all(&sent).await.unwrap();
        });
        let dropped = |pair: &mut Pair| pair.right.report().counters.get(Outcome::PacketPoolEmpty) > 0;
        pair.until(dropped).await;
        let mut received = Vec::new();
        pair.drive(accepted.read_to_end(&mut received)).await.unwrap();
        assert!(received == expected, "{} of {} bytes", received.len(), expected.len());
        pair.drive(writing).await.unwrap();
    });
}

fn rest_and_read(settings: &Settings) {
    run(async {
        let mut pair = Pair::with_settings(1, settings);
        let (left, right) = pair.contexts();
        let listener = pair.drive(Listener::bind(&right, server())).await.unwrap();
        let (resting_in, mut resting_out) = connect(&mut pair, &listener, &left).await;
        // More than all buffers on the way hold together.
        let sent = noise(4, BULK_BYTES);
        let expected = sent.clone();
        let writing = tokio::spawn(async move {
            let mut stream = resting_in;
            stream.write_all(&sent).await.unwrap();
            stream.shutdown().await.unwrap();
        });
        // Another connection of the same clients goes on, from its first byte.
        let (other_in, other_out) = connect(&mut pair, &listener, &left).await;
        let (up, down) = (noise(5, BULK_BYTES / 4), noise(6, BULK_BYTES / 4));
        let both = async { tokio::join!(exchange(other_in, &up), exchange(other_out, &down)) };
        let (at_left, at_right) = pair.drive(both).await;
        assert!(at_left == down && at_right == up);
        assert!(!writing.is_finished(), "the writer must wait for its reader");
        let mut received = Vec::new();
        pair.drive(resting_out.read_to_end(&mut received)).await.unwrap();
        assert!(received == expected, "{} of {} bytes", received.len(), expected.len());
        pair.drive(writing).await.unwrap();
    });
}
