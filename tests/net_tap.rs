//! net_tap ports with the kernel at the other end, in a network namespace.
#![cfg(feature = "dpdk")]
#![allow(unsafe_code)]

mod dpdk_support;

use dpdk_support::frames::{answer, bytes_of, receive, send, send_pieces};
use dpdk_support::namespace::{Namespace, device_exists, run};
use dpdk_support::ping::Ping;
use dpdk_support::{eal, has_network_privileges, open, pools, wait_for, wait_readable};
use mpdk::base::{HeapPacket, Payload, PortIndex, TransmitFrame, TransmitOffload};
use mpdk::device::{Device, Segmentation};
use mpdk::dpdk::{DpdkDevice, Error, OffloadRequest, Pool, PoolConfig, Port, PortConfig};
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const OUR_IP: [u8; 4] = [10, 77, 0, 2];
const KERNEL_IP: &str = "10.77.0.1/24";

/// Device names are at most 15 characters long and unique on the machine.
fn tap_name(letter: char) -> String {
    format!("mpt{letter}{}", std::process::id())
}

/// A TAP whose kernel side is in a namespace.
fn tap_in_namespace(letter: char, config: &PortConfig) -> (Namespace, Port, DpdkDevice) {
    let eal = eal();
    let namespace = Namespace::new();
    let name = tap_name(letter);
    let pools = pools(&eal, &format!("tap-{letter}"));
    let number = u32::from(letter) - u32::from('a');
    let (port, device) = open(&eal, &format!("net_tap{number},iface={name}"), config, &pools);
    namespace.take_device(&name, KERNEL_IP);
    (namespace, port, device)
}

/// Counts of a host's loop.
#[derive(Debug, Default)]
struct Loops {
    rounds: AtomicU64,
    sleeps: AtomicU64,
}

/// A host that answers ARP and echo requests and sleeps when idle, for at most
/// `longest_sleep`.
fn host(
    mut device: DpdkDevice,
    stop: &Arc<AtomicBool>,
    loops: &Arc<Loops>,
    longest_sleep: Duration,
) -> JoinHandle<DpdkDevice> {
    let (stop, loops) = (Arc::clone(stop), Arc::clone(loops));
    std::thread::spawn(move || {
        let _registration = eal().register_thread().unwrap();
        let mac = device.mac();
        let mut burst = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            loops.rounds.fetch_add(1, Ordering::Relaxed);
            device.receive(&mut burst);
            for (packet, _) in burst.drain(..) {
                if let Some(reply) = answer(&bytes_of(&packet), mac, OUR_IP) {
                    send(&mut device, &reply).unwrap();
                }
            }
            device.flush();
            if !device.arm_wake() {
                loops.sleeps.fetch_add(1, Ordering::Relaxed);
                wait_readable(device.wake_fd().unwrap(), longest_sleep);
            }
            device.disarm_wake();
        }
        device
    })
}

/// Sends one frame that nobody answers.
fn wake(namespace: &Namespace) {
    let send = || UdpSocket::bind("0.0.0.0:0").unwrap().send_to(b"wake", "10.77.0.2:9").map(drop);
    namespace.spawn(send).join().unwrap().unwrap();
}

#[test]
fn the_kernel_pings_us() {
    if !has_network_privileges() {
        return;
    }
    let (namespace, port, mut device) = tap_in_namespace('a', &PortConfig::default());
    let mac = device.mac();
    let done = namespace.spawn(|| {
        let ping = Ping::new(OUR_IP);
        for sequence in 0..100 {
            ping.round_trip(sequence, &vec![sequence as u8; usize::from(sequence) * 14]);
        }
    });
    let mut frames = 0;
    wait_for("a hundred pings", || {
        for (frame, _) in receive(&mut device) {
            if let Some(reply) = answer(&frame, mac, OUR_IP) {
                send(&mut device, &reply).unwrap();
                frames += 1;
            }
        }
        device.flush();
        done.is_finished().then_some(())
    });
    done.join().unwrap();
    assert!(frames >= 101, "one ARP request and a hundred echo requests: {frames}");
    assert!(device.statistics().transmitted_frames >= 101);
    drop(device);
    port.close().unwrap();
}

