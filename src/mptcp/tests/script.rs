//! A connection whose peer is the test. No clock, no wire: a script says which
//! segment comes when, and looks at what leaves.

use super::segment::{Flow, OUR_KEY, Segment, Sent, THEIR_KEY, capable, segment, stream};
use crate::base::{
    AddressId, Context, Counters, Duration, FourTuple, HeapPacket, Instant, Outcome, PortIndex, PortSet,
    Random, SeqNumber, SubflowId,
};
use crate::congestion::Algorithm;
use crate::mptcp::key::{HashedKey, Macs, leftmost_64, leftmost_160};
use crate::mptcp::{CloseReason, Config, Connection, Event, JoinRefused, LocalAddress, Path, SchedulerKind};
use crate::tcp::{self, OutgoingSegment, State};
use crate::wire::{MpJoin, MptcpOption, TcpFlags};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;

/// The peer's nonce in joins.
const THEIR_NONCE: u32 = 0x5eed_5eed;

/// An address of ours: number `n` has id `n` and lies on port `n - 1`.
pub(super) fn our_address(n: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, n, 1).into()
}

/// An address of the peer's.
pub(super) fn their_address(n: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, n, 2).into()
}

pub(super) fn their_socket(n: u8) -> SocketAddr {
    SocketAddr::new(their_address(n), 80)
}

/// Numbers that are easy to follow: no timestamps, no window scale, and one
/// address, so that nothing is opened or announced.
pub(super) fn config() -> Config {
    Config {
        enabled: true,
        checksum: false,
        scheduler: SchedulerKind::MinRtt,
        addresses: addresses(1),
        max_subflows: 8,
        max_remote_addresses: 8,
        full_mesh: true,
        announce: true,
        send_buffer_bytes: 1 << 20,
        receive_buffer_bytes: 60_000,
        add_address_timeout: Duration::from_secs(30),
        close_timeout: Duration::from_secs(60),
        far_ports: PortSet::EMPTY,
        capable_syn_retries: 1,
        tcp: Rc::new(tcp::Config {
            timestamps: false,
            sack: false,
            window_scale: 0,
            congestion: Algorithm::NewReno,
            ..tcp::Config::default()
        }),
    }
}

/// The first `count` addresses of ours.
pub(super) fn addresses(count: u8) -> Vec<LocalAddress> {
    (1..=count)
        .map(|n| LocalAddress {
            id: AddressId(n),
            address: our_address(n),
            port: PortIndex(n - 1),
            backup: false,
        })
        .collect()
}

pub(super) fn path(local: IpAddr, local_port: u16, remote: SocketAddr) -> Path {
    let local = SocketAddr::new(local, local_port);
    Path { tuple: FourTuple { local, remote }, port: PortIndex(0), mtu: 1_040, super_segment_bytes: 0 }
}

/// A join that the connection wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) local: LocalAddress,
    pub(super) remote: SocketAddr,
    pub(super) remote_id: AddressId,
}

/// The connection under test with the world around it.
pub(super) struct Host {
    pub(super) connection: Connection<HeapPacket>,
    pub(super) now: Instant,
    random: Random,
    pub(super) counters: Counters,
    segment: OutgoingSegment<HeapPacket>,
    pub(super) events: Vec<Event>,
    pub(super) first: Flow,
    serial: u32,
    written: u64,
}

impl Host {
    /// A SYN of ours is about to leave.
    pub(super) fn connect(config: Config) -> Self {
        Self::connect_over(config, path(our_address(1), 5_000, their_socket(1)))
    }

    pub(super) fn connect_over(config: Config, path: Path) -> Self {
        Self::new(|flow, cx| {
            Connection::connect(Rc::new(config), path, HashedKey::of(OUR_KEY), flow.ours, cx)
        })
    }

    /// The peer's SYN came.
    pub(super) fn accept(config: Config, syn: &Segment) -> Self {
        let path = path(our_address(1), 80, SocketAddr::new(their_address(1), 5_000));
        Self::new(|flow, cx| {
            Connection::accept(Rc::new(config), path, HashedKey::of(OUR_KEY), flow.ours, &syn.tcp(flow), cx)
        })
    }

