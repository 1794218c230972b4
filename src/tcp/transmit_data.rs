//! Segments with payload, and the FIN: what may leave (RFC 9293 §3.8.6, RFC
//! 5681, `NextSeg` of RFC 6675), and how it is cut.

use super::segment::{OptionContext, OptionSource, OutgoingSegment};
use super::send_queue::Run;
use super::subflow::Subflow;
use crate::base::{Context, Outcome, Packet};
use crate::congestion::Controller;
use crate::wire::TcpFlags;

/// What one segment shall carry.
#[derive(Clone, Copy, Debug)]
struct Cut {
    start: u64,
    /// At most.
    bytes: usize,
    /// Whether it left before.
    again: bool,
    /// What the port cuts itself; 0: nothing.
    super_segment_bytes: usize,
}

impl<P: Packet, T: Copy + PartialEq> Subflow<P, T> {
    /// The next of `NextSeg`: what was lost, what is new, and, with nothing new
    /// to send, what may have been lost.
    pub(super) fn transmit_data(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut impl OptionSource<T>,
        super_segment_bytes: usize,
        segment: &mut OutgoingSegment<P>,
    ) -> bool {
        if !self.state.may_transmit() {
            return false;
        }
        self.transmit_lost(cx, source, super_segment_bytes, segment)
            || self.transmit_new(cx, source, super_segment_bytes, segment)
            || self.transmit_finish(cx, source, segment)
            || self.transmit_doubtful(cx, source, segment)
    }

    /// Rule 1.
    fn transmit_lost(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut impl OptionSource<T>,
        super_segment_bytes: usize,
        segment: &mut OutgoingSegment<P>,
    ) -> bool {
        if self.send.scoreboard.lost_bytes() == 0 {
            return false;
        }
        let Some((start, end)) = self.send.scoreboard.next_lost() else { return false };
        let full = self.segment_payload(usize::from(self.send.option_bytes)) as u64;
        let least = full.min(end - start);
        let forced = self.recovery.is_forced();
        // RFC 9293 §3.8.6: a window that shrank holds back all but the first segment.
        let in_window = start + least <= self.send.edge() || start == self.send.unacknowledged;
        if !in_window || (!forced && self.credit() < least) {
            return false;
        }
        let most = self.credit().min(self.send.edge().saturating_sub(start)).max(least).min(end - start);
        self.retransmit(
            cx,
            source,
            Cut { start, bytes: most as usize, again: true, super_segment_bytes },
            segment,
        );
        true
    }

    /// Rules 3 and 4: nothing new can leave, but the window has room.
    fn transmit_doubtful(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut impl OptionSource<T>,
        segment: &mut OutgoingSegment<P>,
    ) -> bool {
        if !self.recovery.is_fast() || self.credit() < self.full_segment() as u64 {
            return false;
        }
        let hole = self.send.scoreboard.next_hole();
        let Some((start, end)) = hole.or_else(|| self.rescue()) else { return false };
        if hole.is_none() {
            self.recovery.rescued();
        }
        let bytes = (end - start) as usize;
        self.retransmit(cx, source, Cut { start, bytes, again: true, super_segment_bytes: 0 }, segment);
        true
    }

    fn rescue(&self) -> Option<(u64, u64)> {
        if self.recovery.may_rescue() { self.send.scoreboard.tail() } else { None }
    }

    fn retransmit(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut impl OptionSource<T>,
        cut: Cut,
        segment: &mut OutgoingSegment<P>,
    ) {
        if cut.start == self.send.unacknowledged && self.recovery.is_fast() {
            // The answer takes a round trip from now on, not from the last progress.
            self.timers.retransmit = None;
        }
        if cut.start >= self.send.queue.end() {
            self.emit_finish(cx, source, true, segment);
        } else {
            let finishes = self.send.finishing && self.send.scoreboard.is_lost_at(self.send.queue.end());
            self.emit_data(cx, source, cut, finishes, segment);
        }
        self.recovery.retransmitted();
        let segments = segment.segments() as u64;
        self.counts.retransmissions = self.counts.retransmissions.saturating_add(segments as u32);
        cx.counters.add(Outcome::TcpRetransmit, segments);
        if self.recovery.is_fast() {
            cx.counters.add(Outcome::TcpFastRetransmit, segments);
        }
    }

    /// Rule 2.
    fn transmit_new(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut impl OptionSource<T>,
        super_segment_bytes: usize,
        segment: &mut OutgoingSegment<P>,
    ) -> bool {
        if self.send.unsent() == 0 {
            return false;
        }
        self.restart_after_idle(cx);
        let Some(bytes) = self.new_bytes(super_segment_bytes) else {
            if self.send.unacknowledged == self.send.next {
                self.arm_persist_timer(cx.now);
            }
            return false;
        };
        self.duties.small_segment = false;
        self.timers.persist = None;
        let finishes = self.send.finishing;
        let cut = Cut { start: self.send.next, bytes, again: false, super_segment_bytes };
        self.emit_data(cx, source, cut, finishes, segment);
        self.note_limit();
        true
    }

    /// How many new bytes leave now: full segments, or all there is, or, if the
    /// peer's window is small, half of it (RFC 9293 §3.8.6.2.1).
    fn new_bytes(&self, super_segment_bytes: usize) -> Option<usize> {
        let full = self.segment_payload(usize::from(self.send.option_bytes));
        let window = usize::try_from(self.send.window_room()).unwrap_or(usize::MAX);
        let credit = self.credit() as usize;
        let usable = window.min(credit);
        let run = self.send.queue.from(self.send.next)?.bytes(super_segment_bytes.max(full));
        if usable >= run.min(full) {
            let bytes = run.min(usable);
            return Some(if bytes > full { bytes - bytes % full } else { bytes });
        }
        let takes_little =
            self.duties.small_segment || window as u64 >= u64::from(self.send.max_window_bytes).div_ceil(2);
        (window > 0 && window <= credit && takes_little).then_some(window)
    }

