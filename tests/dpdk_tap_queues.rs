//! A net_tap port with two queues, and the kernel at the other end: which queue
//! it chooses, and what the queues have in common.
#![cfg(feature = "dpdk")]
#![allow(unsafe_code)]

mod dpdk_support;

use dpdk_support::frames::{receive, send};
use dpdk_support::namespace::{Namespace, device_exists, run};
use dpdk_support::{eal, has_network_privileges, pools, wait_for, wait_readable};
use etherparse::{PacketBuilder, SlicedPacket, TcpHeader, TransportSlice};
use mpdk::base::FourTuple;
use mpdk::device::Device;
use mpdk::dpdk::{DpdkDevice, Error, FlowRule, Pool, Port, PortConfig};
use std::io::Write;
use std::mem::size_of;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

const OUR_IP: [u8; 4] = [10, 78, 0, 2];
const KERNEL_IP: [u8; 4] = [10, 78, 0, 1];
const KERNEL_ADDRESS: &str = "10.78.0.1/24";
const OUR_PORT: u16 = 80;

/// Device names are at most 15 characters long and unique on the machine.
fn tap_name(letter: char) -> String {
    format!("mpq{letter}{}", std::process::id())
}

fn open_two(letter: char, pools: &(Pool, Pool)) -> (Port, Vec<DpdkDevice>) {
    let number = u32::from(letter) - u32::from('a');
    let address = format!("net_tap{number},iface={}", tap_name(letter)).parse().unwrap();
    let config = PortConfig { queues: 2, ..PortConfig::default() };
    Port::open(&eal(), &address, &config, &pools.0, &pools.1).unwrap()
}

/// The kernel knows who has our address: it sends nothing but what it is told.
fn introduce(namespace: &Namespace, letter: char, port: &Port) {
    let mac = port.mac().map(|byte| format!("{byte:02x}")).join(":");
    let neighbour = ["neigh", "add", "10.78.0.2", "lladdr", &mac, "dev", &tap_name(letter)];
    namespace.run("ip", &neighbour);
}

fn two_queues(letter: char) -> (Namespace, (Pool, Pool), Port, Vec<DpdkDevice>) {
    let namespace = Namespace::new();
    let pools = pools(&eal(), &format!("queues-{letter}"));
    let (port, queues) = open_two(letter, &pools);
    namespace.take_device(&tap_name(letter), KERNEL_ADDRESS);
    introduce(&namespace, letter, &port);
    (namespace, pools, port, queues)
}

/// The next frame on either queue that `wanted` finds something in.
fn next<T>(queues: &mut [DpdkDevice], what: &str, mut wanted: impl FnMut(&[u8]) -> Option<T>) -> (usize, T) {
    wait_for(what, || {
        for (at, device) in queues.iter_mut().enumerate() {
            // Looks into the driver's file, whatever became of its signals.
            device.arm_wake();
            device.disarm_wake();
            let frames = receive(device);
            if let Some(found) = frames.iter().find_map(|(frame, _)| wanted(frame)) {
                return Some((at, found));
            }
        }
        None
    })
}

/// A segment of the kernel's.
#[derive(Debug)]
struct Segment {
    mac: [u8; 6],
    tcp: TcpHeader,
    payload_len: u32,
}

fn segment(frame: &[u8]) -> Option<Segment> {
    let Some(TransportSlice::Tcp(tcp)) = SlicedPacket::from_ethernet(frame).unwrap().transport else {
        return None;
    };
    let mac = frame[6..12].try_into().unwrap();
    Some(Segment { mac, tcp: tcp.to_header(), payload_len: tcp.payload().len() as u32 })
}

/// Acknowledges a segment, with a SYN if it is one.
fn answer(device: &mut DpdkDevice, to: &Segment) {
    let sequence = if to.tcp.syn { 1000 } else { 1001 };
    let builder = PacketBuilder::ethernet2(device.mac(), to.mac).ipv4(OUR_IP, KERNEL_IP, 64);
    let builder = builder.tcp(OUR_PORT, to.tcp.source_port, sequence, 60_000);
    let builder = if to.tcp.syn { builder.syn() } else { builder };
    let acknowledged = to.tcp.sequence_number.wrapping_add(to.payload_len + u32::from(to.tcp.syn));
    let mut frame = Vec::new();
    builder.ack(acknowledged).write(&mut frame, &[]).unwrap();
    send(device, &frame).unwrap();
    device.flush();
    assert!(device.room() == 256, "the kernel took it");
}

