//! One host, and a station on its link that sends and sees raw frames.

use crate::base::{
    ChecksumState, Context, Counters, Duration, FrameSink, HeapPacket, Instant, Outcome, PortIndex, Random,
    ReceiveMeta, TransmitFrame,
};
use crate::endpoint::{Endpoint, EndpointConfig};
use crate::wire::{Arp, ArpOperation, EtherType, Ethernet, MacAddress};
use etherparse::PacketBuilder;
use std::net::Ipv4Addr;

/// The host's MAC address on port 0.
pub(super) const HOST_MAC: MacAddress = MacAddress([2, 0, 0, 0, 1, 0]);
/// The station's.
pub(super) const STATION_MAC: MacAddress = MacAddress([2, 0, 0, 0, 9, 0]);
pub(super) const HOST_V4: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub(super) const STATION_V4: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);

/// Collects what a host sends.
#[derive(Debug, Default)]
pub(super) struct Wire {
    pub(super) frames: Vec<(PortIndex, Vec<u8>)>,
    /// How many frames each port still takes.
    pub(super) room: Option<usize>,
}

impl FrameSink<HeapPacket> for Wire {
    fn room(&self, _port: PortIndex) -> usize {
        self.room.unwrap_or(usize::MAX)
    }

    fn send(&mut self, frame: TransmitFrame<'_, HeapPacket>) {
        assert_ne!(self.room, Some(0), "sent without room");
        self.room = self.room.map(|room| room - 1);
        let mut bytes = frame.header.to_vec();
        frame.payload.for_each_piece(|piece| bytes.extend_from_slice(piece));
        self.frames.push((frame.port, bytes));
    }
}

/// The host and its surroundings.
pub(super) struct Bench {
    pub(super) endpoint: Endpoint<HeapPacket>,
    pub(super) now: Instant,
    pub(super) random: Random,
    pub(super) counters: Counters,
    pub(super) wire: Wire,
}

impl Bench {
    /// A host whose announcements have left.
    pub(super) fn new(config: EndpointConfig) -> Self {
        let mut random = Random::from_number(1);
        let mut counters = Counters::new();
        let now = Instant::from_nanos(1_000_000_000);
        let cx = &mut Context { now, random: &mut random, counters: &mut counters };
        let endpoint = Endpoint::new(config, cx).unwrap();
        let mut bench = Self { endpoint, now, random, counters, wire: Wire::default() };
        bench.sent();
        bench
    }

    pub(super) fn with<T>(
        &mut self,
        act: impl FnOnce(&mut Endpoint<HeapPacket>, &mut Context<'_>) -> T,
    ) -> T {
        let cx = &mut Context { now: self.now, random: &mut self.random, counters: &mut self.counters };
        act(&mut self.endpoint, cx)
    }

    /// The host gets a frame on a port.
    pub(super) fn receive_at(&mut self, port: u8, frame: &[u8], meta: ReceiveMeta) {
        let packet = HeapPacket::new(frame);
        self.with(|endpoint, cx| endpoint.handle_frame(cx, PortIndex(port), packet, meta));
    }

    /// The host gets a frame on port 0; what it sends then.
    pub(super) fn exchange(&mut self, frame: &[u8]) -> Vec<Vec<u8>> {
        self.receive_at(0, frame, ReceiveMeta::default());
        self.sent()
    }

    /// What the host sends now, on any port.
    pub(super) fn sent(&mut self) -> Vec<Vec<u8>> {
        let mut wire = std::mem::take(&mut self.wire);
        self.with(|endpoint, cx| endpoint.poll_transmit(cx, &mut wire));
        let frames = wire.frames.drain(..).map(|(_, bytes)| bytes).collect();
        self.wire = wire;
        frames
    }

    /// Time passes, and the host looks at its timers.
    pub(super) fn pass(&mut self, span: Duration) {
        self.now += span;
        self.with(Endpoint::handle_timeouts);
    }

    pub(super) fn count(&self, outcome: Outcome) -> u64 {
        self.counters.get(outcome)
    }

    /// The station introduces itself and answers when the host makes sure, so
    /// that what follows needs no resolution.
    pub(super) fn introduce_station(&mut self) {
        let replies = self.exchange(&arp_request(STATION_MAC, STATION_V4, HOST_V4));
        assert_eq!(replies.len(), 1);
        let sent = self.exchange(&echo_v4(STATION_V4, HOST_V4, b"make sure"));
        let [_, probe] = &sent[..] else { panic!("{sent:?}") };
        assert_eq!(Ethernet::parse(probe).unwrap().destination, STATION_MAC);
        assert_eq!(self.exchange(&arp_answer(&parse_arp(probe))).len(), 0);
    }
}

/// An Ethernet frame without VLAN tag.
pub(super) fn frame(
    source: MacAddress,
    destination: MacAddress,
    ether_type: EtherType,
    body: &[u8],
) -> Vec<u8> {
    let mut bytes = vec![0; 14];
    Ethernet { destination, source, vlan: None, ether_type }.emit(&mut bytes);
    bytes.extend_from_slice(body);
    bytes
}

pub(super) fn arp_frame(arp: &Arp, destination: MacAddress) -> Vec<u8> {
    let mut body = vec![0; Arp::BYTES];
    arp.emit(&mut body);
    frame(arp.sender_mac, destination, EtherType::ARP, &body)
}

pub(super) fn arp_request(mac: MacAddress, sender: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    let arp = Arp {
        operation: ArpOperation::Request,
        sender_mac: mac,
        sender_address: sender,
        target_mac: MacAddress::default(),
        target_address: target,
    };
    arp_frame(&arp, MacAddress::BROADCAST)
}

pub(super) fn parse_arp(bytes: &[u8]) -> Arp {
    let header = Ethernet::parse(bytes).unwrap();
    assert_eq!(header.ether_type, EtherType::ARP);
    Arp::parse(&bytes[header.header_bytes()..]).unwrap()
}

/// Checksums that the driver vouches for.
pub(super) const GOOD: ReceiveMeta =
    ReceiveMeta { ip_checksum: ChecksumState::Good, l4_checksum: ChecksumState::Good, vlan: None };

/// The station's answer to a request of the host.
pub(super) fn arp_answer(request: &Arp) -> Vec<u8> {
    let answer = Arp {
        operation: ArpOperation::Reply,
        sender_mac: STATION_MAC,
        sender_address: request.target_address,
        target_mac: request.sender_mac,
        target_address: request.sender_address,
    };
    arp_frame(&answer, request.sender_mac)
}

/// An echo request to the host.
pub(super) fn echo_v4(source: Ipv4Addr, destination: Ipv4Addr, data: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(STATION_MAC.0, HOST_MAC.0)
        .ipv4(source.octets(), destination.octets(), 20)
        .icmpv4_echo_request(7, 8);
    let mut bytes = Vec::new();
    builder.write(&mut bytes, data).unwrap();
    bytes
}
