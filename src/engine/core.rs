//! One core's engine and a turn of its loop.

use super::board::Board;
use super::clock;
use super::exchange::{self, Exchange};
use super::host::Host;
use super::load::Load;
use super::loans::Loans;
use super::poll::PollSet;
use super::ports::Ports;
use super::rules::RuleWishes;
use super::signal::Signal;
use super::start::Arrival;
use super::world::World;
use super::{Report, Resident, Settings, StartError};
use crate::base::{CoreIndex, Counters, Instant, PortIndex, Random};
use crate::device::{ClientMemory, Device, HandOver};
use crate::endpoint::EndpointConfig;
use crate::shm::{ClientSlot, Server};
use std::path::Path;
use std::sync::Arc;

/// One core's engine: its ports, its endpoint and its clients.
///
/// Fields are dropped in order: clients hear of the end first, packets go back
/// before the ports that they came from, and clients' memory after the ports.
#[derive(Debug)]
pub struct Engine<D: Device> {
    pub(super) server: Server,
    pub(super) host: Host<D::Packet>,
    pub(super) ports: Ports<D>,
    pub(super) loans: Loans<D::Packet>,
    pub(super) load: Load,
    pub(super) settings: Settings,
    pub(super) signal: Arc<Signal<Arrival>>,
    /// The way to the endpoint's other cores, if it has any.
    pub(super) exchange: Option<Exchange<D::Packet>>,
    pub(super) rules: Option<RuleWishes>,
    pub(super) board: Option<Board>,
    pub(super) poll_set: PollSet,
}

/// What an engine is given by those beside it.
#[derive(Debug)]
pub(super) struct Seat<P: HandOver> {
    pub(super) signal: Arc<Signal<Arrival>>,
    pub(super) exchange: Option<Exchange<P>>,
}

impl<P: HandOver> Seat<P> {
    /// For an engine that is alone.
    ///
    /// # Errors
    /// If the system gives no descriptor.
    pub(super) fn alone() -> Result<Self, StartError> {
        Ok(Self { signal: Signal::new().map_err(StartError::System)?, exchange: None })
    }

    /// For so many engines that share ports and addresses.
    ///
    /// # Errors
    /// If the system gives no descriptors.
    pub(super) fn several(count: usize) -> Result<Vec<Self>, StartError> {
        if count == 1 {
            return Ok(vec![Self::alone()?]);
        }
        let signals: Result<Vec<_>, _> = (0..count).map(|_| Signal::new()).collect();
        let signals = signals.map_err(StartError::System)?;
        let exchanges = exchange::mesh(&signals).into_iter().map(Some);
        Ok(signals.into_iter().zip(exchanges).map(|(signal, exchange)| Self { signal, exchange }).collect())
    }
}

impl<D: Device> Engine<D> {
    /// An engine over `ports`, which are the ports of `endpoint` in that order.
    ///
    /// # Errors
    /// If the two do not agree, the configuration contradicts itself, or the
    /// system gives neither randomness nor descriptors.
    pub fn new(settings: Settings, endpoint: EndpointConfig, ports: Vec<D>) -> Result<Self, StartError> {
        Self::seated(settings, endpoint, ports, Seat::alone()?)
    }

    /// As [`new`](Self::new), with others beside it.
    pub(super) fn seated(
        settings: Settings,
        endpoint: EndpointConfig,
        ports: Vec<D>,
        seat: Seat<D::Packet>,
    ) -> Result<Self, StartError> {
        let random = clock::random().map_err(StartError::System)?;
        Self::with_world(settings, endpoint, ports, World::new(clock::now(), random), seat)
    }

