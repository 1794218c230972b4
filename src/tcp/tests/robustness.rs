//! Arbitrary segments, calls and times: nothing panics, and the state of the
//! sequence numbers stays consistent.

use super::script::{OURS, THEIRS, plain};
use crate::base::{Context, Counters, Duration, HeapPacket, Instant, Random};
use crate::tcp::{Config, NoOptions, OutgoingSegment, State, Subflow};
use crate::wire::{Tcp, TcpFlags, TcpOptions, Timestamps};
use proptest::prelude::*;
use std::rc::Rc;

#[derive(Clone, Debug)]
enum Step {
    Segment {
        flags: u8,
        sequence: u32,
        acknowledgement: u32,
        window: u16,
        bytes: usize,
        sack: Vec<(u32, u32)>,
        stamp: Option<(u32, u32)>,
    },
    Push(usize, u32),
    Wait(u64),
    Window(u32),
    Mss(u16),
    Unreachable(u32),
    Close,
    Abort,
    Request(u8),
}

/// Numbers near the edges, and any.
fn number() -> impl Strategy<Value = u32> {
    prop_oneof![
        8 => (0u32..6_000).prop_map(|offset| offset),
        2 => (0u32..100_000).prop_map(|offset| offset.wrapping_sub(50_000)),
        1 => any::<u32>(),
    ]
}

