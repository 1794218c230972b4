//! One core's ends of the rings between it and one other core.

use super::Parcel;
use crate::base::{CoreIndex, PortIndex, ReceiveMeta};
use crate::device::HandOver;
use crate::endpoint::CoreMessage;
use crate::engine::signal::Signal;
use crate::engine::start::Arrival;
use crate::ring::{Consumer, Producer, ring};
use std::collections::VecDeque;
use std::sync::Arc;

/// Messages on their way from one core to another.
pub(super) const MESSAGES: usize = 256;
/// Frames on their way: a burst of each of some ports.
pub(super) const FRAMES: usize = 512;

/// Another core, as one sees it. Those of all cores are allocated by one thread and
/// used by many: no two lie on one line, nor on the pair of lines that processors
/// fetch together.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Peer<P: HandOver> {
    pub(super) core: CoreIndex,
    signal: Arc<Signal<Arrival>>,
    messages_out: Producer<CoreMessage>,
    messages_in: Consumer<CoreMessage>,
    /// Messages that found no room, in order.
    waiting: VecDeque<CoreMessage>,
    frames_out: Producer<Parcel<P::Parcel>>,
    frames_in: Consumer<Parcel<P::Parcel>>,
}

type Core = (CoreIndex, Arc<Signal<Arrival>>);

/// The rings between two cores: what the right one has of the left, and the
/// other way round.
pub(super) fn pair<P: HandOver>(left: Core, right: Core) -> (Peer<P>, Peer<P>) {
    let (left_messages, right_messages) = (ring(MESSAGES), ring(MESSAGES));
    let (left_frames, right_frames) = (ring(FRAMES), ring(FRAMES));
    let to_left = Peer {
        core: left.0,
        signal: left.1,
        messages_out: right_messages.0,
        messages_in: left_messages.1,
        waiting: VecDeque::new(),
        frames_out: right_frames.0,
        frames_in: left_frames.1,
    };
    let to_right = Peer {
        core: right.0,
        signal: right.1,
        messages_out: left_messages.0,
        messages_in: right_messages.1,
        waiting: VecDeque::new(),
        frames_out: left_frames.0,
        frames_in: right_frames.1,
    };
    (to_left, to_right)
}

impl<P: HandOver> Peer<P> {
    #[inline]
    pub(super) fn take_messages(&mut self, hear: &mut impl FnMut(CoreIndex, CoreMessage)) -> usize {
        if self.messages_in.is_empty() {
            return 0;
        }
        let mut count = 0;
        // No more than were there when we came: the other core may be faster.
        while count < MESSAGES
            && let Some(message) = self.messages_in.pop()
        {
            hear(self.core, message);
            count += 1;
        }
        self.messages_in.release();
        count
    }

    #[inline]
    pub(super) fn take_frames(&mut self, most: usize, mut take: impl FnMut(CoreIndex, Parcel<P>)) -> usize {
        if self.frames_in.is_empty() {
            return 0;
        }
        let mut count = 0;
        while count < most
            && let Some(Parcel { port, frame, meta }) = self.frames_in.pop()
        {
            take(self.core, Parcel { port, frame: P::take_over(frame), meta });
            count += 1;
        }
        self.frames_in.release();
        count
    }

    pub(super) fn hand_over(&mut self, port: PortIndex, frame: P, meta: ReceiveMeta) -> bool {
        // A frame that just came is nobody else's.
        self.frames_out.room() > 0
            && frame.hand_over().is_ok_and(|frame| self.frames_out.push(Parcel { port, frame, meta }).is_ok())
    }

    /// A message, behind those that wait. `false`: it waits too.
    pub(super) fn tell(&mut self, message: CoreMessage) -> bool {
        let refused = if self.waiting.is_empty() { self.messages_out.push(message) } else { Err(message) };
        refused.map_err(|message| self.waiting.push_back(message)).is_ok()
    }

    /// Sends what waits, as far as there is room; whether nothing waits any more.
    pub(super) fn settle(&mut self) -> bool {
        if self.waiting.is_empty() {
            return true;
        }
        if self.messages_out.is_abandoned() {
            self.waiting.clear();
        }
        while let Some(message) = self.waiting.pop_front() {
            if let Err(message) = self.messages_out.push(message) {
                self.waiting.push_front(message);
                return false;
            }
        }
        true
    }

    pub(super) fn publish(&mut self) {
        let messages = self.messages_out.publish();
        if self.frames_out.publish() || messages {
            self.signal.bell.ring_if_asleep();
        }
    }

    /// Whether nothing is to be taken in or sent.
    pub(super) fn is_quiet(&mut self) -> bool {
        self.waiting.is_empty() && self.messages_in.is_empty() && self.frames_in.is_empty()
    }
}
