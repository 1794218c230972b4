//! The connection: its state, the application's verbs, and its getters.

use super::address::Addresses;
use super::close::Ending;
use super::config::{Config, Path};
use super::event::{CloseReason, Event, SubflowInfo};
use super::key::{HashedKey, Macs};
use super::mapping::{Mapping, Tag};
use super::receive::Receiver;
use super::scheduler::Scheduler;
use super::send::{DataFin, Sender};
use super::signals::Signals;
use super::subflow::{Stage, Subflow};
use crate::base::{Context, FourTuple, Instant, Key, Packet, Queue, SeqNumber, SubflowId, Token};
use crate::tcp;
use crate::wire::Tcp;
use std::rc::Rc;

/// Subflow slots of a connection: those in use and those that end.
pub(super) const SUBFLOW_SLOTS: usize = 16;

/// Who opened the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Active,
    Passive,
}

/// Whether this is MPTCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// MP_CAPABLE was offered; the handshake decides.
    Negotiating,
    /// Both sides have the keys.
    Multipath,
    /// Plain TCP from the start or after a fallback, for good (RFC 8684 §3.7).
    /// The one subflow has the first byte of ours that is not acknowledged at
    /// this sequence number.
    Plain(SeqNumber),
}

/// The keys and what follows from them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keys {
    pub(super) local: Key,
    pub(super) local_token: Token,
    /// Known once MP_CAPABLE was answered.
    pub(super) remote: Option<Key>,
    pub(super) remote_token: Token,
}

/// What the path manager saw when it last looked at all pairs of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PathsManaged {
    /// The attempts' revision.
    pub(super) revision: u32,
    /// A pair was left for want of room.
    pub(super) crowded: bool,
    /// Subflows that the endpoint was asked for and has not answered yet.
    pub(super) asked_for: u8,
}

impl PathsManaged {
    pub(super) const NEVER: Self = Self { revision: 0, crowded: true, asked_for: 0 };
}

/// Everything that belongs to the connection and not to one subflow.
#[derive(Debug)]
pub(super) struct Core<P> {
    pub(super) config: Rc<Config>,
    pub(super) role: Role,
    pub(super) mode: Mode,
    pub(super) keys: Keys,
    pub(super) macs: Macs,
    /// The infinite mapping that the next payload of a plain connection declares.
    pub(super) announce: Option<Box<Mapping>>,
    /// DSS checksums were agreed on.
    pub(super) checksum: bool,
    pub(super) send: Sender<P>,
    pub(super) receive: Receiver<P>,
    pub(super) addresses: Addresses,
    /// When the path manager last looked at all pairs.
    pub(super) paths_managed: PathsManaged,
    pub(super) signals: Signals,
    pub(super) ending: Ending,
    pub(super) scheduler: Scheduler,
    pub(super) events: Queue<Event>,
    /// When to look whether nothing moved for a while, so that the memory for
    /// what moves can be given back.
    pub(super) rest_at: Option<Instant>,
    /// A DSS was received: new subflows may be opened (RFC 8684 §3.1).
    pub(super) data_signal_seen: bool,
    /// A segment left from which something follows.
    pub(super) settle_wanted: bool,
    /// `Established` was told.
    pub(super) established: bool,
    /// Whose turn it is to transmit.
    pub(super) transmit_turn: u8,
}

/// One connection. See the room's page for how data moves.
///
/// What moves lies in queues that are pointers here; ten seconds after the last
/// segment they are null again. So are signals, join handshakes and whatever
/// else is over soon.
#[derive(Debug)]
pub struct Connection<P> {
    pub(super) subflows: Box<[Option<Subflow<P>>]>,
    pub(super) core: Core<P>,
}

impl<P: Packet> Connection<P> {
    /// Active open: a SYN leaves at the next `poll_transmit`. `key` is ours; the
    /// caller made sure that its token is unique on this endpoint.
    pub fn connect(
        config: Rc<Config>,
        path: Path,
        key: HashedKey,
        initial_sequence: SeqNumber,
        cx: &mut Context<'_>,
    ) -> Self {
        let tcp = tcp::Subflow::connect(config.tcp.clone(), path.mss_bytes(), initial_sequence, cx.now);
        let mut connection = Self::new(config, Role::Active, key, path);
        connection.add_subflow(tcp, path, Stage::CapableSynSent { syns: 0 });
        connection.start_negotiation();
        connection
    }

    /// Passive open on a SYN with or without MP_CAPABLE.
    pub fn accept(
        config: Rc<Config>,
        path: Path,
        key: HashedKey,
        initial_sequence: SeqNumber,
        syn: &Tcp,
        cx: &mut Context<'_>,
    ) -> Self {
        let tcp = tcp::Subflow::accept(config.tcp.clone(), path.mss_bytes(), initial_sequence, syn, cx.now);
        let mut connection = Self::new(config, Role::Passive, key, path);
        connection.add_subflow(tcp, path, Stage::CapableSynReceived);
        connection.start_negotiation();
        connection.handle_offer(cx, syn);
        connection
    }

    fn new(config: Rc<Config>, role: Role, key: HashedKey, path: Path) -> Self {
        Self {
            subflows: Box::default(),
            core: Core {
                role,
                mode: Mode::Negotiating,
                keys: Keys { local: key.key, local_token: key.token, remote: None, remote_token: Token(0) },
                macs: Macs::default(),
                announce: None,
                checksum: config.checksum,
                send: Sender::new(key.initial_data_sequence),
                receive: Receiver::new(config.receive_buffer_bytes),
                addresses: Addresses::new(path.tuple, role == Role::Active && config.enabled),
                paths_managed: PathsManaged::NEVER,
                signals: Signals::default(),
                ending: Ending::default(),
                scheduler: Scheduler::new(config.scheduler),
                events: Queue::new(),
                rest_at: None,
                data_signal_seen: false,
                settle_wanted: false,
                established: false,
                transmit_turn: 0,
                config,
            },
        }
    }