    fn new(open: impl FnOnce(&Flow, &mut Context<'_>) -> Connection<HeapPacket>) -> Self {
        let (mut random, mut counters) = (Random::from_number(1), Counters::new());
        let now = Instant::from_nanos(5_000_000_000);
        // Ours wrap early.
        let first =
            Flow { id: SubflowId(0), ours: SeqNumber(u32::MAX - 1_500), theirs: SeqNumber(7_000_000) };
        let mut cx = Context { now, random: &mut random, counters: &mut counters };
        let connection = open(&first, &mut cx);
        let segment = OutgoingSegment::new();
        Self { connection, now, random, counters, segment, events: Vec::new(), first, serial: 0, written: 0 }
    }

    /// We opened it, and the peer has shown that it has the keys.
    pub(super) fn active(config: Config) -> Self {
        let mut host = Self::connect(config);
        let first = host.first;
        host.sent();
        host.inject(
            &first,
            &segment("S.", 0, 1).option(MptcpOption::Capable(capable(Some(THEIR_KEY), None))),
        );
        host.sent();
        host.inject(&first, &segment(".", 1, 1).ack(0));
        host.sent();
        assert!(host.connection.is_established() && !host.connection.is_fallback());
        host
    }

    /// The peer opened it.
    pub(super) fn passive(config: Config) -> Self {
        let syn = segment("S", 0, 0).option(MptcpOption::Capable(capable(None, None)));
        let mut host = Self::accept(config, &syn);
        let first = host.first;
        host.sent();
        let keys = capable(Some(THEIR_KEY), Some(OUR_KEY));
        host.inject(&first, &segment(".", 1, 1).option(MptcpOption::Capable(keys)));
        host.sent();
        assert!(host.connection.is_established() && !host.connection.is_fallback());
        host
    }

    /// Passive, with checksums as the peer asked.
    pub(super) fn passive_with_checksums() -> Self {
        let mut offer = capable(None, None);
        offer.flags |= crate::wire::MpCapable::CHECKSUM;
        let mut host = Self::accept(config(), &segment("S", 0, 0).option(MptcpOption::Capable(offer)));
        let first = host.first;
        host.sent();
        let keys = crate::wire::MpCapable { flags: offer.flags, ..capable(Some(THEIR_KEY), Some(OUR_KEY)) };
        host.inject(&first, &segment(".", 1, 1).option(MptcpOption::Capable(keys)));
        host.sent();
        host
    }

    pub(super) fn with<R>(
        &mut self,
        act: impl FnOnce(&mut Connection<HeapPacket>, &mut Context<'_>) -> R,
    ) -> R {
        let mut cx = Context { now: self.now, random: &mut self.random, counters: &mut self.counters };
        let result = act(&mut self.connection, &mut cx);
        self.events.extend(std::iter::from_fn(|| self.connection.poll_event()));
        result
    }

    pub(super) fn inject(&mut self, flow: &Flow, segment: &Segment) {
        let (tcp, payload) = (segment.tcp(flow), HeapPacket::new(&segment.payload));
        self.with(|connection, cx| connection.handle_segment(cx, flow.id, &tcp, payload));
    }

    /// Everything that leaves now.
    pub(super) fn sent(&mut self) -> Vec<Sent> {
        let mut all = Vec::new();
        let mut silent = 0;
        // What leaves may call for more: it is over when nothing left twice.
        while silent < 2 {
            let mut segment = std::mem::take(&mut self.segment);
            let id = self.with(|connection, cx| connection.poll_transmit(cx, PortSet::ALL, &mut segment));
            all.extend(id.map(|id| Sent::from(id, &segment)));
            self.segment = segment;
            silent = if id.is_none() { silent + 1 } else { 0 };
            assert!(all.len() < 10_000, "transmits for ever");
        }
        all
    }

    /// Payload bytes that leave now, not looked at.
    pub(super) fn sent_bytes(&mut self) -> u64 {
        let mut bytes = 0;
        let mut segment = std::mem::take(&mut self.segment);
        while self.with(|connection, cx| connection.poll_transmit(cx, PortSet::ALL, &mut segment)).is_some() {
            bytes += segment.payload_bytes as u64;
        }
        self.segment = segment;
        bytes
    }

    /// The one segment that leaves now.
    #[track_caller]
    pub(super) fn sent_one(&mut self) -> Sent {
        let mut all = self.sent();
        assert_eq!(all.len(), 1, "{all:#?}");
        all.remove(0)
    }

    /// The one RST that leaves now, on this subflow.
    #[track_caller]
    pub(super) fn sent_reset(&mut self, flow: &Flow) -> Sent {
        let resets: Vec<Sent> = self.sent().into_iter().filter(|sent| sent.has(TcpFlags::RST)).collect();
        assert_eq!(resets.len(), 1, "{resets:#?}");
        assert_eq!(resets[0].id, flow.id);
        resets[0].clone()
    }

    /// Writes the next bytes of our stream.
    pub(super) fn write(&mut self, bytes: u64) {
        let payload = HeapPacket::new(&stream(self.written..self.written + bytes));
        self.written += bytes;
        self.with(|connection, cx| connection.write(cx, payload)).expect("the stream is open");
    }

    /// What can be read, all of it consumed.
    pub(super) fn read(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while let Some(packet) = self.connection.read() {
            bytes.extend_from_slice(packet.as_slice());
        }
        self.connection.consumed(bytes.len());
        bytes
    }

    pub(super) fn close(&mut self) {
        self.with(Connection::close);
    }

    /// Time passes, from deadline to deadline; returns what left.
    pub(super) fn wait(&mut self, span: Duration) -> Vec<Sent> {
        let end = self.now + span;
        let mut all = Vec::new();
        while let Some(deadline) = self.connection.poll_deadline().filter(|deadline| *deadline <= end) {
            self.now = self.now + deadline.since(self.now);
            self.with(Connection::handle_timeout);
            all.extend(self.sent());
            assert!(all.len() < 100_000, "busy for ever");
        }
        self.now = end;
        all
    }

    pub(super) fn count(&self, outcome: Outcome) -> u64 {
        self.counters.get(outcome)
    }

    pub(super) fn closed(&self) -> Option<CloseReason> {
        self.events.iter().find_map(|event| match event {
            Event::Closed(reason) => Some(*reason),
            _ => None,
        })
    }

    pub(super) fn state(&self, flow: &Flow) -> Option<State> {
        self.connection.subflows().find(|info| info.id == flow.id).map(|info| info.state)
    }

    fn next_flow(&mut self) -> Flow {
        self.serial += 1;
        let at = |step: u32| SeqNumber(self.serial.wrapping_mul(step));
        Flow { id: SubflowId(u8::MAX), ours: at(10_000_001), theirs: at(20_000_003) }
    }

    /// A SYN with MP_JOIN of the peer's, from its address `n`.
    pub(super) fn join_syn(&mut self, n: u8, id: u8, backup: bool) -> Result<Flow, JoinRefused> {
        self.join_between(1, n, id, backup)
    }

    /// The same to our address `ours`.
    pub(super) fn join_syn_to(&mut self, ours: u8, n: u8, id: u8) -> Result<Flow, JoinRefused> {
        self.join_between(ours, n, id, false)
    }

    fn join_between(&mut self, ours: u8, n: u8, id: u8, backup: bool) -> Result<Flow, JoinRefused> {
        let mut flow = self.next_flow();
        let join = MpJoin::Syn {
            backup,
            address_id: AddressId(id),
            token: HashedKey::of(OUR_KEY).token(),
            nonce: THEIR_NONCE,
        };
        let syn = segment("S", 0, 0).option(MptcpOption::Join(join)).tcp(&flow);
        let remote = SocketAddr::new(their_address(n), 6_000 + self.serial as u16);
        let path = path(our_address(ours), 80, remote);
        flow.id = self.with(|connection, cx| connection.handle_join(cx, path, flow.ours, &syn))?;
        Ok(flow)
    }

    /// The third ACK of a join of the peer's, for the SYN/ACK that answered it.
    pub(super) fn third_ack(answer: &Sent) -> Segment {
        let Some(MpJoin::SynAck { nonce, .. }) = answer.join() else { panic!("no MP_JOIN: {answer:?}") };
        let hmac = leftmost_160(&Macs::default().join((THEIR_KEY, OUR_KEY), THEIR_NONCE, nonce));
        segment(".", 1, 1).option(MptcpOption::Join(MpJoin::Ack { hmac }))
    }

    /// A subflow that the peer opened, established.
    pub(super) fn joined_by_peer(&mut self, n: u8, id: u8) -> Flow {
        let flow = self.join_syn(n, id, false).expect("a join that is taken");
        let answer = self.sent().into_iter().find(|sent| sent.id == flow.id).expect("a SYN/ACK");
        self.inject(&flow, &Self::third_ack(&answer));
        self.sent();
        flow
    }

    /// The joins that the connection asked for since the last call.
    pub(super) fn wanted(&mut self) -> Vec<Wanted> {
        let mut wanted = Vec::new();
        self.events.retain(|event| match *event {
            Event::OpenSubflow { local, remote, remote_id } => {
                wanted.push(Wanted { local, remote, remote_id });
                false
            }
            _ => true,
        });
        wanted
    }

    /// Opens a subflow that was asked for: its SYN leaves.
    pub(super) fn open(&mut self, wanted: &Wanted) -> Option<(Flow, Sent)> {
        let mut flow = self.next_flow();
        let mut path = path(wanted.local.address, 5_000, wanted.remote);
        path.port = wanted.local.port;
        flow.id = self.with(|connection, cx| {
            connection.open_subflow(cx, path, wanted.local.id, wanted.remote_id, flow.ours)
        })?;
        let syn = self.sent().into_iter().find(|sent| sent.id == flow.id).expect("a SYN");
        Some((flow, syn))
    }

    /// The SYN/ACK that answers a SYN of ours.
    pub(super) fn join_answer(syn: &Sent, id: u8, backup: bool) -> Segment {
        let Some(MpJoin::Syn { nonce, .. }) = syn.join() else { panic!("no MP_JOIN: {syn:?}") };
        let hmac = leftmost_64(&Macs::default().join((THEIR_KEY, OUR_KEY), THEIR_NONCE, nonce));
        let join = MpJoin::SynAck { backup, address_id: AddressId(id), hmac, nonce: THEIR_NONCE };
        segment("S.", 0, 1).option(MptcpOption::Join(join))
    }

    /// Opens a subflow that was asked for, and the peer takes it.
    pub(super) fn joined_by_us(&mut self, wanted: &Wanted) -> Flow {
        let (flow, syn) = self.open(wanted).expect("room for a subflow");
        self.inject(&flow, &Self::join_answer(&syn, wanted.remote_id.0, false));
        self.sent();
        self.inject(&flow, &segment(".", 1, 1).ack(0));
        self.sent();
        assert_eq!(self.state(&flow), Some(State::Established));
        flow
    }
}
