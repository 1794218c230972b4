//! A subflow whose peer is the test: segments are written and read as
//! `FLAGS START:END(BYTES) ack N`, with numbers relative to the SYNs.

use crate::base::{Context, Counters, Duration, HeapPacket, Instant, Outcome, Packet, Random, SeqNumber};
use crate::congestion::Algorithm;
use crate::tcp::{Config, NoOptions, OptionSource, OutgoingSegment, Reaction, State, Subflow};
use crate::wire::{Tcp, TcpFlags, TcpOptions, Timestamps};
use std::rc::Rc;

/// Initial sequence numbers: ours wraps early.
pub(super) const OURS: SeqNumber = SeqNumber(u32::MAX - 1_500);
pub(super) const THEIRS: SeqNumber = SeqNumber(7_000_000);

pub(super) const MSS: u16 = 1_000;

/// Numbers that are easy to follow: no timestamps, NewReno.
pub(super) fn plain() -> Config {
    Config { timestamps: false, congestion: Algorithm::NewReno, window_scale: 0, ..Config::default() }
}

/// A segment of the peer.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    flags: TcpFlags,
    start: i64,
    ack: i64,
    window: u16,
    payload: Vec<u8>,
    options: TcpOptions,
}

/// `flags` in tcpdump's letters, `start` and `ack` relative to the SYNs.
pub(super) fn peer(flags: &str, start: i64, ack: i64) -> Peer {
    Peer {
        flags: parse_flags(flags),
        start,
        ack,
        window: 65_535,
        payload: Vec::new(),
        options: TcpOptions::default(),
    }
}

impl Peer {
    pub(super) fn data(mut self, bytes: usize) -> Self {
        self.payload = (0..bytes).map(|at| stream_byte((self.start.max(1) - 1) as usize + at)).collect();
        self
    }

    pub(super) fn window(mut self, window: u16) -> Self {
        self.window = window;
        self
    }

    pub(super) fn timestamps(mut self, value: u32, echo: u32) -> Self {
        self.options.timestamps = Some(Timestamps { value, echo });
        self
    }

    pub(super) fn sack(mut self, blocks: &[(usize, usize)]) -> Self {
        self.options.sack = blocks.iter().map(|&(left, right)| (OURS + left, OURS + right)).collect();
        self
    }

    /// The options of a SYN.
    pub(super) fn syn_options(mut self, mss: u16, sack: bool, scale: Option<u8>) -> Self {
        self.options.mss = Some(mss);
        self.options.sack_permitted = sack;
        self.options.window_scale = scale;
        self
    }

    pub(super) fn tcp(&self) -> Tcp {
        Tcp {
            source_port: 2,
            destination_port: 1,
            sequence: SeqNumber(THEIRS.0.wrapping_add(self.start as u32)),
            acknowledgement: SeqNumber(OURS.0.wrapping_add(self.ack as u32)),
            flags: self.flags,
            window: self.window,
            urgent: 0,
            options: self.options.clone(),
            header_bytes: 20,
        }
    }
}

/// The byte of either side's stream at an offset.
pub(super) fn stream_byte(offset: usize) -> u8 {
    (offset % 251) as u8
}

fn parse_flags(text: &str) -> TcpFlags {
    text.chars().fold(TcpFlags(0), |flags, letter| {
        flags.with(match letter {
            'S' => TcpFlags::SYN,
            'F' => TcpFlags::FIN,
            'R' => TcpFlags::RST,
            'P' => TcpFlags::PSH,
            'U' => TcpFlags::URG,
            '.' => TcpFlags::ACK,
            other => panic!("flag {other}"),
        })
    })
}

fn show_flags(flags: TcpFlags) -> String {
    let letters = [
        (TcpFlags::SYN, 'S'),
        (TcpFlags::FIN, 'F'),
        (TcpFlags::RST, 'R'),
        (TcpFlags::PSH, 'P'),
        (TcpFlags::ACK, '.'),
    ];
    letters.into_iter().filter(|&(flag, _)| flags.contains(flag)).map(|(_, letter)| letter).collect()
}

/// A segment of the subflow, as it is on the wire.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) tcp: Tcp,
    pub(super) options: Vec<u8>,
    pub(super) payload: Vec<u8>,
    pub(super) segment_bytes: u16,
    pub(super) pieces: usize,
}

impl Sent {
    pub(super) fn from(segment: &OutgoingSegment<HeapPacket>) -> Self {
        let header = Tcp {
            source_port: 1,
            destination_port: 2,
            sequence: segment.sequence,
            acknowledgement: segment.acknowledgement,
            flags: segment.flags,
            window: segment.window,
            urgent: 0,
            options: TcpOptions::default(),
            header_bytes: 20,
        };
        let mut bytes = [0; 60];
        let len = header.emit(&segment.options, &mut bytes);
        let payload: Vec<u8> = segment.payload.iter().flat_map(|piece| piece.as_slice().to_vec()).collect();
        assert_eq!(payload.len(), segment.payload_bytes);
        assert!(segment.payload.iter().all(|piece| !piece.is_empty()));
        Self {
            tcp: Tcp::parse(&bytes[..len]).expect("own header"),
            options: segment.options.to_vec(),
            payload,
            segment_bytes: segment.segment_bytes,
            pieces: segment.payload.len(),
        }
    }

