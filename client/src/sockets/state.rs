//! What a client knows: its connections, listeners and open questions. One
//! lock protects it; nothing here waits or wakes.

use crate::layout::{ConnectionInfo, Reason};
use crate::message::{
    BlockRange, Completion, ConnectionHandle, ListenerHandle, Malformed, Submission, Words,
};
use crate::packet::Pieces;
use crate::region::{Arena, Region, Ring};
use crate::ring::{Consumer, Corrupt, Producer};
use crate::sockets::pieces::{LentPackets, Piece, Returns, UnknownPacket};
use crate::sockets::questions::{Answer, Questions};
use crate::sockets::transmit::{TransmitBlocks, TransmitShare, UnknownBlock};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Waker;

/// How many completions are looked at before tasks get their turn.
const COMPLETIONS_PER_TURN: usize = 1024;

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) region: Arc<Region>,
    submissions: Producer<Ring>,
    completions: Consumer<Ring>,
    /// Submissions that found no room on the ring, in order.
    backlog: VecDeque<Words>,
    pub(crate) transmit: TransmitBlocks,
    lent: LentPackets,
    /// Tickets that are not submitted yet.
    returns: Returns,
    pub(crate) connections: HashMap<ConnectionHandle, Connection>,
    /// By the `user_data` of their `LISTEN`.
    pub(crate) listeners: HashMap<u64, Listener>,
    pub(crate) questions: Questions,
    /// Connections without a block that wait until any is free, each once.
    pub(crate) starved: VecDeque<ConnectionHandle>,
    /// Tasks that wait until the backlog is on the ring.
    pub(crate) flushing: Vec<Waker>,
    /// To wake when the lock is open again.
    pub(crate) wake: Vec<Waker>,
    /// Entries were put on the ring since they were last published.
    pushed: bool,
    /// Nobody uses the context any more.
    pub(crate) handles_gone: bool,
    pub(crate) gone: Option<Gone>,
}

/// Why nothing works any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Gone {
    #[error("the mpdk engine is gone")]
    Engine,
    #[error("the mpdk engine broke a ring: {0}")]
    Ring(#[from] Corrupt),
    #[error("the mpdk engine said something unknown: {0}")]
    Malformed(#[from] Malformed),
    #[error("the mpdk engine named block {0}, which it cannot mean")]
    Block(u32),
    #[error("the mpdk engine named packet {0}, which it cannot mean")]
    Packet(u32),
    #[error("the task that drives the mpdk context has ended")]
    Driver,
}

impl Gone {
    pub(crate) fn error(self, kind: io::ErrorKind) -> io::Error {
        io::Error::new(kind, self)
    }
}

impl From<UnknownBlock> for Gone {
    fn from(unknown: UnknownBlock) -> Self {
        Self::Block(unknown.0)
    }
}

impl From<UnknownPacket> for Gone {
    fn from(unknown: UnknownPacket) -> Self {
        Self::Packet(unknown.0)
    }
}

#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    pub(crate) received: VecDeque<Piece>,
    /// Bytes wait in the engine until somebody says to want them.
    pub(crate) held_back: bool,
    pub(crate) received_fin: bool,
    /// The engine has said that it is over, and why.
    pub(crate) closed: Option<Reason>,
    /// Our sending side is shut down.
    pub(crate) shut_down: bool,
    /// Nobody is interested: only the engine's `CLOSED` is awaited.
    orphaned: bool,
    pub(crate) share: TransmitShare,
    /// In `starved`.
    pub(crate) starved: bool,
    pub(crate) reader: Option<Waker>,
    pub(crate) writer: Option<Waker>,
}

#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) handle: ListenerHandle,
    pub(crate) accepted: VecDeque<ConnectionHandle>,
    pub(crate) acceptors: Vec<Waker>,
}

/// What one pass over the completion ring did.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Progress {
    /// Completions were taken.
    pub(crate) taken: bool,
    /// Starved connections were told of free blocks.
    pub(crate) granted: bool,
}

impl State {
    pub(crate) fn new(region: Arc<Region>, lent: LentPackets) -> Result<Self, Corrupt> {
        let (count, bytes) = (region.blocks(Arena::Transmit), region.block_bytes(Arena::Transmit));
        Ok(Self {
            submissions: Producer::new(region.submission_ring())?,
            completions: Consumer::new(region.completion_ring())?,
            backlog: VecDeque::new(),
            transmit: TransmitBlocks::new(count, bytes),
            lent,
            returns: Returns::default(),
            connections: HashMap::new(),
            listeners: HashMap::new(),
            questions: Questions::default(),
            starved: VecDeque::new(),
            flushing: Vec::new(),
            wake: Vec::new(),
            pushed: false,
            handles_gone: false,
            gone: None,
            region,
        })
    }

    /// Hands a submission to the engine, after all before it. What finds no
    /// room waits in the backlog, which is bounded by what can be outstanding:
    /// blocks, packets, connections and questions.
    pub(crate) fn submit(&mut self, submission: Submission) {
        if self.gone.is_some() {
            return;
        }
        self.backlog.push_back(submission.encode());
        self.flush_backlog();
    }

