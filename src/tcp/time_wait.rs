//! What is left of a subflow that both sides have ended: enough to answer a
//! peer that missed the last ACK (RFC 9293 §3.6, §3.10.7.4).

use super::state::State;
use super::subflow::Subflow;
use super::timestamps::TimestampClock;
use crate::base::{Context, FourTuple, Instant, Outcome, Packet, SeqNumber};
use crate::wire::{OptionBytes, Tcp, TcpFlags, TcpOptions, Timestamps};

/// Answers until the peer's FIN comes again: an honest peer needs no more, and
/// a stranger gets none (RFC 5961 §7).
const ANSWERS: u8 = 16;

/// A subflow in TIME_WAIT, without the memory of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeWait {
    /// `SND.NXT`
    send_next: SeqNumber,
    /// `RCV.NXT`
    receive_next: SeqNumber,
    window: u16,
    answers_left: u8,
    has_timestamps: bool,
    clock: TimestampClock,
}

/// What follows from a segment for a 4-tuple in TIME_WAIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeWaitReaction {
    /// Nothing.
    Ignored,
    /// [`acknowledgement`](TimeWait::acknowledgement) is sent. `restart`: the
    /// FIN came again, TIME_WAIT begins anew.
    Answer {
        /// Whether it begins anew.
        restart: bool,
    },
    /// A SYN that cannot be an old duplicate: what is left goes, and the SYN is
    /// a new connection's, which begins beyond `after`.
    GiveWay {
        /// The last sequence number of ours.
        after: SeqNumber,
    },
}

impl<P: Packet, T: Copy + PartialEq> Subflow<P, T> {
    /// What has to be kept of it, once it is in TIME_WAIT and its last ACK left.
    pub fn time_wait(&self) -> Option<TimeWait> {
        (self.state == State::TimeWait && self.is_quiet()).then(|| TimeWait {
            send_next: self.send.sequence(self.send.next),
            receive_next: self.receive.sequence(self.receive.next),
            window: self.window_field(),
            answers_left: ANSWERS,
            has_timestamps: self.agreed.timestamps,
            clock: self.clock,
        })
    }
}

impl TimeWait {
    /// A segment came; it carries `payload_bytes`.
    pub fn handle_segment(
        &mut self,
        cx: &mut Context<'_>,
        segment: &Tcp,
        payload_bytes: usize,
    ) -> TimeWaitReaction {
        if self.is_replaced_by(segment, cx.now) {
            return TimeWaitReaction::GiveWay { after: self.send_next };
        }
        let has = |flag| segment.flags.contains(flag);
        if has(TcpFlags::RST) {
            // RFC 1337: it must not cut TIME_WAIT short.
            cx.count(Outcome::TcpResetIgnored);
            return TimeWaitReaction::Ignored;
        }
        let occupies = payload_bytes > 0 || has(TcpFlags::SYN) || has(TcpFlags::FIN);
        if !self.is_timely(segment, cx.now) {
            cx.count(Outcome::TcpPawsRejected);
            // A segment that lost its timestamp is silently dropped (RFC 7323 §3.2).
            let answered = segment.options.timestamps.is_some() && occupies;
            return if answered { self.answer(cx, false) } else { TimeWaitReaction::Ignored };
        }
        let start = segment.sequence.distance(self.receive_next);
        if let Some(timestamps) = segment.options.timestamps.filter(|_| start <= 0) {
            self.clock.take(timestamps.value, cx.now);
        }
        if has(TcpFlags::FIN) && start + payload_bytes as i32 + 1 == 0 {
            cx.count(Outcome::TcpDuplicate);
            self.answers_left = ANSWERS;
            return self.answer(cx, true);
        }
        if !occupies {
            return TimeWaitReaction::Ignored;
        }
        cx.count(match () {
            () if has(TcpFlags::SYN) => Outcome::TcpSynChallenge,
            () if start < 0 => Outcome::TcpDuplicate,
            () => Outcome::TcpOutOfWindow,
        });
        self.answer(cx, false)
    }

