//! net_vhost in this process and net_virtio_user in another with two queues,
//! each with a thread of its own: neither root nor hugepages.
#![cfg(feature = "dpdk")]
#![allow(unsafe_code)]

mod dpdk_support;

use dpdk_support::frames::{number_of, numbered, receive, send};
use dpdk_support::process::{self, Other};
use dpdk_support::{PATIENCE, eal, pools, wait_for, wait_readable};
use mpdk::device::Device;
use mpdk::dpdk::{DpdkDevice, Error, Pool, Port, PortConfig};
use std::os::fd::RawFd;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

const TEST: &str = "two_processes_exchange_frames_over_two_queues";
const QUEUES: u16 = 2;
const FRAMES: u32 = 3000;
const FRAMES_ASLEEP: u32 = 300;
/// Between the numbers of one queue's frames and those of the next.
const QUEUE_STEP: u32 = 1_000_000;

fn open_two(device: &str, pools: &(Pool, Pool)) -> (Port, Vec<DpdkDevice>) {
    let config = PortConfig { queues: QUEUES, ..PortConfig::default() };
    let (port, queues) = Port::open(&eal(), &device.parse().unwrap(), &config, &pools.0, &pools.1).unwrap();
    assert_eq!(queues.iter().map(DpdkDevice::queue).collect::<Vec<_>>(), [0, 1]);
    assert!(port.capabilities().wake, "every queue wakes its thread");
    assert!(port.spread().is_none(), "the sender chooses the queue");
    (port, queues)
}

/// Sleeps until the queue's own descriptor says that there is something, or for
/// `longest`. Returns whether it was woken or had something to do at once.
fn sleep(device: &mut DpdkDevice, longest: Duration) -> bool {
    let woken = device.arm_wake() || wait_readable(device.wake_fd().unwrap(), longest);
    device.disarm_wake();
    woken
}

/// The other process: each queue returns what it gets, by a thread that sleeps
/// in between.
fn echo(socket: &str) {
    let pools = pools(&eal(), "echo");
    let device = format!("net_virtio_user0,path={socket},queue_size=1024,queues={QUEUES}");
    let (port, queues) = open_two(&device, &pools);
    process::say("ready");
    thread::scope(|scope| {
        for mut device in queues {
            scope.spawn(move || {
                let _registration = eal().register_thread().unwrap();
                while !process::parent_released() {
                    for (frame, _) in receive(&mut device) {
                        wait_for("room", || {
                            device.flush();
                            (device.room() > 0).then_some(())
                        });
                        send(&mut device, &frame).unwrap();
                    }
                    device.flush();
                    // Nothing else wakes it: a frame that does not would stay
                    // here for longer than the other side waits.
                    if !device.arm_wake() {
                        wait_for_either(device.wake_fd().unwrap(), process::PARENT);
                    }
                    device.disarm_wake();
                    device.link_up();
                }
            });
        }
    });
    port.close().unwrap();
    assert_eq!(pools.0.available(), pools.0.config().buffers);
    assert_eq!(pools.1.available(), pools.1.config().buffers);
}

/// Blocks until one of two descriptors is readable.
fn wait_for_either(one: RawFd, other: RawFd) {
    let mut polls = [one, other].map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 });
    // SAFETY: two descriptors.
    let ready = unsafe { libc::poll(polls.as_mut_ptr(), 2, PATIENCE.as_millis() as i32) };
    assert!(ready >= 0, "{}", std::io::Error::last_os_error());
}

/// What the threads of the queues have done.
#[derive(Debug, Default)]
struct Progress {
    /// How many threads have seen the link up, and then down.
    up: AtomicU64,
    down: AtomicU64,
    exchanged: AtomicU64,
}

fn number(device: &DpdkDevice, count: u32) -> u32 {
    u32::from(device.queue()) * QUEUE_STEP + count
}

