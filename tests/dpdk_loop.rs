//! Ports that need no wire: net_ring sends to itself, net_null to nobody.
#![cfg(feature = "dpdk")]
#![allow(unsafe_code)]

mod dpdk_support;

use dpdk_support::frames::{bytes_of, number_of, numbered, receive, send, send_pieces};
use dpdk_support::{eal, open, pools, wait_for};
use mpdk::base::{ChecksumState, HeapPacket, Packet, Payload, TransmitOffload};
use mpdk::device::{Capabilities, Device, Refusal};
use mpdk::dpdk::{DeviceAddress, Error, Port, PortConfig};

#[test]
fn a_ring_returns_every_frame_in_order_and_leaks_nothing() {
    let eal = eal();
    let pools = pools(&eal, "ring");
    let config = PortConfig { mtu: 9000, ..PortConfig::default() };
    let (port, mut device) = open(&eal, "net_ring0", &config, &pools);
    assert_eq!(
        device.capabilities(),
        &Capabilities { scatter: true, max_frame_bytes: 9018, ..Capabilities::plain(9000) }
    );
    assert_eq!((device.name(), device.wake_fd()), ("net_ring0", None));
    assert!(device.link_up());

    let (mut sent, mut got, mut bytes) = (0, 0, 0_u64);
    wait_for("ten thousand frames", || {
        while sent < 10_000 && device.room() > 0 {
            let frame = numbered(sent, 18 + (sent as usize * 37) % 9000);
            if send(&mut device, &frame) == Err(Refusal::PoolEmpty) {
                break;
            }
            bytes += frame.len() as u64;
            sent += 1;
        }
        device.flush();
        for (frame, meta) in receive(&mut device) {
            assert_eq!(frame, numbered(got, 18 + (got as usize * 37) % 9000));
            assert_eq!(meta.l4_checksum, ChecksumState::Unknown);
            got += 1;
        }
        (got == 10_000).then_some(())
    });
    let statistics = device.statistics();
    assert_eq!((statistics.transmitted_frames, statistics.received_frames), (10_000, 10_000));
    assert_eq!((statistics.transmitted_bytes, statistics.received_bytes), (bytes, bytes));

    assert!(matches!(port.close(), Err(Error::QueuesInUse { queues: 1, .. })));
    // It takes buffers out ahead of need.
    drop(device);
    assert_eq!(pools.1.available(), pools.1.config().buffers);
    assert_eq!(pools.0.available(), pools.0.config().buffers);
}

#[test]
fn a_payload_in_many_pieces_arrives_whole_and_can_be_sent_on() {
    let eal = eal();
    let pools = pools(&eal, "pieces");
    let (_port, mut device) =
        open(&eal, "net_ring1", &PortConfig { mtu: 9000, ..PortConfig::default() }, &pools);
    let whole = numbered(5, 6000);
    let payload: Vec<HeapPacket> = whole[18..].chunks(59).map(HeapPacket::new).collect();
    send_pieces(&mut device, &whole[..18], &payload, TransmitOffload::default()).unwrap();
    device.flush();
    let mut burst = Vec::new();
    assert_eq!(device.receive(&mut burst), 1);
    let (mut packet, _) = burst.remove(0);
    assert_eq!(bytes_of(&packet), whole);

    // What was received in a chain goes out again as payload.
    let header = packet.split_front(18);
    let frame = mpdk::base::TransmitFrame {
        port: mpdk::base::PortIndex(0),
        header: &bytes_of(&header),
        payload: Payload::whole(std::slice::from_ref(&packet)),
        offload: TransmitOffload::default(),
    };
    device.transmit(frame).unwrap();
    device.flush();
    assert_eq!(receive(&mut device)[0].0, whole);
}

#[test]
fn what_a_port_cannot_take_is_refused() {
    let eal = eal();
    let pools = pools(&eal, "refuse");
    let (_port, mut device) = open(&eal, "net_ring2", &PortConfig::default(), &pools);
    assert_eq!(send(&mut device, &[0; 1519]), Err(Refusal::TooLong));
    let room = device.room();
    for number in 0..room as u32 {
        send(&mut device, &numbered(number, 60)).unwrap();
    }
    assert_eq!(device.room(), 0);
    assert_eq!(send(&mut device, &numbered(0, 60)), Err(Refusal::QueueFull));
    assert!(device.arm_wake(), "there is work: frames wait to be sent");
    device.disarm_wake();
    device.flush();
    assert_eq!(device.room(), room);
    // Frames found by the poll before sleep are not lost and not doubled.
    assert!(device.arm_wake());
    assert!(device.arm_wake());
    device.disarm_wake();
    let mut got = Vec::new();
    while got.len() < room {
        got.extend(receive(&mut device).iter().filter_map(|(frame, _)| number_of(frame)));
    }
    assert_eq!(got, (0..room as u32).collect::<Vec<_>>());
    assert!(!device.arm_wake());
    device.disarm_wake();
}