    /// An ACK of everything between `tuple`'s ends, and its options, to which the
    /// room above adds its own.
    pub fn acknowledgement(&self, tuple: &FourTuple, now: Instant) -> (Tcp, OptionBytes) {
        let mut options = OptionBytes::new();
        if self.has_timestamps {
            self.clock.stamp(now).emit(&mut options);
        }
        let header = Tcp {
            source_port: tuple.local.port(),
            destination_port: tuple.remote.port(),
            sequence: self.send_next,
            acknowledgement: self.receive_next,
            flags: TcpFlags::ACK,
            window: self.window,
            urgent: 0,
            options: TcpOptions::default(),
            header_bytes: Tcp::HEADER_BYTES as u8,
        };
        (header, options)
    }

    fn answer(&mut self, cx: &mut Context<'_>, restart: bool) -> TimeWaitReaction {
        if self.answers_left == 0 {
            cx.count(Outcome::TcpChallengeAckLimited);
            return TimeWaitReaction::Ignored;
        }
        self.answers_left -= 1;
        TimeWaitReaction::Answer { restart }
    }

    /// PAWS (RFC 7323 §5.3 R1).
    fn is_timely(&self, segment: &Tcp, now: Instant) -> bool {
        !self.has_timestamps
            || segment.options.timestamps.is_some_and(|timestamps| !self.clock.is_old(timestamps.value, now))
    }