#[test]
fn a_sleeper_wakes_for_every_frame_and_sleeps_when_there_is_none() {
    if !has_network_privileges() {
        return;
    }
    let (namespace, port, device) = tap_in_namespace('b', &PortConfig::default());
    assert!(device.capabilities().wake);
    let (stop, loops) = (Arc::new(AtomicBool::new(false)), Arc::new(Loops::default()));
    // A lost wake-up would cost a minute, and the ping gives up after ten seconds.
    let host = host(device, &stop, &loops, Duration::from_secs(60));
    let round_trips = namespace.spawn(|| {
        let ping = Ping::new(OUR_IP);
        let mut slowest = Duration::ZERO;
        for sequence in 0..2000 {
            let start = Instant::now();
            ping.round_trip(sequence, b"are you asleep?");
            slowest = slowest.max(start.elapsed());
        }
        slowest
    });
    let slowest = round_trips.join().unwrap();
    let busy = loops.rounds.load(Ordering::Relaxed);
    assert!(loops.sleeps.load(Ordering::Relaxed) >= 100, "it did sleep between pings");

    // Idle: without frames the loop does not turn.
    wait_for("a quiet second", || {
        let (before, start) = (loops.rounds.load(Ordering::Relaxed), Instant::now());
        while start.elapsed() < Duration::from_secs(1) {
            std::thread::park_timeout(Duration::from_millis(50));
        }
        (loops.rounds.load(Ordering::Relaxed) == before).then_some(())
    });
    println!("slowest of 2000 round trips: {slowest:?}; {busy} rounds");
    stop.store(true, Ordering::Relaxed);
    wake(&namespace);
    drop(host.join().unwrap());
    port.close().unwrap();
}

#[test]
fn floods_lose_no_wake_up() {
    if !has_network_privileges() {
        return;
    }
    let (namespace, port, device) = tap_in_namespace('c', &PortConfig::default());
    let (stop, loops) = (Arc::new(AtomicBool::new(false)), Arc::new(Loops::default()));
    let host = host(device, &stop, &loops, Duration::from_secs(60));
    let flood = namespace.spawn(|| {
        let ping = Ping::new(OUR_IP);
        let noise = UdpSocket::bind("0.0.0.0:0").unwrap();
        for sequence in 0..300 {
            // More frames than a burst, at once: signals come in heaps. The
            // kernel may drop some of the noise, never our last wake-up.
            for _ in 0..200 {
                let _ = noise.send_to(&[0; 100], "10.77.0.2:9");
            }
            ping.round_trip(sequence, b"after the noise");
        }
    });
    flood.join().unwrap();
    stop.store(true, Ordering::Relaxed);
    wake(&namespace);
    let device = host.join().unwrap();
    println!("{:?}", device.statistics());
    assert!(device.statistics().received_frames > 10_000);
    drop(device);
    port.close().unwrap();
}

#[test]
fn an_empty_pool_delays_frames_but_loses_no_wake_up() {
    if !has_network_privileges() {
        return;
    }
    let eal = eal();
    let namespace = Namespace::new();
    let name = tap_name('d');
    let (_, transmit) = pools(&eal, "tap-d");
    let small = PoolConfig::receive("tap-d-small", 64);
    let small = Pool::new(&eal, &small).unwrap();
    let config = PortConfig { receive_descriptors: 32, ..PortConfig::default() };
    let (port, mut device) = open(&eal, &format!("net_tap3,iface={name}"), &config, &(small, transmit));
    namespace.take_device(&name, KERNEL_IP);
    // The kernel sends to a neighbour that it need not ask for.
    let mac = device.mac().map(|byte| format!("{byte:02x}")).join(":");
    namespace.run("ip", &["neigh", "add", "10.77.0.2", "lladdr", &mac, "dev", &name]);
    let noise = namespace.spawn(|| {
        let noise = UdpSocket::bind("0.0.0.0:0").unwrap();
        (0..100).for_each(|number: u32| {
            noise.send_to(&number.to_be_bytes(), "10.77.0.2:9").unwrap();
        });
    });
    noise.join().unwrap();
    // No frame comes any more. What does not fit into the pool waits in the
    // kernel, and the driver must be brought to look again.
    let mut got = 0;
    let mut held = Vec::new();
    wait_for("a hundred frames", || {
        if device.receive(&mut held) == 0 {
            got += held.drain(..).filter(|(packet, _)| bytes_of(packet).len() == 46).count();
            if !device.arm_wake() {
                wait_readable(device.wake_fd().unwrap(), Duration::from_millis(100));
            }
            device.disarm_wake();
        }
        // A frame for which the driver finds no buffer is lost, and counted.
        let missed = device.statistics().receive_missed;
        (got as u64 + missed == 100 && got > 64).then_some(missed)
    });
    drop(device);
    port.close().unwrap();
}