fn segment() -> impl Strategy<Value = Step> {
    let flags = prop_oneof![10 => Just(0x10u8), 3 => Just(0x11), 1 => Just(0x02), 1 => Just(0x12), 1 => Just(0x04), 2 => any::<u8>()];
    let sack = prop::collection::vec((number(), number()), 0..4);
    let stamp = prop::option::of((number(), number()));
    (flags, number(), number(), any::<u16>(), 0usize..2_000, sack, stamp).prop_map(
        |(flags, sequence, acknowledgement, window, bytes, sack, stamp)| Step::Segment {
            flags,
            sequence,
            acknowledgement,
            window,
            bytes,
            sack,
            stamp,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => segment(),
        5 => (0usize..5_000, 0u32..3).prop_map(|(bytes, tag)| Step::Push(bytes, tag)),
        3 => (0u64..5_000).prop_map(Step::Wait),
        2 => any::<u32>().prop_map(|window| Step::Window(window % 200_000)),
        1 => any::<u16>().prop_map(Step::Mss),
        1 => number().prop_map(Step::Unreachable),
        1 => Just(Step::Close),
        1 => (0u8..20).prop_map(|chance| if chance == 0 { Step::Abort } else { Step::Wait(1) }),
        1 => (0u8..4).prop_map(Step::Request),
    ]
}

struct Chaos {
    subflow: Subflow<HeapPacket, u32>,
    now: Instant,
    random: Random,
    counters: Counters,
    /// Bytes received so far.
    received: usize,
}

impl Chaos {
    fn new(active: bool, config: Config) -> Self {
        let now = Instant::from_nanos(1 << 40);
        let config = Rc::new(config);
        let subflow = if active {
            Subflow::connect(config, 1_000, OURS, now)
        } else {
            let syn = tcp(0x02, 0, 0, 60_000, &[], Some((1, 0)));
            Subflow::accept(config, 1_000, OURS, &syn, now)
        };
        Self { subflow, now, random: Random::from_number(1), counters: Counters::new(), received: 0 }
    }

    fn apply(&mut self, step: &Step) {
        let mut cx = Context { now: self.now, random: &mut self.random, counters: &mut self.counters };
        match step {
            Step::Segment { flags, sequence, acknowledgement, window, bytes, sack, stamp } => {
                let segment = tcp(*flags, *sequence, *acknowledgement, *window, sack, *stamp);
                self.subflow.handle_segment(&mut cx, &segment, HeapPacket::new(&vec![0; *bytes]), false);
            }
            Step::Push(bytes, tag) => self.subflow.push(HeapPacket::new(&vec![0; *bytes]), *tag),
            Step::Wait(ms) => {
                self.now += Duration::from_millis(*ms);
                cx.now = self.now;
                self.subflow.handle_timeout(&mut cx);
            }
            Step::Window(bytes) => self.subflow.set_receive_window(*bytes),
            Step::Mss(mss) => self.subflow.handle_path_mss(*mss),
            Step::Unreachable(offset) => self.subflow.handle_unreachable(&mut cx, OURS + *offset as usize),
            Step::Close => self.subflow.close(self.now),
            Step::Abort => self.subflow.abort(),
            Step::Request(0) => self.subflow.request_ack(),
            Step::Request(1) => self.subflow.request_signal_ack(),
            Step::Request(2) => self.subflow.request_probe(),
            Step::Request(_) => self.subflow.retry_now(self.now),
        }
    }

    fn transmit(&mut self) {
        let mut segment = OutgoingSegment::new();
        for turn in 0.. {
            assert!(turn < 5_000, "transmits for ever: {:?}", self.subflow);
            let mut cx = Context { now: self.now, random: &mut self.random, counters: &mut self.counters };
            if !self.subflow.poll_transmit(&mut cx, &mut NoOptions, 0, &mut segment) {
                break;
            }
            let limit = self.subflow.mss();
            assert!(segment.payload_bytes + segment.options.len() <= limit, "{segment:?} for {limit}");
        }
    }

    fn check(&mut self) {
        while let Some(received) = self.subflow.take_received() {
            let expected = self.subflow.initial_receive_sequence() + 1 + self.received;
            assert_eq!(received.sequence, expected, "in order and once");
            self.received += received.payload.as_slice().len();
        }
        let send = &self.subflow.send;
        assert!(send.unacknowledged <= send.next && send.next <= send.queue.end() + 1);
        assert!(
            self.subflow
                .receive
                .reassembly
                .ranges()
                .first()
                .is_none_or(|first| first.0 > self.subflow.receive.next)
        );
        send.scoreboard.check();
        let outstanding = send.next > send.unacknowledged && self.subflow.state() != State::Closed;
        assert_eq!(self.subflow.timers.retransmit.is_some(), outstanding, "{:?}", self.subflow);
        if self.subflow.state() == State::Closed {
            assert!(self.subflow.poll_deadline().is_none() && self.subflow.close_reason().is_some());
        }
    }
}

fn tcp(
    flags: u8,
    sequence: u32,
    acknowledgement: u32,
    window: u16,
    sack: &[(u32, u32)],
    stamp: Option<(u32, u32)>,
) -> Tcp {
    let ours = |offset: u32| OURS + offset as usize;
    let options = TcpOptions {
        mss: Some(window),
        window_scale: Some((window % 16) as u8),
        sack_permitted: true,
        timestamps: stamp.map(|(value, echo)| Timestamps { value, echo }),
        sack: sack.iter().map(|&(left, right)| (ours(left), ours(right))).collect(),
        ..TcpOptions::default()
    };
    Tcp {
        source_port: 2,
        destination_port: 1,
        sequence: THEIRS + sequence as usize,
        acknowledgement: ours(acknowledgement),
        flags: TcpFlags(flags),
        window,
        urgent: 7,
        options,
        header_bytes: 20,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_segments_do_no_harm(
        active: bool,
        sack: bool,
        timestamps: bool,
        handshake: bool,
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let config = Config { sack, timestamps, retries: 5, reassembly_segments: 16, ..plain() };
        let mut chaos = Chaos::new(active, config);
        chaos.transmit();
        if handshake {
            let flags = if active { 0x12 } else { 0x10 };
            let sequence = u32::from(!active);
            chaos.apply(&Step::Segment {
                flags, sequence, acknowledgement: 1, window: 60_000, bytes: 0, sack: vec![], stamp: Some((5, 0)),
            });
            prop_assert_eq!(chaos.subflow.state(), State::Established);
        }
        for step in &steps {
            chaos.apply(step);
            chaos.transmit();
            chaos.check();
        }
    }
}