fn exchange(device: &mut DpdkDevice) {
    let length = |count: u32| 60 + (count as usize * 97) % 1400;
    let (mut sent, mut got) = (0, 0);
    wait_for("all frames to come back", || {
        while sent < FRAMES && sent - got < 200 && device.room() > 0 {
            send(device, &numbered(number(device, sent), length(sent))).unwrap();
            sent += 1;
        }
        device.flush();
        for (frame, _) in receive(device) {
            let expected = number(device, got);
            assert_eq!(number_of(&frame), Some(expected), "on the queue it was sent on, in order");
            assert!(frame == numbered(expected, length(got)), "frame {expected} is not what was sent");
            got += 1;
        }
        (got == FRAMES).then_some(())
    });
}

/// One frame at a time, both sides asleep in between.
fn exchange_asleep(device: &mut DpdkDevice) {
    for count in 0..FRAMES_ASLEEP {
        send(device, &numbered(number(device, count), 60)).unwrap();
        device.flush();
        let got = wait_for("the frame to come back", || {
            assert!(sleep(device, Duration::from_secs(20)), "nobody woke queue {}", device.queue());
            receive(device).pop()
        });
        assert_eq!(number_of(&got.0), Some(number(device, count)));
    }
}

/// One queue of net_vhost.
fn use_queue(device: &mut DpdkDevice, progress: &Progress) {
    let _registration = eal().register_thread().unwrap();
    wait_for("the other side to connect", || device.link_up().then_some(()));
    progress.up.fetch_add(1, Ordering::Relaxed);
    // All say so before one is too busy to ask: the first asks for all.
    wait_for("the others to see it", || {
        device.link_up();
        (progress.up.load(Ordering::Relaxed) == u64::from(QUEUES)).then_some(())
    });
    let before = device.statistics();
    exchange(device);
    exchange_asleep(device);
    let statistics = device.statistics();
    let exchanged = u64::from(FRAMES + FRAMES_ASLEEP);
    assert_eq!(statistics.received_frames - before.received_frames, exchanged, "of this queue alone");
    assert_eq!(statistics.transmitted_frames - before.transmitted_frames, exchanged);
    assert_eq!((statistics.transmit_dropped, statistics.transmit_errors), (0, 0));
    assert_eq!((statistics.receive_errors, statistics.receive_missed), (0, 0));
    progress.exchanged.fetch_add(1, Ordering::Relaxed);
    wait_for("the link to go down", || (!device.link_up()).then_some(()));
    progress.down.fetch_add(1, Ordering::Relaxed);
    wait_for("the others to see it", || {
        device.link_up();
        (progress.down.load(Ordering::Relaxed) == u64::from(QUEUES)).then_some(())
    });
}

fn run_with_peer(queues: &mut [DpdkDevice], socket: &str, end: impl FnOnce(Other)) {
    let progress = Progress::default();
    let mut other = Other::start(TEST, socket);
    other.expect("ready");
    thread::scope(|scope| {
        for device in queues {
            scope.spawn(|| use_queue(device, &progress));
        }
        wait_for("both queues to exchange their frames", || {
            (progress.exchanged.load(Ordering::Relaxed) == u64::from(QUEUES)).then_some(())
        });
        end(other);
    });
}

#[test]
fn two_processes_exchange_frames_over_two_queues() {
    if let Some(socket) = process::part() {
        return echo(&socket);
    }
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("wire.sock");
    let socket = socket.to_str().unwrap();
    let pools = pools(&eal(), "vhost");
    let (port, mut queues) = open_two(&format!("net_vhost0,iface={socket},queues={QUEUES}"), &pools);
    run_with_peer(&mut queues, socket, Other::finish);
    // Another one comes, and is killed.
    run_with_peer(&mut queues, socket, |other| other.signal(libc::SIGKILL));

    // The port goes with the last of its queues, whichever that is.
    let first = queues.remove(0);
    assert!(matches!(port.close(), Err(Error::QueuesInUse { queues: 2, .. })));
    drop(first);
    assert!(Path::new(socket).exists());
    drop(queues);
    assert!(!Path::new(socket).exists(), "the socket is removed");
    assert_eq!(pools.0.available(), pools.0.config().buffers);
    assert_eq!(pools.1.available(), pools.1.config().buffers);
}
