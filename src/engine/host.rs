//! One core's endpoint and what its clients have of it.

use super::connections::{Connections, Stage};
use super::exchange::Exchange;
use super::lent_packets::LentPackets;
use super::loans::Loans;
use super::ports::Ports;
use super::rules::RuleWishes;
use super::waiting::Listeners;
use super::world::World;
use super::{Bytes, Resident};
use crate::base::{ConnectionId, Context, ListenerId, Outcome, Packet};
use crate::device::{Device, HandOver};
use crate::endpoint::{CloseReason, ConfigError, Endpoint, EndpointConfig};
use crate::shm::{ClientId, Reason, Server};

/// The endpoint, and whose its connections and listeners are.
#[derive(Debug)]
pub(super) struct Host<D> {
    pub(super) world: World,
    pub(super) connections: Connections<Bytes<D>>,
    pub(super) listeners: Listeners,
    pub(super) endpoint: Endpoint<Bytes<D>>,
    /// What clients read in place.
    pub(super) lent: LentPackets<Bytes<D>>,
    /// MPTCP is spoken, on every connection.
    pub(super) mptcp_enabled: bool,
    /// A program inside the engine.
    pub(super) resident: Option<Box<dyn Resident<D>>>,
}

impl<D: Packet + 'static> Host<D> {
    /// # Errors
    /// If the configuration contradicts itself.
    pub(super) fn new(config: EndpointConfig, mut world: World) -> Result<Self, ConfigError> {
        let mptcp_enabled = config.mptcp.enabled;
        let endpoint = Endpoint::new(config, &mut world.cx())?;
        let (connections, listeners) = (Connections::new(), Listeners::new());
        let lent = LentPackets::new();
        Ok(Self { world, connections, listeners, endpoint, lent, mptcp_enabled, resident: None })
    }

    /// Sends what there is to send. Returns how much there was.
    pub(super) fn poll_transmit<E>(
        &mut self,
        ports: &mut Ports<E>,
        exchange: Option<&mut Exchange<D>>,
        rules: Option<&RuleWishes>,
    ) -> usize
    where
        D: HandOver,
        E: Device<Packet = D>,
    {
        let Self { endpoint, world, .. } = self;
        let Some(exchange) = exchange else {
            endpoint.poll_transmit(&mut world.cx(), ports);
            return ports.flush(&mut world.counters);
        };
        // What the other cores have to know before what is sent now is answered:
        // whose the answers are.
        let mut is_told = exchange.tell(|| endpoint.poll_core_message());
        if is_told {
            endpoint.poll_transmit(&mut world.cx(), ports);
            is_told = exchange.tell(|| endpoint.poll_core_message());
        }
        exchange.publish();
        while let Some(wish) = endpoint.poll_flow_wish() {
            if let Some(rules) = rules {
                rules.tell(wish);
            }
        }
        if is_told { ports.flush(&mut world.counters) } else { 1 }
    }

    /// Gives the program inside the engine its turn. Returns whether it did
    /// anything.
    pub(super) fn turn_resident(&mut self) -> bool {
        let Some(resident) = &mut self.resident else { return false };
        resident.turn(&mut self.world.cx(), &mut self.endpoint)
    }

    /// Ends whatever belongs to clients that are gone, or that broke the
    /// contract.
    pub(super) fn remove_gone(&mut self, server: &mut Server, loans: &mut Loans<D>) {
        self.lent.settle();
        loop {
            let gone = server.gone().next();
            let Some((client, mut slot)) = gone.and_then(|gone| Some((gone, server.remove(gone)?))) else {
                return;
            };
            loans.remove(client, slot.region());
            self.lent.remove(client, &slot);
            match slot.next_request() {
                Ok(_) => self.remove_client(client, Endpoint::release),
                Err(violation) => {
                    tracing::warn!(client = client.0, %violation, "a client is detached");
                    self.remove_client(client, Endpoint::abort);
                }
            }
        }
    }

    fn remove_client(
        &mut self,
        client: ClientId,
        end: impl Fn(&mut Endpoint<Bytes<D>>, &mut Context<'_>, ConnectionId),
    ) {
        for listener in self.listeners.remove_client(client) {
            self.endpoint.close_listener(&mut self.world.cx(), listener);
        }
        for connection in self.connections.remove_client(client) {
            end(&mut self.endpoint, &mut self.world.cx(), connection);
        }
    }

    /// Tells clients of accepted connections that waited for room.
    pub(super) fn admit_waiting(&mut self, server: &mut Server) {
        let Self { listeners, connections, endpoint, world, .. } = self;
        listeners.admit_waiting(|listener, client, id| {
            // Gone meanwhile: nothing to wait for.
            if connections.get_mut(id).is_none() {
                return true;
            }
            let Some(info) = endpoint.info(id) else {
                connections.remove(id);
                endpoint.release(&mut world.cx(), id);
                return true;
            };
            let Some(slot) = server.get_mut(client) else { return true };
            let told = slot.accepted(listener, id, info.tuple.local, info.tuple.remote);
            if told {
                connections.note(id, |held| held.stage = Stage::Told);
            }
            told
        });
    }

    /// A listener's client is told of a new connection, now or when it has room.
    pub(super) fn welcome(&mut self, server: &mut Server, listener: ListenerId, id: ConnectionId) {
        let Some(client) = self.listeners.client(listener) else {
            return self.endpoint.abort(&mut self.world.cx(), id);
        };
        if !self.listeners.wait(listener, id) {
            self.world.cx().count(Outcome::TcpListenOverflow);
            return self.endpoint.abort(&mut self.world.cx(), id);
        }
        self.connections.insert(id, client, Stage::Waiting);
        self.admit_waiting(server);
    }
}

/// Why a connection is closed, in the words of the contract.
pub(super) const fn reason_of(reason: CloseReason) -> Reason {
    match reason {
        CloseReason::Finished => Reason::NONE,
        CloseReason::Reset | CloseReason::FastClosed => Reason::RESET,
        CloseReason::Refused => Reason::REFUSED,
        CloseReason::TimedOut => Reason::TIMED_OUT,
        CloseReason::Unreachable => Reason::UNREACHABLE,
        CloseReason::Aborted => Reason::ABORTED,
    }
}
