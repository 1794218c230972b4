//! A port with one queue that serves three threads, by queues in software: a
//! net_vhost in this process, and in another a net_virtio_user that returns
//! everything. Neither root nor hugepages.
#![cfg(feature = "dpdk")]
#![allow(unsafe_code)]

mod dpdk_support;

use dpdk_support::frames::{receive, send};
use dpdk_support::process::{self, Other};
use dpdk_support::{eal, pools, wait_for, wait_readable};
use mpdk::base::{CoreIndex, FourTuple, Spread};
use mpdk::device::{Device, DeviceStatistics};
use mpdk::dpdk::{DpdkDevice, Error, Port, PortConfig, ReceiveSpread};
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

const TEST: &str = "one_queue_serves_three_threads";
const THREADS: u16 = 3;
const FLOWS: u16 = 48;
const FRAMES: u32 = 6000;
const FRAMES_ASLEEP: u32 = 200;
/// Where the number lies: behind Ethernet, IPv4 and TCP header.
const NUMBER: usize = 14 + 20 + 20;

/// The ends of a flow, seen by who receives its segments.
fn tuple_of(flow: u16) -> FourTuple {
    FourTuple { local: ([10, 0, 0, 1], 80).into(), remote: ([10, 0, 0, 2], 40_000 + flow).into() }
}

/// A segment of a flow from the remote end, with a number.
fn segment(flow: u16, number: u32) -> Vec<u8> {
    let mut frame = vec![0; NUMBER + 4 + number as usize % 1000];
    frame[12..15].copy_from_slice(&[8, 0, 0x45]);
    let total = (frame.len() - 14) as u16;
    frame[16..18].copy_from_slice(&total.to_be_bytes());
    frame[22..24].copy_from_slice(&[64, 6]);
    frame[26..34].copy_from_slice(&[10, 0, 0, 2, 10, 0, 0, 1]);
    frame[34..36].copy_from_slice(&(40_000 + flow).to_be_bytes());
    frame[36..38].copy_from_slice(&80_u16.to_be_bytes());
    frame[46] = 5 << 4;
    frame[NUMBER..NUMBER + 4].copy_from_slice(&number.to_be_bytes());
    frame
}

fn flow_and_number(frame: &[u8]) -> (u16, u32) {
    let flow = u16::from_be_bytes([frame[34], frame[35]]) - 40_000;
    (flow, u32::from_be_bytes(frame[NUMBER..NUMBER + 4].try_into().unwrap()))
}

/// Sleeps until the queue's own descriptor says that there is something.
fn sleep(device: &mut DpdkDevice, longest: Duration) -> bool {
    let woken = device.arm_wake() || wait_readable(device.wake_fd().unwrap(), longest);
    device.disarm_wake();
    woken
}

/// The other process returns what it gets.
fn echo(socket: &str) {
    let pools = pools(&eal(), "echo");
    let device = format!("net_virtio_user0,path={socket},queue_size=1024").parse().unwrap();
    let (_port, mut queues) =
        Port::open(&eal(), &device, &PortConfig::default(), &pools.0, &pools.1).unwrap();
    let device = &mut queues[0];
    process::say("ready");
    while !process::parent_released() {
        for (frame, _) in receive(device) {
            wait_for("room", || {
                device.flush();
                (device.room() > 0).then_some(())
            });
            send(device, &frame).unwrap();
        }
        device.flush();
        device.link_up();
        sleep(device, Duration::from_millis(20));
    }
}

/// What the threads have seen together.
struct Seen<'a> {
    spread: &'a Spread,
    /// The last number of each flow.
    last: Mutex<HashMap<u16, u32>>,
    received: AtomicU32,
    /// How often nobody woke a thread for a while.
    overslept: AtomicU32,
}

impl Seen<'_> {
    /// A frame that came to a thread: it belongs there, and is the flow's next.
    fn note(&self, thread: u16, frame: &[u8]) {
        let (flow, number) = flow_and_number(frame);
        assert_eq!(frame, segment(flow, number), "other bytes than were sent");
        assert_eq!(self.spread.core(&tuple_of(flow)), Some(CoreIndex(thread as u8)));
        let before = self.last.lock().unwrap().insert(flow, number);
        assert!(before.is_none_or(|before| before < number), "flow {flow}: {number} behind {before:?}");
        self.received.fetch_add(1, Ordering::Relaxed);
    }

    fn received(&self) -> u32 {
        self.received.load(Ordering::Relaxed)
    }
}

/// Each thread sends flows of its own, and takes what is its by the spread.
fn exchange(thread: u16, device: &mut DpdkDevice, seen: &Seen<'_>, in_flight: &AtomicU32) {
    let _registration = eal().register_thread().unwrap();
    let flow = |number: u32| (number as u16 * THREADS + thread) % FLOWS;
    let mut sent = 0;
    wait_for("all frames to come back", || {
        device.link_up();
        while sent < FRAMES && device.room() > 0 && in_flight.load(Ordering::Relaxed) < 200 {
            in_flight.fetch_add(1, Ordering::Relaxed);
            send(device, &segment(flow(sent), sent)).unwrap();
            sent += 1;
        }
        device.flush();
        for (frame, _) in receive(device) {
            seen.note(thread, &frame);
            in_flight.fetch_sub(1, Ordering::Relaxed);
        }
        (seen.received() == FRAMES * u32::from(THREADS)).then_some(())
    });
}

