//! The segment's text and its FIN: the seventh and eighth check of RFC 9293
//! §3.10.7.4.

use super::arrival::Arrival;
use super::segment::Received;
use super::subflow::Subflow;
use crate::base::{Context, Outcome, Packet};
use crate::wire::TcpFlags;
use std::num::NonZeroU64;

impl<P: Packet, T: Copy + PartialEq> Subflow<P, T> {
    /// Takes what is new and fits the window, in order or not.
    pub(super) fn accept_text(&mut self, cx: &mut Context<'_>, arrival: &mut Arrival<'_, P>) {
        if arrival.payload.is_empty() {
            return;
        }
        if !self.state.may_receive() || arrival.end <= self.receive.next as i64 {
            self.drop_known(cx, arrival);
            return;
        }
        self.trim_front(arrival);
        self.trim_back(cx, arrival);
        if arrival.payload.is_empty() {
            self.receive.schedule.hurry();
            return;
        }
        let payload = arrival.payload.share();
        if arrival.start == self.receive.next as i64 {
            self.deliver(cx, payload);
        } else {
            self.hold(cx, arrival.start as u64, &payload);
        }
    }

    fn drop_known(&mut self, cx: &mut Context<'_>, arrival: &Arrival<'_, P>) {
        cx.count(Outcome::TcpDuplicate);
        self.report_duplicate(arrival.start, arrival.end);
        self.receive.schedule.hurry();
    }

    fn trim_front(&mut self, arrival: &mut Arrival<'_, P>) {
        let next = self.receive.next as i64;
        if arrival.start < next {
            self.report_duplicate(arrival.start, next);
            arrival.payload.trim_front((next - arrival.start) as usize);
            arrival.start = next;
        }
    }

    /// Nothing is taken beyond the window or behind a FIN.
    fn trim_back(&mut self, cx: &mut Context<'_>, arrival: &mut Arrival<'_, P>) {
        let edge = self.receive.edge.min(self.receive.finish.map_or(u64::MAX, NonZeroU64::get)) as i64;
        let end = arrival.start + arrival.payload.len() as i64;
        if end > edge {
            cx.count(Outcome::TcpBeyondWindow);
            arrival.payload.truncate((edge - arrival.start).max(0) as usize);
        }
    }

    /// `payload` is the next in order.
    pub(super) fn deliver(&mut self, cx: &mut Context<'_>, payload: P) {
        let bytes = payload.len();
        self.make_ready(payload);
        if self.receive.reassembly.is_empty() {
            if self.receive.schedule.received(bytes, usize::from(self.send.path_mss)) {
                let deadline = cx.now + self.config.delayed_ack;
                self.timers.delayed_ack.get_or_insert(deadline);
            }
            return;
        }
        while let Some(payload) = self.receive.reassembly.take_next(self.receive.next) {
            self.make_ready(payload);
        }
        self.receive.report.follow(self.receive.reassembly.ranges());
        // RFC 5681 §4.2: at once when a gap is filled, in whole or in part.
        self.receive.schedule.hurry();
    }

    fn make_ready(&mut self, payload: P) {
        let sequence = self.receive.sequence(self.receive.next);
        self.receive.next += payload.len() as u64;
        self.receive.ready.push_back(Received { sequence, payload });
    }

    /// `payload` leaves a gap before it.
    fn hold(&mut self, cx: &mut Context<'_>, start: u64, payload: &P) {
        let inserted =
            self.receive.reassembly.insert(start, payload, usize::from(self.config.reassembly_segments));
        if inserted.new_bytes > 0 {
            cx.count(Outcome::TcpOutOfOrder);
        } else if inserted.dropped == 0 {
            cx.count(Outcome::TcpDuplicate);
        }
        if inserted.dropped > 0 {
            cx.counters.add(Outcome::TcpReassemblyFull, inserted.dropped);
            self.receive.report.follow(self.receive.reassembly.ranges());
        }
        if !self.agreed.sack {
            self.receive.schedule.duplicate();
            return;
        }
        if let Some(range) = inserted.duplicate {
            self.receive.report.duplicated(range);
        }
        if let Some(range) = self.receive.reassembly.ranges().containing(start) {
            self.receive.report.changed(range);
        }
        // RFC 5681 §4.2: out-of-order segments are acknowledged at once.
        self.receive.schedule.hurry();
    }

    /// Reports bytes that came again (RFC 2883).
    pub(super) fn report_duplicate(&mut self, start: i64, end: i64) {
        let start = start.max(1);
        if self.agreed.sack && start < end {
            self.receive.report.duplicated((start as u64, end as u64));
        }
    }

    /// Remembers a FIN, and acts on it once everything before it is there.
    pub(super) fn accept_finish(&mut self, cx: &mut Context<'_>, arrival: &mut Arrival<'_, P>) {
        if arrival.has(TcpFlags::FIN) {
            self.receive.schedule.hurry();
            self.restart_time_wait(cx.now, arrival);
            self.remember_finish(arrival);
        }
        if self.state.may_receive() && self.receive.finish.map(NonZeroU64::get) == Some(self.receive.next) {
            self.finish_receiving();
            arrival.reaction.finished = true;
        }
    }

    /// The first FIN counts, unless it contradicts data that is there, or lies
    /// beyond the window.
    fn remember_finish(&mut self, arrival: &Arrival<'_, P>) {
        let furthest = self.receive.reassembly.end().unwrap_or(0).max(self.receive.next);
        let edge = self.receive.edge.max(self.receive.next);
        let fits = arrival.end >= furthest as i64 && arrival.end <= edge as i64;
        if fits && !arrival.syn_is_known && self.state.may_receive() && self.receive.finish.is_none() {
            self.receive.finish = NonZeroU64::new(arrival.end as u64);
        }
    }
}