#[test]
fn the_link_is_seen_in_another_namespace() {
    if !has_network_privileges() {
        return;
    }
    let (namespace, port, mut device) = tap_in_namespace('e', &PortConfig::default());
    let name = tap_name('e');
    wait_for("the link to be up", || device.link_up().then_some(()));
    namespace.run("ip", &["link", "set", &name, "down"]);
    wait_for("the link to be down", || (!device.link_up()).then_some(()));
    // What is sent meanwhile is dropped, not kept for ever.
    send(&mut device, &[0xff; 60]).unwrap();
    device.flush();
    assert_eq!(device.statistics().transmit_dropped, 1);
    namespace.run("ip", &["link", "set", &name, "up"]);
    wait_for("the link to be up again", || device.link_up().then_some(()));
    namespace.run("ip", &["link", "set", &name, "netns", "1"]);
    wait_for("the device to be back", || device_exists(&name).then_some(()));
    run("ip", &["link", "set", &name, "up"]);
    wait_for("the link to be up at home", || device.link_up().then_some(()));
    drop(device);
    port.close().unwrap();
    wait_for("the device to be gone", || (!device_exists(&name)).then_some(()));
}

#[test]
fn checksums_are_filled_in_and_verified() {
    if !has_network_privileges() {
        return;
    }
    let (namespace, port, mut device) = tap_in_namespace('f', &PortConfig::default());
    assert!(device.capabilities().transmit_tcp_checksum && device.capabilities().receive_l4_checksum);
    let mac = device.mac();
    // A connection attempt: the kernel's SYN has a checksum that is verified,
    // and our RST is believed only if its checksum is right.
    let refused = namespace.spawn(|| {
        let error =
            std::net::TcpStream::connect_timeout(&"10.77.0.2:80".parse().unwrap(), Duration::from_secs(20));
        error.unwrap_err().kind()
    });
    wait_for("a refused connection", || {
        for (frame, meta) in receive(&mut device) {
            if let Some(reply) = answer(&frame, mac, OUR_IP) {
                send(&mut device, &reply).unwrap();
            } else if frame.get(23) == Some(&6) {
                assert_eq!(meta.l4_checksum, mpdk::base::ChecksumState::Good);
                let (header, offload) = reset_of(&frame, 0);
                send_pieces(&mut device, &header, &[], offload).unwrap();
            }
        }
        device.flush();
        refused.is_finished().then_some(())
    });
    assert_eq!(refused.join().unwrap(), std::io::ErrorKind::ConnectionRefused);
    drop(device);
    port.close().unwrap();
}

