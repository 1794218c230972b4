//! Received frames of an endpoint with several cores, each to the core that it
//! belongs to.

use super::Bytes;
use super::exchange::{Exchange, Parcel};
use super::ports::Ports;
use crate::base::{Context, CoreIndex, Outcome, Packet, PortIndex, ReceiveMeta};
use crate::device::Device;
use crate::endpoint::{Endpoint, Sorted};
use std::cell::Cell;

/// A frame that is looked at a second time, after the others' next messages.
#[derive(Debug)]
pub(super) struct Later<P> {
    port: PortIndex,
    frame: P,
    meta: ReceiveMeta,
}

impl<D: Device> Ports<D> {
    /// What the other cores have for this one: their messages, the frames that
    /// they received for it, and then those of our own that were put aside.
    /// Returns how much there was.
    pub(super) fn take_over(
        &mut self,
        endpoint: &mut Endpoint<Bytes<D::Packet>>,
        cx: &mut Context<'_>,
        exchange: &mut Exchange<D::Packet>,
    ) -> usize {
        let messages =
            exchange.take_messages(|from, message| endpoint.handle_core_message(cx, from, message));
        let mut at = None;
        let frames = exchange.take_frames(|from, Parcel { port, frame, meta }| {
            if at != Some((from, port)) {
                self.take_in_for(endpoint, cx, at);
                at = Some((from, port));
            }
            self.burst.push((frame, meta));
        });
        self.take_in_for(endpoint, cx, at);
        cx.counters.add(Outcome::FrameTakenOver, frames as u64);
        messages + frames + self.look_again(endpoint, cx, exchange)
    }

    /// The burst at hand, which another core handed over, goes into the endpoint.
    fn take_in_for(
        &mut self,
        endpoint: &mut Endpoint<Bytes<D::Packet>>,
        cx: &mut Context<'_>,
        at: Option<(CoreIndex, PortIndex)>,
    ) {
        let Some((from, port)) = at else { return };
        endpoint.receive_for(Some(from));
        self.take_in(endpoint, cx, port);
        endpoint.receive_for(None);
    }

    /// The second look at the frames that were put aside. Returns how many.
    fn look_again(
        &mut self,
        endpoint: &mut Endpoint<Bytes<D::Packet>>,
        cx: &mut Context<'_>,
        exchange: &mut Exchange<D::Packet>,
    ) -> usize {
        let count = self.later.len();
        let mut later = std::mem::take(&mut self.later);
        for Later { port, frame, meta } in later.drain(..) {
            match endpoint.sort_again(port, frame.head()) {
                Sorted::There(core) => count_given(cx, exchange.hand_over(core, port, frame, meta)),
                Sorted::Here | Sorted::Later => {
                    self.burst.push((frame, meta));
                    self.take_in(endpoint, cx, port);
                }
            }
        }
        // Nobody put anything aside meanwhile; the room is kept.
        self.later = later;
        count
    }

    /// Takes those frames out of the burst at hand that do not belong here.
    pub(super) fn sort(
        &mut self,
        endpoint: &mut Endpoint<Bytes<D::Packet>>,
        cx: &mut Context<'_>,
        port: PortIndex,
        exchange: &mut Exchange<D::Packet>,
    ) {
        let sorted = Cell::new(Sorted::Here);
        let elsewhere = self.burst.extract_if(.., |(frame, _)| {
            sorted.set(endpoint.sort(port, frame.head()));
            sorted.get() != Sorted::Here
        });
        for (frame, meta) in elsewhere {
            match sorted.get() {
                Sorted::There(core) => count_given(cx, exchange.hand_over(core, port, frame, meta)),
                Sorted::Here | Sorted::Later => self.later.push(Later { port, frame, meta }),
            }
        }
    }

    /// Whether frames were put aside.
    pub(super) const fn must_look_again(&self) -> bool {
        !self.later.is_empty()
    }
}

fn count_given(cx: &mut Context<'_>, is_given: bool) {
    cx.count(if is_given { Outcome::FrameHandedOver } else { Outcome::FrameNotHandedOver });
}