/// Linux learns from what a queue's file is given (`tun_flow_update`): what it
/// sends of a flow follows the queue that sent for it last.
#[test]
fn a_flow_of_the_kernels_comes_to_the_queue_that_last_sent_for_it() {
    if !has_network_privileges() {
        return;
    }
    let (namespace, _pools, port, mut queues) = two_queues('a');
    let (connected, connections) = mpsc::channel::<TcpStream>();
    let (more, wanted) = mpsc::channel();
    let kernel = namespace.spawn(move || {
        while wanted.recv().is_ok() {
            connected.send(TcpStream::connect(SocketAddr::from((OUR_IP, OUR_PORT))).unwrap()).unwrap();
        }
    });
    let mut flows = Vec::new();
    for _ in 0..8 {
        more.send(()).unwrap();
        // What the kernel repeats, because this took long, is not looked at.
        let (first, syn) = next(&mut queues, "a SYN", |frame| {
            segment(frame).filter(|found| found.tcp.syn && !flows.contains(&found.tcp.source_port))
        });
        let flow = syn.tcp.source_port;
        flows.push(flow);
        let of_flow = |frame: &[u8]| segment(frame).filter(|found| found.tcp.source_port == flow);
        let no_syn = |frame: &[u8]| of_flow(frame).filter(|found| !found.tcp.syn);
        let mut queue = 1 - first;
        answer(&mut queues[queue], &syn);
        // The kernel answers before it learns: either queue is right here.
        let (_, ack) = next(&mut queues, "the ACK", no_syn);
        assert!(ack.tcp.ack);
        let mut stream = connections.recv_timeout(Duration::from_secs(20)).unwrap();
        for turn in 0..4_u32 {
            stream.write_all(b"where do I come out?").unwrap();
            let sequence = syn.tcp.sequence_number.wrapping_add(1 + turn * 20);
            let (at, data) = next(&mut queues, "the data", |frame| {
                of_flow(frame).filter(|found| found.tcp.sequence_number == sequence && found.payload_len > 0)
            });
            assert_eq!((at, data.payload_len), (queue, 20), "turn {turn}");
            queue = 1 - queue;
            answer(&mut queues[queue], &data);
        }
        reset(&stream);
        drop(stream);
        let (at, end) = next(&mut queues, "the RST", |frame| of_flow(frame).filter(|found| found.tcp.rst));
        assert_eq!((at, end.payload_len), (queue, 0));
    }
    drop(more);
    kernel.join().unwrap();
    drop(queues);
    port.close().unwrap();
}

/// Closing the stream sends an RST, and no FIN that would be repeated.
fn reset(stream: &TcpStream) {
    let at_once = libc::linger { l_onoff: 1, l_linger: 0 };
    // SAFETY: an option of this type, which is copied.
    let result = unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            (&raw const at_once).cast(),
            size_of::<libc::linger>() as libc::socklen_t,
        )
    };
    assert_eq!(result, 0);
}

/// What the threads of the queues see.
#[derive(Debug, Default)]
struct Seen {
    up: [AtomicBool; 2],
    /// All frames, and those that the test had the kernel send.
    received: [AtomicU64; 2],
    datagrams: [AtomicU64; 2],
    stop: AtomicBool,
}

/// Stops the threads, also when the test fails.
struct Stop<'a>(&'a Seen);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
    }
}

fn counts(of: &[AtomicU64; 2]) -> [u64; 2] {
    of.each_ref().map(|count| count.load(Ordering::Relaxed))
}

impl Seen {
    fn wait_for_link(&self, up: bool) {
        let all = || self.up.iter().all(|seen| seen.load(Ordering::Relaxed) == up);
        wait_for(&format!("both queues to see the link {up}"), || all().then_some(()));
    }
}

/// One queue's thread: receives, asks for the link, sleeps.
fn host(device: &mut DpdkDevice, seen: &Seen) {
    let _registration = eal().register_thread().unwrap();
    let queue = usize::from(device.queue());
    while !seen.stop.load(Ordering::Relaxed) {
        for (frame, _) in receive(device) {
            seen.received[queue].fetch_add(1, Ordering::Relaxed);
            let ours = frame.ends_with(QUESTION);
            seen.datagrams[queue].fetch_add(u64::from(ours), Ordering::Relaxed);
        }
        seen.up[queue].store(device.link_up(), Ordering::Relaxed);
        device.flush();
        if !device.arm_wake() {
            wait_readable(device.wake_fd().unwrap(), Duration::from_millis(20));
        }
        device.disarm_wake();
    }
}

const QUESTION: &[u8] = b"which queue?";

#[test]
fn the_link_is_common_and_counts_are_apart() {
    if !has_network_privileges() {
        return;
    }
    const DATAGRAMS: u64 = 60;
    let (namespace, pools, port, mut queues) = two_queues('b');
    let seen = Seen::default();
    thread::scope(|scope| {
        let _stop = Stop(&seen);
        for device in &mut queues {
            scope.spawn(|| host(device, &seen));
        }
        let name = tap_name('b');
        for round in 1..=3 {
            seen.wait_for_link(true);
            let kernel = namespace.spawn(|| {
                for _ in 0..DATAGRAMS {
                    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
                    socket.send_to(QUESTION, (std::net::Ipv4Addr::from(OUR_IP), 9)).unwrap();
                }
            });
            kernel.join().unwrap();
            wait_for("all datagrams", || {
                (counts(&seen.datagrams).iter().sum::<u64>() >= round * DATAGRAMS).then_some(())
            });
            namespace.run("ip", &["link", "set", &name, "down"]);
            seen.wait_for_link(false);
            namespace.run("ip", &["link", "set", &name, "up"]);
            introduce(&namespace, 'b', &port);
        }
    });
    let reported: Vec<u64> = queues.iter().map(|device| device.statistics().received_frames).collect();
    assert_eq!(reported, counts(&seen.received));
    let datagrams = counts(&seen.datagrams);
    assert_eq!(datagrams.iter().sum::<u64>(), 3 * DATAGRAMS, "nothing twice: {datagrams:?}");
    assert!(datagrams.iter().all(|&count| count > 0), "over both queues: {datagrams:?}");
    drop((port, queues));
    assert_eq!(pools.0.available(), pools.0.config().buffers);
}