    fn show(&self) -> String {
        let start = self.tcp.sequence.distance(OURS);
        let len = self.payload.len();
        let mut text = format!("{} {start}:{}({len})", show_flags(self.tcp.flags), start + len as i32);
        if self.tcp.flags.contains(TcpFlags::ACK) {
            text += &format!(" ack {}", self.tcp.acknowledgement.distance(THEIRS));
        }
        for (left, right) in &self.tcp.options.sack {
            text += &format!(" sack {}:{}", left.distance(THEIRS), right.distance(THEIRS));
        }
        text
    }
}

/// The subflow under test with the world around it.
pub(super) struct Host {
    pub(super) subflow: Subflow<HeapPacket, u32>,
    pub(super) now: Instant,
    random: Random,
    pub(super) counters: Counters,
    segment: OutgoingSegment<HeapPacket>,
    pushed: usize,
}

impl Host {
    pub(super) fn connect(config: Config) -> Self {
        let now = Instant::from_nanos(5_000_000_000);
        Self::over(Subflow::connect(Rc::new(config), MSS, OURS, now), now)
    }

    pub(super) fn accept(config: Config, syn: &Peer) -> Self {
        let now = Instant::from_nanos(5_000_000_000);
        Self::over(Subflow::accept(Rc::new(config), MSS, OURS, &syn.tcp(), now), now)
    }

    /// Established by an active open; the peer takes SACK as configured.
    pub(super) fn established(config: Config) -> Self {
        let sack = config.sack;
        let mut host = Self::connect(config);
        host.sent();
        let mut answer = peer("S.", 0, 1).syn_options(MSS, sack, None);
        if host.subflow.has_timestamps() {
            answer = answer.timestamps(1, 0);
        }
        host.inject(&answer);
        host.sent();
        assert_eq!(host.subflow.state(), State::Established);
        host
    }

    fn over(subflow: Subflow<HeapPacket, u32>, now: Instant) -> Self {
        let (random, counters) = (Random::from_number(1), Counters::new());
        Self { subflow, now, random, counters, segment: OutgoingSegment::new(), pushed: 0 }
    }

    pub(super) fn inject(&mut self, segment: &Peer) -> Reaction {
        self.inject_with(segment, false)
    }

    pub(super) fn inject_with(&mut self, segment: &Peer, upper_signal: bool) -> Reaction {
        let payload = HeapPacket::new(&segment.payload);
        let mut cx = Context { now: self.now, random: &mut self.random, counters: &mut self.counters };
        self.subflow.handle_segment(&mut cx, &segment.tcp(), payload, upper_signal)
    }

    /// Pushes the next bytes of the stream with tag 0.
    pub(super) fn push(&mut self, bytes: usize) {
        self.push_tagged(bytes, 0);
    }

    pub(super) fn push_tagged(&mut self, bytes: usize, tag: u32) {
        let payload: Vec<u8> = (self.pushed..self.pushed + bytes).map(stream_byte).collect();
        self.pushed += bytes;
        self.subflow.push(HeapPacket::new(&payload), tag);
    }

    /// Everything that leaves now.
    pub(super) fn sent(&mut self) -> Vec<Sent> {
        self.sent_with(&mut NoOptions, 0)
    }

    pub(super) fn sent_with(&mut self, source: &mut impl OptionSource<u32>, super_bytes: usize) -> Vec<Sent> {
        let mut all = Vec::new();
        loop {
            let mut cx = Context { now: self.now, random: &mut self.random, counters: &mut self.counters };
            let is_quiet = self.subflow.is_quiet();
            let is_sent = self.subflow.poll_transmit(&mut cx, source, super_bytes, &mut self.segment);
            assert!(!(is_quiet && is_sent), "a quiet subflow sends");
            if !is_sent {
                assert_eq!((self.segment.payload.len(), self.segment.options.len()), (0, 0));
                return all;
            }
            let sent = Sent::from(&self.segment);
            let start = sent.tcp.sequence.distance(OURS);
            let expected: Vec<u8> =
                (0..sent.payload.len()).map(|at| stream_byte(start as usize - 1 + at)).collect();
            assert_eq!(sent.payload, expected, "payload at {start}");
            all.push(sent);
            assert!(all.len() < 10_000, "transmits for ever");
        }
    }

    /// Everything that leaves now, to read.
    pub(super) fn out(&mut self) -> Vec<String> {
        self.sent().iter().map(Sent::show).collect()
    }

    pub(super) fn wait(&mut self, ms: u64) {
        self.now += Duration::from_millis(ms);
        self.timeout();
    }

    pub(super) fn timeout(&mut self) {
        let mut cx = Context { now: self.now, random: &mut self.random, counters: &mut self.counters };
        self.subflow.handle_timeout(&mut cx);
    }

    /// Goes to the next deadline; returns the milliseconds until it.
    pub(super) fn wait_for_deadline(&mut self) -> u64 {
        let deadline = self.subflow.poll_deadline().expect("a timer runs");
        let span = deadline.since(self.now);
        self.now += span;
        self.timeout();
        span.as_millis()
    }

    /// What was received in order.
    pub(super) fn received(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while let Some(received) = self.subflow.take_received() {
            bytes.extend_from_slice(received.payload.as_slice());
        }
        bytes
    }

    pub(super) fn count(&self, outcome: Outcome) -> u64 {
        self.counters.get(outcome)
    }

    pub(super) fn unreachable(&mut self, offset: usize) {
        let mut cx = Context { now: self.now, random: &mut self.random, counters: &mut self.counters };
        self.subflow.handle_unreachable(&mut cx, OURS + offset);
    }
}

/// The bytes of a stream.
pub(super) fn stream(range: std::ops::Range<usize>) -> Vec<u8> {
    range.map(stream_byte).collect()
}
