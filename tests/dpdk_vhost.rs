//! net_vhost in this process and net_virtio_user in another, over a Unix
//! socket, on ordinary pages: neither root nor hugepages.
#![cfg(feature = "dpdk")]
#![allow(unsafe_code)]

mod dpdk_support;

use dpdk_support::frames::{bytes_of, number_of, numbered, receive, send, send_pieces};
use dpdk_support::process::{self, Other};
use dpdk_support::{eal, open, pools, wait_for, wait_readable};
use mpdk::base::{ChecksumState, HeapPacket, Packet, Payload, TransmitFrame, TransmitOffload};
use mpdk::device::{Capabilities, Device, Segmentation};
use mpdk::dpdk::{DpdkDevice, Error, OffloadRequest, Port, PortConfig};
use std::path::Path;
use std::time::Duration;

const FRAMES: u32 = 5000;

fn config() -> PortConfig {
    let offload = OffloadRequest { segmentation: true, large_receive: true, ..OffloadRequest::default() };
    PortConfig { mtu: 9000, offload, ..PortConfig::default() }
}

/// The other process: returns every frame it gets, as a client of `socket`
/// with nothing to do but sleep in between.
fn echo(socket: &str) {
    let eal = eal();
    let pools = pools(&eal, "echo");
    let device = format!("net_virtio_user0,path={socket},queue_size=1024,mac=02:00:00:00:00:99");
    let (port, mut device) = open(&eal, &device, &config(), &pools);
    assert_eq!(device.mac(), [2, 0, 0, 0, 0, 0x99]);
    let caps = device.capabilities();
    assert!(caps.large_receive && caps.multi_segment && caps.transmit_tcp_checksum && caps.wake);
    assert_eq!(caps.segmentation, Segmentation::Both);
    process::say("ready");
    while !process::parent_released() {
        return_frames(&mut device);
        if !device.arm_wake() {
            wait_readable(device.wake_fd().unwrap(), Duration::from_millis(200));
        }
        device.disarm_wake();
        device.link_up();
    }
    drop(device);
    port.close().unwrap();
    assert_eq!(pools.0.available(), pools.0.config().buffers);
    assert_eq!(pools.1.available(), pools.1.config().buffers);
}

fn return_frames(device: &mut DpdkDevice) {
    let mut burst = Vec::new();
    // What waits from before goes first: there is no room until it went.
    device.flush();
    while device.room() >= 64 && device.receive(&mut burst) > 0 {
        for (mut packet, meta) in burst.drain(..) {
            let header = bytes_of(&packet.split_front(14));
            let offload = if packet.len() > 9000 {
                // A super-frame is sent on as one: it came whole.
                assert_eq!(meta.l4_checksum, ChecksumState::Good);
                super_offload()
            } else {
                TransmitOffload::default()
            };
            device
                .transmit(TransmitFrame {
                    port: mpdk::base::PortIndex(0),
                    header: &[header, bytes_of(&packet.split_front(40.min(packet.len())))].concat(),
                    payload: Payload::whole(&[packet]),
                    offload,
                })
                .unwrap();
        }
        device.flush();
    }
}

fn super_offload() -> TransmitOffload {
    TransmitOffload {
        ip_checksum: false,
        tcp_checksum: true,
        segment_bytes: 1400,
        l2_bytes: 14,
        l3_bytes: 20,
        l4_bytes: 20,
        ipv6: false,
    }
}

/// A TCP/IPv4 super-frame: header and payload.
fn super_frame(payload: u16) -> (Vec<u8>, Vec<u8>) {
    let mut header = vec![0; 54];
    header[..12].copy_from_slice(&[2, 0, 0, 0, 0, 0x99, 2, 0, 0, 0, 0, 1]);
    header[12..14].copy_from_slice(&[8, 0]);
    header[14..24].copy_from_slice(&[0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 6]);
    header[16..18].copy_from_slice(&(40 + payload).to_be_bytes());
    header[26..34].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
    header[46] = 5 << 4;
    (header, (0..payload).map(|at| (at % 251) as u8).collect())
}

fn connected(device: &mut DpdkDevice) {
    wait_for("the other side to connect", || device.link_up().then_some(()));
}