#[test]
fn the_port_goes_with_whatever_is_dropped_last() {
    if !has_network_privileges() {
        return;
    }
    let pools = pools(&eal(), "queues-c");
    let there = || device_exists(&tap_name('c'));
    for last in ["the first queue", "the second queue", "the port"] {
        let (port, queues) = open_two('c', &pools);
        let [first, second] = <[DpdkDevice; 2]>::try_from(queues).unwrap();
        let mut parts: Vec<(&str, Box<dyn std::any::Any>)> = vec![
            ("the port", Box::new(port)),
            ("the first queue", Box::new(first)),
            ("the second queue", Box::new(second)),
        ];
        parts.sort_by_key(|(name, _)| *name == last);
        for (name, part) in parts {
            assert!(there(), "before {name} is dropped");
            drop(part);
        }
        wait_for("the network device to go", || (!there()).then_some(()));
        assert_eq!(pools.0.available(), pools.0.config().buffers);
    }
}

/// Where the kernel can do it, a rule decides about the queue, and without the
/// rule the kernel does; where it cannot, the port says so.
#[test]
fn rules_decide_about_the_queue_where_the_kernel_has_them() {
    if !has_network_privileges() {
        return;
    }
    let namespace = Namespace::new();
    namespace
        .spawn(|| {
            let pools = pools(&eal(), "queues-d");
            let (port, queues) = open_two('d', &pools);
            let flow = FourTuple { local: (OUR_IP, OUR_PORT).into(), remote: (KERNEL_IP, 5000).into() };
            let taken = port.steer(&flow, 1);
            if port.takes_flow_rules() {
                rules_work(port, queues, &flow, taken.unwrap());
            } else {
                println!("SKIPPED: the kernel has not what rules of net_tap need");
                let error = taken.unwrap_err();
                assert!(matches!(error, Error::Unsupported { .. }), "{error:?}");
                assert!(error.to_string().contains("takes no flow rules: "), "{error}");
            }
        })
        .join()
        .unwrap();
}

fn rules_work(port: Port, mut queues: Vec<DpdkDevice>, flow: &FourTuple, rule: FlowRule) {
    let name = tap_name('d');
    run("ip", &["address", "add", KERNEL_ADDRESS, "dev", &name]);
    run("ip", &["link", "set", &name, "up"]);
    let mac = port.mac().map(|byte| format!("{byte:02x}")).join(":");
    run("ip", &["neigh", "add", "10.78.0.2", "lladdr", &mac, "dev", &name]);
    let mut rule = Some(rule);
    for queue in [1, 0, 1] {
        drop(rule.take());
        rule = Some(port.steer(flow, queue).unwrap());
        let connecting = thread::spawn({
            let flow = *flow;
            move || connect_from(flow)
        });
        let is_syn = |frame: &[u8]| segment(frame).filter(|found| found.tcp.syn).map(drop);
        let (at, ()) = next(&mut queues, "a SYN", is_syn);
        assert_eq!(at, usize::from(queue));
        connecting.join().unwrap();
    }
    assert!(matches!(port.steer(flow, 2), Err(Error::Unsupported { .. })), "no such queue");
    // The rule outlives the port.
    drop(queues);
    port.close().unwrap();
    drop(rule);
}

/// Sends one SYN from the flow's port and gives up.
fn connect_from(flow: FourTuple) {
    // SAFETY: creates a descriptor.
    let fd = unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_NONBLOCK, 0) };
    assert!(fd >= 0);
    // SAFETY: a descriptor that nobody else has.
    let stream = unsafe { TcpStream::from_raw_fd(fd) };
    let name = |address: SocketAddr| {
        let SocketAddr::V4(address) = address else { panic!("{address}") };
        libc::sockaddr_in {
            sin_family: libc::AF_INET as u16,
            sin_port: address.port().to_be(),
            sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(address.ip().octets()) },
            sin_zero: [0; 8],
        }
    };
    let (own, peer) = (name(flow.remote), name(flow.local));
    let len = size_of::<libc::sockaddr_in>() as libc::socklen_t;
    // SAFETY: names of this type, which are copied.
    unsafe {
        assert_eq!(libc::bind(stream.as_raw_fd(), (&raw const own).cast(), len), 0);
        libc::connect(stream.as_raw_fd(), (&raw const peer).cast(), len);
    }
    reset(&stream);
}
