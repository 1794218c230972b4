//! The receive arena as the engine sees it: blocks that are free, being filled
//! and lent to the client, and which connection holds how many.

use crate::base::{ConnectionId, Packet};
use crate::shm::request::{Violation, connection_handle};
use hashbrown::HashMap;
use mpdk_client::layout::ConnectionInfo;
use mpdk_client::{Arena, BlockRange, Completion, Region};
use std::collections::VecDeque;
use std::sync::Arc;

/// Blocks that received bytes never take, so that a client which reads nothing
/// can still ask what its connections are doing.
const INFO_BLOCKS: usize = 1;
/// One in so many blocks is kept for connections that the client wants to read
/// right now: with it, a client that leaves any number of connections unread
/// can still read every other.
const WANTED_SHARE: usize = 8;
/// A connection may take another block while it holds fewer than this many
/// times the free ones: one alone gets most of the arena, and many share it
/// without any of them being told.
const SHARE_OF_FREE: usize = 4;

#[derive(Debug)]
pub(super) struct ReceiveTable {
    region: Arc<Region>,
    free: Vec<u32>,
    blocks: Box<[BlockState]>,
    lanes: HashMap<ConnectionId, Lane>,
    /// Connections with a block that is filled in part.
    open: Vec<ConnectionId>,
    /// Connections that may be copied in again.
    ready: VecDeque<ConnectionId>,
    /// Connections without a block, that wait until any is free.
    starved: VecDeque<ConnectionId>,
    /// Those of them that the client wants to read right now.
    wanted: VecDeque<ConnectionId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BlockState {
    Free,
    Filling,
    Lent(Option<ConnectionId>),
}

/// A connection's part of the arena.
#[derive(Debug, Default)]
struct Lane {
    /// Blocks being filled or lent.
    held: usize,
    /// The block being filled, and how far.
    open: Option<(u32, u32)>,
    wait: Wait,
    /// In `starved`.
    queued: bool,
    /// The client wants to read it right now.
    wanted: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Wait {
    #[default]
    No,
    /// Until the client gives one of its blocks back.
    OwnRelease,
    /// Until any block is given back.
    AnyRelease,
    /// In `ready`.
    Over,
}

impl ReceiveTable {
    pub(super) fn new(region: Arc<Region>) -> Self {
        let count = region.blocks(Arena::Receive);
        Self {
            region,
            // The lowest on top.
            free: (0..count).rev().collect(),
            blocks: vec![BlockState::Free; count as usize].into(),
            lanes: HashMap::new(),
            open: Vec::new(),
            ready: VecDeque::new(),
            starved: VecDeque::new(),
            wanted: VecDeque::new(),
        }
    }

    pub(super) fn add(&mut self, connection: ConnectionId) {
        self.lanes.insert(connection, Lane::default());
    }

    pub(super) fn contains(&self, connection: ConnectionId) -> bool {
        self.lanes.contains_key(&connection)
    }

    pub(super) fn connections(&self) -> impl Iterator<Item = ConnectionId> + '_ {
        self.lanes.keys().copied()
    }

    pub(super) fn len(&self) -> usize {
        self.lanes.len()
    }

    /// Forgets a connection; its lent blocks come back as the client reads them.
    pub(super) fn remove(&mut self, connection: ConnectionId) -> bool {
        self.lanes.remove(&connection).is_some()
    }

    /// Copies bytes of `packet` into blocks; a block that is full goes to
    /// `done`. Returns how many bytes were taken. If not all, the connection
    /// comes out of [`next_receivable`](Self::next_receivable) later.
    pub(super) fn copy_in(
        &mut self,
        connection: ConnectionId,
        packet: &impl Packet,
        done: &mut VecDeque<Completion>,
    ) -> usize {
        let len = packet.len();
        let mut taken = 0;
        while taken < len {
            let Some((block, filled)) = self.open_block(connection, done) else { break };
            let count = (self.block_bytes() - filled).min((len - taken) as u32);
            self.fill(block, filled, packet, taken, count as usize);
            taken += count as usize;
            self.filled(connection, block, filled + count, done);
        }
        taken
    }

    /// The block that is being filled for a connection, or another.
    fn open_block(
        &mut self,
        connection: ConnectionId,
        done: &mut VecDeque<Completion>,
    ) -> Option<(u32, u32)> {
        let (normal, wanted) = (self.free_for_any(), self.free_for_wanted());
        let lane = self.lanes.get_mut(&connection)?;
        if lane.open.is_some() {
            return lane.open;
        }
        let allowed = lane.held < SHARE_OF_FREE * normal || (lane.wanted && wanted > 0);
        let Some(block) = self.free.pop_if(|_| allowed) else {
            self.hold_back(connection, done);
            return None;
        };
        self.blocks[block as usize] = BlockState::Filling;
        lane.held += 1;
        lane.wanted = false;
        lane.open = Some((block, 0));
        self.open.push(connection);
        lane.open
    }

    /// Remembers a connection that gets no block now.
    fn hold_back(&mut self, connection: ConnectionId, done: &mut VecDeque<Completion>) {
        let Some(lane) = self.lanes.get_mut(&connection).filter(|lane| lane.wait == Wait::No) else { return };
        if lane.held > 0 {
            // The client has bytes of it to read, and gives the block back.
            lane.wait = Wait::OwnRelease;
            return;
        }
        lane.wait = Wait::AnyRelease;
        if !std::mem::replace(&mut lane.queued, true) {
            self.starved.push_back(connection);
        }
        done.push_back(Completion::HeldBack { connection: connection_handle(connection) });
    }

