//! Segments of the scripted peer, and those of the connection as they are on
//! the wire. Sequence numbers are relative to the SYNs of their subflow, data
//! sequence numbers are offsets of the streams.

use crate::base::{AddressId, DataSeqNumber, HeapPacket, Key, Packet, SeqNumber, SubflowId};
use crate::mptcp::key::{HashedKey, Macs};
use crate::tcp::OutgoingSegment;
use crate::wire::{
    AddAddress, AddressIds, DataAck, DataSignal, MappingSignal, MpCapable, MpJoin, MptcpOption, MptcpOptions,
    ResetReason, Tcp, TcpFlags, TcpOptions,
};
use std::net::IpAddr;

pub(super) const OUR_KEY: Key = Key(0x0123_4567_89ab_cdef);
pub(super) const THEIR_KEY: Key = Key(0xfedc_ba98_7654_3210);

/// The data sequence number of an offset of our stream.
pub(super) fn ours(offset: u64) -> DataSeqNumber {
    HashedKey::of(OUR_KEY).initial_data_sequence + 1 + offset as usize
}

/// The data sequence number of an offset of the peer's stream.
pub(super) fn theirs(offset: u64) -> DataSeqNumber {
    HashedKey::of(THEIR_KEY).initial_data_sequence + 1 + offset as usize
}

/// The bytes of either stream.
pub(super) fn stream(range: std::ops::Range<u64>) -> Vec<u8> {
    range.map(|offset| (offset % 251) as u8).collect()
}

/// MP_CAPABLE with the flags of a peer that wants nothing special.
pub(super) fn capable(sender: Option<Key>, receiver: Option<Key>) -> MpCapable {
    MpCapable {
        version: 1,
        flags: MpCapable::HMAC_SHA256,
        sender_key: sender,
        receiver_key: receiver,
        data_length: None,
        checksum: None,
    }
}

/// MP_CAPABLE of the first data.
pub(super) fn data_capable(length: u16) -> MptcpOption {
    MptcpOption::Capable(MpCapable { data_length: Some(length), ..capable(Some(THEIR_KEY), Some(OUR_KEY)) })
}

/// A genuine ADD_ADDR of the peer.
pub(super) fn add_address(id: u8, address: IpAddr, port: Option<u16>) -> MptcpOption {
    let id = AddressId(id);
    let hmac = Macs::default().add_address((THEIR_KEY, OUR_KEY), id, address, port);
    MptcpOption::AddAddress(AddAddress { address_id: id, address, port, hmac: Some(hmac) })
}

pub(super) fn remove_address(ids: &[u8]) -> MptcpOption {
    let mut list = AddressIds::default();
    assert!(ids.iter().all(|&id| list.push(AddressId(id))));
    MptcpOption::RemoveAddress(list)
}

pub(super) const fn tcp_reset(transient: bool, reason: ResetReason) -> MptcpOption {
    MptcpOption::Reset { transient, reason }
}

/// A segment of the peer.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    flags: TcpFlags,
    start: i64,
    ack: i64,
    window: u16,
    urgent: u16,
    pub(super) payload: Vec<u8>,
    mptcp: MptcpOptions,
}

/// `flags` in tcpdump's letters, `start` and `ack` relative to the SYNs.
pub(super) fn segment(flags: &str, start: i64, ack: i64) -> Segment {
    Segment {
        flags: parse_flags(flags),
        start,
        ack,
        window: 65_535,
        urgent: 0,
        payload: Vec::new(),
        mptcp: MptcpOptions::default(),
    }
}

fn parse_flags(text: &str) -> TcpFlags {
    text.chars().fold(TcpFlags(0), |flags, letter| {
        flags.with(match letter {
            'S' => TcpFlags::SYN,
            'F' => TcpFlags::FIN,
            'R' => TcpFlags::RST,
            'U' => TcpFlags::URG,
            '.' => TcpFlags::ACK,
            other => panic!("flag {other}"),
        })
    })
}

impl Segment {
    pub(super) fn window(mut self, window: u16) -> Self {
        self.window = window;
        self
    }

