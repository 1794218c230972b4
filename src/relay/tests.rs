use super::*;
use crate::base::{Duration, HeapPacket, Packet, Payload, PortIndex, TransmitFrame, TransmitOffload};
use crate::device::{Device, Forward, MemoryConfig, MemoryDevice, memory_pair};
use crate::emulator::{Chance, Profile};
use std::sync::mpsc;
use std::time::Instant;

/// Long enough for a slow machine under load.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

fn config() -> RelayConfig {
    RelayConfig { settings: Settings::default(), seed: 7, core: None }
}

/// A running loop with one link, and the two ends of it.
fn world(link: Link) -> (RelayHandle, MemoryDevice, MemoryDevice) {
    let (left, left_port) = memory_pair(&MemoryConfig::default()).unwrap();
    let (right, right_port) = memory_pair(&MemoryConfig::default()).unwrap();
    let handle = start(config(), vec![link], move || Ok(vec![[left_port, right_port]])).unwrap();
    (handle, left, right)
}

fn send(device: &mut MemoryDevice, number: u32, len: usize) {
    let mut header = vec![0; len];
    header[..4].copy_from_slice(&number.to_be_bytes());
    let payload = Payload::<HeapPacket>::EMPTY;
    let offload = TransmitOffload::default();
    device.transmit(TransmitFrame { port: PortIndex(0), header: &header, payload, offload }).unwrap();
    device.flush();
}

fn receive(device: &mut MemoryDevice) -> Vec<u32> {
    let mut burst = Vec::new();
    device.receive(&mut burst);
    burst.iter().map(|(packet, _)| u32::from_be_bytes(packet.head()[..4].try_into().unwrap())).collect()
}

#[track_caller]
fn wait_for<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "waited too long");
        std::thread::yield_now();
    }
}

fn report(handle: &RelayHandle) -> LinkReport {
    let (tell, told) = mpsc::channel();
    handle.orders().report(move |reports| tell.send(reports).unwrap()).unwrap();
    told.recv_timeout(PATIENCE).unwrap().remove(0)
}

fn change(handle: &RelayHandle, link: Link) {
    let (tell, told) = mpsc::channel();
    handle.orders().change(0, link, move || tell.send(()).unwrap()).unwrap();
    told.recv_timeout(PATIENCE).unwrap();
}

#[test]
fn frames_cross_both_ways_in_order() {
    let (handle, mut left, mut right) = world(Link::default());
    let (mut at_left, mut at_right) = (Vec::new(), Vec::new());
    for number in 0..2_000 {
        send(&mut left, number, 60);
        send(&mut right, number, 600);
        // The wires in memory hold a thousand frames.
        wait_for(|| {
            at_left.extend(receive(&mut left));
            at_right.extend(receive(&mut right));
            (at_left.len().min(at_right.len()) + 500 > number as usize).then_some(())
        });
    }
    wait_for(|| {
        at_left.extend(receive(&mut left));
        at_right.extend(receive(&mut right));
        (at_left.len() == 2_000 && at_right.len() == 2_000).then_some(())
    });
    assert!(at_left.is_sorted() && at_right.is_sorted());
    let LinkReport { sides: [from_left, from_right] } = report(&handle);
    assert_eq!((from_left.counts.received.bytes, from_right.counts.received.bytes), (120_000, 1_200_000));
    assert_eq!((from_left.counts.sent.frames, from_right.counts.sent.frames), (2_000, 2_000));
    assert_eq!((from_left.refused, from_right.port.transmitted_frames), (0, 2_000));
}

#[test]
fn a_frame_is_late_by_the_delay_and_hardly_more() {
    let delay = std::time::Duration::from_millis(5);
    let profile = Profile { delay: Duration::from_millis(5), ..Profile::default() };
    let (_handle, mut left, mut right) = world(Link { directions: [profile; 2], ..Link::default() });
    // On a busy machine most frames are late: one in time shows that they need
    // not be, and none is early.
    wait_for(|| {
        let sent = Instant::now();
        send(&mut left, 1, 60);
        wait_for(|| receive(&mut right).pop());
        let took = sent.elapsed();
        assert!(took >= delay, "early: {took:?}");
        (took < delay + std::time::Duration::from_millis(1)).then_some(())
    });
}