/// The driver sums a frame up buffer by buffer, and takes each to begin at an
/// even byte: what refers to payload at an odd one has a wrong checksum.
#[test]
fn a_checksum_over_odd_pieces_is_right() {
    if !has_network_privileges() {
        return;
    }
    let (namespace, port, mut device) = tap_in_namespace('j', &PortConfig::default());
    let mac = device.mac();
    let pool = Pool::new(&eal(), &PoolConfig::transmit("tap-j-payload", 64)).unwrap();
    let connect = || {
        let port = "10.77.0.2:80".parse().unwrap();
        std::net::TcpStream::connect_timeout(&port, Duration::from_secs(20)).unwrap_err().kind()
    };
    // A reset may say why (RFC 9293 §3.5.2).
    for pieces in [&["because", " of it"][..], &["be", "cause"], &["b", "e", "cause"], &["because of", " it"]]
    {
        let payload: Vec<_> = pieces.iter().map(|piece| pool.packet(&[piece.as_bytes()]).unwrap()).collect();
        let refused = namespace.spawn(connect);
        wait_for("a refused connection", || {
            for (frame, _) in receive(&mut device) {
                if let Some(reply) = answer(&frame, mac, OUR_IP) {
                    send(&mut device, &reply).unwrap();
                } else if frame.get(23) == Some(&6) {
                    let payload = Payload::whole(&payload);
                    let (header, offload) = reset_of(&frame, payload.len() as u16);
                    device
                        .transmit(TransmitFrame { port: PortIndex(0), header: &header, payload, offload })
                        .unwrap();
                }
            }
            device.flush();
            refused.is_finished().then_some(())
        });
        assert_eq!(refused.join().unwrap(), std::io::ErrorKind::ConnectionRefused, "{pieces:?}");
        // Only what the driver would get wrong is copied.
        let is_even = pieces[..pieces.len() - 1].iter().all(|piece| piece.len() % 2 == 0);
        assert_eq!(device.take_copied_bytes() == 0, is_even, "{pieces:?}");
    }
    drop(device);
    port.close().unwrap();
}

/// The RST that answers a SYN (RFC 9293 §3.10.7.1), with so many bytes behind it,
/// checksums left to the port.
fn reset_of(syn: &[u8], payload_bytes: u16) -> (Vec<u8>, TransmitOffload) {
    let mut frame = syn[..54].to_vec();
    frame.copy_within(6..12, 0);
    frame[6..12].copy_from_slice(&syn[..6]);
    frame[14] = 0x45;
    frame[16..18].copy_from_slice(&(40 + payload_bytes).to_be_bytes());
    frame[24..26].fill(0);
    frame[26..30].copy_from_slice(&syn[30..34]);
    frame[30..34].copy_from_slice(&syn[26..30]);
    frame[34..36].copy_from_slice(&syn[36..38]);
    frame[36..38].copy_from_slice(&syn[34..36]);
    frame[38..42].fill(0);
    let sequence = u32::from_be_bytes(syn[38..42].try_into().unwrap());
    frame[42..46].copy_from_slice(&(sequence + 1).to_be_bytes());
    frame[46] = 5 << 4;
    frame[47] = 0x14;
    frame[48..54].fill(0);
    // The pseudo-header: addresses, protocol, length (RFC 9293 §3.1).
    let mut pseudo = frame[26..34].to_vec();
    pseudo.extend_from_slice(&[0, 6]);
    pseudo.extend_from_slice(&(20 + payload_bytes).to_be_bytes());
    let sum = !u16::from_be_bytes(dpdk_support::frames::checksum(&pseudo));
    frame[50..52].copy_from_slice(&sum.to_be_bytes());
    let offload = TransmitOffload {
        ip_checksum: true,
        tcp_checksum: true,
        l2_bytes: 14,
        l3_bytes: 20,
        l4_bytes: 20,
        ..TransmitOffload::default()
    };
    (frame, offload)
}

#[test]
fn super_frames_are_cut_if_asked_for() {
    if !has_network_privileges() {
        return;
    }
    let offload = OffloadRequest { segmentation: true, ..OffloadRequest::default() };
    let config = PortConfig { offload, ..PortConfig::default() };
    let (namespace, port, mut device) = tap_in_namespace('g', &config);
    assert_eq!(device.capabilities().segmentation, Segmentation::Ipv4);
    let name = tap_name('g');
    let counted = || -> u64 {
        let path = format!("/sys/class/net/{name}/statistics/rx_packets");
        let cat = ["netns", "exec", &namespace.name, "cat", &path];
        let output = std::process::Command::new("ip").args(cat).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().parse().unwrap()
    };
    let before = counted();
    let total = 20_000_u16;
    let mut header = vec![0; 54];
    header[..6].fill(0xff);
    header[6..12].copy_from_slice(&device.mac());
    header[12..14].copy_from_slice(&[8, 0]);
    header[14..24].copy_from_slice(&[0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 6]);
    header[16..18].copy_from_slice(&(40 + total).to_be_bytes());
    header[26..34].copy_from_slice(&[10, 77, 0, 2, 10, 77, 0, 1]);
    header[46] = 5 << 4;
    let offload = TransmitOffload {
        ip_checksum: true,
        tcp_checksum: true,
        segment_bytes: 1000,
        l2_bytes: 14,
        l3_bytes: 20,
        l4_bytes: 20,
        ipv6: false,
    };
    let payload: Vec<HeapPacket> = vec![7; usize::from(total)].chunks(1460).map(HeapPacket::new).collect();
    send_pieces(&mut device, &header, &payload, offload).unwrap();
    device.flush();
    wait_for("twenty segments", || (counted() >= before + 20).then_some(()));
    assert_eq!(device.statistics().transmit_errors, 0);
    drop(device);
    port.close().unwrap();
}