    /// The client wants to read a connection that is held back.
    pub(super) fn want(&mut self, connection: ConnectionId) {
        if let Some(lane) = self.lanes.get_mut(&connection)
            && lane.wait == Wait::AnyRelease
            && !std::mem::replace(&mut lane.wanted, true)
        {
            self.wanted.push_back(connection);
        }
    }

    fn free_for_wanted(&self) -> usize {
        self.free.len().saturating_sub(INFO_BLOCKS)
    }

    fn free_for_any(&self) -> usize {
        self.free_for_wanted().saturating_sub(self.blocks.len() / WANTED_SHARE)
    }

    fn fill(&self, block: u32, offset: u32, packet: &impl Packet, skip: usize, count: usize) {
        let mut skip = skip;
        let mut done = 0;
        packet.for_each_piece(&mut |piece| {
            let start = skip.min(piece.len());
            skip -= start;
            let take = (piece.len() - start).min(count - done);
            let bytes = &piece[start..start + take];
            // SAFETY: the block is ours until it is lent, and `&mut self` of
            // the caller is the only one that fills it.
            unsafe { self.region.fill(Arena::Receive, block, offset + done as u32, bytes) };
            done += take;
        });
    }

    fn filled(&mut self, connection: ConnectionId, block: u32, end: u32, done: &mut VecDeque<Completion>) {
        if end == self.block_bytes() {
            self.open.retain(|&open| open != connection);
            done.extend(self.lend(connection, block, end));
        } else if let Some(lane) = self.lanes.get_mut(&connection) {
            lane.open = Some((block, end));
        }
    }

    /// Lends what was filled of a block to the client.
    fn lend(&mut self, connection: ConnectionId, block: u32, len: u32) -> Option<Completion> {
        let lane = self.lanes.get_mut(&connection)?;
        lane.open = None;
        self.blocks[block as usize] = BlockState::Lent(Some(connection));
        let range = BlockRange { block, offset: 0, len };
        Some(Completion::Received { connection: connection_handle(connection), range })
    }

    /// Lends the block that is being filled for a connection, if there is one.
    pub(super) fn finish(&mut self, connection: ConnectionId) -> Option<Completion> {
        let (block, len) = self.lanes.get(&connection)?.open?;
        self.open.retain(|&open| open != connection);
        self.lend(connection, block, len)
    }

    /// Lends every block that is being filled.
    pub(super) fn finish_all(&mut self, done: &mut VecDeque<Completion>) {
        while let Some(connection) = self.open.pop() {
            let open = self.lanes.get(&connection).and_then(|lane| lane.open);
            done.extend(open.and_then(|(block, len)| self.lend(connection, block, len)));
        }
    }

    /// Takes back a block that the client has read.
    pub(super) fn release(&mut self, block: u32) -> Result<(), Violation> {
        let Some(&BlockState::Lent(owner)) = self.blocks.get(block as usize) else {
            return Err(Violation::ReleaseNotLent(block));
        };
        self.blocks[block as usize] = BlockState::Free;
        self.free.push(block);
        if let Some(owner) = owner
            && let Some(lane) = self.lanes.get_mut(&owner)
        {
            lane.held -= 1;
            if lane.wait == Wait::OwnRelease {
                lane.wait = Wait::Over;
                self.ready.push_back(owner);
            }
        }
        Ok(())
    }

    /// The client has given back a packet of the connection: if it waits, it may
    /// be lent another.
    pub(super) fn retry(&mut self, connection: ConnectionId) {
        if let Some(lane) = self.lanes.get_mut(&connection)
            && matches!(lane.wait, Wait::OwnRelease | Wait::AnyRelease)
        {
            lane.wait = Wait::Over;
            self.ready.push_back(connection);
        }
    }

    /// A connection that was not taken in full before and may be now.
    pub(super) fn next_receivable(&mut self) -> Option<ConnectionId> {
        loop {
            let (next, starved) = self.next_waiting()?;
            let Some(lane) = self.lanes.get_mut(&next) else { continue };
            lane.queued &= !starved;
            // One that was wanted, and starved besides, is found twice.
            if std::mem::take(&mut lane.wait) != Wait::No {
                return Some(next);
            }
        }
    }

    /// The next that has waited, and whether it was in `starved`.
    fn next_waiting(&mut self) -> Option<(ConnectionId, bool)> {
        if let Some(next) = self.ready.pop_front() {
            return Some((next, false));
        }
        if self.free_for_wanted() > 0
            && let Some(next) = self.wanted.pop_front()
        {
            return Some((next, false));
        }
        if self.free_for_any() > 0 { self.starved.pop_front().map(|next| (next, true)) } else { None }
    }

    /// Whether [`next_receivable`](Self::next_receivable) may have one.
    pub(super) fn has_receivable(&self) -> bool {
        !self.ready.is_empty()
            || (self.free_for_wanted() > 0 && !self.wanted.is_empty())
            || (self.free_for_any() > 0 && !self.starved.is_empty())
    }

    /// Writes an answer into a block and lends it; `None` if no block is free.
    pub(super) fn lend_info(&mut self, info: &ConnectionInfo) -> Option<BlockRange> {
        let block = self.free.pop()?;
        // SAFETY: the block was free, so it is ours.
        unsafe { self.region.fill(Arena::Receive, block, 0, info.as_bytes()) };
        self.blocks[block as usize] = BlockState::Lent(None);
        Some(BlockRange { block, offset: 0, len: ConnectionInfo::BYTES as u32 })
    }

    fn block_bytes(&self) -> u32 {
        self.region.block_bytes(Arena::Receive)
    }
}