    /// Bytes that the congestion window still takes. What duplicate ACKs say
    /// has left the network makes room (RFC 3042).
    pub(super) fn credit(&self) -> u64 {
        (self.congestion.window_bytes() as u64).saturating_sub(self.pipe())
    }

    /// Bytes believed to be in the network.
    pub(super) fn pipe(&self) -> u64 {
        self.send.scoreboard.flight_bytes().saturating_sub(self.recovery.departed_bytes())
    }

    /// RFC 2861, RFC 5681 §4.1: a window that was not used is not known to fit.
    fn restart_after_idle(&mut self, cx: &Context<'_>) {
        let idle = cx.now.since(self.send.last_sent);
        let timeout = self.retransmission_timeout();
        if self.send.unacknowledged == self.send.next && idle > timeout {
            let timeouts = idle.as_nanos() / timeout.as_nanos().max(1);
            self.congestion.on_idle(idle, u32::try_from(timeouts).unwrap_or(u32::MAX));
            self.send.last_sent = cx.now;
        }
    }

    /// Remembers whether the congestion window was what held data back: then
    /// its acknowledgement may let it grow (RFC 7661).
    fn note_limit(&mut self) {
        let window = self.congestion.window_bytes() as u64;
        let pipe = self.pipe();
        let is_limited = if self.congestion.is_slow_start() {
            pipe * 2 >= window
        } else {
            pipe + self.full_segment() as u64 > window
        };
        if is_limited {
            self.send.limited_to = self.send.next;
        }
    }

    /// A FIN with nothing before it. It takes no buffer at the peer and does
    /// not wait for a window.
    fn transmit_finish(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut impl OptionSource<T>,
        segment: &mut OutgoingSegment<P>,
    ) -> bool {
        let due = self.send.finishing && !self.send.fin_sent() && self.send.unsent() == 0;
        if due {
            self.emit_finish(cx, source, false, segment);
        }
        due
    }

    fn emit_finish(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut impl OptionSource<T>,
        again: bool,
        segment: &mut OutgoingSegment<P>,
    ) {
        let end = self.send.queue.end();
        let flags = TcpFlags::FIN.with(TcpFlags::ACK);
        let context = OptionContext { retransmission: again, ..self.control_context(flags, end) };
        self.lay_out_data(source, &context, cx.now, &mut segment.options);
        self.stamp_header(end, flags, segment);
        self.log_finish(cx, again);
        self.data_left(cx);
    }

    /// Fills a segment with payload of one tag, and with the FIN if it
    /// `finishes` what is queued.
    fn emit_data(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut impl OptionSource<T>,
        cut: Cut,
        finishes: bool,
        segment: &mut OutgoingSegment<P>,
    ) {
        let ends_queue = cut.start + cut.bytes as u64 == self.send.queue.end();
        // Only if the payload fits whatever the options are: a FIN is not taken back.
        let finishes = finishes && ends_queue && cut.bytes + 40 <= self.mss();
        let flags = if finishes { TcpFlags::FIN.with(TcpFlags::ACK) } else { TcpFlags::ACK };
        let run = self.send.queue.from(cut.start);
        let context = OptionContext {
            tag: run.as_ref().map(Run::tag),
            payload_bytes: cut.bytes,
            retransmission: cut.again,
            ..self.control_context(flags, cut.start)
        };
        self.lay_out_data(source, &context, cx.now, &mut segment.options);
        let full = self.mss() - segment.options.len();
        self.send.option_bytes = (segment.options.len() - self.timestamp_bytes()) as u8;
        let bytes = run.map_or(0, |run| fill(&run, &cut, full, segment));
        let pushes = cut.start + bytes as u64 == self.send.queue.end();
        self.stamp_header(cut.start, if pushes { flags.with(TcpFlags::PSH) } else { flags }, segment);
        self.log_data(cx, &cut, bytes, full);
        if finishes {
            self.log_finish(cx, cut.again);
        }
        self.data_left(cx);
    }

    fn log_data(&mut self, cx: &Context<'_>, cut: &Cut, bytes: usize, full: usize) {
        let end = cut.start + bytes as u64;
        if cut.again {
            self.send.scoreboard.resent(cut.start, end, full, cx.now);
        } else {
            self.send.scoreboard.sent(cut.start, end, full, cx.now);
            self.send.next = end;
        }
    }

    /// The FIN has a record of its own: it is the one number without a byte.
    fn log_finish(&mut self, cx: &Context<'_>, again: bool) {
        let end = self.send.queue.end();
        if again {
            self.send.scoreboard.resent(end, end + 1, 1, cx.now);
        } else {
            self.send.scoreboard.sent(end, end + 1, 1, cx.now);
            self.send.next = end + 1;
        }
    }

    fn data_left(&mut self, cx: &Context<'_>) {
        self.send.last_sent = cx.now;
        self.arm_retransmission_timer(cx.now);
    }
}

/// Cuts the payload: one segment, or as many whole ones as the port cuts.
fn fill<P: Packet, T: Copy + PartialEq>(
    run: &Run<'_, P, T>,
    cut: &Cut,
    full: usize,
    segment: &mut OutgoingSegment<P>,
) -> usize {
    let limit = if cut.super_segment_bytes > full { cut.super_segment_bytes } else { full };
    let most = run.bytes(cut.bytes.min(limit));
    let bytes = if most > full { most - most % full } else { most };
    run.gather(bytes, &mut segment.payload);
    segment.payload_bytes = bytes;
    segment.segment_bytes = if bytes > full { full as u16 } else { 0 };
    bytes
}