    /// Whether a SYN is newer than everything that came before (RFC 9293 §3.6.1,
    /// RFC 6191).
    fn is_replaced_by(&self, syn: &Tcp, now: Instant) -> bool {
        let contradicting = TcpFlags::ACK.with(TcpFlags::RST).with(TcpFlags::FIN);
        if !syn.flags.contains(TcpFlags::SYN) || syn.flags.intersects(contradicting) {
            return false;
        }
        let echo = self.clock.stamp(now).echo;
        match syn.options.timestamps.filter(|_| self.has_timestamps) {
            Some(Timestamps { value, .. }) if value != echo => !self.clock.is_old(value, now),
            _ => syn.sequence.after(self.receive_next),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Counters, Duration, Random};

    const FIN: TcpFlags = TcpFlags::FIN.with(TcpFlags::ACK);

    /// Ours ended before 500, the peer's before 9000.
    fn time_wait(timestamps: bool) -> TimeWait {
        let mut clock = TimestampClock::new(SeqNumber(7));
        clock.begin(1_000, Instant::ZERO);
        TimeWait {
            send_next: SeqNumber(500),
            receive_next: SeqNumber(9_000),
            window: 77,
            answers_left: ANSWERS,
            has_timestamps: timestamps,
            clock,
        }
    }

    fn segment(flags: TcpFlags, sequence: u32, stamp: Option<u32>) -> Tcp {
        let timestamps = stamp.map(|value| Timestamps { value, echo: 0 });
        let options = TcpOptions { timestamps, ..TcpOptions::default() };
        Tcp { sequence: SeqNumber(sequence), flags, options, ..Tcp::default() }
    }

    fn react(time_wait: &mut TimeWait, segment: &Tcp, payload_bytes: usize) -> (TimeWaitReaction, Counters) {
        let (mut random, mut counters) = (Random::from_number(1), Counters::default());
        let now = Instant::ZERO + Duration::from_millis(5);
        let mut cx = Context { now, random: &mut random, counters: &mut counters };
        let reaction = time_wait.handle_segment(&mut cx, segment, payload_bytes);
        (reaction, counters)
    }

    #[test]
    fn the_fin_that_comes_again_is_answered_and_begins_it_anew() {
        let mut rest = time_wait(true);
        let (reaction, _) = react(&mut rest, &segment(FIN, 8_994, Some(1_200)), 5);
        assert_eq!(reaction, TimeWaitReaction::Answer { restart: true });
        let tuple =
            FourTuple { local: "10.0.0.1:80".parse().unwrap(), remote: "10.0.0.2:1000".parse().unwrap() };
        let (header, options) = rest.acknowledgement(&tuple, Instant::ZERO + Duration::from_millis(6));
        assert_eq!((header.sequence, header.acknowledgement), (SeqNumber(500), SeqNumber(9_000)));
        assert_eq!((header.source_port, header.destination_port, header.window), (80, 1_000, 77));
        let stamp = TcpOptions::parse(&options).timestamps;
        assert_eq!(stamp, Some(Timestamps { value: 13, echo: 1_200 }), "the newest is echoed");
    }

    #[test]
    fn strangers_get_few_answers() {
        let mut rest = time_wait(false);
        for (flags, sequence, payload_bytes) in [(FIN, 8_000, 0), (TcpFlags::ACK, 9_000, 10)] {
            let (reaction, _) = react(&mut rest, &segment(flags, sequence, None), payload_bytes);
            assert_eq!(reaction, TimeWaitReaction::Answer { restart: false });
        }
        let answers = (0..200)
            .filter(|_| react(&mut rest, &segment(TcpFlags::ACK, 1, None), 9).0 != TimeWaitReaction::Ignored);
        assert_eq!(answers.count(), usize::from(ANSWERS) - 2);
        let (reaction, counters) = react(&mut rest, &segment(TcpFlags::ACK, 1, None), 9);
        assert_eq!(reaction, TimeWaitReaction::Ignored);
        assert_eq!(counters.get(Outcome::TcpChallengeAckLimited), 1);
        // The peer is not made to suffer for it.
        let (reaction, _) = react(&mut rest, &segment(FIN, 8_999, None), 0);
        assert_eq!(reaction, TimeWaitReaction::Answer { restart: true });
    }

    #[test]
    fn resets_and_bare_acks_change_nothing() {
        let mut rest = time_wait(false);
        let (reaction, counters) = react(&mut rest, &segment(TcpFlags::RST, 9_000, None), 0);
        assert_eq!(reaction, TimeWaitReaction::Ignored);
        assert_eq!(counters.get(Outcome::TcpResetIgnored), 1);
        assert_eq!(react(&mut rest, &segment(TcpFlags::ACK, 9_000, None), 0).0, TimeWaitReaction::Ignored);
        assert_eq!(rest, time_wait(false));
    }

    #[test]
    fn a_newer_syn_takes_its_place() {
        const GIVE_WAY: TimeWaitReaction = TimeWaitReaction::GiveWay { after: SeqNumber(500) };
        let syn = |sequence, stamp| segment(TcpFlags::SYN, sequence, stamp);
        let reaction = |timestamps, segment: Tcp| react(&mut time_wait(timestamps), &segment, 0).0;
        assert_eq!(reaction(false, syn(9_001, None)), GIVE_WAY);
        let challenged = TimeWaitReaction::Answer { restart: false };
        assert_eq!(reaction(false, syn(9_000, None)), challenged, "an old duplicate");
        assert_eq!(reaction(false, syn(5, None)), challenged);
        let answer = segment(TcpFlags::SYN.with(TcpFlags::ACK), 9_500, None);
        assert_eq!(reaction(false, answer), challenged);
        // RFC 6191: timestamps tell where sequence numbers do not.
        assert_eq!(reaction(true, syn(5, Some(1_001))), GIVE_WAY);
        assert_eq!(reaction(true, syn(9_500, Some(999))), challenged, "from before");
        assert_eq!(reaction(true, syn(9_500, Some(1_000))), GIVE_WAY, "of the same tick");
        assert_eq!(reaction(true, syn(9_500, None)), GIVE_WAY);
    }

    #[test]
    fn old_timestamps_are_refused() {
        let mut rest = time_wait(true);
        let (reaction, counters) = react(&mut rest, &segment(FIN, 8_999, Some(900)), 0);
        assert_eq!(reaction, TimeWaitReaction::Answer { restart: false });
        assert_eq!(counters.get(Outcome::TcpPawsRejected), 1);
        assert_eq!(react(&mut rest, &segment(FIN, 8_999, None), 0).0, TimeWaitReaction::Ignored);
    }

    #[test]
    fn it_is_small() {
        assert!(size_of::<TimeWait>() <= 32, "{} bytes", size_of::<TimeWait>());
    }
}
