//! Clients' blocks that devices read in place.

use super::pair::{endpoint_config, heap, server, small_region, wires};
use super::watched::{Watch, Watched};
use crate::base::{HeapPacket, Outcome};
use crate::device::{ClientMemory, LentBlocks, LentMemory, MemoryDevice};
use crate::engine::{EndpointHandle, EngineConfig, Opened, Part, Report, start};
use crate::shm;
use mpdk_client::{Chunk, Context, Listener, Stream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The devices' memory: of the heap, and its packets are copies.
#[derive(Debug, Default)]
struct Memory {
    /// Devices read what they were given.
    reads: Arc<AtomicBool>,
}

/// A page of the heap.
#[derive(Clone)]
#[repr(align(4096))]
#[expect(dead_code, reason = "written and read by address")]
struct Page([u8; 4096]);

impl ClientMemory<HeapPacket> for Memory {
    fn reserve(&self, len: usize) -> Option<LentMemory> {
        let pages = vec![Page([0xff; 4096]); len.div_ceil(4096)];
        let address = (pages.as_ptr() as *mut Page).expose_provenance();
        Some(LentMemory { address, len, owner: Arc::new(pages) })
    }

    fn blocks(&self, address: usize, block_bytes: u32, _: u32) -> Option<Box<dyn LentBlocks<HeapPacket>>> {
        Some(Box::new(Blocks { address, block_bytes: block_bytes as usize, reads: Arc::clone(&self.reads) }))
    }

    fn packets(&self) -> Option<LentMemory> {
        Some(heap())
    }
}

#[derive(Debug)]
struct Blocks {
    address: usize,
    block_bytes: usize,
    reads: Arc<AtomicBool>,
}

impl LentBlocks<HeapPacket> for Blocks {
    fn packet(&self, block: u32) -> HeapPacket {
        let start = self.address + block as usize * self.block_bytes;
        // SAFETY: a block of the region that `Memory` lent, of which the client
        // writes only what it has not sent.
        #[expect(unsafe_code, reason = "a device's view of memory")]
        let bytes =
            unsafe { std::slice::from_raw_parts(std::ptr::with_exposed_provenance(start), self.block_bytes) };
        HeapPacket::new(bytes)
    }

    fn is_free(&self, _: u32) -> bool {
        !self.reads.load(Ordering::Relaxed)
    }
}

fn engine(side: u8, devices: Vec<MemoryDevice>, watch: &Arc<Watch>, memory: Arc<Memory>) -> EndpointHandle {
    let watch = Arc::clone(watch);
    let part = move || {
        let watched = |inner| Watched { inner, watch: Arc::clone(&watch) };
        let ports: Vec<_> = devices.into_iter().map(watched).collect();
        let endpoint = endpoint_config(side, &ports);
        Ok(Part::new(ports, endpoint))
    };
    start(EngineConfig::default(), || Ok(Opened::single(part, Some(memory as _)))).unwrap()
}

/// The sender's arena is much smaller than what it sends: blocks must come back,
/// but none before the devices are done with it.
#[tokio::test]
async fn a_block_comes_back_when_the_device_is_done_with_it() {
    const BYTES: usize = 1 << 20;
    let (left_wires, right_wires) = wires(2);
    let (watch, memory) = (Arc::new(Watch::default()), Arc::new(Memory::default()));
    watch.keeps.store(true, Ordering::Relaxed);
    memory.reads.store(true, Ordering::Relaxed);
    let left = engine(1, left_wires, &watch, Arc::clone(&memory));
    let right = engine(2, right_wires, &Arc::default(), Arc::default());
    let attach = |handle: &EndpointHandle| {
        Context::spawn(handle.attach(&small_region(), shm::Limits::default()).unwrap()).unwrap()
    };
    let (client, other) = (attach(&left), attach(&right));
    let listener = Listener::bind(&other, server()).await.unwrap();
    let (connected, accepted) = tokio::join!(Stream::connect(&client, server()), listener.accept());
    let (mut connected, mut accepted) = (connected.unwrap(), accepted.unwrap());
    let sent: Vec<u8> = (0..BYTES).map(|at| (at >> 8) as u8 ^ at as u8).collect();
    let mut received = Vec::new();
    let write = async {
        connected.write_all(&sent).await.unwrap();
        connected.shutdown().await.unwrap();
    };
    let watch_and_release = async {
        // All came that the arena holds, and nothing goes on: the devices are
        // given something to send.
        while watch.announcements.load(Ordering::Relaxed) < 10 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        memory.reads.store(false, Ordering::Relaxed);
    };
    let arena_bytes = 64 * 4096;
    let read = async {
        while received.len() < BYTES {
            assert!(accepted.read_buf(&mut received).await.unwrap() > 0);
            let may_be = if memory.reads.load(Ordering::Relaxed) { arena_bytes } else { BYTES };
            assert!(received.len() <= may_be, "a block was written over that a device reads");
        }
    };
    tokio::join!(write, read, watch_and_release);
    assert!(received == sent);
}

/// The engine's thread takes back what others have read, also behind the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_read_in_place_comes_back_from_any_thread() {
    const BYTES: usize = 4 << 20;
    let (left_wires, right_wires) = wires(1);
    let left = engine(1, left_wires, &Arc::default(), Arc::default());
    let right = engine(2, right_wires, &Arc::default(), Arc::default());
    let limits = shm::Limits { in_place_buffers: 64, ..shm::Limits::default() };
    let attach =
        |handle: &EndpointHandle| Context::spawn(handle.attach(&small_region(), limits).unwrap()).unwrap();
    let (client, other) = (attach(&left), attach(&right));
    let listener = Listener::bind(&other, server()).await.unwrap();
    let (connected, accepted) = tokio::join!(Stream::connect(&client, server()), listener.accept());
    let (mut connected, mut accepted) = (connected.unwrap(), accepted.unwrap());
    let sent: Vec<u8> = (0..BYTES).map(|at| (at >> 8) as u8 ^ at as u8).collect();
    let (chunks, reading) = std::sync::mpsc::channel::<Chunk>();
    let reader = std::thread::spawn(move || {
        reading.into_iter().fold(Vec::new(), |mut all, chunk| {
            all.extend_from_slice(&chunk);
            all
        })
    });
    let write = async {
        connected.write_all(&sent).await.unwrap();
        connected.shutdown().await.unwrap();
    };
    let read = async {
        while let Some(chunk) = accepted.read_chunk().await.unwrap() {
            chunks.send(chunk).unwrap();
        }
    };
    tokio::join!(write, read);
    drop((chunks, accepted));
    assert!(reader.join().unwrap() == sent);
    let report = Report::sum(&right.stop().unwrap());
    let (lent, copied) =
        (report.counters.get(Outcome::PayloadBytesLent), report.counters.get(Outcome::PayloadBytesCopied));
    assert!(lent > 0 && lent + copied == BYTES as u64, "{lent} lent, {copied} copied");
}
