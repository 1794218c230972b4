//! The mapping table.

use super::*;
use crate::base::HeapPacket;
use proptest::prelude::*;

const INITIAL: SeqNumber = SeqNumber(u32::MAX - 20);

fn mapping(start: usize, offset: u64, bytes: u16) -> ReceivedMapping {
    ReceivedMapping {
        start: INITIAL + start,
        subflow_offset: 1 + start as u32,
        offset,
        sequence: DataSeqNumber(1_000 + offset),
        data_bytes: bytes,
        length: bytes,
        checksum: None,
    }
}

fn received(start: usize, bytes: &[u8]) -> tcp::Received<HeapPacket> {
    tcp::Received { sequence: INITIAL + start, payload: HeapPacket::new(bytes) }
}

fn steps(incoming: &mut Incoming<HeapPacket>) -> (Vec<(u64, Vec<u8>)>, Step<HeapPacket>) {
    let mut data = Vec::new();
    loop {
        match incoming.step() {
            Step::Data { offset, payload } => data.push((offset, payload.as_slice().to_vec())),
            other => return (data, other),
        }
    }
}

proptest! {
    #[test]
    fn every_byte_goes_where_its_mapping_says(
        lengths in prop::collection::vec(1..50u16, 1..12),
        cuts in prop::collection::vec(1..40usize, 1..40),
        repeat in any::<bool>(),
    ) {
        let total: usize = lengths.iter().map(|&length| usize::from(length)).sum();
        let bytes: Vec<u8> = (0..total).map(|at| at as u8).collect();
        let mut incoming = Incoming::new();
        let mut start = 0;
        let mut expected = Vec::new();
        for (index, &length) in lengths.iter().enumerate() {
            let offset = index as u64 * 10_000;
            for _ in 0..1 + usize::from(repeat) {
                prop_assert_eq!(incoming.declare(mapping(start, offset, length), INITIAL, 100), Declared::Taken);
            }
            expected.extend((0..u64::from(length)).map(|at| (offset + at, bytes[start + at as usize])));
            start += usize::from(length);
        }
        let mut at = 0;
        let mut got = Vec::new();
        for cut in cuts.into_iter().chain([total]) {
            let end = (at + cut).min(total);
            if end > at {
                incoming.append(received(at, &bytes[at..end]));
            }
            at = end;
            let (data, rest) = steps(&mut incoming);
            prop_assert!(matches!(rest, Step::Wait));
            for (offset, piece) in data {
                got.extend(piece.into_iter().enumerate().map(|(index, byte)| (offset + index as u64, byte)));
            }
        }
        prop_assert_eq!(got, expected);
    }
}

#[test]
fn a_mapping_is_never_changed() {
    let mut incoming = Incoming::<HeapPacket>::new();
    assert_eq!(incoming.declare(mapping(0, 0, 10), INITIAL, 100), Declared::Taken);
    assert_eq!(incoming.declare(mapping(20, 20, 10), INITIAL, 100), Declared::Taken);
    assert_eq!(incoming.declare(mapping(0, 5, 10), INITIAL, 100), Declared::Conflict);
    assert_eq!(incoming.declare(mapping(5, 5, 10), INITIAL, 100), Declared::Conflict);
    assert_eq!(incoming.declare(mapping(15, 15, 10), INITIAL, 100), Declared::Conflict);
    assert_eq!(incoming.declare(mapping(10, 90, 10), INITIAL, 100), Declared::Taken);
    assert_eq!(
        incoming.declare(mapping(10, 90, 10), INITIAL, 100),
        Declared::Taken,
        "repeated on a late segment"
    );
    assert_eq!(incoming.declare(mapping(30, 30, 10), INITIAL, 3), Declared::Full);
}

