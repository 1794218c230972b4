//! net_af_packet on one end of a veth pair, the kernel at the other, in a
//! network namespace.
#![cfg(feature = "dpdk")]
#![allow(unsafe_code)]

mod dpdk_support;

use dpdk_support::frames::{answer, receive, send};
use dpdk_support::namespace::{Namespace, run};
use dpdk_support::ping::Ping;
use dpdk_support::{eal, has_network_privileges, open, pools_for, wait_for, wait_readable};
use mpdk::device::{CaptureDevice, Device, Direction, FrameReader, WriterConfig};
use mpdk::dpdk::{DpdkDevice, Error, Port, PortConfig};
use std::fs::File;
use std::io::BufWriter;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const OUR_IP: [u8; 4] = [10, 78, 0, 2];

/// A veth pair with one end in a namespace; removed with it.
fn veth(letter: char) -> (Namespace, String) {
    let namespace = Namespace::new();
    let (ours, theirs) =
        (format!("mpa{letter}{}", std::process::id()), format!("mpk{letter}{}", std::process::id()));
    run("ip", &["link", "add", &ours, "type", "veth", "peer", "name", &theirs]);
    run("sysctl", &["-qw", &format!("net.ipv6.conf.{ours}.disable_ipv6=1")]);
    run("ip", &["link", "set", &ours, "up"]);
    namespace.take_device(&theirs, "10.78.0.1/24");
    (namespace, ours)
}

/// Answers until told to stop, asleep when idle for up to a minute.
fn serve(device: &mut impl Device, stop: &AtomicBool) {
    let mac = device.mac();
    while !stop.load(Ordering::Relaxed) {
        for (frame, _) in receive(device) {
            if let Some(reply) = answer(&frame, mac, OUR_IP) {
                send(device, &reply).unwrap();
            }
        }
        device.flush();
        if !device.arm_wake() {
            wait_readable(device.wake_fd().unwrap(), Duration::from_secs(60));
        }
        device.disarm_wake();
    }
}

fn pinged_while_asleep(letter: char, number: u32) {
    let eal = eal();
    let (namespace, interface) = veth(letter);
    let device = format!("net_af_packet{number},iface={interface}");
    let pools = pools_for(&eal, &format!("afp-{letter}"), &device);
    let (port, device) = open(&eal, &device, &PortConfig::default(), &pools);
    assert!(device.capabilities().wake && !device.capabilities().transmit_tcp_checksum);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wire.pcapng");
    let mut device = CaptureDevice::new(device);
    device
        .start(Box::new(BufWriter::new(File::create(&path).unwrap())), &WriterConfig::new(&interface))
        .unwrap();

    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    let server = std::thread::spawn(move || {
        let _registration = eal.register_thread().unwrap();
        serve(&mut device, &told);
        device.stop().unwrap();
        device
    });
    let pings = namespace.spawn(|| {
        let ping = Ping::new(OUR_IP);
        (0..500).for_each(|sequence| ping.round_trip(sequence, &vec![1; usize::from(sequence) * 2]));
    });
    pings.join().unwrap();
    stop.store(true, Ordering::Relaxed);
    namespace
        .spawn(|| UdpSocket::bind("0.0.0.0:0").unwrap().send_to(b"wake", "10.78.0.2:9"))
        .join()
        .unwrap()
        .unwrap();
    drop(server.join().unwrap());
    port.close().unwrap();
    captured_both_directions(&path);
}

fn captured_both_directions(path: &std::path::Path) {
    let mut reader = FrameReader::new(std::io::BufReader::new(File::open(path).unwrap())).unwrap();
    let (mut incoming, mut outgoing) = (0, 0);
    while let Some(frame) = reader.next_frame().unwrap() {
        match frame.direction.unwrap() {
            Direction::Inbound => incoming += 1,
            Direction::Outbound => outgoing += 1,
        }
    }
    assert!(incoming >= 501 && outgoing >= 501, "{incoming} in, {outgoing} out");
}

#[test]
fn the_kernel_pings_us_while_we_sleep() {
    if has_network_privileges() {
        pinged_while_asleep('a', 0);
    }
}

#[test]
fn every_queue_is_woken() {
    if !has_network_privileges() {
        return;
    }
    let eal = eal();
    let (namespace, interface) = veth('b');
    let (receive_pool, transmit_pool) = pools_for(&eal, "afp-b", "net_af_packet1");
    let address = format!("net_af_packet1,iface={interface},qpairs=2").parse().unwrap();
    let config = PortConfig { queues: 2, ..PortConfig::default() };
    let (port, queues) = Port::open(&eal, &address, &config, &receive_pool, &transmit_pool).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let servers: Vec<_> = queues
        .into_iter()
        .map(|mut device: DpdkDevice| {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || {
                serve_two(&mut device, &stop);
                device.statistics().received_frames
            })
        })
        .collect();
    namespace
        .spawn(|| {
            let ping = Ping::new(OUR_IP);
            (0..200).for_each(|sequence| ping.round_trip(sequence, b"whose queue?"));
        })
        .join()
        .unwrap();
    stop.store(true, Ordering::Relaxed);
    let received: u64 = servers.into_iter().map(|server| server.join().unwrap()).sum();
    assert!(received >= 201);
    port.close().unwrap();
}

/// As `serve`; a queue may be woken for the other, so it sleeps for less long.
fn serve_two(device: &mut DpdkDevice, stop: &AtomicBool) {
    let mac = device.mac();
    while !stop.load(Ordering::Relaxed) {
        for (frame, _) in receive(device) {
            if let Some(reply) = answer(&frame, mac, OUR_IP) {
                send(device, &reply).unwrap();
            }
        }
        device.flush();
        if !device.arm_wake() {
            wait_readable(device.wake_fd().unwrap(), Duration::from_millis(100));
        }
        device.disarm_wake();
    }
}

#[test]
fn a_missing_interface_is_an_error() {
    if !has_network_privileges() {
        return;
    }
    let eal = eal();
    let pools = pools_for(&eal, "afp-c", "net_af_packet2");
    let address = "net_af_packet2,iface=nosuchthing".parse().unwrap();
    let error = Port::open(&eal, &address, &PortConfig::default(), &pools.0, &pools.1).map(drop).unwrap_err();
    assert!(matches!(error, Error::Port { action: "attaching", .. }), "{error}");
    wait_for("the lock to be free", || Some(eal.register_thread().unwrap()));
}