#[test]
fn a_full_wire_leaves_frames_waiting_and_loses_none() {
    let eal = eal();
    let pools = pools(&eal, "full");
    let (_port, mut device) = open(&eal, "net_ring3", &PortConfig::default(), &pools);
    let mut sent = 0;
    // The ring of net_ring holds 1024 frames; then ours holds what it can.
    while device.room() > 0 && sent < 2040 {
        send(&mut device, &numbered(sent, 60)).unwrap();
        device.flush();
        sent += 1;
    }
    assert!(sent < 2040, "the wire fills up");
    assert_eq!(device.statistics().transmit_dropped, 0);
    let mut got = 0;
    wait_for("all frames", || {
        for (frame, _) in receive(&mut device) {
            assert_eq!(number_of(&frame), Some(got));
            got += 1;
        }
        device.flush();
        (got == sent).then_some(())
    });
}

#[test]
fn a_wire_that_takes_nothing_does_not_block_for_ever() {
    let eal = eal();
    let pools = pools(&eal, "stuck");
    let (_port, mut device) = open(&eal, "net_ring4", &PortConfig::default(), &pools);
    while device.room() > 0 {
        send(&mut device, &numbered(0, 60)).unwrap();
        device.flush();
    }
    wait_for("a dropped frame", || {
        device.flush();
        (device.room() > 0).then_some(())
    });
    assert!(device.statistics().transmit_dropped >= 1);
    drop(device);
}

#[test]
fn null_takes_everything_and_queues_are_independent() {
    let eal = eal();
    let (receive_pool, transmit_pool) = pools(&eal, "null");
    let address: DeviceAddress = "net_null0,size=64".parse().unwrap();
    let config = PortConfig { queues: 2, receive_descriptors: 512, ..PortConfig::default() };
    let (port, queues) = Port::open(&eal, &address, &config, &receive_pool, &transmit_pool).unwrap();
    let threads: Vec<_> = queues
        .into_iter()
        .map(|mut device| {
            let eal = eal.clone();
            std::thread::spawn(move || {
                let _registration = eal.register_thread().unwrap();
                let mut got = 0;
                let mut burst = Vec::new();
                for _ in 0..2000 {
                    let count = device.receive(&mut burst);
                    got += count;
                    burst.drain(..).for_each(|(packet, _)| assert_eq!(packet.len(), 64));
                    send(&mut device, &numbered(1, 200)).unwrap();
                    device.flush();
                }
                assert_eq!(device.statistics().transmitted_frames, 2000);
                assert_eq!(device.statistics().received_frames, got as u64);
                got
            })
        })
        .collect();
    assert!(threads.into_iter().all(|thread| thread.join().unwrap() > 0));
    port.close().unwrap();
    assert_eq!(transmit_pool.available(), transmit_pool.config().buffers);
    // The name is free again.
    let (port, queues) = Port::open(&eal, &address, &config, &receive_pool, &transmit_pool).unwrap();
    drop(queues);
    port.close().unwrap();
}

#[test]
fn impossible_ports_are_errors_that_say_why() {
    let eal = eal();
    let pools = pools(&eal, "wrong");
    let open = |device: &str, config: &PortConfig| {
        let address: DeviceAddress = device.parse().unwrap();
        Port::open(&eal, &address, config, &pools.0, &pools.1).map(drop).unwrap_err()
    };
    let default = PortConfig::default;
    assert!(matches!(open("net_nosuch0", &default()), Error::Port { action: "attaching", .. }));
    assert!(matches!(open("0000:fe:1f.7", &default()), Error::Port { action: "finding", .. }));
    let error = open("net_pcap0,rx_pcap=/does/not/exist", &default());
    assert!(error.to_string().contains("does/not/exist"), "the log says why: {error}");
    for (config, words) in [
        (PortConfig { queues: 0, ..default() }, "queues"),
        (PortConfig { queues: 500, ..default() }, "queues"),
        (PortConfig { mtu: 20, ..default() }, "MTU"),
        (PortConfig { receive_descriptors: 0, ..default() }, "descriptors"),
        (PortConfig { receive_descriptors: 4096, ..default() }, "the pool has"),
        (PortConfig { mac: Some([1, 0, 0, 0, 0, 0]), ..default() }, "unicast"),
    ] {
        let error = open("net_null9", &config);
        assert!(matches!(error, Error::Unsupported { .. }) && error.to_string().contains(words), "{error}");
    }
}