/// One frame at a time by one thread, which all sleep in between.
fn exchange_asleep(thread: u16, sender: u16, device: &mut DpdkDevice, seen: &Seen<'_>, start: u32) {
    let mut sent = 0;
    wait_for("all frames to come back", || {
        let done = seen.received() - start;
        if thread == sender && sent == done && sent < FRAMES_ASLEEP {
            sent += 1;
            send(device, &segment(sent as u16 % FLOWS, FRAMES * (2 + u32::from(sender)) + sent)).unwrap();
        }
        device.flush();
        for (frame, _) in receive(device) {
            seen.note(thread, &frame);
        }
        if thread != sender && !sleep(device, Duration::from_millis(20)) {
            seen.overslept.fetch_add(1, Ordering::Relaxed);
        }
        (done == FRAMES_ASLEEP).then_some(())
    });
}

/// Sends a frame of a flow by the core that polls; the core that it comes to.
fn arrives_at(queues: &mut [DpdkDevice], flow: u16) -> usize {
    send(&mut queues[1], &segment(flow, 1)).unwrap();
    queues[1].flush();
    wait_for("the frame to come back", || {
        (0..usize::from(THREADS)).find(|&thread| {
            let frames = receive(&mut queues[thread]);
            assert!(frames.len() < 2);
            !frames.is_empty()
        })
    })
}

fn rules_change_where_a_flow_goes(port: &Port, queues: &mut [DpdkDevice], spread: &Spread) {
    assert!(port.takes_flow_rules());
    for flow in 0..FLOWS {
        let home = spread.core(&tuple_of(flow)).unwrap().0;
        let elsewhere = (u16::from(home) + 1) % THREADS;
        let rule = port.steer(&tuple_of(flow), elsewhere).unwrap();
        assert_eq!(arrives_at(queues, flow), usize::from(elsewhere));
        drop(rule);
        assert_eq!(arrives_at(queues, flow), usize::from(home));
    }
    assert!(matches!(port.steer(&tuple_of(0), THREADS), Err(Error::Unsupported { .. })), "no such queue");
}

#[test]
fn one_queue_serves_three_threads() {
    if let Some(socket) = process::part() {
        return echo(&socket);
    }
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("wire.sock");
    let socket = socket.to_str().unwrap();
    let pools = pools(&eal(), "vhost");
    let config = PortConfig { queues: THREADS, polling: 1, ..PortConfig::default() };
    let device = format!("net_vhost0,iface={socket},queues=1").parse().unwrap();
    let (port, mut queues) = Port::open(&eal(), &device, &config, &pools.0, &pools.1).unwrap();
    assert_eq!(queues.len(), usize::from(THREADS));
    let spread = port.spread().map(ReceiveSpread::over_cores).unwrap();
    let cores: Vec<_> = (0..FLOWS).filter_map(|flow| spread.core(&tuple_of(flow))).collect();
    assert!((0..THREADS).all(|thread| cores.contains(&CoreIndex(thread as u8))), "{cores:?}");

    let mut other = Other::start(TEST, socket);
    other.expect("ready");
    wait_for("the other side to connect", || queues[1].link_up().then_some(()));
    let seen = Seen {
        spread: &spread,
        last: Mutex::default(),
        received: AtomicU32::new(0),
        overslept: AtomicU32::new(0),
    };
    let in_flight = AtomicU32::new(0);
    thread::scope(|scope| {
        for (thread, device) in (0..).zip(&mut queues) {
            let (seen, in_flight) = (&seen, &in_flight);
            scope.spawn(move || exchange(thread, device, seen, in_flight));
        }
    });
    for sender in 0..THREADS {
        let start = seen.received();
        thread::scope(|scope| {
            for (thread, device) in (0..).zip(&mut queues) {
                let seen = &seen;
                scope.spawn(move || {
                    let _registration = eal().register_thread().unwrap();
                    exchange_asleep(thread, sender, device, seen, start);
                });
            }
        });
    }
    rules_change_where_a_flow_goes(&port, &mut queues, &spread);
    // Were the one that polls not woken, each frame would wait for it once.
    assert!(seen.overslept.load(Ordering::Relaxed) < FRAMES_ASLEEP / 2, "{:?}", seen.overslept);
    let all = queues.iter().map(Device::statistics).fold(DeviceStatistics::default(), |sum, it| sum + it);
    let frames = u64::from((FRAMES + FRAMES_ASLEEP) * u32::from(THREADS) + 2 * u32::from(FLOWS));
    assert_eq!((all.received_frames, all.transmitted_frames), (frames, frames));
    assert_eq!((all.receive_missed, all.transmit_dropped), (0, 0));
    other.finish();
    wait_for("the link to go down", || (!queues[1].link_up()).then_some(()));
    assert!(!queues[0].link_up() && !queues[2].link_up(), "all hear of it");

    // What waits when a thread ends goes back.
    send(&mut queues[0], &segment(1, 1)).unwrap();
    queues[0].flush();
    assert!(matches!(port.close(), Err(Error::QueuesInUse { queues: 3, .. })));
    drop(queues.remove(1));
    drop(queues);
    assert_eq!(pools.0.available(), pools.0.config().buffers);
    assert_eq!(pools.1.available(), pools.1.config().buffers);
}