#[test]
fn the_rate_is_the_one_asked_for() {
    // 100 frames of 1250 bytes at 100 Mbit/s take 10 ms.
    let profile = Profile { rate_bits_per_second: 100_000_000, ..Profile::default() };
    let (_handle, mut left, mut right) = world(Link { directions: [profile; 2], ..Link::default() });
    wait_for(|| {
        let start = Instant::now();
        (0..100).for_each(|number| send(&mut left, number, 1_250));
        let mut got = 0;
        wait_for(|| {
            got += receive(&mut right).len();
            (got == 100).then_some(())
        });
        let took = start.elapsed();
        assert!(took >= std::time::Duration::from_millis(10), "too fast: {took:?}");
        (took < std::time::Duration::from_millis(12)).then_some(())
    });
}

#[test]
fn a_link_can_be_changed_while_it_runs() {
    let (handle, mut left, mut right) = world(Link::default());
    let down = Link { down: [true, false], ..Link::default() };
    change(&handle, down);
    send(&mut left, 1, 60);
    send(&mut right, 2, 60);
    assert_eq!(wait_for(|| receive(&mut left).pop()), 2);
    wait_for(|| (report(&handle).sides[0].counts.down_dropped.frames == 1).then_some(()));
    let lossy = Profile { loss: Chance::new(1.0), ..Profile::default() };
    change(&handle, Link { directions: [lossy, Profile::default()], down: [false; 2] });
    send(&mut left, 3, 60);
    wait_for(|| (report(&handle).sides[0].counts.lost.frames == 1).then_some(()));
    change(&handle, Link::default());
    send(&mut left, 4, 60);
    assert_eq!(wait_for(|| receive(&mut right).pop()), 4);
    // What does not exist is ignored.
    let (tell, told) = mpsc::channel();
    handle.orders().change(9, down, move || tell.send(()).unwrap()).unwrap();
    told.recv_timeout(PATIENCE).unwrap();
}

#[test]
fn it_sleeps_when_nothing_is_due_and_wakes_for_frames() {
    let (handle, mut left, mut right) = world(Link::default());
    for number in 0..50 {
        // Longer than it polls without finding anything.
        std::thread::sleep(std::time::Duration::from_millis(2));
        send(&mut left, number, 60);
        assert_eq!(wait_for(|| receive(&mut right).pop()), number);
    }
    handle.orders().stop();
    let reports = handle.wait().unwrap();
    assert_eq!(reports[0].sides[0].counts.sent.frames, 50);
}

#[test]
fn the_end_drops_what_is_held_and_refuses_orders() {
    let profile = Profile { delay: Duration::from_secs(600), ..Profile::default() };
    let (handle, mut left, _right) = world(Link { directions: [profile; 2], ..Link::default() });
    send(&mut left, 1, 60);
    wait_for(|| (report(&handle).sides[0].held.frames == 1).then_some(()));
    let orders = handle.orders();
    orders.stop();
    assert_eq!(handle.wait().unwrap()[0].sides[0].held.frames, 1);
    assert_eq!(orders.report(|_| {}), Err(Ended));
}

#[test]
fn what_cannot_be_opened_does_not_start() {
    let failed = start::<MemoryDevice, _>(config(), Vec::new(), || Err("no such port".into()));
    assert_eq!(failed.unwrap_err().to_string(), "no such port");
    let core = RelayConfig { core: Some(100_000), ..config() };
    let failed = start::<MemoryDevice, _>(core, Vec::new(), || Ok(Vec::new()));
    assert!(matches!(failed.unwrap_err(), StartError::Core(100_000)));
}

#[test]
fn a_port_that_refuses_is_counted() {
    let small = MemoryConfig { capabilities: crate::device::Capabilities::plain(100), ..Default::default() };
    let (mut left, left_port) = memory_pair(&MemoryConfig::default()).unwrap();
    let (_right, mut right_port) = memory_pair(&small).unwrap();
    assert!(right_port.forward(HeapPacket::new(&[0; 1_000])).is_err());
    let links = vec![Link::default()];
    let handle = start(config(), links, move || Ok(vec![[left_port, right_port]])).unwrap();
    send(&mut left, 1, 1_000);
    wait_for(|| (report(&handle).sides[0].refused == 1).then_some(()));
}
