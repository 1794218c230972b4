//! Two ports of one core that lead to a host of their own, in the same thread.

use crate::ghost::Ghost;
use mpdk::base::{
    Context, Counters, Duration, FrameSink, HeapPacket, Instant, Packet, PortIndex, PortSet, Random,
    ReceiveMeta, TransmitFrame,
};
use mpdk::device::{Capabilities, Device, DeviceStatistics, InDevice, Refusal};
use mpdk::endpoint::{
    Endpoint, EndpointConfig, Event, Limits, MacAddress, MptcpConfig, PortAddress, PortConfig, SchedulerKind,
    TcpConfig, local_addresses,
};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time;

const PORTS: usize = 2;
const MTU: u16 = 1500;
/// Frames that a port takes between two flushes.
const ROOM: usize = 256;
const BURST: usize = 64;

/// The last byte of the addresses of this end and of the far one.
pub const NEAR: u8 = 1;
const FAR: u8 = 2;

fn address(end: u8, port: usize) -> IpAddr {
    Ipv4Addr::new(10, 0, port as u8, end).into()
}

/// Where the far host listens.
pub fn server() -> SocketAddr {
    SocketAddr::new(address(FAR, 0), 80)
}

/// One end's host.
pub fn endpoint_config(end: u8) -> EndpointConfig {
    let port = |index: usize| PortConfig {
        name: format!("port{index}"),
        mac: MacAddress([2, 0, 0, 0, index as u8, end]),
        mtu: MTU,
        addresses: vec![PortAddress { address: address(end, index), prefix_bits: 24 }],
        gateway_v4: None,
        gateway_v6: None,
        vlan: None,
        backup: false,
        tx_ip_checksum: true,
        tx_tcp_checksum: true,
        super_segment_bytes: 0,
    };
    let ports: Vec<_> = (0..PORTS).map(port).collect();
    let mptcp = MptcpConfig {
        enabled: true,
        checksum: false,
        scheduler: SchedulerKind::MinRtt,
        addresses: local_addresses(&ports),
        max_subflows: PORTS as u8,
        max_remote_addresses: 8,
        full_mesh: false,
        announce: true,
        send_buffer_bytes: 1 << 20,
        receive_buffer_bytes: 1 << 20,
        add_address_timeout: Duration::from_secs(1),
        close_timeout: Duration::from_secs(5),
        far_ports: PortSet::EMPTY,
        capable_syn_retries: 2,
        tcp: Rc::new(TcpConfig::default()),
    };
    EndpointConfig { ports, mptcp: Rc::new(mptcp), limits: Limits::default(), steering: None }
}

/// The far host, which takes everything in and says nothing.
struct Far {
    endpoint: Endpoint<Ghost>,
    random: Random,
    counters: Counters,
    began: time::Instant,
    /// What it has sent, by port.
    sent: [VecDeque<HeapPacket>; PORTS],
}

struct Outbox<'a>(&'a mut [VecDeque<HeapPacket>; PORTS]);

impl FrameSink<Ghost> for Outbox<'_> {
    fn room(&self, port: PortIndex) -> usize {
        ROOM.saturating_sub(self.0[usize::from(port.0)].len())
    }

    fn send(&mut self, frame: TransmitFrame<'_, Ghost>) {
        // The far host sends no data.
        assert!(frame.payload.is_empty());
        self.0[usize::from(frame.port.0)].push_back(HeapPacket::new(frame.header));
    }
}

impl Far {
    fn new() -> Self {
        let (mut random, mut counters) = (Random::from_number(7), Counters::new());
        let now = Instant::from_nanos(1_000_000_000);
        let mut cx = Context { now, random: &mut random, counters: &mut counters };
        let mut endpoint = Endpoint::new(endpoint_config(FAR), &mut cx).expect("a valid configuration");
        endpoint.listen(&mut cx, server(), 64).expect("a free port");
        Self { endpoint, random, counters, began: time::Instant::now(), sent: Default::default() }
    }

    /// Takes in what came by one port, reads it all and acknowledges it.
    fn turn(&mut self, port: PortIndex, frames: &mut Vec<Ghost>) {
        let now = Instant::from_nanos(1_000_000_000 + self.began.elapsed().as_nanos() as u64);
        let mut cx = Context { now, random: &mut self.random, counters: &mut self.counters };
        // Nothing left this machine's memory: checksums were not made.
        let good = mpdk::base::ChecksumState::Good;
        let meta = ReceiveMeta { ip_checksum: good, l4_checksum: good, vlan: None };
        self.endpoint.handle_burst(&mut cx, port, frames.drain(..).map(|frame| (frame, meta)));
        self.endpoint.handle_timeouts(&mut cx);
        while let Some(event) = self.endpoint.poll_event(&mut cx) {
            if let Event::Readable(id) | Event::PeerFinished(id) = event {
                while let Some(packet) = self.endpoint.read(id) {
                    self.endpoint.consumed(id, packet.len());
                }
            }
        }
        self.endpoint.poll_transmit(&mut cx, &mut Outbox(&mut self.sent));
    }
}

/// One port's queue of one core.
pub struct FarDevice {
    port: PortIndex,
    name: String,
    capabilities: Capabilities,
    far: Rc<RefCell<Far>>,
    pending: Vec<Ghost>,
    statistics: DeviceStatistics,
}

/// All ports of one core.
pub fn wires() -> Vec<FarDevice> {
    let far = Rc::new(RefCell::new(Far::new()));
    let capabilities = Capabilities {
        receive_ip_checksum: true,
        receive_l4_checksum: true,
        transmit_ip_checksum: true,
        transmit_tcp_checksum: true,
        ..Capabilities::plain(MTU)
    };
    let wire = |port: usize| FarDevice {
        port: PortIndex(port as u8),
        name: format!("port{port}"),
        capabilities: capabilities.clone(),
        far: Rc::clone(&far),
        pending: Vec::with_capacity(ROOM),
        statistics: DeviceStatistics::default(),
    };
    (0..PORTS).map(wire).collect()
}

impl Device for FarDevice {
    type Packet = HeapPacket;

    fn name(&self) -> &str {
        &self.name
    }

    fn mac(&self) -> [u8; 6] {
        [2, 0, 0, 0, self.port.0, NEAR]
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn link_up(&mut self) -> bool {
        true
    }

    fn receive(&mut self, out: &mut Vec<(HeapPacket, ReceiveMeta)>) -> usize {
        let mut far = self.far.borrow_mut();
        let sent = &mut far.sent[usize::from(self.port.0)];
        let count = sent.len().min(BURST);
        let good = mpdk::base::ChecksumState::Good;
        let meta = ReceiveMeta { ip_checksum: good, l4_checksum: good, vlan: None };
        out.extend(sent.drain(..count).map(|frame| (frame, meta)));
        self.statistics.received_frames += count as u64;
        count
    }

    fn transmit<Q: InDevice<HeapPacket>>(&mut self, frame: TransmitFrame<'_, Q>) -> Result<(), Refusal> {
        if self.pending.len() == ROOM {
            return Err(Refusal::QueueFull);
        }
        self.pending.push(Ghost::new(frame.header, frame.payload.len()));
        Ok(())
    }

    fn room(&self) -> usize {
        ROOM - self.pending.len()
    }

    fn flush(&mut self) {
        self.statistics.transmitted_frames += self.pending.len() as u64;
        self.far.borrow_mut().turn(self.port, &mut self.pending);
    }

    fn arm_wake(&mut self) -> bool {
        true
    }

    fn disarm_wake(&mut self) {}

    fn statistics(&self) -> DeviceStatistics {
        self.statistics
    }
}
