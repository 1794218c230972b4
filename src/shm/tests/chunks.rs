//! Streams whose bytes are read in place, by every way of reading.

use super::echo::{Report, start_lending};
use super::in_place::Chain;
use super::*;
use crate::base::Random;
use crate::shm::{InPlace, PacketView};
use mpdk_client::{Chunk, Context, Listener, Stream};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Builder;

/// Longer than any of these takes.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs `test` with the two ends of a connection whose bytes are lent in up to so
/// many buffers; tells what the engine has seen.
fn with_ends<F: Future<Output = ()>>(buffers: u32, test: impl FnOnce(Stream, Stream) -> F) -> Report {
    // Blocks for what the test keeps, and for what goes on meanwhile.
    let config = RegionConfig { transmit_blocks: 24, ..SMALL };
    let (engine, attachment) = start_lending(&config, buffers);
    Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let context = Context::spawn([attachment]).unwrap();
        let both = async {
            let listener = Listener::bind(&context, address(80)).await.unwrap();
            let writer = Stream::connect(&context, address(80)).await.unwrap();
            test(writer, listener.accept().await.unwrap()).await;
        };
        tokio::time::timeout(LIMIT, both).await.expect("the test hangs");
    });
    engine.join().unwrap()
}

async fn write_randomly(mut stream: Stream, random: &mut Random, bytes: &[u8]) {
    let mut rest = bytes;
    while !rest.is_empty() {
        // Some are too short to be lent, some fill several blocks.
        let most = if random.below(2) == 0 { 100 } else { 5000 };
        let count = (random.below(most) as usize + 1).min(rest.len());
        stream.write_all(&rest[..count]).await.unwrap();
        rest = &rest[count..];
    }
    stream.shutdown().await.unwrap();
}

/// Reads to the end by this way and that, and keeps chunks for a while.
async fn read_randomly(mut stream: Stream, random: &mut Random) -> Vec<u8> {
    let mut received = Vec::new();
    let mut kept = VecDeque::<(usize, Chunk)>::new();
    loop {
        let before = received.len();
        match random.below(4) {
            0 => {
                let mut buffer = vec![0; random.below(3000) as usize + 1];
                let count = stream.read(&mut buffer).await.unwrap();
                received.extend_from_slice(&buffer[..count]);
            }
            1 => {
                let bytes = stream.fill_buf().await.unwrap();
                let count = bytes.len().min(random.below(3000) as usize + 1);
                received.extend_from_slice(&bytes[..count]);
                stream.consume(count);
            }
            _ => {
                if let Some(chunk) = stream.read_chunk().await.unwrap() {
                    assert!(!chunk.is_empty());
                    received.extend_from_slice(&chunk);
                    kept.push_back((before, chunk));
                }
            }
        }
        while kept.len() > random.below(5) as usize {
            let (start, chunk) = kept.pop_front().unwrap();
            assert!(received[start..start + chunk.len()] == *chunk, "a chunk that is kept changes");
        }
        if received.len() == before {
            return received;
        }
    }
}

#[test]
fn bytes_are_the_same_however_they_come_and_are_read() {
    let (mut lent_bytes, mut copied_bytes) = (0, 0);
    for seed in 0..40 {
        let mut sent = vec![0; 60_000];
        Random::from_number(seed).fill(&mut sent);
        // Too few buffers for all, so that some is copied.
        let report = with_ends(seed as u32 % 6, async |writer, reader| {
            let (mut writes, mut reads) = (Random::from_number(seed), Random::from_number(!seed));
            let write = write_randomly(writer, &mut writes, &sent);
            let (received, ()) = tokio::join!(read_randomly(reader, &mut reads), write);
            assert!(received == sent, "seed {seed}: {} bytes or others", received.len());
        });
        assert_eq!(report.lent_bytes + report.copied_bytes, sent.len());
        lent_bytes += report.lent_bytes;
        copied_bytes += report.copied_bytes;
    }
    assert!(lent_bytes > 500_000 && copied_bytes > 500_000, "{lent_bytes} lent, {copied_bytes} copied");
}

