use super::*;
use crate::base::{HeapPacket, SeqNumber};
use crate::endpoint::PortAddress;
use crate::endpoint::segmentation::Cuts;
use crate::wire::{OptionBytes, TcpFlags};
use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use proptest::prelude::*;

const MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 9]);

fn port(vlan: Option<u16>, offload: bool) -> PortConfig {
    PortConfig {
        name: "port".into(),
        mac: MacAddress([2, 0, 0, 0, 0, 1]),
        mtu: 1500,
        addresses: vec![PortAddress { address: [10, 0, 0, 1].into(), prefix_bits: 24 }],
        gateway_v4: None,
        gateway_v6: None,
        vlan,
        backup: false,
        tx_ip_checksum: offload,
        tx_tcp_checksum: offload,
        super_segment_bytes: 0,
    }
}

fn tuple(is_ipv6: bool) -> FourTuple {
    let (local, remote) =
        if is_ipv6 { ("[2001:db8::1]:80", "[2001:db8::2]:4000") } else { ("10.0.0.1:80", "10.0.0.2:4000") };
    FourTuple { local: local.parse().unwrap(), remote: remote.parse().unwrap() }
}

fn segment(pieces: &[Vec<u8>], option_words: usize, segment_bytes: u16) -> OutgoingSegment<HeapPacket> {
    OutgoingSegment {
        sequence: SeqNumber(0x0102_0304),
        acknowledgement: SeqNumber(0x0506_0708),
        flags: TcpFlags::ACK.with(TcpFlags::PSH),
        window: 0x090a,
        // NOPs.
        options: OptionBytes::from_iter(std::iter::repeat_n(1, option_words * 4)),
        payload: pieces.iter().map(|piece| HeapPacket::new(piece)).collect(),
        payload_bytes: pieces.iter().map(Vec::len).sum(),
        segment_bytes,
    }
}

/// All of a segment in one frame.
fn write_whole(
    header: &PathHeader,
    segment: &OutgoingSegment<HeapPacket>,
    out: &mut HeaderBuffer,
) -> Option<(usize, TransmitOffload)> {
    let cut = Cuts::new(segment, true).next().unwrap();
    header.write(MAC, segment, &cut, out).map(|written| (written.header_bytes, written.offload))
}

#[test]
fn the_frames_of_a_segment_are_written_from_each_other() {
    for is_ipv6 in [false, true] {
        let header = PathHeader::new(&port(None, true), &tuple(is_ipv6));
        let segment = segment(&[vec![1; 5_000]], 3, 1_000);
        let (mut patched, mut whole) = ([0; HEADER_BYTES_MOST], [0; HEADER_BYTES_MOST]);
        let mut written = None;
        let mut rewritten = 0;
        for cut in Cuts::new(&segment, false) {
            written = match written {
                Some(before) if header.rewrite(&before, &cut, &mut patched) => {
                    rewritten += 1;
                    Some(before)
                }
                _ => header.write(MAC, &segment, &cut, &mut patched),
            };
            header.write(MAC, &segment, &cut, &mut whole).unwrap();
            assert_eq!(patched, whole);
        }
        assert_eq!(rewritten, 4);
    }
}

