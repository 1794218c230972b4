//! net_pcap: a capture written by us is replayed by DPDK, and what DPDK writes
//! is read by us, frame by frame.
#![cfg(feature = "dpdk")]
#![allow(unsafe_code)]

mod dpdk_support;

use dpdk_support::frames::{numbered, receive, send_pieces};
use dpdk_support::{eal, open, pools, wait_for};
use mpdk::base::{HeapPacket, TransmitOffload};
use mpdk::device::{Device, Direction, FrameReader, PcapngWriter, ReplayDevice, WriterConfig};
use mpdk::dpdk::PortConfig;
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::time::Duration;

fn frame(number: u32) -> Vec<u8> {
    numbered(number, 60 + number as usize * 14)
}

#[test]
fn captures_go_in_and_out_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let (incoming, outgoing) = (folder.path().join("in.pcapng"), folder.path().join("out.pcap"));
    let file = BufWriter::new(File::create(&incoming).unwrap());
    let mut writer = PcapngWriter::new(file, &WriterConfig::new("golden")).unwrap();
    for number in 0..100 {
        let time = Duration::from_micros(u64::from(number));
        writer.write(time, Direction::Inbound, std::iter::once(frame(number).as_slice())).unwrap();
    }
    writer.flush().unwrap();

    let eal = eal();
    let pools = pools(&eal, "pcap");
    let device = format!("net_pcap0,rx_pcap={},tx_pcap={}", incoming.display(), outgoing.display());
    let (port, mut device) = open(&eal, &device, &PortConfig::default(), &pools);
    let mut got = 0;
    wait_for("the capture to be replayed", || {
        for (bytes, _) in receive(&mut device) {
            assert_eq!(bytes, frame(got));
            let payload: Vec<HeapPacket> = bytes[18..].chunks(500).map(HeapPacket::new).collect();
            send_pieces(&mut device, &bytes[..18], &payload, TransmitOffload::default()).unwrap();
            got += 1;
        }
        device.flush();
        (got == 100).then_some(())
    });
    drop(device);
    port.close().unwrap();

    let mut reader = FrameReader::new(BufReader::new(File::open(&outgoing).unwrap())).unwrap();
    for number in 0..100 {
        assert_eq!(reader.next_frame().unwrap().unwrap().bytes, frame(number));
    }
    assert!(reader.next_frame().unwrap().is_none());
    let replay = ReplayDevice::load(BufReader::new(File::open(&incoming).unwrap()), [2; 6], 1500).unwrap();
    assert_eq!(replay.remaining(), 100);
}