    /// Puts the backlog onto the ring as far as there is room.
    pub(crate) fn flush_backlog(&mut self) {
        while let Some(words) = self.backlog.front() {
            match self.submissions.push(words) {
                Ok(true) => {
                    self.pushed = true;
                    self.backlog.pop_front();
                }
                Ok(false) => return,
                Err(corrupt) => return self.fail(corrupt.into()),
            }
        }
        self.wake.append(&mut self.flushing);
    }

    pub(crate) fn has_backlog(&self) -> bool {
        !self.backlog.is_empty()
    }

    /// Lets the engine see what was submitted; whether that was anything.
    pub(crate) fn publish(&mut self) -> bool {
        if let Some(tickets) = self.returns.take() {
            self.submit(Submission::ReleasePacket { tickets });
        }
        if self.pushed {
            self.submissions.publish();
        }
        std::mem::take(&mut self.pushed)
    }

    /// Whether there is something for the driver to do.
    pub(crate) fn has_work(&mut self) -> Result<bool, Corrupt> {
        Ok(!self.completions.is_empty()? || (self.has_backlog() && self.submissions.room()? > 0))
    }

    /// Takes completions and deals with each.
    pub(crate) fn turn(&mut self) -> Progress {
        let mut progress = Progress::default();
        let mut batch = [[0; 8]; 32];
        for _ in 0..COMPLETIONS_PER_TURN / batch.len() {
            let count = match self.completions.pop(&mut batch) {
                Ok(0) => break,
                Ok(count) => count,
                Err(corrupt) => {
                    self.fail(corrupt.into());
                    return progress;
                }
            };
            progress.taken = true;
            for words in &batch[..count] {
                let outcome = Completion::decode(words).map_err(Gone::from).and_then(|it| self.complete(it));
                if let Err(gone) = outcome {
                    self.fail(gone);
                    return progress;
                }
            }
        }
        self.flush_backlog();
        progress.granted = self.grant();
        progress
    }

    /// Tells as many starved connections as there are free blocks.
    fn grant(&mut self) -> bool {
        let mut granted = false;
        for _ in 0..self.transmit.free() {
            let Some(handle) = self.starved.pop_front() else { break };
            if let Some(connection) = self.connections.get_mut(&handle) {
                connection.starved = false;
                self.wake.extend(connection.writer.take());
            }
            granted = true;
        }
        granted
    }

    /// Nothing works any more: wakes everybody to hear of it.
    pub(crate) fn fail(&mut self, gone: Gone) {
        if self.gone.is_some() {
            return;
        }
        self.gone = Some(gone);
        self.backlog.clear();
        self.wake.append(&mut self.flushing);
        for connection in self.connections.values_mut() {
            self.wake.extend(connection.reader.take());
            self.wake.extend(connection.writer.take());
        }
        for listener in self.listeners.values_mut() {
            self.wake.append(&mut listener.acceptors);
        }
        self.questions.wake_all(&mut self.wake);
    }

    fn complete(&mut self, completion: Completion) -> Result<(), Gone> {
        match completion {
            Completion::Listening { user_data, listener, address } => {
                self.listening(user_data, listener, address);
            }
            Completion::Accepted { user_data, connection, local, remote } => {
                self.accepted(user_data, connection, local, remote);
            }
            Completion::Connected { user_data, connection, local, remote } => {
                self.connections.insert(connection, Connection::new(local, remote));
                self.answer(user_data, Ok(Answer::Connected(connection)));
            }
            Completion::Received { connection, range } => self.received(connection, range)?,
            Completion::ReceivedInPlace { connection, ticket, left, pieces } => {
                self.received_in_place(connection, ticket, left, &pieces)?;
            }
            Completion::HeldBack { connection } => self.held_back(connection),
            Completion::ReceivedFin { connection } => {
                if let Some(connection) = self.connections.get_mut(&connection) {
                    connection.received_fin = true;
                    self.wake.extend(connection.reader.take());
                }
            }
            Completion::SendDone { block, end } => self.send_done(block, end)?,
            Completion::Closed { connection, reason } => self.closed(connection, reason),
            Completion::Failed { user_data, reason } => self.answer(user_data, Err(reason)),
            Completion::Info { user_data, range, .. } => self.described(user_data, range)?,
        }
        Ok(())
    }

    fn listening(&mut self, user_data: u64, handle: ListenerHandle, address: SocketAddr) {
        let listener = Listener { handle, accepted: VecDeque::new(), acceptors: Vec::new() };
        self.listeners.insert(user_data, listener);
        self.answer(user_data, Ok(Answer::Listening(address)));
    }

    fn accepted(&mut self, user_data: u64, handle: ConnectionHandle, local: SocketAddr, remote: SocketAddr) {
        self.connections.insert(handle, Connection::new(local, remote));
        match self.listeners.get_mut(&user_data) {
            Some(listener) => {
                listener.accepted.push_back(handle);
                self.wake.append(&mut listener.acceptors);
            }
            // It crossed our `CLOSE_LISTENER`.
            None => self.abort(handle),
        }
    }

