//! One client's slot: taking its requests, and sleeping and waking.

use crate::base::{ConnectionId, ListenerId};
use crate::shm::in_place::{InPlace, PacketTable};
use crate::shm::receive::ReceiveTable;
use crate::shm::request::{Limits, Question, Request, Ticket, Violation, connection_id};
use crate::shm::transmit::TransmitTable;
use hashbrown::HashMap;
use mpdk_client::layout::{Address, Reason, WAKE_ON_ENTRIES, WAKE_ON_ROOM, open_flags};
use mpdk_client::{
    Attachment, Completion, ConnectionHandle, Consumer, Doorbell, Heard, ListenerHandle, Malformed, Producer,
    Region, RegionConfig, RegionError, Ring, Submission, Tickets, Words, announce_sleep, cancel_sleep,
    must_ring,
};
use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// How many descriptors are copied out at once.
const BATCH: usize = 32;

/// The engine's side of one client's region.
#[derive(Debug)]
pub struct ClientSlot {
    pub(super) region: Arc<Region>,
    pub(super) doorbell: Doorbell,
    pub(super) limits: Limits,
    submissions: Consumer<Ring>,
    batch: Batch,
    completions: Producer<Ring>,
    /// Completions that are not on the ring yet.
    pub(super) pending: VecDeque<Completion>,
    pub(super) transmit: Rc<TransmitTable>,
    pub(super) receive: ReceiveTable,
    /// What the client reads in place, if it may.
    pub(super) packets: Option<PacketTable>,
    pub(super) listeners: HashMap<ListenerId, Listener>,
    /// Makes the handles of listeners unique.
    pub(super) listeners_opened: u32,
    /// Tickets that are not answered yet.
    pub(super) opening: Opening,
    /// Submissions were taken since the last flush.
    popped: bool,
    /// The client's end of the doorbell is closed.
    hung_up: bool,
    /// Everything that a client which is gone had submitted is taken.
    gone: bool,
    /// What the client did that it cannot do.
    violation: Option<Violation>,
}

/// Descriptors that were copied out and not looked at yet.
#[derive(Debug)]
struct Batch {
    words: Box<[Words; BATCH]>,
    next: usize,
    len: usize,
}

#[derive(Debug)]
pub(super) struct Listener {
    pub(super) handle: ListenerHandle,
    /// Of the client's question: what it knows the listener by.
    pub(super) user_data: u64,
    pub(super) backlog: u32,
    /// How many more connections may be announced before the client has taken
    /// some.
    pub(super) credit: u32,
}

#[derive(Debug, Default)]
pub(super) struct Opening {
    pub(super) connections: usize,
    /// The backlog that each listener being opened will have.
    pub(super) backlogs: HashMap<u64, u32>,
}

impl ClientSlot {
    /// The slot of a new client in `region`, which nobody has attached yet, and
    /// the doorbell's other end, to hand to the client with the region.
    ///
    /// # Errors
    /// If the region was used before or the system has no more sockets.
    pub fn new(region: Region, limits: Limits) -> Result<(Self, Doorbell), RegionError> {
        let (doorbell, client_end) =
            Doorbell::pair().map_err(|error| RegionError::System { action: "create a doorbell", error })?;
        let slot = Self::with_doorbell(region, doorbell, limits)?;
        Ok((slot, client_end))
    }

    /// The slot of a new client that is joined to the engine by `doorbell`.
    ///
    /// # Errors
    /// If the region was used before.
    pub fn with_doorbell(region: Region, doorbell: Doorbell, limits: Limits) -> Result<Self, RegionError> {
        let region = Arc::new(region);
        let used = |_| RegionError::Used;
        Ok(Self {
            submissions: Consumer::new(region.submission_ring()).map_err(used)?,
            completions: Producer::new(region.completion_ring()).map_err(used)?,
            batch: Batch { words: Box::new([[0; 8]; BATCH]), next: 0, len: 0 },
            pending: VecDeque::new(),
            transmit: TransmitTable::new(Arc::clone(&region)),
            receive: ReceiveTable::new(Arc::clone(&region)),
            packets: None,
            listeners: HashMap::new(),
            listeners_opened: 0,
            opening: Opening::default(),
            popped: false,
            hung_up: false,
            gone: false,
            violation: None,
            region,
            doorbell,
            limits,
        })
    }

