use super::script::{Host, MSS, peer, plain};
use crate::base::HeapPacket;
use crate::tcp::{Config, OptionContext, OptionSource};
use crate::wire::OptionBytes;

/// As many option bytes as the tag says.
struct TagBytes(Vec<(Option<u32>, usize, bool)>);

impl OptionSource<u32> for TagBytes {
    fn write_options(&mut self, context: &OptionContext<u32>, room: usize, options: &mut OptionBytes) {
        self.0.push((context.tag, context.payload_bytes, context.retransmission));
        let bytes = (context.tag.unwrap_or(0) as usize).min(room);
        options.extend(std::iter::repeat_n(1, bytes));
    }
}

#[test]
fn a_segment_never_mixes_tags() {
    let mut host = Host::established(plain());
    for (bytes, tag) in [(300, 4), (300, 4), (100, 8), (2_000, 4)] {
        host.push_tagged(bytes, tag);
    }
    let mut source = TagBytes(Vec::new());
    let sent = host.sent_with(&mut source, 0);
    let shapes: Vec<_> = sent.iter().map(|sent| (sent.payload.len(), sent.pieces)).collect();
    assert_eq!(shapes, [(600, 2), (100, 1), (992, 1), (996, 1), (12, 1)]);
    assert_eq!(source.0.iter().map(|call| call.0).collect::<Vec<_>>(), [4, 8, 4, 4, 4].map(Some));
}

#[test]
fn a_retransmission_shows_the_same_tag() {
    let mut host = Host::established(plain());
    host.push_tagged(500, 4);
    host.push_tagged(500, 8);
    host.sent();
    host.wait_for_deadline();
    let mut source = TagBytes(Vec::new());
    let first = host.sent_with(&mut source, 0);
    assert_eq!(first.len(), 2);
    assert_eq!(source.0, [(Some(4), 500, true), (Some(8), 500, true)]);
}

#[test]
fn options_take_room_from_the_payload() {
    let mut host = Host::established(Config { timestamps: true, ..plain() });
    host.push_tagged(2_000, 28);
    let sent = host.sent_with(&mut TagBytes(Vec::new()), 0);
    assert_eq!(sent[0].payload.len(), usize::from(MSS) - 40);
    assert_eq!(host.subflow.segment_payload(28), usize::from(MSS) - 40);
    assert!(sent.iter().all(|sent| sent.payload.len() + sent.options.len() <= usize::from(MSS)));
    assert_eq!(sent.iter().map(|sent| sent.payload.len()).sum::<usize>(), 2_000);
}

#[test]
fn a_port_that_cuts_gets_whole_multiples() {
    let mut host = Host::established(plain());
    host.push_tagged(4_000, 20);
    host.push_tagged(5_500, 20);
    let sent = host.sent_with(&mut TagBytes(Vec::new()), 64_000);
    let shapes: Vec<_> =
        sent.iter().map(|sent| (sent.payload.len(), sent.segment_bytes, sent.pieces)).collect();
    assert_eq!(shapes, [(8_820, 980, 2), (680, 0, 1)]);
    assert_eq!(host.subflow.statistics().segments_sent, 2 + 9 + 1);
}

#[test]
fn a_super_segment_lost_in_part_is_repaired_in_part() {
    let mut host = Host::established(plain());
    host.push(9_000);
    assert_eq!(host.sent_with(&mut TagBytes(Vec::new()), 64_000)[0].segment_bytes, 1_000);
    host.inject(&peer(".", 1, 1).sack(&[(2_001, 4_001), (5_001, 9_001)]));
    assert_eq!(host.out(), [". 1:1001(1000) ack 1", ". 1001:2001(1000) ack 1", ". 4001:5001(1000) ack 1"]);
    host.inject(&peer(".", 1, 9_001));
    assert_eq!((host.subflow.outstanding(), host.subflow.in_flight()), (0, 0));
}

#[test]
fn the_initial_window_limits_the_first_flight() {
    let mut host = Host::established(plain());
    assert_eq!(host.subflow.send_room(), 10_000);
    host.push(20_000);
    assert_eq!(host.subflow.send_room(), 0);
    assert_eq!(host.sent().len(), 10);
    assert_eq!(
        (host.subflow.queued(), host.subflow.in_flight(), host.subflow.outstanding()),
        (10_000, 10_000, 20_000)
    );
    host.inject(&peer(".", 1, 2_001));
    assert_eq!(host.subflow.congestion_window(), 12_000);
    assert_eq!(host.sent().len(), 4);
}

#[test]
fn an_unused_window_does_not_grow() {
    let mut host = Host::established(plain());
    for round in 0..20 {
        host.push(1_000);
        host.sent();
        host.inject(&peer(".", 1, 1 + (round + 1) * 1_000));
    }
    assert_eq!(host.subflow.congestion_window(), 10_000);
}

#[test]
fn an_idle_window_decays() {
    let mut host = Host::established(plain());
    for round in 0..3 {
        host.push(10_000 << round);
        host.sent();
        host.inject(&peer(".", 1, 1 + 10_000 * ((2 << round) - 1)));
    }
    assert_eq!(host.subflow.congestion_window(), 80_000);
    host.wait(10_000);
    host.push(100_000);
    assert_eq!(host.sent().len(), 10);
}

#[test]
fn many_tiny_chunks_leave_in_full_segments() {
    let mut host = Host::established(plain());
    for _ in 0..100 {
        host.subflow.push(HeapPacket::new(&[0]), 0);
    }
    let mut segment = crate::tcp::OutgoingSegment::new();
    let (mut random, mut counters) = (crate::base::Random::from_number(1), crate::base::Counters::new());
    let mut cx = crate::base::Context { now: host.now, random: &mut random, counters: &mut counters };
    let mut sizes = Vec::new();
    while host.subflow.poll_transmit(&mut cx, &mut crate::tcp::NoOptions, 0, &mut segment) {
        sizes.push(segment.payload_bytes);
    }
    assert_eq!(sizes, [40, 40, 20]);
}
