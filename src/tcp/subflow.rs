//! The state of a subflow. The methods that change it lie by duty in the
//! files beside this one.

use super::acknowledgement_schedule::AcknowledgementSchedule;
use super::challenge::ChallengeLimit;
use super::config::Config;
use super::reassembly::Reassembly;
use super::recovery::Recovery;
use super::rtt::RttEstimator;
use super::sack_report::SackReport;
use super::scoreboard::Scoreboard;
use super::segment::Received;
use super::send_queue::SendQueue;
use super::state::{CloseReason, Counts, State};
use super::timers::Timers;
use super::timestamps::TimestampClock;
use crate::base::{Duration, Instant, OnDemand, Packet, Queue, SeqNumber};
use crate::congestion::Congestion;
use crate::wire::{Tcp, Timestamps};
use std::num::NonZeroU64;
use std::rc::Rc;

/// What a peer that announces no MSS takes (RFC 9293 §3.7.1).
pub(super) const DEFAULT_MSS: u16 = 536;

/// No MSS is believed to be smaller: 40 bytes of options and a few of payload.
pub(super) const MIN_MSS: u16 = 48;

/// The receive window before the room above sets one.
const INITIAL_WINDOW_BYTES: u32 = 65_535;

/// One TCP connection. `P` is packet memory; `T` tags payload for the room
/// above: a segment never mixes payload of different tags, and a
/// retransmission shows the same tag.
///
/// Six cache lines and a quarter. Each segment looks at most of them: both sides' offsets,
/// the window, the estimator, the timers and the counts lie here. What only data
/// in flight or an accident needs is behind a pointer, which is null in an idle
/// subflow: the queue and the scoreboard (one line each, allocated once per busy
/// time), reassembly, SACK report, recovery and challenges (not touched while
/// nothing is lost).
#[derive(Debug)]
pub struct Subflow<P, T> {
    pub(super) config: Rc<Config>,
    pub(super) state: State,
    pub(super) close_reason: Option<CloseReason>,
    /// Whether we sent the first SYN.
    pub(super) active: bool,
    pub(super) agreed: Agreed,
    pub(super) send: SendSide<P, T>,
    pub(super) receive: ReceiveSide<P>,
    pub(super) clock: TimestampClock,
    pub(super) rtt: RttEstimator,
    pub(super) congestion: Congestion,
    pub(super) recovery: OnDemand<Recovery>,
    pub(super) timers: Timers,
    pub(super) duties: Duties,
    pub(super) challenges: OnDemand<ChallengeLimit>,
    pub(super) counts: Counts,
}

/// What both SYNs agreed on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Agreed {
    pub(super) timestamps: bool,
    pub(super) sack: bool,
    /// Whether window fields are scaled.
    pub(super) scaling: bool,
    /// Shift of the peer's window field.
    pub(super) send_scale: u8,
    /// Shift of ours.
    pub(super) receive_scale: u8,
}

/// What goes to the peer. Offsets count from our SYN, which is 0.
#[derive(Debug)]
pub(super) struct SendSide<P, T> {
    pub(super) initial: SeqNumber,
    /// `SND.UNA`
    pub(super) unacknowledged: u64,
    /// `SND.NXT`: only ever grows.
    pub(super) next: u64,
    /// `SND.WND`, in bytes from `unacknowledged` on.
    pub(super) window_bytes: u32,
    /// `SND.WL1`, `SND.WL2`: the segment that `window_bytes` is from, by the lower
    /// half of its offsets.
    pub(super) window_from: (u32, u32),
    /// `MAX.SND.WND` (RFC 5961 §5.2).
    pub(super) max_window_bytes: u32,
    /// The window of the last acceptable segment, whatever its order.
    pub(super) last_window_bytes: u32,
    pub(super) queue: SendQueue<P, T>,
    pub(super) scoreboard: OnDemand<Scoreboard>,
    /// A FIN follows what is queued.
    pub(super) finishing: bool,
    /// What the path takes, and what the peer takes, without options.
    pub(super) path_mss: u16,
    pub(super) peer_mss: u16,
    /// Options of the room above on the last data segment: the next one's room
    /// is planned with them.
    pub(super) option_bytes: u8,
    pub(super) last_sent: Instant,
    /// The SYN left, and only once: that was `last_sent`, until it is answered.
    pub(super) syn_left_once: bool,
    /// What was sent below this offset was held back by the congestion window.
    pub(super) limited_to: u64,
}

/// What comes from the peer. Offsets count from its SYN, which is 0.
#[derive(Debug)]
pub(super) struct ReceiveSide<P> {
    pub(super) initial: SeqNumber,
    /// `RCV.NXT`
    pub(super) next: u64,
    /// What the room above allows from `next` on.
    pub(super) window_bytes: u32,
    /// The furthest edge ever announced.
    pub(super) edge: u64,
    /// The edge of the last announcement.
    pub(super) announced: u64,
    /// What was acknowledged last (`Last.ACK.sent`, RFC 7323).
    pub(super) acknowledged: u64,
    /// Offset of the peer's FIN, once one came.
    pub(super) finish: Option<NonZeroU64>,
    pub(super) reassembly: Reassembly<P>,
    pub(super) report: OnDemand<SackReport>,
    pub(super) ready: Queue<Received<P>>,
    pub(super) schedule: AcknowledgementSchedule,
    pub(super) last_heard: Instant,
    /// A wrong acknowledgement of the handshake: the number of the RST that is
    /// its answer.
    pub(super) refused: SeqNumber,
}

/// Segments that leave at the next `poll_transmit`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Duties {
    /// The RST of an abort.
    pub(super) abort: bool,
    /// An RST with the number `refused`, which changes nothing here.
    pub(super) reset: bool,
    /// The SYN or SYN/ACK.
    pub(super) syn: bool,
    pub(super) probe: Option<Probe>,
    /// Send what the window takes, even if that is little (RFC 9293 §3.8.6.2.1).
    pub(super) small_segment: bool,
}

