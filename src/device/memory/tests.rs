use super::*;
use crate::base::{Payload, PortIndex};
use std::thread;

fn send(device: &mut MemoryDevice, header: &[u8], payload: &[HeapPacket]) -> Result<(), Refusal> {
    let frame = TransmitFrame {
        port: PortIndex(0),
        header,
        payload: Payload::whole(payload),
        offload: TransmitOffload::default(),
    };
    device.transmit(frame)
}

#[test]
fn frames_cross_in_order_and_whole() {
    let (mut left, mut right) = memory_pair(&MemoryConfig::default()).unwrap();
    send(&mut left, b"head", &[HeapPacket::new(b"pay"), HeapPacket::new(b"load")]).unwrap();
    send(&mut left, b"second", &[]).unwrap();
    let mut got = Vec::new();
    assert_eq!(right.receive(&mut got), 0, "nothing leaves before the flush");
    left.flush();
    assert_eq!(right.receive(&mut got), 2);
    assert_eq!(got[0].0.as_slice(), b"headpayload");
    assert_eq!(got[1].0.as_slice(), b"second");
    assert_eq!(left.statistics().transmitted_bytes, right.statistics().received_bytes);
}

#[test]
fn a_full_queue_and_a_long_frame_are_refused() {
    let config = MemoryConfig { queue_frames: 2, ..Default::default() };
    let (mut left, mut right) = memory_pair(&config).unwrap();
    assert_eq!(send(&mut left, &[0; 1519], &[]), Err(Refusal::TooLong));
    send(&mut left, b"a", &[]).unwrap();
    left.flush();
    send(&mut left, b"b", &[]).unwrap();
    assert_eq!(left.room(), 0);
    assert_eq!(send(&mut left, b"c", &[]), Err(Refusal::QueueFull));
    assert_eq!(right.receive(&mut Vec::new()), 1);
    assert_eq!(left.room(), 1);
}

#[test]
fn an_unplugged_wire_loses_frames() {
    let (mut left, mut right) = memory_pair(&MemoryConfig::default()).unwrap();
    send(&mut left, b"a", &[]).unwrap();
    left.flush();
    left.set_link(false);
    assert!(!right.link_up());
    send(&mut left, b"b", &[]).unwrap();
    left.flush();
    assert_eq!(left.statistics().transmit_dropped, 1);
    right.set_link(true);
    assert!(left.link_up());
    assert_eq!(right.receive(&mut Vec::new()), 0);
}

#[test]
fn checksums_filled_in_are_good_at_the_other_end() {
    let mut capabilities = Capabilities::plain(1500);
    capabilities.receive_l4_checksum = true;
    capabilities.transmit_tcp_checksum = true;
    let (mut left, mut right) = memory_pair(&MemoryConfig { capabilities, ..Default::default() }).unwrap();
    let offload = TransmitOffload { tcp_checksum: true, ..Default::default() };
    let payload: Payload<'_, HeapPacket> = Payload::EMPTY;
    left.transmit(TransmitFrame { port: PortIndex(0), header: b"x", payload, offload }).unwrap();
    send(&mut left, b"y", &[]).unwrap();
    left.flush();
    let mut got = Vec::new();
    right.receive(&mut got);
    assert_eq!(got[0].1.l4_checksum, ChecksumState::Good);
    assert_eq!(got[0].1.ip_checksum, ChecksumState::Unknown);
    assert_eq!(got[1].1.l4_checksum, ChecksumState::Unknown);
}

#[test]
fn a_sleeper_is_woken() {
    let (mut left, mut right) = memory_pair(&MemoryConfig::default()).unwrap();
    right.bell.set_nonblocking(false).unwrap();
    let sleeper = thread::spawn(move || {
        let mut got = Vec::new();
        while right.receive(&mut got) == 0 {
            if !right.arm_wake() {
                // Blocks until the bell rings, as `poll` on the fd would.
                right.bell.read_exact(&mut [0]).unwrap();
            }
            lock(&right.incoming).armed = false;
        }
        got.len()
    });
    while !lock(&left.outgoing).armed {
        thread::yield_now();
    }
    send(&mut left, b"wake", &[]).unwrap();
    left.flush();
    assert_eq!(sleeper.join().unwrap(), 1);
}

#[test]
fn frames_that_came_before_arming_are_told() {
    let (mut left, mut right) = memory_pair(&MemoryConfig::default()).unwrap();
    send(&mut left, b"early", &[]).unwrap();
    assert!(left.arm_wake(), "a frame waits to be sent");
    left.disarm_wake();
    left.flush();
    assert!(!left.arm_wake());
    left.disarm_wake();
    assert!(right.arm_wake());
    right.disarm_wake();
    assert_eq!(right.receive(&mut Vec::new()), 1);
    assert!(!right.arm_wake());
    right.disarm_wake();
}
