//! Representations of every kind.

use crate::base::SeqNumber;
use crate::wire::*;
use proptest::option::of;
use proptest::prelude::*;
use std::net::{Ipv4Addr, Ipv6Addr};

pub(super) fn mac() -> impl Strategy<Value = MacAddress> {
    any::<[u8; 6]>().prop_map(MacAddress)
}

prop_compose! {
    pub(super) fn ethernet()(
        destination in mac(),
        source in mac(),
        vlan in of(any::<u16>()),
        ether_type in any::<u16>().prop_filter("a second tag", |&number| number != EtherType::VLAN.0),
    ) -> Ethernet {
        Ethernet { destination, source, vlan, ether_type: EtherType(ether_type) }
    }
}

prop_compose! {
    pub(super) fn arp()(
        request: bool,
        sender_mac in mac(),
        sender_address: Ipv4Addr,
        target_mac in mac(),
        target_address: Ipv4Addr,
    ) -> Arp {
        let operation = if request { ArpOperation::Request } else { ArpOperation::Reply };
        Arp { operation, sender_mac, sender_address, target_mac, target_address }
    }
}

prop_compose! {
    pub(super) fn ipv4(payload_bytes: u16)(
        addresses: (Ipv4Addr, Ipv4Addr),
        protocol: u8,
        time_to_live: u8,
        traffic_class: u8,
        identification: u16,
        dont_fragment: bool,
        more_fragments: bool,
        fragment_offset in 0..0x2000u16,
    ) -> Ipv4 {
        Ipv4 {
            time_to_live,
            traffic_class,
            identification,
            dont_fragment,
            more_fragments,
            fragment_offset,
            ..Ipv4::new(addresses.0, addresses.1, protocol, payload_bytes)
        }
    }
}

prop_compose! {
    pub(super) fn ipv6(payload_bytes: u16)(
        addresses: (Ipv6Addr, Ipv6Addr),
        protocol in any::<u8>().prop_filter("an extension", |number| ![0, 43, 44, 60].contains(number)),
        hop_limit: u8,
        traffic_class: u8,
        flow_label in 0..1u32 << 20,
    ) -> Ipv6 {
        Ipv6 { hop_limit, traffic_class, flow_label, ..Ipv6::new(addresses.0, addresses.1, protocol, payload_bytes) }
    }
}

pub(super) fn timestamps() -> impl Strategy<Value = Timestamps> {
    any::<(u32, u32)>().prop_map(|(value, echo)| Timestamps { value, echo })
}

pub(super) fn sack_blocks() -> impl Strategy<Value = Vec<(SeqNumber, SeqNumber)>> {
    prop::collection::vec(
        any::<(u32, u32)>().prop_map(|(left, right)| (SeqNumber(left), SeqNumber(right))),
        0..5,
    )
}

prop_compose! {
    fn syn_options()(
        mss: u16,
        sack_permitted: bool,
        timestamps in of(timestamps()),
        window_scale in of(0..=14u8),
    ) -> (TcpOptions, OptionBytes) {
        let mut bytes = OptionBytes::new();
        assert!(emit_syn(mss, sack_permitted, timestamps, window_scale, &mut bytes));
        (TcpOptions { mss: Some(mss), window_scale, sack_permitted, timestamps, ..TcpOptions::default() }, bytes)
    }
}

prop_compose! {
    fn data_options()(
        timestamps in of(timestamps()),
        blocks in sack_blocks(),
        data_ack in of(any::<u32>()),
    ) -> (TcpOptions, OptionBytes) {
        let mut options = TcpOptions { timestamps, ..TcpOptions::default() };
        let mut bytes = OptionBytes::new();
        if let Some(timestamps) = timestamps {
            assert!(timestamps.emit(&mut bytes));
        }
        if let Some(low) = data_ack {
            let signal = DataSignal { data_ack: Some(DataAck::Short(low)), ..DataSignal::default() };
            assert!(signal.emit(&mut bytes));
            options.mptcp.data_signal = Some(signal);
        }
        let count = emit_sack(&blocks, &mut bytes);
        options.sack = blocks[..count].iter().copied().collect();
        (options, bytes)
    }
}

prop_compose! {
    /// A segment and its options as bytes.
    pub(super) fn tcp()(
        ports: (u16, u16),
        numbers: (u32, u32),
        flags: u8,
        window: u16,
        urgent: u16,
        syn in syn_options(),
        data in data_options(),
    ) -> (Tcp, OptionBytes) {
        let flags = TcpFlags(flags);
        let (options, bytes) = if flags.contains(TcpFlags::SYN) { syn } else { data };
        let segment = Tcp {
            source_port: ports.0,
            destination_port: ports.1,
            sequence: SeqNumber(numbers.0),
            acknowledgement: SeqNumber(numbers.1),
            flags,
            window,
            urgent,
            options,
            header_bytes: (Tcp::HEADER_BYTES + bytes.len()) as u8,
        };
        (segment, bytes)
    }
}

/// Bytes of a segment with payload, and its checksum filled in.
pub(super) fn tcp_bytes(
    segment: &Tcp,
    options: &[u8],
    payload: &[u8],
    source: std::net::IpAddr,
    destination: std::net::IpAddr,
) -> Vec<u8> {
    let mut bytes = vec![0; Tcp::HEADER_BYTES + options.len()];
    assert_eq!(segment.emit(options, &mut bytes), bytes.len());
    bytes.extend(payload);
    let mut checksum = pseudo_header(source, destination, protocol::TCP, bytes.len() as u32);
    checksum.add(&bytes);
    bytes[Tcp::CHECKSUM_OFFSET..][..2].copy_from_slice(&checksum.finish().to_be_bytes());
    bytes
}