    /// Puts a subflow into a free slot; `None` if there is none.
    pub(super) fn add_subflow(
        &mut self,
        tcp: tcp::Subflow<P, Tag>,
        path: Path,
        stage: Stage,
    ) -> Option<SubflowId> {
        let slot = match self.subflows.iter().position(Option::is_none) {
            Some(slot) => slot,
            None if self.subflows.len() < SUBFLOW_SLOTS => {
                let mut subflows = std::mem::take(&mut self.subflows).into_vec();
                subflows.reserve_exact(1);
                subflows.push(None);
                self.subflows = subflows.into_boxed_slice();
                self.subflows.len() - 1
            }
            None => return None,
        };
        let id = SubflowId(slot as u8);
        self.subflows[slot] = Some(Subflow::new(id, tcp, path, stage));
        Some(id)
    }

    pub(super) fn subflow(&self, id: SubflowId) -> Option<&Subflow<P>> {
        self.subflows.get(usize::from(id.0))?.as_ref()
    }

    pub(super) fn subflow_mut(&mut self, id: SubflowId) -> Option<&mut Subflow<P>> {
        self.subflows.get_mut(usize::from(id.0))?.as_mut()
    }

    /// The core and one subflow, to change both.
    pub(super) fn split(&mut self, id: SubflowId) -> Option<(&mut Core<P>, &mut Subflow<P>)> {
        let subflow = self.subflows.get_mut(usize::from(id.0))?.as_mut()?;
        Some((&mut self.core, subflow))
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Subflow<P>> {
        self.subflows.iter().flatten()
    }

    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = &mut Subflow<P>> {
        self.subflows.iter_mut().flatten()
    }

    /// Bytes that the application may write before it should wait.
    pub fn send_capacity(&self) -> usize {
        self.core.config.send_buffer_bytes.saturating_sub(self.send_buffered())
    }

    /// Bytes that the application wrote and the peer has not acknowledged.
    pub fn send_buffered(&self) -> usize {
        usize::try_from(self.core.send.buffered()).unwrap_or(usize::MAX)
    }

    /// Appends to the stream, also before the handshake is complete. Gives the
    /// payload back after `close` or when the connection is gone.
    ///
    /// # Errors
    /// The payload itself, if nothing is sent any more.
    pub fn write(&mut self, cx: &mut Context<'_>, payload: P) -> Result<(), P> {
        if self.core.send.fin != DataFin::Open || self.core.ending.is_closed() {
            return Err(payload);
        }
        self.stir(cx.now);
        self.core.send.write(payload);
        self.core.send.push_wanted = true;
        if self.send_capacity() == 0 {
            self.core.send.writer_waits = true;
        }
        self.arm_data_timer(cx);
        Ok(())
    }

    /// The next bytes of the stream, by reference. They count in the receive
    /// buffer until `consumed`.
    pub fn read(&mut self) -> Option<P> {
        let payload = self.core.receive.read();
        if self.core.rest_at.is_none() {
            self.core.receive.rest();
        }
        payload
    }

    /// The application is done with `bytes` of what it read: the window may
    /// open, and the peer hears of it.
    pub fn consumed(&mut self, bytes: usize) {
        self.core.receive.consumed(bytes);
        let Some(segment) =
            self.all().find(|subflow| subflow.is_live()).map(|subflow| subflow.tcp.segment_payload(0))
        else {
            return;
        };
        if self.core.receive.wants_update(segment) {
            self.all_mut().filter(|subflow| subflow.is_live()).for_each(|subflow| subflow.tcp.request_ack());
        }
    }

    /// Takes the next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.core.events.pop_front()
    }

    /// The way of a subflow.
    pub fn path(&self, subflow: SubflowId) -> Option<Path> {
        self.subflow(subflow).map(|subflow| subflow.path.path())
    }

    /// The first subflow's ends, also after it is gone.
    pub fn initial_tuple(&self) -> FourTuple {
        self.core.addresses.initial()
    }

    /// Names the connection in joins that the peer opens.
    pub const fn token(&self) -> Token {
        self.core.keys.local_token
    }

    /// Plain TCP: from the start, or fallen back.
    pub const fn is_fallback(&self) -> bool {
        matches!(self.core.mode, Mode::Plain(_))
    }

    /// Whether the first handshake is complete.
    pub const fn is_established(&self) -> bool {
        self.core.established
    }

    /// Why it is closed, once it is.
    pub const fn close_reason(&self) -> Option<CloseReason> {
        self.core.ending.reason()
    }

    /// Every subflow there is.
    pub fn subflows(&self) -> impl Iterator<Item = SubflowInfo> + '_ {
        self.all().map(|subflow| SubflowInfo {
            id: subflow.signal.id,
            path: subflow.path.path(),
            state: subflow.tcp.state(),
            backup: subflow.is_backup(),
            stale: subflow.signal.stale,
            smoothed_rtt: subflow.tcp.smoothed_rtt(),
            congestion_window_bytes: subflow.tcp.congestion_window(),
            in_flight_bytes: subflow.tcp.in_flight(),
            statistics: subflow.tcp.statistics(),
        })
    }
}

impl<P> Core<P> {
    pub(super) fn is_multipath(&self) -> bool {
        self.mode == Mode::Multipath
    }
}