    /// An engine whose time begins at `now` and whose chance is `random`: the
    /// same turns give the same frames.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn reproducible(
        settings: Settings,
        endpoint: EndpointConfig,
        ports: Vec<D>,
        now: Instant,
        random: Random,
    ) -> Result<Self, StartError> {
        Self::with_world(settings, endpoint, ports, World::new(now, random), Seat::alone()?)
    }

    /// As [`reproducible`](Self::reproducible), `count` engines that share ports
    /// and addresses, in the order of their cores. `make` gives a core's
    /// configuration with its steering, its queues of the ports and its chance.
    /// The caller gives each its turns, in any order.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn reproducible_several(
        settings: &Settings,
        count: u8,
        now: Instant,
        mut make: impl FnMut(CoreIndex) -> (EndpointConfig, Vec<D>, Random),
    ) -> Result<Vec<Self>, StartError> {
        let seats = Seat::several(usize::from(count))?;
        let engine = |(core, seat)| {
            let (endpoint, ports, random) = make(CoreIndex(core));
            Self::with_world(settings.clone(), endpoint, ports, World::new(now, random), seat)
        };
        (0..count).zip(seats).map(engine).collect()
    }

    pub(super) fn with_world(
        settings: Settings,
        endpoint: EndpointConfig,
        ports: Vec<D>,
        world: World,
        seat: Seat<D::Packet>,
    ) -> Result<Self, StartError> {
        if endpoint.ports.len() != ports.len() {
            return Err(StartError::Ports { configured: endpoint.ports.len(), opened: ports.len() });
        }
        Ok(Self {
            server: Server::new(settings.clients),
            host: Host::new(endpoint, world)?,
            ports: Ports::new(ports, &settings),
            loans: Loans::new(None),
            load: Load::default(),
            signal: seat.signal,
            exchange: seat.exchange,
            rules: None,
            board: None,
            poll_set: PollSet::default(),
            settings,
        })
    }

    /// Lets a program run inside the engine.
    pub fn house(&mut self, resident: Box<dyn Resident<D::Packet>>) {
        self.host.resident = Some(resident);
    }

    /// Regions of clients that come from now on may lie in the devices' memory.
    pub fn lend(&mut self, memory: Arc<dyn ClientMemory<D::Packet>>) {
        self.loans = Loans::new(Some(memory));
    }

    /// Serves one more client. A slot that is one too many is dropped, by which
    /// the client hears that it has no engine.
    pub fn add_client(&mut self, slot: ClientSlot) {
        let blocks = self.loans.lend(&slot);
        match self.server.add(slot) {
            Ok(client) => {
                tracing::debug!(client = client.0, in_place = blocks.is_some(), "a client is attached");
                if let Some(blocks) = blocks {
                    self.loans.insert(client, blocks);
                }
            }
            Err(_) => tracing::warn!(limit = self.settings.clients, "a client is refused: too many"),
        }
    }

    /// One turn of the loop: everything that is there to do at `now`, in
    /// bounded portions. Returns whether there was anything.
    pub fn turn(&mut self, now: Instant) -> bool {
        let Self { server, host, ports, loans, settings, exchange, rules, .. } = self;
        host.world.now = now;
        let is_time = ports.check_links(&mut host.endpoint, &mut host.world.cx(), settings.link_interval);
        if is_time {
            // While the loop never sleeps, dead clients are noticed here.
            server.cancel_sleep();
        }
        let mut work = 0;
        if let Some(exchange) = exchange {
            work += ports.take_over(&mut host.endpoint, &mut host.world.cx(), exchange);
        }
        work += ports.receive(&mut host.endpoint, &mut host.world.cx(), exchange.as_mut());
        work += host.take_requests(server, loans);
        host.remove_gone(server, loans);
        host.endpoint.handle_timeouts(&mut host.world.cx());
        work += host.take_events(server);
        work += usize::from(host.turn_resident());
        work += host.deliver(server, ports.buffers_run_low());
        work += host.poll_transmit(ports, exchange.as_mut(), rules.as_ref());
        let blocks_wait = server
            .flush(|client, violation| tracing::warn!(client = client.0, %violation, "a client is detached"));
        if blocks_wait {
            work += usize::from(loans.reclaim.turn(&mut host.world.cx(), &mut host.endpoint, ports));
        } else {
            loans.reclaim.rest();
        }
        if is_time {
            self.publish();
        }
        work > 0
    }

    /// Shows everybody what this core has counted, if anybody can see it.
    fn publish(&mut self) {
        let Self { board: Some(board), host, ports, load, exchange, .. } = self else { return };
        let count = |outcome| host.world.counters.get(outcome) + ports.refused().get(outcome);
        let hand_overs = exchange.as_ref().map_or(&[][..], Exchange::counts);
        board.publish(count, *load, |port| ports.statistics(port), hand_overs);
    }

    /// Shows from now on on a page in `folder` what is counted here.
    pub(super) fn show(&mut self, folder: &Path, core: CoreIndex) {
        let endpoint = &self.host.endpoint;
        let names = (0..self.ports.len() as u8).filter_map(|port| endpoint.port_config(PortIndex(port)));
        match Board::new(folder, core, names.map(|port| port.name.as_str())) {
            Ok(board) => self.board = Some(board),
            Err(error) => tracing::warn!(%error, core = core.0, "there are no statistics of this core"),
        }
    }

    /// What was counted so far.
    pub fn report(&self) -> Report {
        let mut counters: Counters = self.host.world.counters.clone();
        for (outcome, count) in self.ports.refused().non_zero() {
            counters.add(outcome, count);
        }
        let hand_overs = self.exchange.as_ref().map_or(&[][..], Exchange::counts);
        let ports = (0..self.ports.len()).map(|index| self.ports.statistics(index)).collect();
        Report { counters, ports, hand_overs: hand_overs.to_vec(), load: self.load }
    }

    /// Packets that clients read in place, or that those which are gone may read.
    pub fn lent_packets(&self) -> usize {
        self.host.lent.count()
    }

    /// How many connections the clients have.
    pub fn connection_count(&self) -> usize {
        self.host.connections.len()
    }
}
