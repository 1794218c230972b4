//! The slot against a client that speaks the contract descriptor by
//! descriptor, honest or not; and against the async API.

mod chunks;
mod echo;
mod in_place;
mod lying;
mod receive;
mod requests;
mod sleep;
mod sockets;
mod transmit;

use crate::base::{ConnectionId, HeapPacket, ListenerId};
use crate::shm::{Attachment, ClientSlot, Limits, Reason, Region, RegionConfig, Request};
use mpdk_client::layout::Address;
use mpdk_client::{
    Arena, BlockRange, Completion, ConnectionHandle, Consumer, Doorbell, Producer, Ring, Submission, Words,
};
use std::net::SocketAddr;
use std::sync::Arc;

/// Blocks as small as they may be, few of them, and rings that fill quickly.
const SMALL: RegionConfig = RegionConfig {
    submission_entries: 16,
    completion_entries: 16,
    transmit_blocks: 8,
    transmit_block_bytes: 2048,
    receive_blocks: 8,
    receive_block_bytes: 2048,
};

/// The client's side of the contract, by hand.
struct RawClient {
    region: Arc<Region>,
    submissions: Producer<Ring>,
    completions: Consumer<Ring>,
    doorbell: Doorbell,
}

impl RawClient {
    fn new(attachment: Attachment) -> Self {
        let Attachment { region, doorbell, .. } = attachment;
        let region = Arc::new(region);
        Self {
            submissions: Producer::new(region.submission_ring()).unwrap(),
            completions: Consumer::new(region.completion_ring()).unwrap(),
            region,
            doorbell,
        }
    }

    fn submit(&mut self, submission: Submission) {
        self.submit_words(&submission.encode());
    }

    fn submit_words(&mut self, words: &Words) {
        assert!(self.submissions.push(words).unwrap(), "the submission ring is full");
        self.submissions.publish();
    }

    fn completions(&mut self) -> Vec<Completion> {
        let mut all = Vec::new();
        let mut batch = [[0; 8]; 16];
        loop {
            let count = self.completions.pop(&mut batch).unwrap();
            if count == 0 {
                return all;
            }
            all.extend(batch[..count].iter().map(|words| Completion::decode(words).unwrap()));
        }
    }

    /// Fills a piece of a transmit block and sends it.
    fn send(&mut self, connection: ConnectionId, block: u32, offset: u32, bytes: &[u8]) {
        // SAFETY: the test's client is the only one that fills the arena.
        unsafe { self.region.fill(Arena::Transmit, block, offset, bytes) };
        let range = BlockRange { block, offset, len: bytes.len() as u32 };
        self.submit(Submission::Send { connection: handle(connection), range });
    }

    fn received(&self, range: BlockRange) -> Vec<u8> {
        // SAFETY: the engine has lent the block.
        unsafe { self.region.bytes(Arena::Receive, range) }.to_vec()
    }
}

fn pair_with(limits: Limits) -> (ClientSlot, RawClient) {
    let (slot, attachment) = ClientSlot::in_process(&SMALL, limits).unwrap();
    (slot, RawClient::new(attachment))
}

fn pair() -> (ClientSlot, RawClient) {
    pair_with(Limits::default())
}

/// A slot and a client with connections 0 to `count`.
fn connected(count: u32) -> (ClientSlot, RawClient) {
    let (mut slot, mut client) = pair();
    for index in 0..count {
        client.submit(connect(u64::from(index)));
        let Some(Request::Connect { ticket, remote, .. }) = slot.next_request().unwrap() else {
            panic!("no connect request");
        };
        slot.connected(ticket, id(index), address(1), remote);
    }
    slot.flush().unwrap();
    assert_eq!(client.completions().len(), count as usize);
    (slot, client)
}

fn connect(user_data: u64) -> Submission {
    Submission::Connect { user_data, remote: address(80).into(), local: Address::NONE, flags: 0 }
}

fn id(index: u32) -> ConnectionId {
    ConnectionId { index, generation: 5 }
}

fn handle(id: ConnectionId) -> ConnectionHandle {
    ConnectionHandle(u64::from(id.generation) << 32 | u64::from(id.index))
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], port))
}
