use super::*;
use crate::device::{MemoryConfig, MemoryDevice, memory_pair};
use std::collections::BTreeMap;

const FRAMES: u32 = 4000;

fn frame_of(number: u32) -> Vec<u8> {
    let mut bytes = vec![0; 60];
    bytes[20..24].copy_from_slice(&number.to_be_bytes());
    bytes
}

/// Sends numbered frames and returns what arrives, in order.
fn run(sender: &mut impl Device, receiver: &mut impl Device<Packet = HeapPacket>) -> Vec<Vec<u8>> {
    let mut got = Vec::new();
    for number in 0..FRAMES {
        let header = frame_of(number);
        let payload: Payload<'_, HeapPacket> = Payload::EMPTY;
        let offload = TransmitOffload::default();
        sender.transmit(TransmitFrame { port: PortIndex(0), header: &header, payload, offload }).unwrap();
        sender.flush();
        receiver.receive(&mut got);
    }
    while sender.arm_wake() || receiver.arm_wake() {
        sender.flush();
        receiver.receive(&mut got);
    }
    got.iter().map(|(packet, _)| packet.as_slice().to_vec()).collect()
}

fn pair() -> (MemoryDevice, MemoryDevice) {
    memory_pair(&MemoryConfig::default()).unwrap()
}

fn receive_faults(rates: FaultRates, seed: u64) -> (Vec<Vec<u8>>, FaultCounts) {
    let (mut left, right) = pair();
    let config = FaultConfig { receive: rates, ..Default::default() };
    let mut right = FaultDevice::new(right, config, Random::from_number(seed));
    (run(&mut left, &mut right), right.receive_faults())
}

fn transmit_faults(rates: FaultRates, seed: u64) -> (Vec<Vec<u8>>, FaultCounts) {
    let (left, mut right) = pair();
    let config = FaultConfig { transmit: rates, ..Default::default() };
    let mut left = FaultDevice::new(left, config, Random::from_number(seed));
    (run(&mut left, &mut right), left.transmit_faults())
}

fn numbers(frames: &[Vec<u8>]) -> Vec<u32> {
    frames.iter().map(|frame| u32::from_be_bytes(frame[20..24].try_into().unwrap())).collect()
}

#[test]
fn without_rates_every_frame_passes_in_order() {
    for (frames, counts) in
        [receive_faults(FaultRates::default(), 1), transmit_faults(FaultRates::default(), 1)]
    {
        assert_eq!(numbers(&frames), (0..FRAMES).collect::<Vec<_>>());
        assert_eq!(counts, FaultCounts::default());
    }
}

#[test]
fn every_frame_is_accounted_for() {
    let rates = FaultRates {
        drop_ppm: 50_000,
        duplicate_ppm: 50_000,
        corrupt_ppm: 0,
        reorder_ppm: 50_000,
        reorder_frames: 5,
    };
    for (frames, counts) in [receive_faults(rates, 3), transmit_faults(rates, 3)] {
        let mut seen = BTreeMap::new();
        for number in numbers(&frames) {
            *seen.entry(number).or_insert(0_u64) += 1;
        }
        assert_eq!(u64::from(FRAMES) - seen.len() as u64, counts.dropped);
        assert_eq!(seen.values().filter(|&&times| times == 2).count() as u64, counts.duplicated);
        assert!((100..300).contains(&counts.dropped), "5 % of {FRAMES}: {counts:?}");
        assert!((100..300).contains(&counts.reordered), "5 % of {FRAMES}: {counts:?}");
    }
}

#[test]
fn a_frame_held_back_is_passed_by_no_more_than_the_limit() {
    let rates = FaultRates { reorder_ppm: 100_000, reorder_frames: 3, ..Default::default() };
    for (frames, counts) in [receive_faults(rates, 9), transmit_faults(rates, 9)] {
        let numbers = numbers(&frames);
        assert_eq!(numbers.len(), FRAMES as usize);
        let late = |(at, &number): (usize, &u32)| (at as i64 - i64::from(number)).max(0);
        let most = numbers.iter().enumerate().map(late).max().unwrap();
        assert!(counts.reordered > 0 && (1..=3).contains(&most), "late by {most}");
    }
}

#[test]
fn damage_is_one_bit_and_is_not_called_good() {
    let rates = FaultRates { corrupt_ppm: 100_000, ..Default::default() };
    for (frames, counts) in [receive_faults(rates, 5), transmit_faults(rates, 5)] {
        let damaged: Vec<u32> = frames
            .iter()
            .enumerate()
            .map(|(at, frame)| {
                frame.iter().zip(frame_of(at as u32)).map(|(got, sent)| (got ^ sent).count_ones()).sum()
            })
            .collect();
        assert!(damaged.iter().all(|&bits| bits <= 1));
        assert_eq!(damaged.iter().filter(|&&bits| bits == 1).count() as u64, counts.corrupted);
        assert!(counts.corrupted > 0);
    }
    let (left, _right) = memory_pair(&MemoryConfig {
        capabilities: Capabilities { transmit_tcp_checksum: true, ..Capabilities::plain(1500) },
        ..Default::default()
    })
    .unwrap();
    let config = FaultConfig { transmit: rates, ..Default::default() };
    let left = FaultDevice::new(left, config, Random::from_number(1));
    assert!(!left.capabilities().transmit_tcp_checksum);
}

#[test]
fn the_seed_reproduces() {
    let rates =
        FaultRates { drop_ppm: 100_000, reorder_ppm: 100_000, reorder_frames: 4, ..Default::default() };
    assert_eq!(receive_faults(rates, 7), receive_faults(rates, 7));
    assert_ne!(receive_faults(rates, 7).0, receive_faults(rates, 8).0);
}