#[test]
fn a_chunk_outlives_its_stream_and_goes_to_another_thread() {
    let report = with_ends(4, async |mut writer, mut reader| {
        writer.write_all(&[5; 1500]).await.unwrap();
        let chunk = reader.read_chunk().await.unwrap().unwrap();
        assert!(chunk.is_in_place());
        drop((writer, reader));
        let read = tokio::task::spawn_blocking(move || chunk.iter().all(|&byte| byte == 5)).await;
        assert!(read.unwrap());
    });
    assert_eq!((report.lent_bytes, report.open), (1500, 0));
    assert!(!report.still_lent, "the last word of a context gives its chunks back");
}

#[test]
fn a_chunk_is_in_place_or_in_a_block_and_the_end_is_none() {
    with_ends(4, async |mut writer, mut reader| {
        writer.write_all(b"short").await.unwrap();
        let chunk = reader.read_chunk().await.unwrap().unwrap();
        assert_eq!((&*chunk, chunk.is_in_place()), (&b"short"[..], false));
        assert_eq!(chunk.as_ref(), b"short");
        writer.shutdown().await.unwrap();
        assert!(reader.read_chunk().await.unwrap().is_none());
        assert!(reader.read_chunk().await.unwrap().is_none(), "the end is reached again");
    });
}

#[test]
fn what_is_not_read_goes_back_with_the_stream() {
    let report = with_ends(8, async |mut writer, mut reader| {
        for _ in 0..3 {
            writer.write_all(&[1; 2000]).await.unwrap();
        }
        // Of each packet at least a part is read: all of them have come.
        reader.read_exact(&mut [0; 4001]).await.unwrap();
    });
    assert_eq!(report.lent_bytes, 6000);
    assert!(!report.still_lent);
}

/// A slot and a stream of its client's that share the heap, on one thread.
async fn with_stream() -> (ClientSlot, Stream) {
    let (mut slot, mut attachment) = ClientSlot::in_process(&SMALL, Limits::default()).unwrap();
    let (address_of_all, bytes, buffers) = (0, 1 << 47, 100);
    let owner: Arc<dyn std::any::Any + Send + Sync> = Arc::new(());
    let reader = Arc::downgrade(&owner);
    slot.allow_in_place(InPlace { address: address_of_all, bytes, buffers, reader });
    // SAFETY: the tests keep what they lend until it comes back.
    attachment.packets = Some(unsafe { PacketView::new(address_of_all, bytes, buffers, Box::new(owner)) });
    let context = Context::spawn([attachment]).unwrap();
    let connecting = tokio::spawn(async move { Stream::connect(&context, address(80)).await.unwrap() });
    let ticket = loop {
        tokio::task::yield_now().await;
        if let Some(Request::Connect { ticket, .. }) = slot.next_request().unwrap() {
            break ticket;
        }
    };
    slot.connected(ticket, id(0), address(1), address(80));
    slot.flush().unwrap();
    (slot, connecting.await.unwrap())
}

#[test]
fn a_packet_goes_back_with_the_last_of_its_pieces() {
    Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let (mut slot, mut stream) = with_stream().await;
        let is_released = |slot: &mut ClientSlot| {
            assert!(slot.next_request().unwrap().is_none());
            slot.next_released().is_some()
        };
        for round in 0..3 {
            let packet = Chain::new(12, 700);
            let ticket = slot.lend(id(0), &packet).unwrap();
            assert_eq!(ticket.index(), 0, "the ticket of round {round} is the one before");
            slot.flush().unwrap();
            let mut kept = Vec::new();
            for piece in 0..12 {
                if piece % 4 == 3 {
                    let mut buffer = [0xff; 700];
                    stream.read_exact(&mut buffer).await.unwrap();
                    assert_eq!(buffer, [piece; 700]);
                } else {
                    let chunk = stream.read_chunk().await.unwrap().unwrap();
                    assert_eq!(*chunk, [piece; 700]);
                    kept.push(chunk);
                }
            }
            while kept.len() > 1 {
                kept.swap_remove(round % kept.len());
                assert!(!is_released(&mut slot));
            }
            kept.clear();
            assert!(is_released(&mut slot) && !is_released(&mut slot));
        }
    });
}