    pub(super) fn urgent(mut self, pointer: u16) -> Self {
        self.urgent = pointer;
        self
    }

    pub(super) fn option(mut self, option: MptcpOption) -> Self {
        self.mptcp.others.push(option);
        self
    }

    pub(super) fn bytes(mut self, payload: Vec<u8>) -> Self {
        self.payload = payload;
        self
    }

    /// The Data ACK, in 64 bits.
    pub(super) fn ack(self, offset: u64) -> Self {
        self.raw_ack(DataAck::Long(ours(offset)))
    }

    pub(super) fn raw_ack(mut self, ack: DataAck) -> Self {
        self.mptcp.data_signal.get_or_insert_default().data_ack = Some(ack);
        self
    }

    /// A mapping of `bytes` from `offset` of the stream on, at `subflow_offset`.
    pub(super) fn map(self, offset: u64, subflow_offset: u32, bytes: u16) -> Self {
        self.raw_map(MappingSignal {
            data_sequence: DataAck::Long(theirs(offset)),
            subflow_offset,
            length: bytes,
            checksum: None,
        })
    }

    pub(super) fn raw_map(mut self, mapping: MappingSignal) -> Self {
        self.mptcp.data_signal.get_or_insert_default().mapping = Some(mapping);
        self
    }

    /// Payload of the stream at `offset`, mapped by this segment.
    pub(super) fn mapped(self, offset: u64, bytes: u64) -> Self {
        let at = self.start as u32;
        self.map(offset, at, bytes as u16).bytes(stream(offset..offset + bytes))
    }

    /// The same with the mapping's checksum.
    pub(super) fn checked(self, offset: u64, bytes: u64) -> Self {
        let mapping = MappingSignal {
            data_sequence: DataAck::Long(theirs(offset)),
            subflow_offset: self.start as u32,
            length: bytes as u16,
            checksum: Some(checksum(
                offset,
                self.start as u32,
                bytes as u16,
                &stream(offset..offset + bytes),
            )),
        };
        self.raw_map(mapping).bytes(stream(offset..offset + bytes))
    }

    /// A DATA_FIN without data.
    pub(super) fn data_fin(self, offset: u64) -> Self {
        let mut segment = self.map(offset, 0, 1);
        segment.mptcp.data_signal.get_or_insert_default().data_fin = true;
        segment
    }

    /// The F flag on the mapping, whose length counts it.
    pub(super) fn with_fin(mut self) -> Self {
        let signal = self.mptcp.data_signal.get_or_insert_default();
        signal.data_fin = true;
        signal.mapping.as_mut().expect("a mapping").length += 1;
        self
    }

    /// The F flag, whatever the mapping says.
    pub(super) fn flag_fin(mut self) -> Self {
        self.mptcp.data_signal.get_or_insert_default().data_fin = true;
        self
    }

    pub(super) fn mapping_length(&self) -> u16 {
        self.mptcp.data_signal.and_then(|signal| signal.mapping).map_or(0, |mapping| mapping.length)
    }

    pub(super) fn join(&self) -> Option<MpJoin> {
        self.mptcp.others.iter().find_map(|option| match option {
            MptcpOption::Join(join) => Some(*join),
            _ => None,
        })
    }

    /// Without the checksum of its mapping.
    pub(super) fn unchecked(mut self) -> Self {
        self.mptcp
            .data_signal
            .as_mut()
            .and_then(|signal| signal.mapping.as_mut())
            .expect("a mapping")
            .checksum = None;
        self
    }

    pub(super) fn tcp(&self, flow: &Flow) -> Tcp {
        let mut options = TcpOptions { mptcp: self.mptcp.clone(), ..TcpOptions::default() };
        if self.flags.contains(TcpFlags::SYN) {
            options.mss = Some(1_000);
        }
        Tcp {
            source_port: 0,
            destination_port: 0,
            sequence: SeqNumber(flow.theirs.0.wrapping_add(self.start as u32)),
            acknowledgement: SeqNumber(flow.ours.0.wrapping_add(self.ack as u32)),
            flags: self.flags,
            window: self.window,
            urgent: self.urgent,
            options,
            header_bytes: 20,
        }
    }
}

