//! What was lost, and what to do about it: fast recovery by SACK (RFC 6675) or
//! without (RFC 6582), timeouts (RFC 6298), and timeouts that were none
//! (RFC 3522, 4015).

use super::scoreboard::DUPLICATE_THRESHOLD;
use super::subflow::Subflow;
use crate::base::{Blank, Context, Instant, Outcome, Packet};
use crate::congestion::{Congestion, CongestionEvent, Controller};

/// What an acknowledgement said that was not known.
#[derive(Clone, Copy, Debug)]
pub(super) struct News {
    /// Bytes by which the cumulative acknowledgement moved.
    pub(super) advanced: u64,
    /// Bytes SACKed for the first time.
    pub(super) sacked: u64,
    /// A duplicate ACK that may be taken as a congestion signal.
    pub(super) duplicate: bool,
    pub(super) echo: Option<u32>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Open,
    /// Fast recovery until everything below `recover` is acknowledged.
    Fast,
    /// After a timeout, until everything below `recover` is acknowledged.
    Timeout,
}

/// Where loss recovery stands.
#[derive(Debug, Default)]
pub(super) struct Recovery {
    phase: Phase,
    /// What was sent when the last loss was found (`RecoveryPoint`, `recover`).
    recover: u64,
    duplicates: u32,
    /// Bytes that left the network as duplicate ACKs say, without SACK.
    departed_bytes: u64,
    /// The first segment of a recovery leaves whatever the window says.
    forced: bool,
    /// The rescue retransmission of this recovery was used.
    rescued: bool,
    /// Timeouts since the last progress.
    pub(super) timeouts: u32,
    undo: Option<Box<Undo>>,
}

impl Blank for Recovery {
    const BLANK: &'static Self = &Self {
        phase: Phase::Open,
        recover: 0,
        duplicates: 0,
        departed_bytes: 0,
        forced: false,
        rescued: false,
        timeouts: 0,
        undo: None,
    };
}

/// What a timeout did, in case it was spurious.
#[derive(Clone, Copy, Debug)]
struct Undo {
    congestion: Congestion,
    /// The timestamp clock at the timeout: an echo from before is the answer
    /// to an original.
    clock: u32,
}

impl Recovery {
    pub(super) fn is_fast(&self) -> bool {
        self.phase == Phase::Fast
    }

    pub(super) fn is_after_timeout(&self) -> bool {
        self.phase == Phase::Timeout
    }

    pub(super) const fn departed_bytes(&self) -> u64 {
        self.departed_bytes
    }

    pub(super) const fn is_forced(&self) -> bool {
        self.forced
    }

    /// A retransmission left.
    pub(super) const fn retransmitted(&mut self) {
        self.forced = false;
    }

    /// Whether the one rescue retransmission may leave (RFC 6675 `NextSeg` rule 4).
    pub(super) fn may_rescue(&self) -> bool {
        self.is_fast() && !self.rescued
    }

    pub(super) const fn rescued(&mut self) {
        self.rescued = true;
    }

    /// Whether nothing of it matters after a rest. Without SACK, `recover` does:
    /// duplicate ACKs of what an earlier recovery sent say nothing.
    pub(super) fn is_over(&self, sack: bool) -> bool {
        self.phase == Phase::Open && self.timeouts == 0 && (sack || self.recover == 0)
    }

    fn leave(&mut self) {
        self.phase = Phase::Open;
        self.duplicates = 0;
        self.departed_bytes = 0;
        self.forced = false;
        self.undo = None;
    }
}

impl<P: Packet, T: Copy + PartialEq> Subflow<P, T> {
    /// Looks at what an acknowledgement says; returns whether the congestion
    /// window may grow by it.
    pub(super) fn detect_loss(&mut self, cx: &mut Context<'_>, news: &News) -> bool {
        if news.advanced > 0 && self.recovery.timeouts > 0 {
            self.recovery.timeouts = 0;
        }
        let was_fast = self.recovery.is_fast();
        if self.send.scoreboard.is_reneged() {
            self.send.scoreboard.forget_sacks();
            if self.recovery.phase == Phase::Open {
                self.enter_fast_recovery(cx);
            }
        }
        match self.recovery.phase {
            Phase::Open => self.news_while_open(cx, news),
            Phase::Fast => self.news_in_fast_recovery(cx, news),
            Phase::Timeout => self.news_after_timeout(cx, news),
        }
        !was_fast && !self.recovery.is_fast()
    }

    fn news_while_open(&mut self, cx: &mut Context<'_>, news: &News) {
        if news.advanced > 0 && self.recovery.duplicates > 0 {
            self.recovery.duplicates = 0;
            self.recovery.departed_bytes = 0;
        }
        let lost_before = self.send.scoreboard.lost_bytes();
        if self.agreed.sack {
            self.judge_by_sack(news);
        } else if news.duplicate {
            self.judge_by_duplicates();
        }
        if self.send.scoreboard.lost_bytes() > lost_before {
            self.enter_fast_recovery(cx);
        }
    }

    /// RFC 6675 §5: a duplicate ACK is one that SACKs something new.
    fn judge_by_sack(&mut self, news: &News) {
        if news.sacked == 0 {
            return;
        }
        self.recovery.duplicates += 1;
        let segment_bytes = self.full_segment();
        self.send.scoreboard.judge(segment_bytes);
        if self.recovery.duplicates as usize >= DUPLICATE_THRESHOLD {
            self.send.scoreboard.judge_head();
        }
    }