fn exchange_frames(device: &mut DpdkDevice) {
    let length = |number: u32| 60 + (number as usize * 97) % 8900;
    let (mut sent, mut got) = (0, 0);
    wait_for("all frames to come back", || {
        while sent < FRAMES && sent - got < 200 && device.room() > 0 {
            send(device, &numbered(sent, length(sent))).unwrap();
            sent += 1;
        }
        device.flush();
        for (frame, _) in receive(device) {
            assert_eq!(number_of(&frame), Some(got), "in order");
            assert!(frame == numbered(got, length(got)), "frame {got} is not what was sent");
            got += 1;
        }
        (got == FRAMES).then_some(())
    });
}

fn exchange_super_frames(device: &mut DpdkDevice) {
    for payload in [20_000, 60_000] {
        let (header, bytes) = super_frame(payload);
        let pieces: Vec<HeapPacket> = bytes.chunks(1400).map(HeapPacket::new).collect();
        send_pieces(device, &header, &pieces, super_offload()).unwrap();
        let (frame, meta) = wait_for("the super-frame to come back", || {
            device.flush();
            receive(device).pop()
        });
        assert_eq!(frame.len(), 54 + usize::from(payload), "uncut");
        assert_eq!(frame[54..], bytes);
        assert_eq!(meta.l4_checksum, ChecksumState::Good);
    }
}

/// One frame at a time, both sides asleep in between.
fn exchange_asleep(device: &mut DpdkDevice) {
    for number in 0..500 {
        send(device, &numbered(number, 60)).unwrap();
        device.flush();
        let mut got = Vec::new();
        wait_for("the frame to come back", || {
            if !device.arm_wake() {
                let woken = wait_readable(device.wake_fd().unwrap(), Duration::from_secs(20));
                assert!(woken, "nobody woke us for frame {number}");
            }
            device.disarm_wake();
            got.extend(receive(device));
            (!got.is_empty()).then_some(())
        });
        assert_eq!(number_of(&got[0].0), Some(number));
    }
}

#[test]
fn two_processes_exchange_frames() {
    if let Some(socket) = process::part() {
        return echo(&socket);
    }
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("wire.sock");
    let socket = socket.to_str().unwrap();
    let eal = eal();
    let pools = pools(&eal, "vhost");
    let vhost = format!("net_vhost0,iface={socket},queues=1,tso=1");
    let (port, mut device) = open(&eal, &vhost, &config(), &pools);
    assert!(matches!(
        device.capabilities(),
        Capabilities { segmentation: Segmentation::Both, multi_segment: true, wake: true, .. }
    ));
    assert!(!device.link_up(), "nobody is there yet");

    let mut other = Other::start("two_processes_exchange_frames", socket);
    other.expect("ready");
    connected(&mut device);
    exchange_frames(&mut device);
    exchange_super_frames(&mut device);
    exchange_asleep(&mut device);
    other.finish();

    // The other process is gone and another one comes.
    wait_for("the link to go down", || (!device.link_up()).then_some(()));
    send(&mut device, &numbered(1, 60)).unwrap();
    device.flush();
    let mut other = Other::start("two_processes_exchange_frames", socket);
    other.expect("ready");
    connected(&mut device);
    exchange_frames(&mut device);
    other.signal(libc::SIGKILL);
    wait_for("the link to go down", || (!device.link_up()).then_some(()));

    drop(device);
    port.close().unwrap();
    assert!(!Path::new(socket).exists(), "the socket is removed");
    assert_eq!(pools.0.available(), pools.0.config().buffers);
    assert_eq!(pools.1.available(), pools.1.config().buffers);
}

#[test]
fn a_socket_in_use_or_without_a_listener_is_an_error() {
    if process::part().is_some() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("taken.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let eal = eal();
    let pools = pools(&eal, "taken");
    let try_open = |device: String| {
        Port::open(&eal, &device.parse().unwrap(), &PortConfig::default(), &pools.0, &pools.1)
            .map(drop)
            .unwrap_err()
    };
    let error = try_open(format!("net_vhost8,iface={}", path.display()));
    assert!(matches!(error, Error::SocketInUse { .. }), "{error}");
    let error = try_open(format!("net_virtio_user8,path={}/nobody.sock", folder.path().display()));
    assert!(matches!(error, Error::Port { action: "attaching", .. }), "{error}");
}
