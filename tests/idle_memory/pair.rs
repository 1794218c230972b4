//! Two endpoints with two links between them, a client that writes to many
//! connections and a server that echoes.

use super::allocator::{self, charge};
use mpdk::base::{
    ConnectionId, Context, Counters, Duration, FrameSink, HeapPacket, Instant, Outcome, Packet, PortIndex,
    PortSet, Random, ReceiveMeta, TransmitFrame,
};
use mpdk::endpoint::{
    Endpoint, EndpointConfig, Event, Limits, MacAddress, MptcpConfig, PortAddress, PortConfig, SchedulerKind,
    TcpConfig, local_addresses,
};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

/// The client and the server, as owners of memory.
pub const CLIENT: u8 = 1;
pub const SERVER: u8 = 2;

/// Ports that the server listens on: each takes as many connections as there
/// are ephemeral ports.
const SERVICES: u16 = 128;
const FIRST_SERVICE: u16 = 1_000;
/// Connections that are opened at once.
const OPENING: usize = 100;
/// From one end of a link to the other.
const LINK: Duration = Duration::from_micros(20);

/// Frames on their way.
#[derive(Default)]
struct Wire(Vec<(PortIndex, Vec<u8>)>);

impl FrameSink<HeapPacket> for Wire {
    fn room(&self, _port: PortIndex) -> usize {
        1 << 20
    }

    fn send(&mut self, frame: TransmitFrame<'_, HeapPacket>) {
        charge(allocator::NOBODY, || {
            let mut bytes = frame.header.to_vec();
            frame.payload.for_each_piece(|piece| bytes.extend_from_slice(piece));
            self.0.push((frame.port, bytes));
        });
    }
}

/// One end.
struct Side {
    owner: u8,
    endpoint: Endpoint<HeapPacket>,
    random: Random,
    counters: Counters,
    connected: usize,
    read_bytes: u64,
}

/// Both ends and their time.
pub struct Pair {
    now: Instant,
    sides: [Side; 2],
    pub connections: Vec<ConnectionId>,
    random: Random,
}

fn address(side: u8, link: u8) -> IpAddr {
    IpAddr::from([10, 1, link + 1, side])
}

fn config(side: u8, connections: usize) -> EndpointConfig {
    let port = |link: u8| PortConfig {
        name: format!("link{link}"),
        mac: MacAddress([2, 0, 0, side, 0, link]),
        mtu: 1500,
        addresses: vec![PortAddress { address: address(side, link), prefix_bits: 24 }],
        gateway_v4: None,
        gateway_v6: None,
        vlan: None,
        backup: false,
        tx_ip_checksum: false,
        tx_tcp_checksum: false,
        super_segment_bytes: 0,
    };
    let ports: Vec<_> = (0..2).map(port).collect();
    let mptcp = MptcpConfig {
        enabled: true,
        checksum: false,
        scheduler: SchedulerKind::MinRtt,
        addresses: local_addresses(&ports),
        max_subflows: 8,
        max_remote_addresses: 8,
        full_mesh: true,
        announce: true,
        send_buffer_bytes: 1 << 20,
        receive_buffer_bytes: 1 << 20,
        add_address_timeout: Duration::from_secs(1),
        close_timeout: Duration::from_secs(10),
        far_ports: PortSet::EMPTY,
        capable_syn_retries: 2,
        tcp: Rc::new(TcpConfig::default()),
    };
    let limits = Limits { connections, ..Limits::default() };
    EndpointConfig { ports, mptcp: Rc::new(mptcp), limits, steering: None }
}

impl Side {
    fn new(owner: u8, connections: usize) -> Self {
        let mut random = Random::from_number(u64::from(owner));
        let mut counters = Counters::new();
        let mut cx = Context { now: Instant::ZERO, random: &mut random, counters: &mut counters };
        let endpoint = charge(owner, || Endpoint::new(config(owner, connections), &mut cx)).unwrap();
        Self { owner, endpoint, random, counters, connected: 0, read_bytes: 0 }
    }

    fn act<R>(
        &mut self,
        now: Instant,
        what: impl FnOnce(&mut Endpoint<HeapPacket>, &mut Context<'_>) -> R,
    ) -> R {
        let mut cx = Context { now, random: &mut self.random, counters: &mut self.counters };
        let endpoint = &mut self.endpoint;
        charge(self.owner, || what(endpoint, &mut cx))
    }

    /// Hears of its connections, reads, and answers if it is the server.
    fn attend(&mut self, now: Instant) {
        while let Some(event) = self.act(now, Endpoint::poll_event) {
            match event {
                Event::Accepted { connection, .. } => self.read(now, connection),
                Event::Connected(_) => self.connected += 1,
                Event::Readable(id) => self.read(now, id),
                Event::Writable(_) => {}
                Event::PeerFinished(id) => self.act(now, |endpoint, cx| endpoint.release(cx, id)),
                Event::Closed(..) => panic!("{event:?}"),
            }
        }
    }

    fn read(&mut self, now: Instant, id: ConnectionId) {
        while let Some(packet) = self.act(now, |endpoint, _| endpoint.read(id)) {
            self.read_bytes += packet.len() as u64;
            let bytes = packet.len();
            self.act(now, |endpoint, _| endpoint.consumed(id, bytes));
            if self.owner == SERVER {
                self.act(now, |endpoint, cx| endpoint.write(cx, id, packet)).unwrap();
            }
        }
    }

    fn turn(&mut self, now: Instant) -> Wire {
        let mut wire = Wire::default();
        self.act(now, Endpoint::handle_timeouts);
        self.attend(now);
        self.act(now, |endpoint, cx| endpoint.poll_transmit(cx, &mut wire));
        self.attend(now);
        wire
    }

    fn receive(&mut self, now: Instant, wire: &Wire) {
        for port in [PortIndex(0), PortIndex(1)] {
            let frames = wire.0.iter().filter(|frame| frame.0 == port);
            let burst: Vec<_> =
                frames.map(|frame| (HeapPacket::new(&frame.1), ReceiveMeta::default())).collect();
            self.act(now, |endpoint, cx| endpoint.handle_burst(cx, port, burst));
        }
    }
}

impl Pair {
    /// Two endpoints that know each other, without a connection.
    pub fn new(connections: usize) -> Self {
        let sides = [Side::new(CLIENT, connections), Side::new(SERVER, connections)];
        let now = Instant::from_nanos(1_000_000);
        let random = Random::from_number(7);
        let mut pair = Self { now, sides, connections: Vec::with_capacity(connections), random };
        for service in 0..SERVICES {
            let any = SocketAddr::new(IpAddr::from([0, 0, 0, 0]), FIRST_SERVICE + service);
            pair.sides[1].act(now, |endpoint, cx| endpoint.listen(cx, any, 2 * OPENING)).unwrap();
        }
        pair
    }