    /// A slot with a region in memory of its own, and what a client in this
    /// process attaches to it: another mapping, as another process would have.
    ///
    /// # Errors
    /// If a size in `config` is not allowed or the system refuses.
    pub fn in_process(config: &RegionConfig, limits: Limits) -> Result<(Self, Attachment), RegionError> {
        let (slot, doorbell) = Self::new(Region::create(config)?, limits)?;
        let region = slot.region.map_again()?;
        Ok((slot, Attachment { region, doorbell, packets: None }))
    }

    /// The client may read received packets in place. To be said once, before the
    /// first of them.
    pub fn allow_in_place(&mut self, allowed: InPlace) {
        self.packets = Some(PacketTable::new(allowed));
    }

    /// What the client may read in place.
    pub fn in_place(&self) -> Option<&InPlace> {
        self.packets.as_ref().map(PacketTable::allowed)
    }

    /// The region, to share it with the client.
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// The next request, or `None` for now. What needs no engine is dealt with
    /// here: released blocks, accept credit, operations on what is closed.
    ///
    /// # Errors
    /// What the client did wrong; from then on always.
    pub fn next_request(&mut self) -> Result<Option<Request>, Violation> {
        loop {
            self.check()?;
            let Some(words) = self.next_words()? else { return Ok(None) };
            let request = match Submission::decode(&words) {
                Ok(submission) => self.request(submission),
                Err(Malformed::Kind(kind) | Malformed::Address(kind)) => Err(Violation::UnknownKind(kind)),
            };
            match request {
                Ok(None) => {}
                Ok(request) => return Ok(request),
                Err(violation) => return Err(self.detach(violation)),
            }
        }
    }

    /// Whether the client is gone and has no request left. Its connections are
    /// then to be treated as if it had asked to close each; drop the slot.
    pub fn is_gone(&self) -> bool {
        self.gone || self.violation.is_some()
    }