/// Why a probe leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Probe {
    ZeroWindow,
    Keepalive,
}

impl<P: Packet, T: Copy + PartialEq> Subflow<P, T> {
    /// Active open: a SYN leaves at the next `poll_transmit`. `mss_bytes`:
    /// largest segment payload the path's MTU allows without options
    /// (MTU - 40 or - 60).
    pub fn connect(config: Rc<Config>, mss_bytes: u16, initial_sequence: SeqNumber, now: Instant) -> Self {
        Self::new(config, State::SynSent, mss_bytes, initial_sequence, now)
    }

    /// Passive open on a SYN. Payload of the SYN is not taken: the peer sends
    /// it again after the handshake (RFC 9293 §3.10.7.2).
    pub fn accept(
        config: Rc<Config>,
        mss_bytes: u16,
        initial_sequence: SeqNumber,
        syn: &Tcp,
        now: Instant,
    ) -> Self {
        let mut subflow = Self::new(config, State::SynReceived, mss_bytes, initial_sequence, now);
        subflow.active = false;
        subflow.agree(syn, now);
        subflow
    }

    fn new(config: Rc<Config>, state: State, mss_bytes: u16, initial: SeqNumber, now: Instant) -> Self {
        let mss = mss_bytes.max(MIN_MSS);
        let agreed = Agreed {
            timestamps: config.timestamps,
            sack: config.sack,
            scaling: true,
            send_scale: 0,
            receive_scale: config.window_scale.min(14),
        };
        Self {
            state,
            close_reason: None,
            active: true,
            agreed,
            send: SendSide::new(initial, mss, now),
            receive: ReceiveSide::new(now),
            clock: TimestampClock::new(initial),
            rtt: RttEstimator::new(),
            congestion: Congestion::new(
                config.congestion,
                usize::from(mss),
                usize::from(config.initial_window_segments),
            ),
            recovery: OnDemand::default(),
            timers: Timers::default(),
            duties: Duties { syn: true, ..Duties::default() },
            challenges: OnDemand::default(),
            counts: Counts::default(),
            config,
        }
    }

    /// The timestamps of a segment that leaves now.
    pub(super) fn stamp(&self, now: Instant) -> Option<Timestamps> {
        self.agreed.timestamps.then(|| self.clock.stamp(now))
    }

    /// Bytes that the timestamps take on every segment.
    pub(super) const fn timestamp_bytes(&self) -> usize {
        if self.agreed.timestamps { Timestamps::ENCODED_BYTES } else { 0 }
    }

    /// Payload per segment without options of the room above.
    pub(super) fn full_segment(&self) -> usize {
        self.segment_payload(0)
    }

    pub(super) fn retransmission_timeout(&self) -> Duration {
        self.rtt.timeout(&self.config)
    }
}

impl<P: Packet, T: Copy + PartialEq> SendSide<P, T> {
    fn new(initial: SeqNumber, mss: u16, now: Instant) -> Self {
        Self {
            initial,
            unacknowledged: 0,
            next: 0,
            window_bytes: 0,
            window_from: (0, 0),
            max_window_bytes: 0,
            last_window_bytes: 0,
            queue: SendQueue::new(),
            scoreboard: OnDemand::default(),
            finishing: false,
            path_mss: mss,
            peer_mss: DEFAULT_MSS,
            option_bytes: 0,
            last_sent: now,
            syn_left_once: false,
            limited_to: 0,
        }
    }

    /// The sequence number of an offset.
    pub(super) fn sequence(&self, offset: u64) -> SeqNumber {
        self.initial + offset as usize
    }

    /// The offset of a sequence number near what is in flight.
    pub(super) fn offset(&self, sequence: SeqNumber) -> i64 {
        self.unacknowledged as i64 + i64::from(sequence.distance(self.sequence(self.unacknowledged)))
    }

    /// The right edge of the peer's window.
    pub(super) const fn edge(&self) -> u64 {
        self.unacknowledged + self.window_bytes as u64
    }

    /// Bytes that the peer's window still takes.
    pub(super) const fn window_room(&self) -> u64 {
        self.edge().saturating_sub(self.next)
    }

    /// Bytes queued that never left.
    pub(super) const fn unsent(&self) -> u64 {
        let first = if self.next > 1 { self.next } else { 1 };
        self.queue.end().saturating_sub(first)
    }

    /// Whether our FIN left.
    pub(super) const fn fin_sent(&self) -> bool {
        self.next > self.queue.end()
    }

    /// Whether our FIN is acknowledged.
    pub(super) const fn fin_acknowledged(&self) -> bool {
        self.unacknowledged > self.queue.end()
    }
}

impl<P: Packet> ReceiveSide<P> {
    fn new(now: Instant) -> Self {
        Self {
            initial: SeqNumber(0),
            next: 0,
            window_bytes: INITIAL_WINDOW_BYTES,
            edge: 0,
            announced: 0,
            acknowledged: 0,
            finish: None,
            reassembly: Reassembly::new(),
            report: OnDemand::default(),
            ready: Queue::new(),
            schedule: AcknowledgementSchedule::new(),
            last_heard: now,
            refused: SeqNumber(0),
        }
    }

    /// The sequence number of an offset.
    pub(super) fn sequence(&self, offset: u64) -> SeqNumber {
        self.initial + offset as usize
    }

    /// The offset of a sequence number near what is expected.
    pub(super) fn offset(&self, sequence: SeqNumber) -> i64 {
        self.next as i64 + i64::from(sequence.distance(self.sequence(self.next)))
    }
}