proptest! {
    /// An independent crate finds every field where it belongs and every
    /// checksum right.
    #[test]
    fn another_implementation_reads_what_is_written(
        is_ipv6: bool,
        vlan in prop::option::of(1..4095u16),
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..50), 0..5),
        option_words in 0..=10usize,
    ) {
        let header = PathHeader::new(&port(vlan, false), &tuple(is_ipv6));
        let segment = segment(&pieces, option_words, 0);
        let mut buffer = [0xaa; HEADER_BYTES_MOST];
        let (header_bytes, offload) = write_whole(&header, &segment, &mut buffer).unwrap();
        let frame = [&buffer[..header_bytes], &pieces.concat()].concat();
        let sliced = SlicedPacket::from_ethernet(&frame).unwrap();
        prop_assert_eq!(sliced.vlan_ids().iter().map(|id| id.value()).collect::<Vec<_>>(), Vec::from_iter(vlan));
        let Some(TransportSlice::Tcp(tcp)) = sliced.transport else { panic!("not TCP") };
        prop_assert_eq!((tcp.source_port(), tcp.destination_port()), (80, 4000));
        prop_assert_eq!((tcp.sequence_number(), tcp.acknowledgment_number()), (0x0102_0304, 0x0506_0708));
        prop_assert_eq!((tcp.window_size(), tcp.ack(), tcp.psh(), tcp.syn()), (0x090a, true, true, false));
        prop_assert_eq!(tcp.payload(), &pieces.concat()[..]);
        prop_assert_eq!(tcp.options().len(), option_words * 4);
        let checksum = match sliced.net {
            Some(NetSlice::Ipv4(ip)) => {
                prop_assert!(!is_ipv6);
                let header = ip.header();
                prop_assert_eq!(header.header_checksum(), header.to_header().calc_header_checksum());
                prop_assert!(header.dont_fragment());
                tcp.calc_checksum_ipv4(header.source(), header.destination())
            }
            Some(NetSlice::Ipv6(ip)) => {
                prop_assert!(is_ipv6);
                tcp.calc_checksum_ipv6(ip.header().source(), ip.header().destination())
            }
            _ => panic!("not IP"),
        };
        prop_assert_eq!(checksum.unwrap(), tcp.checksum());
        prop_assert_eq!(&frame[..6], &MAC.0);
        prop_assert_eq!((offload.ip_checksum, offload.tcp_checksum, offload.segment_bytes), (false, false, 0));
        let layers = [offload.l2_bytes, offload.l3_bytes, offload.l4_bytes].map(usize::from);
        prop_assert_eq!(layers.iter().sum::<usize>(), header_bytes);
    }

    /// What hardware completes by the sum in the field is what software writes.
    #[test]
    fn offload_begins_where_hardware_goes_on(
        is_ipv6: bool,
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..50), 0..5),
    ) {
        let mut software = [0; HEADER_BYTES_MOST];
        let mut hardware = [0; HEADER_BYTES_MOST];
        let segment = segment(&pieces, 3, 0);
        let write = |offload, buffer: &mut HeaderBuffer| {
            write_whole(&PathHeader::new(&port(None, offload), &tuple(is_ipv6)), &segment, buffer).unwrap()
        };
        write(false, &mut software);
        let (header_bytes, offload) = write(true, &mut hardware);
        prop_assert_eq!((offload.ip_checksum, offload.tcp_checksum), (!is_ipv6, true));
        let (l2, l3) = (usize::from(offload.l2_bytes), usize::from(offload.l3_bytes));
        if !is_ipv6 {
            let field = &mut hardware[l2 + Ipv4::CHECKSUM_OFFSET..][..2];
            prop_assert_eq!(&field[..], &[0, 0]);
            field.copy_from_slice(&software[l2 + Ipv4::CHECKSUM_OFFSET..][..2]);
        }
        // Hardware sums the segment with what it finds in the field.
        let mut sum = Checksum::new();
        sum.add(&hardware[l2 + l3..header_bytes]);
        pieces.iter().for_each(|piece| sum.add(piece));
        hardware[l2 + l3 + Tcp::CHECKSUM_OFFSET..][..2].copy_from_slice(&sum.finish().to_be_bytes());
        prop_assert_eq!(hardware, software);
    }
}

#[test]
fn a_port_that_cuts_finds_the_sum_without_a_length() {
    let header = PathHeader::new(&port(None, true), &tuple(false));
    let segment = segment(&[vec![1; 4000]], 3, 1448);
    let mut buffer = [0; HEADER_BYTES_MOST];
    let (_, offload) = write_whole(&header, &segment, &mut buffer).unwrap();
    assert_eq!(offload.segment_bytes, 1448);
    let ends = tuple(false);
    let expected = pseudo_header(ends.local.ip(), ends.remote.ip(), protocol::TCP, 0).sum();
    assert_eq!(buffer[34 + Tcp::CHECKSUM_OFFSET..][..2], expected.to_be_bytes());
}

#[test]
fn what_fits_one_segment_is_not_cut() {
    let header = PathHeader::new(&port(None, true), &tuple(true));
    let mut buffer = [0; HEADER_BYTES_MOST];
    let (_, offload) = write_whole(&header, &segment(&[vec![1; 1428]], 3, 1428), &mut buffer).unwrap();
    assert_eq!((offload.segment_bytes, offload.ipv6), (0, true));
}

#[test]
fn a_packet_too_long_for_ip_is_refused() {
    let header = PathHeader::new(&port(None, true), &tuple(false));
    let mut buffer = [0; HEADER_BYTES_MOST];
    assert!(write_whole(&header, &segment(&[vec![1; 65_495]], 0, 1448), &mut buffer).is_some());
    assert!(write_whole(&header, &segment(&[vec![1; 65_496]], 0, 1448), &mut buffer).is_none());
    assert!(write_whole(&header, &segment(&[vec![1; 70_000]], 0, 1448), &mut buffer).is_none());
}
