//! An engine without a network: it echoes, joins connections of its client to
//! its client's listeners, or swallows what it is sent, on a thread of its own.

use super::*;
use crate::base::Packet;
use crate::shm::{ArenaSlice, ConnectionInfo, InPlace, PacketView, SubflowInfo, Ticket};
use std::collections::{HashMap, VecDeque};
use std::thread::{self, JoinHandle};

/// Everything sent there comes back.
pub(super) const ECHO: u16 = 7;
/// Everything sent there is kept for ever.
pub(super) const SWALLOW: u16 = 9;
/// Connecting there makes the engine end.
pub(super) const DIE: u16 = 11;
/// Connecting there is answered, as an echo, when somebody asks for `RELEASE`.
pub(super) const DELAY: u16 = 13;
/// Answers what was delayed, and is refused itself.
pub(super) const RELEASE: u16 = 14;

/// What an engine has seen when it ended.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// Connections that were never closed.
    pub(super) open: usize,
    /// Listeners that were never closed.
    pub(super) listening: usize,
    pub(super) closes: usize,
    pub(super) aborts: usize,
    /// The most connections that held something back at a time.
    pub(super) held_back: usize,
    pub(super) lent_bytes: usize,
    pub(super) copied_bytes: usize,
    /// Packets that the client never gave back.
    pub(super) still_lent: bool,
}

struct Engine {
    slot: ClientSlot,
    connections: HashMap<ConnectionId, Connection>,
    listeners: HashMap<ListenerId, SocketAddr>,
    delayed: Vec<(Ticket, SocketAddr)>,
    /// What the client reads in place, by ticket.
    lent: Vec<Option<ArenaSlice>>,
    opened: u32,
    dead: bool,
    report: Report,
}

struct Connection {
    /// Where its bytes go; `None` swallows them.
    peer: Option<ConnectionId>,
    /// Bytes on their way to this connection's client.
    arriving: VecDeque<ArenaSlice>,
    swallowed: Vec<ArenaSlice>,
    /// The peer sends no more; said to the client?
    fin: Option<bool>,
    bytes_sent: u64,
}

/// Starts an engine for one client; it ends when the client is gone.
pub(super) fn start(config: &RegionConfig) -> (JoinHandle<Report>, Attachment) {
    start_lending(config, 0)
}

/// Starts an engine whose client may hold so many of the blocks that it has sent,
/// and reads them where its own mapping has them.
pub(super) fn start_lending(config: &RegionConfig, buffers: u32) -> (JoinHandle<Report>, Attachment) {
    let config = *config;
    let (sender, receiver) = std::sync::mpsc::channel();
    let thread = thread::spawn(move || {
        let (mut slot, mut attachment) = ClientSlot::in_process(&config, Limits::default()).unwrap();
        if buffers > 0 {
            attachment.packets = Some(lend(&mut slot, &attachment, buffers));
        }
        sender.send(attachment).unwrap();
        Engine {
            slot,
            connections: HashMap::new(),
            listeners: HashMap::new(),
            delayed: Vec::new(),
            lent: Vec::new(),
            opened: 0,
            dead: false,
            report: Report::default(),
        }
        .run()
    });
    (thread, receiver.recv().unwrap())
}

fn lend(slot: &mut ClientSlot, attachment: &Attachment, buffers: u32) -> PacketView {
    let bytes = (slot.region().blocks(Arena::Transmit) * slot.region().block_bytes(Arena::Transmit)) as usize;
    let address = slot.region().address(Arena::Transmit);
    let mapping = Arc::new(attachment.region.map_again().unwrap());
    let reader: Arc<dyn std::any::Any + Send + Sync> = mapping.clone();
    slot.allow_in_place(InPlace { address, bytes, buffers, reader: Arc::downgrade(&reader) });
    // SAFETY: the owner is the mapping. A block that was sent is written again
    // when the engine gives it back, which is after the ticket.
    unsafe { PacketView::new(mapping.address(Arena::Transmit), bytes, buffers, Box::new(reader)) }
}

impl Engine {
    fn run(mut self) -> Report {
        let doorbell = Doorbell::from(self.slot.doorbell().try_clone_to_owned().unwrap());
        while !self.dead && !self.slot.is_gone() {
            while let Some(request) = self.slot.next_request().unwrap() {
                self.handle(request);
            }
            while let Some(released) = self.slot.next_released() {
                self.lent[released.ticket.index()] = None;
            }
            let held_back = self.connections.values().filter(|it| !it.arriving.is_empty()).count();
            self.report.held_back = self.report.held_back.max(held_back);
            while let Some(connection) = self.slot.next_receivable() {
                self.deliver(connection);
            }
            // No time limit: a lost wake-up is a test that does not end.
            if self.slot.prepare_sleep().unwrap() && !self.dead {
                doorbell.wait(None).unwrap();
            }
            self.slot.cancel_sleep();
            self.slot.hear_doorbell();
        }
        self.report.still_lent = self.lent.iter().any(Option::is_some);
        self.report.open = self.connections.len();
        self.report.listening = self.listeners.len();
        self.report
    }