    /// RFC 5681 §3.2 and 3042 §2: the first two duplicates let new segments out,
    /// because what they answer left the network; the third is a loss.
    fn judge_by_duplicates(&mut self) {
        // RFC 6582 §3.2 step 2: not by what an earlier recovery sent twice.
        if self.recovery.recover > 0 && self.send.unacknowledged <= self.recovery.recover {
            return;
        }
        self.recovery.duplicates += 1;
        self.recovery.departed_bytes += self.full_segment() as u64;
        if self.recovery.duplicates as usize >= DUPLICATE_THRESHOLD {
            self.send.scoreboard.judge_head();
        }
    }

    fn enter_fast_recovery(&mut self, cx: &Context<'_>) {
        let mut event = self.congestion_event(cx.now);
        if self.was_window_full() {
            event.in_flight_bytes = self.congestion.window_bytes();
        }
        self.congestion.on_congestion(&event);
        let recovery = &mut self.recovery;
        recovery.phase = Phase::Fast;
        recovery.recover = self.send.next;
        recovery.forced = true;
        recovery.rescued = false;
        recovery.undo = None;
    }

    /// Whether what is out left under a full window. ACKs come in bursts, and nothing
    /// leaves in between: those in front of the loss have made FlightSize less than it
    /// was, though the window was what limited it (RFC 9438 §4.6 allows the window
    /// then). In slow start the window has grown by them.
    fn was_window_full(&self) -> bool {
        self.send.unacknowledged < self.send.limited_to && !self.congestion.is_slow_start()
    }

    /// What limited transmit sent beyond the window does not count (RFC 5681 §3.2 step 2).
    fn congestion_event(&self, now: Instant) -> CongestionEvent {
        let outstanding = (self.send.next - self.send.unacknowledged) as usize;
        CongestionEvent { now, in_flight_bytes: outstanding.min(self.congestion.window_bytes()) }
    }

    fn news_in_fast_recovery(&mut self, cx: &Context<'_>, news: &News) {
        if self.agreed.sack {
            let segment_bytes = self.full_segment();
            self.send.scoreboard.judge(segment_bytes);
        }
        if self.send.unacknowledged >= self.recovery.recover {
            self.leave_recovery(cx);
        } else if !self.agreed.sack {
            self.deflate(news);
        }
    }

    /// What of this recovery is acknowledged; data sent during it may be lost
    /// too, which is a congestion event of its own.
    fn leave_recovery(&mut self, cx: &Context<'_>) {
        self.recovery.leave();
        if self.send.scoreboard.lost_bytes() > 0 {
            self.enter_fast_recovery(cx);
        }
    }

    /// RFC 6582 §3.2 step 3: a partial acknowledgement shows the next loss, and
    /// all but the retransmission that it answers had left the network before.
    fn deflate(&mut self, news: &News) {
        let segment = self.full_segment() as u64;
        let recovery = &mut self.recovery;
        if news.advanced > 0 {
            recovery.departed_bytes =
                recovery.departed_bytes.saturating_sub(news.advanced.saturating_sub(segment));
            recovery.forced = true;
            self.send.scoreboard.judge_head();
        } else if news.duplicate {
            recovery.departed_bytes += segment;
        }
    }

    fn news_after_timeout(&mut self, cx: &mut Context<'_>, news: &News) {
        if news.advanced > 0 && self.undo_timeout(cx, news) {
            return;
        }
        if self.agreed.sack && news.sacked > 0 {
            let segment_bytes = self.full_segment();
            self.send.scoreboard.judge(segment_bytes);
        }
        if self.send.unacknowledged >= self.recovery.recover {
            self.leave_recovery(cx);
        }
    }

    /// Eifel (RFC 3522, 4015): the first acknowledgement after the timeout
    /// echoes a segment from before it, so nothing was lost.
    fn undo_timeout(&mut self, cx: &mut Context<'_>, news: &News) -> bool {
        let Some(undo) = self.recovery.undo.take() else { return false };
        let is_original = news.echo.is_some_and(|echo| (echo.wrapping_sub(undo.clock) as i32) < 0);
        if !is_original {
            return false;
        }
        cx.count(Outcome::TcpSpuriousTimeout);
        self.congestion = undo.congestion;
        self.congestion.set_segment_bytes(self.full_segment());
        self.send.scoreboard.find_lost();
        self.rtt.forget_back_off();
        self.recovery.leave();
        true
    }

    /// RFC 6298 §5.4 to 5.6 and RFC 5681 §3.1.
    pub(super) fn lose_everything(&mut self, now: Instant) {
        let first = self.recovery.timeouts == 0;
        let undo = Undo { congestion: self.congestion, clock: self.clock.value(now) };
        self.congestion.on_timeout(&self.congestion_event(now), first);
        if !first {
            // RFC 2018 §8: the peer may have dropped what it SACKed.
            self.send.scoreboard.forget_sacks();
        }
        self.send.scoreboard.lose_all();
        let recovery = &mut self.recovery;
        recovery.leave();
        recovery.phase = Phase::Timeout;
        recovery.recover = self.send.next;
        recovery.forced = true;
        recovery.undo = (first && self.agreed.timestamps).then(|| Box::new(undo));
    }
}
