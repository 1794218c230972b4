//! A host: an endpoint, its ports' links, and an application.

use super::application::Application;
use super::packet::{CountedPacket, Held};
use mpdk::base::{Context, Counters, FrameSink, Instant, PortIndex, Random, ReceiveMeta, TransmitFrame};
use mpdk::endpoint::Endpoint;

/// One side of the simulation.
#[derive(Debug)]
pub struct Host {
    pub endpoint: Endpoint<CountedPacket>,
    pub random: Random,
    pub counters: Counters,
    pub application: Application,
    pub held: Held,
}

/// Frames that leave, in order.
#[derive(Debug, Default)]
pub struct Outbox(pub Vec<(PortIndex, Vec<u8>)>);

impl FrameSink<CountedPacket> for Outbox {
    fn room(&self, _port: PortIndex) -> usize {
        1_024usize.saturating_sub(self.0.len())
    }

    fn send(&mut self, frame: TransmitFrame<'_, CountedPacket>) {
        let mut bytes = frame.header.to_vec();
        frame.payload.for_each_piece(|piece| bytes.extend_from_slice(piece));
        self.0.push((frame.port, bytes));
    }
}

impl Host {
    /// A frame arrives.
    pub fn receive(&mut self, now: Instant, port: PortIndex, frame: &[u8]) {
        let packet = self.held.packet(frame);
        let mut cx = Context { now, random: &mut self.random, counters: &mut self.counters };
        self.endpoint.handle_frame(&mut cx, port, packet, ReceiveMeta::default());
    }

    /// Timers, the application, and what wants to leave.
    pub fn turn(&mut self, now: Instant) -> Outbox {
        let mut outbox = Outbox::default();
        let mut cx = Context { now, random: &mut self.random, counters: &mut self.counters };
        self.endpoint.handle_timeouts(&mut cx);
        self.application.turn(&mut self.endpoint, &mut cx, &self.held);
        self.endpoint.poll_transmit(&mut cx, &mut outbox);
        self.application.turn(&mut self.endpoint, &mut cx, &self.held);
        outbox
    }
}