    fn handle(&mut self, request: Request) {
        match request {
            Request::Listen { ticket, address, .. } => self.listen(ticket, address),
            Request::CloseListener { listener } => drop(self.listeners.remove(&listener)),
            Request::Connect { ticket, remote, local, .. } => self.connect(ticket, remote, local),
            Request::Send { connection, data } => self.send(connection, data),
            Request::ShutdownWrite { connection } => self.shut_down(connection),
            Request::Close { connection } => {
                self.report.closes += 1;
                self.shut_down(connection);
                self.connections.remove(&connection);
                self.slot.closed(connection, Reason::NONE);
            }
            Request::Abort { connection } => self.abort(connection),
            Request::Info { ticket, connection } => self.describe(ticket, connection),
        }
    }

    fn listen(&mut self, ticket: Ticket, mut address: SocketAddr) {
        self.opened += 1;
        if address.port() == 0 {
            address.set_port(40_000 + self.opened as u16);
        }
        if self.listeners.values().any(|&other| other == address) {
            return self.slot.failed(ticket, Reason::ADDRESS_IN_USE);
        }
        let listener = ListenerId(self.opened);
        self.listeners.insert(listener, address);
        self.slot.listening(ticket, listener, address);
    }

    fn connect(&mut self, ticket: Ticket, remote: SocketAddr, local: Option<SocketAddr>) {
        let local = local.unwrap_or(address(50_000));
        let listener = self.listeners.iter().find(|(_, bound)| **bound == remote).map(|(&id, _)| id);
        match (remote.port(), listener) {
            (ECHO, _) => {
                let id = self.open();
                self.join(id, id);
                self.slot.connected(ticket, id, local, remote);
            }
            (SWALLOW, _) => {
                let id = self.open();
                self.slot.connected(ticket, id, local, remote);
            }
            (DIE, _) => self.dead = true,
            (DELAY, _) => self.delayed.push((ticket, remote)),
            (_, Some(listener)) if self.slot.accept_room(listener) > 0 => {
                let (from, to) = (self.open(), self.open());
                self.join(from, to);
                self.join(to, from);
                self.slot.connected(ticket, from, local, remote);
                assert!(self.slot.accepted(listener, to, remote, local));
            }
            (port, _) => {
                if port == RELEASE {
                    for (ticket, remote) in std::mem::take(&mut self.delayed) {
                        let id = self.open();
                        self.slot.connected(ticket, id, local, remote);
                    }
                }
                self.slot.failed(ticket, Reason::REFUSED);
            }
        }
    }

    fn open(&mut self) -> ConnectionId {
        self.opened += 1;
        let id = ConnectionId { index: self.opened, generation: 1 };
        let connection = Connection {
            peer: None,
            arriving: VecDeque::new(),
            swallowed: Vec::new(),
            fin: None,
            bytes_sent: 0,
        };
        self.connections.insert(id, connection);
        id
    }

    fn join(&mut self, from: ConnectionId, to: ConnectionId) {
        self.connections.get_mut(&from).unwrap().peer = Some(to);
    }

    fn send(&mut self, id: ConnectionId, data: ArenaSlice) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.bytes_sent += data.len() as u64;
        let Some(to) = connection.peer else { return connection.swallowed.push(data) };
        match self.connections.get_mut(&to) {
            Some(peer) => {
                peer.arriving.push_back(data);
                self.deliver(to);
            }
            None => {
                self.connections.remove(&id);
                self.slot.closed(id, Reason::RESET);
            }
        }
    }

    /// The bytes of the contract's wire: as far as the client takes them.
    fn deliver(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        while let Some(data) = connection.arriving.front_mut() {
            if let Some(ticket) = self.slot.lend(id, data) {
                self.report.lent_bytes += data.len();
                let places = self.lent.len().max(ticket.index() + 1);
                self.lent.resize_with(places, || None);
                self.lent[ticket.index()] = connection.arriving.pop_front();
                continue;
            }
            let taken = self.slot.copy_in(id, data);
            self.report.copied_bytes += taken;
            data.trim_front(taken);
            if !data.is_empty() {
                return;
            }
            connection.arriving.pop_front();
        }
        if connection.fin == Some(false) {
            connection.fin = Some(true);
            self.slot.received_fin(id);
        }
    }

    fn shut_down(&mut self, id: ConnectionId) {
        let Some(peer) = self.connections.get(&id).and_then(|connection| connection.peer) else { return };
        if let Some(peer) = self.connections.get_mut(&peer)
            && peer.fin.is_none()
        {
            peer.fin = Some(false);
        }
        self.deliver(peer);
    }

    fn abort(&mut self, id: ConnectionId) {
        self.report.aborts += 1;
        let peer = self.connections.remove(&id).and_then(|connection| connection.peer);
        self.slot.closed(id, Reason::ABORTED);
        if let Some(peer) = peer.filter(|&peer| peer != id) {
            self.connections.remove(&peer);
            self.slot.closed(peer, Reason::RESET);
        }
    }

    fn describe(&mut self, ticket: Ticket, id: ConnectionId) {
        let Some(connection) = self.connections.get(&id) else {
            return self.slot.failed(ticket, Reason::NOT_CONNECTED);
        };
        let mut info = ConnectionInfo {
            token: id.index,
            subflow_count: 1,
            bytes_sent: connection.bytes_sent,
            ..ConnectionInfo::default()
        };
        info.subflows[0] = SubflowInfo { state: 1, srtt_us: 250, ..SubflowInfo::default() };
        self.slot.info(ticket, id, &info);
    }
}
