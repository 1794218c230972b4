//! Two engines whose turns and time are driven by the test, on one thread with
//! the clients' tasks.

use crate::base::{Duration, Instant, PortSet, Random};
use crate::device::{Capabilities, Device, LentMemory, MemoryConfig, MemoryDevice, memory_pair};
use crate::endpoint::{
    EndpointConfig, Limits, MptcpConfig, PortAddress, PortConfig, SchedulerKind, TcpConfig, local_addresses,
};
use crate::engine::{Engine, RegionConfig, Report, Settings, regions};
use crate::shm::{self, Attachment, ClientSlot};
use crate::wire::MacAddress;
use mpdk_client::Context;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

/// How far the clock goes with each turn.
const STEP: Duration = Duration::from_micros(100);
/// No test takes longer than this by its own clock.
const PATIENCE: Duration = Duration::from_secs(600);

/// Two engines with a wire between each pair of ports.
pub(crate) struct Pair {
    pub(super) left: Engine<MemoryDevice>,
    pub(super) right: Engine<MemoryDevice>,
    now: Instant,
}

/// The left or the right engine's address on a wire.
pub(crate) fn address(side: u8, wire: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, wire, side).into()
}

/// Where the right engine's servers listen.
pub(crate) fn server() -> SocketAddr {
    SocketAddr::new(address(2, 0), 80)
}

/// An endpoint over `devices`, of the left (1) or right (2) side.
pub(crate) fn endpoint_config<D: Device>(side: u8, devices: &[D]) -> EndpointConfig {
    let port = |(wire, device): (usize, &D)| PortConfig {
        name: format!("wire{wire}"),
        // All wires in memory give the same two addresses.
        mac: MacAddress([2, 0, 0, 0, wire as u8, side]),
        mtu: device.capabilities().mtu,
        addresses: vec![PortAddress { address: address(side, wire as u8), prefix_bits: 24 }],
        gateway_v4: None,
        gateway_v6: None,
        vlan: None,
        backup: false,
        tx_ip_checksum: false,
        tx_tcp_checksum: false,
        super_segment_bytes: 0,
    };
    let ports: Vec<_> = devices.iter().enumerate().map(port).collect();
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
        close_timeout: Duration::from_secs(5),
        far_ports: PortSet::EMPTY,
        capable_syn_retries: 2,
        tcp: Rc::new(TcpConfig { time_wait: Duration::from_secs(1), ..TcpConfig::default() }),
    };
    EndpointConfig { ports, mptcp: Rc::new(mptcp), limits: Limits::default(), steering: None }
}

/// The two ends of `wires` wires.
pub(crate) fn wires(wires: usize) -> (Vec<MemoryDevice>, Vec<MemoryDevice>) {
    let config = MemoryConfig { capabilities: Capabilities::plain(1500), queue_frames: 256 };
    (0..wires).map(|_| memory_pair(&config).unwrap()).unzip()
}

/// A region with few and small blocks, so that their limits are reached.
pub(super) fn small_region() -> RegionConfig {
    RegionConfig {
        submission_entries: 256,
        completion_entries: 256,
        transmit_blocks: 64,
        transmit_block_bytes: 4096,
        receive_blocks: 64,
        receive_block_bytes: 4096,
    }
}

/// Attaches a client to an engine without running it.
pub(super) fn attach(engine: &mut Engine<MemoryDevice>) -> Attachment {
    let (slot, attachment) = ClientSlot::in_process(&small_region(), shm::Limits::default()).unwrap();
    engine.add_client(slot);
    attachment
}

/// All of memory: the packets of memory devices lie on the heap.
pub(super) fn heap() -> LentMemory {
    LentMemory { address: 0, len: 1 << 47, owner: Arc::new(()) }
}

/// Attaches a client that may read in so many buffers where they arrived.
pub(super) fn attach_in_place(engine: &mut Engine<MemoryDevice>, buffers: u32) -> Attachment {
    let (mut slot, mut attachment) = ClientSlot::in_process(&small_region(), shm::Limits::default()).unwrap();
    let (view, allowed) = regions::packets(heap(), buffers);
    slot.allow_in_place(allowed);
    attachment.packets = Some(view);
    engine.add_client(slot);
    attachment
}

impl Pair {
    pub(super) fn new(wire_count: usize) -> Self {
        Self::with_settings(wire_count, &Settings::default())
    }

    pub(super) fn with_settings(wire_count: usize, settings: &Settings) -> Self {
        let start = Instant::from_nanos(1_000_000_000);
        let engine = |side: u8, devices: Vec<MemoryDevice>| {
            let config = endpoint_config(side, &devices);
            let random = Random::from_number(u64::from(side));
            Engine::reproducible(settings.clone(), config, devices, start, random).unwrap()
        };
        let (left, right) = wires(wire_count);
        Self { left: engine(1, left), right: engine(2, right), now: start }
    }

    /// A context attached to each engine.
    pub(super) fn contexts(&mut self) -> (Context, Context) {
        let left = Context::spawn([attach(&mut self.left)]).unwrap();
        (left, Context::spawn([attach(&mut self.right)]).unwrap())
    }

    /// Turns both engines and lets every task run, until `future` is done.
    pub(super) async fn drive<F: Future>(&mut self, future: F) -> F::Output {
        let mut future = pin!(future);
        let limit = self.now + PATIENCE;
        loop {
            let polled = std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
            if let Poll::Ready(output) = polled {
                return output;
            }
            self.step();
            tokio::task::yield_now().await;
            assert!(self.now < limit, "not done by {limit:?}: {:?}", self.summary());
        }
    }

    /// As [`drive`](Self::drive), but gives up after a while.
    pub(super) async fn briefly<F: Future>(&mut self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        for _ in 0..5_000 {
            let polled = std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
            if let Poll::Ready(output) = polled {
                return Some(output);
            }
            self.step();
            tokio::task::yield_now().await;
        }
        None
    }

    /// Turns until `done`.
    pub(super) async fn until(&mut self, mut done: impl FnMut(&mut Self) -> bool) {
        let limit = self.now + PATIENCE;
        while !done(self) {
            self.step();
            tokio::task::yield_now().await;
            assert!(self.now < limit, "not done by {limit:?}: {:?}", self.summary());
        }
    }

    fn step(&mut self) {
        self.left.turn(self.now);
        self.right.turn(self.now);
        self.now += STEP;
    }

    fn summary(&self) -> [Vec<(&'static str, u64)>; 2] {
        [self.left.report(), self.right.report()].map(|report: Report| {
            report.counters.non_zero().map(|(outcome, count)| (outcome.name(), count)).collect()
        })
    }
}

/// Runs a test's future, with its tasks, on this thread.
pub(super) fn run<F: Future>(future: F) -> F::Output {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    // The doorbells are heard after every task that ran.
    builder.enable_all().event_interval(1).build().unwrap().block_on(future)
}
