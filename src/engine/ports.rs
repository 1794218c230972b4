//! The ports of one core: bursts in, frames out, links that come and go.

use super::exchange::Exchange;
use super::intake::Intake;
use super::sorting::Later;
use super::{Bytes, Settings};
use crate::base::{
    Context, Counters, Duration, FrameSink, Instant, Outcome, Packet, PortIndex, ReceiveMeta, TransmitFrame,
};
use crate::device::{Device, DeviceStatistics};
use crate::endpoint::Endpoint;
use std::os::fd::RawFd;

/// No further port is asked for frames when this much has come: what was received
/// is given back at the end of the turn, and should still be in the cache then.
const TURN_BYTES: usize = 64 * 1024;

/// All ports, in the order of [`PortIndex`].
#[derive(Debug)]
pub(super) struct Ports<D: Device> {
    devices: Vec<D>,
    /// The port that is asked first at the next turn.
    next: usize,
    /// Filled anew with each burst.
    pub(super) burst: Vec<(D::Packet, ReceiveMeta)>,
    /// Frames of which nobody knows yet whose they are.
    pub(super) later: Vec<Later<D::Packet>>,
    intake: Intake,
    /// Each port's room when nothing is queued.
    free_room: Vec<usize>,
    /// What the ports did not take.
    refused: Counters,
    links_due: Instant,
    /// Frames sent since the last flush.
    sent: usize,
}

impl<D: Device> Ports<D> {
    pub(super) fn new(devices: Vec<D>, settings: &Settings) -> Self {
        Self {
            free_room: devices.iter().map(Device::room).collect(),
            devices,
            next: 0,
            burst: Vec::new(),
            later: Vec::new(),
            intake: Intake::new(settings),
            refused: Counters::new(),
            links_due: Instant::ZERO,
            sent: 0,
        }
    }

    /// A burst of each port in turn, into the endpoint or to the cores that the
    /// frames belong to, until there is enough for the rest of the engine's turn.
    /// Returns how many frames came.
    pub(super) fn receive(
        &mut self,
        endpoint: &mut Endpoint<Bytes<D::Packet>>,
        cx: &mut Context<'_>,
        mut exchange: Option<&mut Exchange<D::Packet>>,
    ) -> usize {
        let (mut frames, mut bytes) = (0, 0);
        for _ in 0..self.devices.len() {
            if bytes >= TURN_BYTES {
                break;
            }
            let index = self.next;
            self.next = if index + 1 < self.devices.len() { index + 1 } else { 0 };
            frames += self.devices[index].receive(&mut self.burst);
            let port = PortIndex(index as u8);
            if let Some(exchange) = &mut exchange {
                self.sort(endpoint, cx, port, exchange);
            }
            bytes += self.take_in(endpoint, cx, port);
        }
        frames
    }

    /// The burst at hand goes into the endpoint. Returns how many bytes it had.
    pub(super) fn take_in(
        &mut self,
        endpoint: &mut Endpoint<Bytes<D::Packet>>,
        cx: &mut Context<'_>,
        port: PortIndex,
    ) -> usize {
        if self.burst.is_empty() {
            return 0;
        }
        let mut bytes = 0;
        let intake = &mut self.intake;
        let taken = self.burst.drain(..).filter_map(|(frame, meta)| {
            bytes += frame.len();
            Some((intake.take(frame)?, meta))
        });
        endpoint.handle_burst(cx, port, taken);
        cx.counters.add(Outcome::PacketPoolEmpty, self.intake.take_refused());
        cx.counters.add(Outcome::PayloadBytesCopied, self.intake.take_copied_bytes());
        bytes
    }

    /// Whether so many buffers are held that no client should get another: what
    /// is left is for putting segments in order.
    pub(super) fn buffers_run_low(&self) -> bool {
        self.intake.runs_low()
    }

    /// Hands what was sent to the wires. Returns how many frames were sent
    /// since the last time.
    pub(super) fn flush(&mut self, counters: &mut Counters) -> usize {
        for device in &mut self.devices {
            device.flush();
            counters.add(Outcome::PayloadBytesCopied, device.take_copied_bytes());
        }
        std::mem::take(&mut self.sent)
    }

    /// Asks every port for what it has sent; calls `nudge` for those that give it
    /// back only when they send.
    pub(super) fn reclaim(&mut self, mut nudge: impl FnMut(PortIndex)) {
        for (index, device) in self.devices.iter_mut().enumerate() {
            if !device.reclaim() {
                nudge(PortIndex(index as u8));
            }
        }
    }

    /// Tells the endpoint which links changed, every `interval`. Returns whether
    /// it was time.
    pub(super) fn check_links(
        &mut self,
        endpoint: &mut Endpoint<Bytes<D::Packet>>,
        cx: &mut Context<'_>,
        interval: Duration,
    ) -> bool {
        if cx.now < self.links_due {
            return false;
        }
        self.links_due = cx.now + interval;
        for (index, device) in self.devices.iter_mut().enumerate() {
            // The endpoint ignores what is no change.
            endpoint.handle_link(cx, PortIndex(index as u8), device.link_up());
        }
        true
    }

    /// When the links are looked at next.
    pub(super) const fn links_due(&self) -> Instant {
        self.links_due
    }

    /// Asks every port for a wake-up. `true`: frames are already there.
    pub(super) fn arm(&mut self) -> bool {
        // Every port is armed, even if an earlier one has frames: `disarm`
        // follows for all.
        self.devices.iter_mut().fold(false, |waiting, device| device.arm_wake() | waiting)
    }

    /// Ends what `arm` began.
    pub(super) fn disarm(&mut self) {
        self.devices.iter_mut().for_each(Device::disarm_wake);
    }

    /// What to wait on for frames.
    pub(super) fn wake_fds(&self) -> impl Iterator<Item = RawFd> + '_ {
        self.devices.iter().filter_map(Device::wake_fd)
    }

    /// Whether a port has to be looked at now and then: it cannot wake anybody,
    /// or holds frames.
    pub(super) fn needs_polling(&self) -> bool {
        self.is_backed_up() || self.devices.iter().any(|device| device.wake_fd().is_none())
    }

    /// Whether a port holds frames that its wire has not taken yet.
    pub(super) fn is_backed_up(&self) -> bool {
        self.devices.iter().zip(&self.free_room).any(|(device, &free)| device.room() < free)
    }

    /// What the ports did not take.
    pub(super) const fn refused(&self) -> &Counters {
        &self.refused
    }

    /// One port's own counts.
    pub(super) fn statistics(&self, index: usize) -> DeviceStatistics {
        self.devices.get(index).map(Device::statistics).unwrap_or_default()
    }

    pub(super) const fn len(&self) -> usize {
        self.devices.len()
    }
}

impl<D: Device> FrameSink<Bytes<D::Packet>> for Ports<D> {
    fn room(&self, port: PortIndex) -> usize {
        self.devices.get(usize::from(port.0)).map_or(0, Device::room)
    }

    fn send(&mut self, frame: TransmitFrame<'_, Bytes<D::Packet>>) {
        let Some(device) = self.devices.get_mut(usize::from(frame.port.0)) else { return };
        match device.transmit(frame) {
            Ok(()) => self.sent += 1,
            Err(refusal) => self.refused.add(refusal.outcome(), 1),
        }
    }
}
