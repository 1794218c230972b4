//! One core of a host: an endpoint and an application.

use super::application::Application;
use super::packet::{CountedPacket, Held};
use mpdk::base::{
    Context, CoreIndex, Counters, FrameSink, Instant, PortIndex, Random, ReceiveMeta, TransmitFrame,
};
use mpdk::endpoint::Endpoint;

/// An endpoint with what it needs.
#[derive(Debug)]
pub struct Core {
    pub endpoint: Endpoint<CountedPacket>,
    pub random: Random,
    pub counters: Counters,
    pub application: Application,
    pub held: Held,
}

/// What leaves in one turn.
#[derive(Debug, Default)]
pub struct Outbox {
    /// In order.
    pub frames: Vec<(PortIndex, Vec<u8>)>,
    /// There is more.
    pub has_more: bool,
}

impl FrameSink<CountedPacket> for Outbox {
    fn room(&self, _port: PortIndex) -> usize {
        1_024usize.saturating_sub(self.frames.len())
    }

    fn send(&mut self, frame: TransmitFrame<'_, CountedPacket>) {
        let mut bytes = frame.header.to_vec();
        frame.payload.for_each_piece(|piece| bytes.extend_from_slice(piece));
        self.frames.push((frame.port, bytes));
    }
}

impl Core {
    /// Does something with the endpoint at a time.
    pub fn act<T>(
        &mut self,
        now: Instant,
        act: impl FnOnce(&mut Endpoint<CountedPacket>, &mut Context<'_>) -> T,
    ) -> T {
        let mut cx = Context { now, random: &mut self.random, counters: &mut self.counters };
        act(&mut self.endpoint, &mut cx)
    }

    /// Frames arrive: from the link, or handed over by another core.
    pub fn receive(&mut self, now: Instant, port: PortIndex, from: Option<CoreIndex>, frames: &[Vec<u8>]) {
        let held = self.held.clone();
        let burst = frames.iter().map(|frame| (held.packet(frame), ReceiveMeta::default()));
        self.act(now, |endpoint, cx| {
            endpoint.receive_for(from);
            endpoint.handle_burst(cx, port, burst);
            endpoint.receive_for(None);
        });
    }

    /// Timers, the application, and what wants to leave.
    pub fn turn(&mut self, now: Instant) -> Outbox {
        let mut outbox = Outbox::default();
        let mut cx = Context { now, random: &mut self.random, counters: &mut self.counters };
        self.endpoint.handle_timeouts(&mut cx);
        self.application.turn(&mut self.endpoint, &mut cx, &self.held);
        outbox.has_more = self.endpoint.poll_transmit(&mut cx, &mut outbox);
        self.application.turn(&mut self.endpoint, &mut cx, &self.held);
        outbox
    }
}