/// The checksum of a mapping of the peer's.
pub(super) fn checksum(offset: u64, subflow_offset: u32, length: u16, bytes: &[u8]) -> u16 {
    let packet = HeapPacket::new(bytes);
    let pieces = std::iter::once(&packet).filter(|packet| !packet.is_empty());
    crate::mptcp::mapping::data_checksum(theirs(offset), subflow_offset, length, pieces)
}

/// A subflow as the script sees it: who counts from where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flow {
    pub(super) id: SubflowId,
    pub(super) ours: SeqNumber,
    pub(super) theirs: SeqNumber,
}

/// A segment of the connection, parsed from its bytes.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) id: SubflowId,
    pub(super) tcp: Tcp,
    pub(super) payload: Vec<u8>,
}

impl Sent {
    pub(super) fn from(id: SubflowId, segment: &OutgoingSegment<HeapPacket>) -> Self {
        let header = Tcp {
            source_port: 1,
            destination_port: 2,
            sequence: segment.sequence,
            acknowledgement: segment.acknowledgement,
            flags: segment.flags,
            window: segment.window,
            urgent: 0,
            options: TcpOptions::default(),
            header_bytes: 20,
        };
        let mut bytes = [0; 60];
        let len = header.emit(&segment.options, &mut bytes);
        let tcp = Tcp::parse(&bytes[..len]).expect("own header");
        assert!(!tcp.options.mptcp.malformed, "own options");
        let payload = segment.payload.iter().flat_map(|piece| piece.as_slice().to_vec()).collect();
        Self { id, tcp, payload }
    }

    pub(super) fn has(&self, flags: TcpFlags) -> bool {
        self.tcp.flags.contains(flags)
    }

    pub(super) fn start(&self, flow: &Flow) -> i32 {
        self.tcp.sequence.distance(flow.ours)
    }

    pub(super) fn others(&self) -> &[MptcpOption] {
        &self.tcp.options.mptcp.others
    }

    pub(super) fn dss(&self) -> Option<DataSignal> {
        self.tcp.options.mptcp.data_signal
    }

    pub(super) fn mapping(&self) -> Option<MappingSignal> {
        self.dss()?.mapping
    }

    /// The Data ACK as an offset of the peer's stream.
    pub(super) fn data_ack(&self) -> Option<u64> {
        match self.dss()?.data_ack? {
            DataAck::Long(number) => Some(number.0.wrapping_sub(theirs(0).0)),
            DataAck::Short(_) => panic!("32 bits, which could wrap"),
        }
    }

    pub(super) fn capable(&self) -> Option<MpCapable> {
        self.others().iter().find_map(|option| match option {
            MptcpOption::Capable(capable) => Some(*capable),
            _ => None,
        })
    }

    pub(super) fn join(&self) -> Option<MpJoin> {
        self.others().iter().find_map(|option| match option {
            MptcpOption::Join(join) => Some(*join),
            _ => None,
        })
    }

    pub(super) fn fail(&self) -> Option<DataSeqNumber> {
        self.others().iter().find_map(|option| match option {
            MptcpOption::Fail(number) => Some(*number),
            _ => None,
        })
    }

    pub(super) fn add_address(&self) -> Option<AddAddress> {
        self.others().iter().find_map(|option| match option {
            MptcpOption::AddAddress(add) => Some(*add),
            _ => None,
        })
    }

    pub(super) fn removed(&self) -> Option<Vec<u8>> {
        self.others().iter().find_map(|option| match option {
            MptcpOption::RemoveAddress(ids) => Some(ids.iter().map(|id| id.0).collect()),
            _ => None,
        })
    }

    /// Reason and T flag of an RST.
    pub(super) fn reset(&self) -> Option<(ResetReason, bool)> {
        assert!(self.has(TcpFlags::RST), "no RST: {:?}", self.tcp);
        self.others().iter().find_map(|option| match option {
            MptcpOption::Reset { transient, reason } => Some((*reason, *transient)),
            _ => None,
        })
    }
}
