//! An acknowledgement arrives: window, SACK, round-trip time and what is
//! released (RFC 9293 §3.10.7.4, fifth check; RFC 2018, 6298, 7323).

use super::arrival::Arrival;
use super::recovery::News;
use super::scoreboard::Released;
use super::subflow::{SendSide, Subflow};
use crate::base::{Context, Duration, Packet};
use crate::congestion::{Acknowledged, Controller};
use crate::wire::{Tcp, TcpFlags};

impl<P: Packet, T: Copy + PartialEq> Subflow<P, T> {
    /// Takes the acknowledgement of a segment that passed the checks.
    pub(super) fn acknowledge(&mut self, cx: &mut Context<'_>, arrival: &mut Arrival<'_, P>) {
        let segment = arrival.segment;
        let window = self.window_of(segment);
        self.send.last_window_bytes = window;
        let acknowledged = self.send.offset(segment.acknowledgement);
        if acknowledged < self.send.unacknowledged as i64 {
            return;
        }
        let acknowledged = acknowledged as u64;
        let is_duplicate = self.is_duplicate(arrival, acknowledged, window);
        arrival.reaction.duplicate_ack = is_duplicate;
        self.update_window(segment, arrival.start, acknowledged, window);
        if self.send.unacknowledged == self.send.next {
            return;
        }
        let before = self.send.unacknowledged;
        let sacked = self.take_sacks(segment);
        let released = self.release(acknowledged);
        let news = News {
            advanced: acknowledged - before,
            sacked,
            duplicate: is_duplicate && !arrival.upper_signal,
            echo: segment.options.timestamps.map(|timestamps| timestamps.echo),
        };
        arrival.reaction.acknowledged |= news.advanced > 0;
        let rtt = self.measure_round_trip(cx, &released, &news, before);
        self.take_news(cx, &news, released.delivered_bytes, rtt);
        self.restart_retransmission_timer(cx.now, &news);
        if self.send.finishing && self.send.fin_acknowledged() {
            self.finish_acknowledged();
        }
    }

    /// RFC 7323 §2.2: the window of a SYN is not scaled.
    fn window_of(&self, segment: &Tcp) -> u32 {
        let shift = if segment.flags.contains(TcpFlags::SYN) { 0 } else { self.agreed.send_scale };
        u32::from(segment.window) << shift
    }

    /// RFC 5681 §2, all five conditions.
    fn is_duplicate(&self, arrival: &Arrival<'_, P>, acknowledged: u64, window: u32) -> bool {
        acknowledged == self.send.unacknowledged
            && self.send.next > self.send.unacknowledged
            && arrival.end == arrival.start
            && !arrival.segment.flags.intersects(TcpFlags::SYN.with(TcpFlags::FIN))
            && window == self.send.window_bytes
    }

    /// `SND.WND`, from the newest segment only.
    fn update_window(&mut self, segment: &Tcp, start: i64, acknowledged: u64, window: u32) {
        let from = (start.max(0) as u32, acknowledged as u32);
        let (last_start, last_acknowledged) = self.send.window_from;
        let is_newer = acknowledged > self.send.unacknowledged
            || is_beyond(from.0, last_start)
            || (from.0 == last_start && !is_beyond(last_acknowledged, from.1));
        if is_newer && !segment.flags.contains(TcpFlags::SYN) {
            self.send.set_window(window, from);
            if acknowledged + u64::from(window) > self.send.next {
                self.timers.window_opened();
            }
        }
    }

    /// Marks what the SACK blocks cover; returns the bytes that is news for.
    /// A block at or below the acknowledgement reports a duplicate (RFC 2883).
    fn take_sacks(&mut self, segment: &Tcp) -> u64 {
        if !self.agreed.sack {
            return 0;
        }
        let acknowledged = self.send.offset(segment.acknowledgement);
        let mut news = 0;
        for &(left, right) in &segment.options.sack {
            let (start, end) = (self.send.offset(left), self.send.offset(right));
            let plausible = start > acknowledged && start < end && end <= self.send.next as i64;
            if plausible {
                news += self.send.scoreboard.sack(start as u64, end as u64);
            }
        }
        news
    }

    fn release(&mut self, acknowledged: u64) -> Released {
        self.send.unacknowledged = acknowledged;
        self.send.queue.release(acknowledged);
        self.send.scoreboard.acknowledge(acknowledged)
    }

    /// RFC 6298 §3 (Karn) and RFC 7323 §4.1: exactly, from what left once; by
    /// the timestamp echo, from what was sent again.
    fn measure_round_trip(
        &mut self,
        cx: &Context<'_>,
        released: &Released,
        news: &News,
        before: u64,
    ) -> Option<Duration> {
        if news.advanced == 0 {
            return None;
        }
        let segments = (self.send.next - before).div_ceil(2 * self.full_segment() as u64);
        if let Some(sent) = released.sent_at {
            let rtt = cx.now.since(sent);
            self.rtt.measure(rtt, segments);
            return Some(rtt);
        }
        let echo = news.echo.filter(|_| self.agreed.timestamps && released.delivered_bytes > 0)?;
        if let Some(rtt) = self.clock.since(echo, cx.now) {
            self.rtt.measure(rtt, segments);
        }
        None
    }

    /// Lets loss recovery and the congestion controller see what is new.
    fn take_news(&mut self, cx: &mut Context<'_>, news: &News, delivered_bytes: u64, rtt: Option<Duration>) {
        let after_timeout = self.recovery.is_after_timeout();
        let limited = after_timeout || self.send.unacknowledged - news.advanced < self.send.limited_to;
        // What was SACKed counts when it is acknowledged; after a timeout that was long ago.
        let delivered_bytes = if after_timeout { delivered_bytes } else { news.advanced };
        let grows = self.detect_loss(cx, news);
        if !grows || news.advanced == 0 || delivered_bytes == 0 {
            return;
        }
        self.congestion.on_ack(&Acknowledged {
            now: cx.now,
            delivered_bytes: delivered_bytes as usize,
            in_flight_bytes: (self.send.next - self.send.unacknowledged) as usize,
            acknowledged_to: self.send.unacknowledged,
            sent_to: self.send.next,
            rtt,
            smoothed_rtt: self.rtt.smoothed(),
            window_limited: limited,
        });
    }
}

/// Comparison of the lower halves of offsets, as of sequence numbers.
const fn is_beyond(offset: u32, other: u32) -> bool {
    offset.wrapping_sub(other) as i32 > 0
}

impl<P: Packet, T: Copy + PartialEq> SendSide<P, T> {
    /// The peer takes `window_bytes` from its acknowledgement on.
    pub(super) fn set_window(&mut self, window_bytes: u32, from: (u32, u32)) {
        self.window_bytes = window_bytes;
        self.window_from = from;
        self.max_window_bytes = self.max_window_bytes.max(window_bytes);
        self.last_window_bytes = window_bytes;
    }
}