    fn received(&mut self, handle: ConnectionHandle, range: BlockRange) -> Result<(), Gone> {
        if !self.region.contains(Arena::Receive, range) {
            return Err(Gone::Block(range.block));
        }
        let piece = Piece::Block(range);
        if piece.len() == 0 {
            self.give_back(piece, 1);
        } else {
            self.arrived(handle, std::iter::once(piece));
        }
        Ok(())
    }

    fn received_in_place(
        &mut self,
        handle: ConnectionHandle,
        ticket: u32,
        left: u16,
        pieces: &Pieces,
    ) -> Result<(), Gone> {
        self.lent.lend(ticket, left, pieces)?;
        self.arrived(handle, pieces.iter().map(|range| Piece::Packet { ticket, range }));
        Ok(())
    }

    /// The next bytes of a connection, to be read or to go back at once.
    fn arrived(&mut self, handle: ConnectionHandle, pieces: impl Iterator<Item = Piece>) {
        match self.connections.get_mut(&handle).filter(|connection| !connection.orphaned) {
            Some(connection) => {
                connection.held_back = false;
                connection.received.extend(pieces);
                self.wake.extend(connection.reader.take());
            }
            None => pieces.for_each(|piece| self.give_back(piece, 1)),
        }
    }

    /// A piece has been read, and so many of its packet: its block or, with the
    /// last of all pieces, its packet goes back to the engine.
    pub(crate) fn give_back(&mut self, piece: Piece, count: u32) {
        match piece {
            Piece::Block(range) => self.submit(Submission::Release { block: range.block }),
            Piece::Packet { ticket, .. } => {
                if self.lent.read(ticket, count)
                    && let Some(tickets) = self.returns.add(ticket)
                {
                    self.submit(Submission::ReleasePacket { tickets });
                }
            }
        }
    }

    fn held_back(&mut self, handle: ConnectionHandle) {
        let Some(connection) = self.connections.get_mut(&handle) else { return };
        if connection.reader.is_some() {
            self.submit(Submission::Want { connection: handle });
        } else {
            connection.held_back = true;
        }
    }

    fn send_done(&mut self, block: u32, end: u32) -> Result<(), Gone> {
        let connections = &mut self.connections;
        let owner = self
            .transmit
            .done(block, end, |owner| connections.get_mut(&owner).map(|connection| &mut connection.share))?;
        let Some(owner) = owner else { return Ok(()) };
        if let Some(connection) = self.connections.get_mut(&owner) {
            self.wake.extend(connection.writer.take());
        }
        Ok(())
    }

    fn closed(&mut self, handle: ConnectionHandle, reason: Reason) {
        let Some(connection) = self.connections.get_mut(&handle) else { return };
        connection.closed = Some(reason);
        self.wake.extend(connection.reader.take());
        self.wake.extend(connection.writer.take());
        if connection.orphaned {
            self.connections.remove(&handle);
        }
    }

    fn described(&mut self, user_data: u64, range: BlockRange) -> Result<(), Gone> {
        if !self.region.contains(Arena::Receive, range) {
            return Err(Gone::Block(range.block));
        }
        // SAFETY: the engine has lent the block, and the client fills none of
        // that arena.
        #[expect(unsafe_code, reason = "payload is read in place")]
        let bytes = unsafe { self.region.bytes(Arena::Receive, range) };
        let info = ConnectionInfo::from_bytes(bytes).map(Box::new).ok_or(Gone::Block(range.block))?;
        self.submit(Submission::Release { block: range.block });
        self.answer(user_data, Ok(Answer::Info(info)));
        Ok(())
    }

    /// No more interest: what was sent is delivered, what was received is not.
    pub(crate) fn close(&mut self, handle: ConnectionHandle) {
        self.orphan(handle, Submission::Close { connection: handle });
    }

    /// Ends a connection now.
    pub(crate) fn abort(&mut self, handle: ConnectionHandle) {
        self.orphan(handle, Submission::Abort { connection: handle });
    }

    fn orphan(&mut self, handle: ConnectionHandle, last_word: Submission) {
        let Some(connection) = self.connections.get_mut(&handle) else { return };
        if connection.orphaned {
            return;
        }
        connection.orphaned = true;
        connection.reader = None;
        connection.writer = None;
        let received = std::mem::take(&mut connection.received);
        let closed = connection.closed.is_some();
        for piece in received {
            self.give_back(piece, 1);
        }
        if closed || self.gone.is_some() {
            self.connections.remove(&handle);
        } else {
            self.submit(last_word);
        }
    }

    /// Listens no more; connections that nobody has accepted are reset.
    pub(crate) fn close_listener(&mut self, user_data: u64) {
        let Some(listener) = self.listeners.remove(&user_data) else { return };
        self.submit(Submission::CloseListener { listener: listener.handle });
        for connection in listener.accepted {
            self.abort(connection);
        }
    }
}

impl Connection {
    fn new(local: SocketAddr, remote: SocketAddr) -> Self {
        Self {
            local,
            remote,
            received: VecDeque::new(),
            held_back: false,
            received_fin: false,
            closed: None,
            shut_down: false,
            orphaned: false,
            share: TransmitShare::default(),
            starved: false,
            reader: None,
            writer: None,
        }
    }
}