    /// Opens `count` connections, sends `bytes` on each there and back, and
    /// waits until nothing moves.
    pub fn open(&mut self, count: usize, bytes: usize) {
        let payload = HeapPacket::new(&vec![7; bytes]);
        let target = self.connections.len() + count;
        while self.connections.len() < target {
            let first = self.connections.len();
            // The first one alone: it asks for the neighbours' addresses.
            let most = if first == 0 { 1 } else { OPENING };
            for _ in 0..most.min(target - first) {
                let service = FIRST_SERVICE + (self.connections.len() % usize::from(SERVICES)) as u16;
                let remote = SocketAddr::new(address(SERVER, 0), service);
                let id = self.sides[0].act(self.now, |endpoint, cx| endpoint.connect(cx, None, remote));
                self.connections.push(id.unwrap());
                // The first byte confirms the keys; the rest goes over both subflows.
                self.write(self.connections.len() - 1, payload.slice(0, 1));
            }
            self.settle();
            for at in first..self.connections.len() {
                self.write(at, payload.slice(1, bytes - 1));
            }
            self.settle();
        }
        assert_eq!(self.sides[0].connected, self.connections.len());
    }

    /// Ends every connection in order, and waits until nothing moves.
    pub fn close(&mut self) {
        for id in std::mem::take(&mut self.connections) {
            self.sides[0].act(self.now, |endpoint, cx| endpoint.release(cx, id));
        }
        self.sides[0].connected = 0;
        self.settle();
    }

    /// Writes to a connection of the client's.
    pub fn write(&mut self, at: usize, payload: HeapPacket) {
        let id = self.connections[at];
        self.sides[0].act(self.now, |endpoint, cx| endpoint.write(cx, id, payload)).unwrap();
    }

    /// One byte there and back on random connections, one after the other.
    /// Returns how many frames that took.
    #[inline(never)]
    pub fn ping(&mut self, count: usize) -> u64 {
        let before = self.frames();
        for _ in 0..count {
            let at = self.random.below(self.connections.len() as u64) as usize;
            self.write(at, HeapPacket::new(&[1]));
            self.settle();
        }
        self.frames() - before
    }

    /// Sends `bytes` over one connection there and back, a MiB at a time.
    #[inline(never)]
    pub fn stream(&mut self, at: usize, bytes: usize) {
        let payload = HeapPacket::new(&vec![7; 16 << 10]);
        for _ in 0..bytes >> 20 {
            for _ in 0..64 {
                self.write(at, payload.share());
            }
            self.settle();
        }
    }

    fn frames(&self) -> u64 {
        self.sides.iter().map(|side| side.counters.get(Outcome::FrameReceived)).sum()
    }

    /// Lets time pass until no frame moves and no timer is near.
    fn settle(&mut self) {
        let quiet = Duration::from_millis(50);
        let mut moved_at = self.now;
        loop {
            if self.turn() {
                moved_at = self.now;
            }
            let Some(next) = self.deadline() else { return };
            if next > moved_at + quiet {
                return;
            }
            self.now = self.now.max(next);
        }
    }

    /// Lets time pass in which nothing is written.
    pub fn rest(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            self.turn();
            match self.deadline() {
                Some(next) if next < end => self.now = self.now.max(next),
                _ => break,
            }
        }
        self.now = end;
    }

    fn deadline(&self) -> Option<Instant> {
        self.sides.iter().filter_map(|side| side.endpoint.poll_deadline()).min()
    }

    /// Both sides' turns; whether a frame moved.
    fn turn(&mut self) -> bool {
        let wires = [self.sides[0].turn(self.now), self.sides[1].turn(self.now)];
        let moved = wires.iter().any(|wire| !wire.0.is_empty());
        if moved {
            self.now += LINK;
        }
        let [to_server, to_client] = wires;
        self.sides[1].receive(self.now, &to_server);
        self.sides[0].receive(self.now, &to_client);
        moved
    }

    /// Bytes that the client has read.
    pub fn echoed(&self) -> u64 {
        self.sides[0].read_bytes
    }

    /// Subflows in TIME_WAIT on either side.
    pub fn time_waits(&self) -> [usize; 2] {
        [0, 1].map(|side: usize| self.sides[side].endpoint.time_wait_count())
    }

    /// Connections of both sides that do not have two subflows.
    pub fn without_two_subflows(&self) -> usize {
        let infos = self.sides.iter().flat_map(|side| side.endpoint.connections());
        infos.filter(|info| info.subflows.len() != 2).count()
    }
}