#[test]
fn every_queue_is_woken() {
    if !has_network_privileges() {
        return;
    }
    let eal = eal();
    let namespace = Namespace::new();
    let name = tap_name('i');
    let (receive_pool, transmit_pool) = pools(&eal, "tap-i");
    let address = format!("net_tap8,iface={name}").parse().unwrap();
    let config = PortConfig { queues: 2, ..PortConfig::default() };
    let (port, queues) = Port::open(&eal, &address, &config, &receive_pool, &transmit_pool).unwrap();
    namespace.take_device(&name, KERNEL_IP);
    let mac = port.mac().map(|byte| format!("{byte:02x}")).join(":");
    namespace.run("ip", &["neigh", "add", "10.77.0.2", "lladdr", &mac, "dev", &name]);
    let stop = Arc::new(AtomicBool::new(false));
    let hosts: Vec<_> = queues
        .into_iter()
        .map(|device| host(device, &stop, &Arc::new(Loops::default()), Duration::from_secs(60)))
        .collect();
    // The kernel spreads flows over the queues by their ports: each of these
    // must get through, and together they reach both queues.
    let flows = namespace.spawn(|| {
        let ping = Ping::new(OUR_IP);
        for sequence in 0..200 {
            let noise = UdpSocket::bind("0.0.0.0:0").unwrap();
            noise.send_to(b"which queue?", "10.77.0.2:9").unwrap();
            ping.round_trip(sequence, b"and this?");
        }
    });
    flows.join().unwrap();
    stop.store(true, Ordering::Relaxed);
    let mut devices = Vec::new();
    for host in hosts {
        wait_for("the host to stop", || {
            wake(&namespace);
            host.is_finished().then_some(())
        });
        devices.push(host.join().unwrap());
    }
    let received: Vec<u64> = devices.iter().map(|device| device.statistics().received_frames).collect();
    assert!(received.iter().all(|&frames| frames > 20), "{received:?}");
    assert!(received.iter().sum::<u64>() >= 400, "{received:?}");
    drop(devices);
    port.close().unwrap();
}

#[test]
fn closing_removes_the_network_device_and_settings_apply() {
    if !has_network_privileges() {
        return;
    }
    let eal = eal();
    let pools = pools(&eal, "tap-h");
    let name = tap_name('h');
    let mac = [0x02, 1, 2, 3, 4, 5];
    let config = PortConfig { mtu: 1400, mac: Some(mac), ..PortConfig::default() };
    let device_text = format!("net_tap7,iface={name}");
    for _ in 0..3 {
        let (port, device) = open(&eal, &device_text, &config, &pools);
        assert_eq!((device.mac(), port.mac()), (mac, mac));
        assert_eq!(device.capabilities().mtu, 1400);
        let mtu = std::fs::read_to_string(format!("/sys/class/net/{name}/mtu")).unwrap();
        assert_eq!(mtu.trim(), "1400");
        // Programs started now do not keep the device alive.
        let mut child =
            std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        drop(device);
        port.close().unwrap();
        wait_for("the device to be gone", || (!device_exists(&name)).then_some(()));
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success());
    }
    // A failed opening leaves nothing behind either.
    let address = device_text.parse().unwrap();
    let jumbo = PortConfig { mtu: 9000, ..config };
    let error = Port::open(&eal, &address, &jumbo, &pools.0, &pools.1).map(drop).unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }) && error.to_string().contains("MTU"), "{error}");
    wait_for("the device to be gone", || (!device_exists(&name)).then_some(()));
    assert_eq!(pools.0.available(), pools.0.config().buffers);
}