#[test]
fn a_mapping_to_which_a_data_fin_was_added_is_the_same() {
    let mut incoming = Incoming::new();
    for checksum in [None, Some(7)] {
        let start = usize::from(checksum.is_some()) * 10;
        let first = ReceivedMapping { checksum, ..mapping(start, 70, 4) };
        let with_end = ReceivedMapping { length: 5, checksum: checksum.map(|sum| sum + 1), ..first };
        assert_eq!(incoming.declare(first, INITIAL, 100), Declared::Taken);
        assert_eq!(incoming.declare(with_end, INITIAL, 100), Declared::Taken);
        incoming.declare(mapping(start + 4, 80, 6), INITIAL, 100);
        assert_eq!(incoming.declare(with_end, INITIAL, 100), Declared::Taken, "a late segment");
    }
    incoming.append(received(0, b"0123"));
    assert_eq!(steps(&mut incoming).0, [(70, b"0123".to_vec())]);
}

#[test]
fn an_old_mapping_is_no_conflict() {
    let mut incoming = Incoming::new();
    incoming.declare(mapping(0, 0, 4), INITIAL, 100);
    incoming.append(received(0, b"0123"));
    assert_eq!(steps(&mut incoming).0, [(0, b"0123".to_vec())]);
    assert_eq!(incoming.declare(mapping(0, 7, 4), INITIAL, 100), Declared::Taken);
    incoming.append(received(4, b"4567"));
    incoming.declare(mapping(4, 4, 4), INITIAL, 100);
    assert_eq!(steps(&mut incoming).0, [(4, b"4567".to_vec())]);
}

#[test]
fn a_mapping_may_come_after_its_data() {
    let mut incoming = Incoming::new();
    incoming.append(received(0, b"01234567"));
    assert!(incoming.is_unmapped());
    assert!(matches!(incoming.step(), Step::Wait));
    incoming.declare(mapping(0, 0, 8), INITIAL, 100);
    assert_eq!(steps(&mut incoming).0, [(0, b"01234567".to_vec())]);
}

#[test]
fn a_gap_between_mappings_is_unmapped() {
    let mut incoming = Incoming::new();
    incoming.append(received(0, b"01234567"));
    incoming.declare(mapping(4, 4, 4), INITIAL, 100);
    assert!(matches!(incoming.step(), Step::Unmapped));
    assert_eq!(incoming.drain().map(|payload| payload.len()).sum::<usize>(), 8);
}

#[test]
fn data_without_any_mapping_is_given_up() {
    let mut incoming = Incoming::new();
    let burst = vec![0; 1_000];
    let mut at = 0;
    while at <= UNMAPPED_BYTES_MAX {
        assert!(matches!(incoming.step(), Step::Wait));
        incoming.append(received(at, &burst));
        at += burst.len();
    }
    assert!(matches!(incoming.step(), Step::Unmapped));
}

fn checked(bytes: &[u8], change: bool) -> Incoming<HeapPacket> {
    let mut incoming = Incoming::new();
    let mut declared = mapping(0, 0, bytes.len() as u16);
    let original = HeapPacket::new(bytes);
    declared.checksum = Some(data_checksum(
        declared.sequence,
        declared.subflow_offset,
        declared.length,
        std::iter::once(&original),
    ));
    incoming.declare(declared, INITIAL, 100);
    let mut sent = bytes.to_vec();
    if change {
        sent[3] ^= 0x40;
    }
    incoming.append(received(0, &sent[..5]));
    assert!(matches!(incoming.step(), Step::Wait), "not before all of it is there");
    incoming.append(received(5, &sent[5..]));
    incoming
}

#[test]
fn a_checksum_is_looked_at_before_a_byte_is_delivered() {
    let mut good = checked(b"0123456789a", false);
    let (data, rest) = steps(&mut good);
    assert_eq!(data.concat_bytes(), b"0123456789a");
    assert!(matches!(rest, Step::Wait));
    let mut bad = checked(b"0123456789a", true);
    assert!(matches!(bad.step(), Step::BadChecksum(DataSeqNumber(1_000))));
}

trait ConcatBytes {
    fn concat_bytes(&self) -> Vec<u8>;
}

impl ConcatBytes for Vec<(u64, Vec<u8>)> {
    fn concat_bytes(&self) -> Vec<u8> {
        self.iter().flat_map(|(_, bytes)| bytes.clone()).collect()
    }
}