    /// The client's connections that are not `closed`.
    pub fn connections(&self) -> impl Iterator<Item = ConnectionId> + '_ {
        self.receive.connections()
    }

    /// The client's listeners.
    pub fn listeners(&self) -> impl Iterator<Item = ListenerId> + '_ {
        self.listeners.keys().copied()
    }

    /// Devices read the transmit blocks in place: each goes back to the client
    /// only once `is_read` says that they are done with it. To be said once,
    /// before the first request is taken.
    pub fn wait_for_devices(&self, is_read: impl Fn(u32) -> bool + 'static) {
        self.transmit.wait_for_devices(Box::new(is_read));
    }

    /// Whether transmit blocks wait until devices are done with them: nothing
    /// wakes the engine when they are.
    pub fn waits_for_devices(&self) -> bool {
        self.transmit.is_waiting()
    }

    /// Ends the burst: what was received and what has happened goes onto the
    /// ring, as far as there is room, and the client is woken if it sleeps.
    ///
    /// # Errors
    /// What the client did wrong; from then on always.
    pub fn flush(&mut self) -> Result<(), Violation> {
        self.check()?;
        self.receive.finish_all(&mut self.pending);
        let pending = &mut self.pending;
        self.transmit.report_idle(|block, end| pending.push_back(Completion::SendDone { block, end }));
        let pushed = match self.push_pending() {
            Ok(pushed) => pushed,
            Err(violation) => return Err(self.detach(violation)),
        };
        let popped = std::mem::take(&mut self.popped);
        let events = if pushed { WAKE_ON_ENTRIES } else { 0 } | if popped { WAKE_ON_ROOM } else { 0 };
        if events != 0 && must_ring(&self.region.client().sleeping, events) {
            self.doorbell.ring();
        }
        Ok(())
    }

    /// Flushes and says to the client that the engine is about to sleep on
    /// [`doorbell`](Self::doorbell). `false` if there is something to do
    /// already: then [`cancel_sleep`](Self::cancel_sleep) and go on.
    ///
    /// # Errors
    /// What the client did wrong; from then on always.
    pub fn prepare_sleep(&mut self) -> Result<bool, Violation> {
        self.flush()?;
        let entries = if self.is_throttled() { 0 } else { WAKE_ON_ENTRIES };
        let room = if self.pending.is_empty() { 0 } else { WAKE_ON_ROOM };
        announce_sleep(&self.region.engine().sleeping, entries | room);
        match self.has_work() {
            Ok(work) => Ok(!work),
            Err(violation) => Err(self.detach(violation)),
        }
    }

    /// Says to the client that the engine is awake.
    pub fn cancel_sleep(&self) {
        cancel_sleep(&self.region.engine().sleeping);
    }

    /// What becomes readable when the client rings or dies.
    pub fn doorbell(&self) -> BorrowedFd<'_> {
        self.doorbell.as_fd()
    }

    /// Takes rings off the doorbell, and notices if the client is dead.
    pub fn hear_doorbell(&mut self) {
        self.hung_up |= self.doorbell.hear() == Heard::Gone;
    }

    /// Stops serving the client, for good.
    pub(super) fn detach(&mut self, violation: Violation) -> Violation {
        self.pending.clear();
        *self.violation.get_or_insert(violation)
    }

    fn check(&self) -> Result<(), Violation> {
        self.violation.map_or(Ok(()), Err)
    }

    /// Too many completions wait for the client: it gets no more answers before
    /// it has taken some. A client that is gone will not.
    fn is_throttled(&self) -> bool {
        let blocks = self.region.geometry().transmit_blocks + self.region.geometry().receive_blocks;
        let buffers = self.in_place().map_or(0, |allowed| allowed.buffers);
        self.pending.len() >= self.limits.waiting_answers + (blocks + buffers) as usize
    }

    fn is_closed(&self) -> bool {
        // Pairs with the client's store after its last entry.
        self.hung_up || self.region.client().closed.load(Ordering::Acquire) != 0
    }

    fn has_work(&mut self) -> Result<bool, Violation> {
        let entries =
            !self.is_throttled() && (self.batch.next < self.batch.len || !self.submissions.is_empty()?);
        let room = !self.pending.is_empty() && self.completions.room()? > 0;
        let ended = !self.gone && self.is_closed();
        Ok(entries || room || ended || self.receive.has_receivable() || self.transmit.has_reportable())
    }

    fn next_words(&mut self) -> Result<Option<Words>, Violation> {
        if self.batch.next == self.batch.len && !self.refill()? {
            return Ok(None);
        }
        self.batch.next += 1;
        Ok(Some(self.batch.words[self.batch.next - 1]))
    }

    fn refill(&mut self) -> Result<bool, Violation> {
        // Before the ring: an empty ring after it is the end.
        let closed = self.is_closed();
        if closed {
            self.pending.clear();
        }
        if self.is_throttled() {
            return Ok(false);
        }
        let count = match self.submissions.pop(self.batch.words.as_mut_slice()) {
            Ok(count) => count,
            Err(corrupt) => return Err(self.detach(corrupt.into())),
        };
        (self.batch.next, self.batch.len) = (0, count);
        self.popped |= count > 0;
        self.gone |= closed && count == 0;
        Ok(count > 0)
    }

    /// Puts as much onto the ring as fits; whether that was anything.
    fn push_pending(&mut self) -> Result<bool, Violation> {
        let mut pushed = false;
        while let Some(completion) = self.pending.front() {
            if !self.completions.push(&completion.encode())? {
                break;
            }
            pushed = true;
            self.pending.pop_front();
        }
        if pushed {
            self.completions.publish();
        }
        Ok(pushed)
    }

    /// What the engine has to do for a submission, if anything.
    fn request(&mut self, submission: Submission) -> Result<Option<Request>, Violation> {
        Ok(match submission {
            Submission::Listen { user_data, address, backlog, flags } => {
                self.listen(user_data, address, backlog, flags)
            }
            Submission::Connect { user_data, remote, local, flags } => {
                self.connect(user_data, remote, local, flags)
            }
            Submission::CloseListener { listener } => {
                self.take_listener(listener).map(|listener| Request::CloseListener { listener })
            }
            Submission::AcceptMore { listener, count } => {
                self.accept_more(listener, count);
                None
            }
            Submission::Send { connection, range } => {
                // Taken even if the connection is closed: the client gets its
                // block back when the slice is dropped.
                let data = self.transmit.take(range)?;
                self.known(connection).map(|connection| Request::Send { connection, data })
            }
            Submission::Release { block } => {
                self.receive.release(block)?;
                None
            }
            Submission::ReleasePacket { tickets } => {
                self.release_packets(&tickets)?;
                None
            }
            Submission::Want { connection } => {
                self.receive.want(connection_id(connection));
                None
            }
            Submission::ShutdownWrite { connection } => {
                self.known(connection).map(|connection| Request::ShutdownWrite { connection })
            }
            Submission::Close { connection } => {
                self.known(connection).map(|connection| Request::Close { connection })
            }
            Submission::Abort { connection } => {
                self.known(connection).map(|connection| Request::Abort { connection })
            }
            Submission::Info { user_data, connection } => self.ask_info(user_data, connection),
        })
    }

    fn release_packets(&mut self, tickets: &Tickets) -> Result<(), Violation> {
        for number in tickets.iter() {
            let packets = self.packets.as_mut().ok_or(Violation::PacketNotLent(number))?;
            let connection = packets.release(number)?;
            self.receive.retry(connection);
        }
        Ok(())
    }

    /// A connection of this client. A client may name one that has just been
    /// closed; it can never reach another client's.
    fn known(&self, connection: ConnectionHandle) -> Option<ConnectionId> {
        Some(connection_id(connection)).filter(|&id| self.receive.contains(id))
    }

    fn listen(&mut self, user_data: u64, address: Address, backlog: u32, flags: u16) -> Option<Request> {
        let Some(address) = address.to_socket_addr() else {
            return self.refuse(user_data, Reason::INVALID);
        };
        if self.listeners.len() + self.opening.backlogs.len() >= self.limits.listeners {
            return self.refuse(user_data, Reason::TOO_MANY);
        }
        let backlog = backlog.clamp(1, self.limits.backlog.max(1));
        if self.opening.backlogs.insert(user_data, backlog).is_some() {
            // The two questions could not be told apart.
            return self.refuse(user_data, Reason::INVALID);
        }
        let ticket = Ticket::new(user_data, Question::Listen);
        Some(Request::Listen { ticket, address, backlog, plain_tcp: flags & open_flags::PLAIN_TCP != 0 })
    }

    fn connect(&mut self, user_data: u64, remote: Address, local: Address, flags: u16) -> Option<Request> {
        let Some(remote) = remote.to_socket_addr() else {
            return self.refuse(user_data, Reason::INVALID);
        };
        if self.receive.len() + self.opening.connections >= self.limits.connections {
            return self.refuse(user_data, Reason::TOO_MANY);
        }
        self.opening.connections += 1;
        let ticket = Ticket::new(user_data, Question::Connect);
        let plain_tcp = flags & open_flags::PLAIN_TCP != 0;
        Some(Request::Connect { ticket, remote, local: local.to_socket_addr(), plain_tcp })
    }

    fn ask_info(&mut self, user_data: u64, connection: ConnectionHandle) -> Option<Request> {
        match self.known(connection) {
            Some(connection) => {
                Some(Request::Info { ticket: Ticket::new(user_data, Question::Info), connection })
            }
            None => self.refuse(user_data, Reason::NOT_CONNECTED),
        }
    }

    fn refuse(&mut self, user_data: u64, reason: Reason) -> Option<Request> {
        self.pending.push_back(Completion::Failed { user_data, reason });
        None
    }

    fn take_listener(&mut self, handle: ListenerHandle) -> Option<ListenerId> {
        let id = ListenerId(handle.0 as u32);
        self.listeners.get(&id).filter(|listener| listener.handle == handle)?;
        self.listeners.remove(&id);
        Some(id)
    }

    fn accept_more(&mut self, handle: ListenerHandle, count: u32) {
        if let Some(listener) = self.listeners.get_mut(&ListenerId(handle.0 as u32))
            && listener.handle == handle
        {
            listener.credit = listener.credit.saturating_add(count).min(listener.backlog);
        }
    }
}

impl Drop for ClientSlot {
    /// Tells the client that the engine is gone.
    fn drop(&mut self) {
        // Pairs with the client's load before it looks at the ring.
        self.region.engine().closed.store(1, Ordering::Release);
        self.doorbell.ring();
    }
}
