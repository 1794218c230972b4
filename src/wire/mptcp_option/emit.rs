//! MPTCP options to bytes: whole or not at all, followed by NOPs up to a
//! multiple of four, as Linux sends them.

use super::{
    AddAddress, AddressIds, DataAck, DataSignal, MappingSignal, MpCapable, MpJoin, MptcpOption, flag, subtype,
};
use crate::wire::OptionBytes;
use crate::wire::tcp_option::{MPTCP, NO_OPERATION};
use std::net::IpAddr;

impl MptcpOption {
    /// Bytes that [`emit`](Self::emit) appends: a multiple of four.
    pub fn encoded_len(&self) -> usize {
        self.length().next_multiple_of(4)
    }

    /// Appends the option and NOPs up to a multiple of four; returns whether
    /// there was room. Without room nothing is appended.
    pub fn emit(&self, out: &mut OptionBytes) -> bool {
        let length = self.length();
        append(length, out, |out| match self {
            Self::Capable(capable) => capable.emit(out),
            Self::Join(join) => join.emit(out),
            Self::AddAddress(add) => add.emit(out),
            Self::RemoveAddress(ids) => ids.emit(out),
            Self::Priority { backup } => out.push(first(subtype::PRIORITY, *backup, flag::BACKUP)),
            Self::Fail(sequence) => emit_reserved_u64(subtype::FAIL, sequence.0, out),
            Self::FastClose(key) => emit_reserved_u64(subtype::FAST_CLOSE, key.0, out),
            Self::Reset { transient, reason } => {
                out.extend([first(subtype::RESET, *transient, flag::TRANSIENT), *reason as u8]);
            }
        })
    }

    /// The option's own length field.
    fn length(&self) -> usize {
        match self {
            Self::Capable(capable) => capable.length(),
            Self::Join(MpJoin::Syn { .. }) => 12,
            Self::Join(MpJoin::SynAck { .. }) => 16,
            Self::Join(MpJoin::Ack { .. }) => 24,
            Self::AddAddress(add) => add.length(),
            Self::RemoveAddress(ids) => 3 + ids.len(),
            Self::Priority { .. } => 3,
            Self::Fail(_) | Self::FastClose(_) => 12,
            Self::Reset { .. } => 4,
        }
    }
}

/// Appends kind, length, what `value` writes, and NOPs, if all of it fits.
fn append(length: usize, out: &mut OptionBytes, value: impl FnOnce(&mut OptionBytes)) -> bool {
    let padded = length.next_multiple_of(4);
    if out.remaining_capacity() < padded {
        return false;
    }
    let start = out.len();
    out.extend([MPTCP, length as u8]);
    value(out);
    debug_assert_eq!(out.len(), start + length, "an option's length field");
    out.extend((length..padded).map(|_| NO_OPERATION));
    true
}

/// The byte with the subtype, and a flag in its low bits.
const fn first(subtype: u8, set: bool, flag: u8) -> u8 {
    subtype << 4 | if set { flag } else { 0 }
}

/// Twelve reserved bits, then 64 bits: MP_FAIL and MP_FASTCLOSE.
fn emit_reserved_u64(subtype: u8, value: u64, out: &mut OptionBytes) {
    out.extend([subtype << 4, 0]);
    out.extend(value.to_be_bytes());
}

impl MpCapable {
    /// Each field is sent only if the one before it is (figure 4).
    fn length(&self) -> usize {
        match (self.sender_key, self.receiver_key, self.data_length, self.checksum) {
            (None, ..) => 4,
            (Some(_), None, ..) => 12,
            (Some(_), Some(_), None, _) => 20,
            (Some(_), Some(_), Some(_), None) => 22,
            (Some(_), Some(_), Some(_), Some(_)) => 24,
        }
    }

    fn emit(&self, out: &mut OptionBytes) {
        out.extend([subtype::CAPABLE << 4 | self.version & 0x0f, self.flags]);
        let Some(sender_key) = self.sender_key else { return };
        out.extend(sender_key.0.to_be_bytes());
        let Some(receiver_key) = self.receiver_key else { return };
        out.extend(receiver_key.0.to_be_bytes());
        let Some(data_length) = self.data_length else { return };
        out.extend(data_length.to_be_bytes());
        out.extend(self.checksum.into_iter().flat_map(u16::to_be_bytes));
    }
}

impl MpJoin {
    fn emit(&self, out: &mut OptionBytes) {
        match *self {
            Self::Syn { backup, address_id, token, nonce } => {
                out.extend([first(subtype::JOIN, backup, flag::BACKUP), address_id.0]);
                out.extend(token.0.to_be_bytes());
                out.extend(nonce.to_be_bytes());
            }
            Self::SynAck { backup, address_id, hmac, nonce } => {
                out.extend([first(subtype::JOIN, backup, flag::BACKUP), address_id.0]);
                out.extend(hmac.to_be_bytes());
                out.extend(nonce.to_be_bytes());
            }
            Self::Ack { hmac } => {
                out.extend([first(subtype::JOIN, false, 0), 0]);
                out.extend(hmac);
            }
        }
    }
}

impl AddAddress {
    fn length(&self) -> usize {
        let address = if self.address.is_ipv4() { 4 } else { 16 };
        let port = if self.port.is_some() { 2 } else { 0 };
        let hmac = if self.hmac.is_some() { 8 } else { 0 };
        4 + address + port + hmac
    }

    fn emit(&self, out: &mut OptionBytes) {
        out.extend([first(subtype::ADD_ADDRESS, self.hmac.is_none(), flag::ECHO), self.address_id.0]);
        match self.address {
            IpAddr::V4(address) => out.extend(address.octets()),
            IpAddr::V6(address) => out.extend(address.octets()),
        }
        out.extend(self.port.into_iter().flat_map(u16::to_be_bytes));
        out.extend(self.hmac.into_iter().flat_map(u64::to_be_bytes));
    }
}

impl AddressIds {
    fn emit(&self, out: &mut OptionBytes) {
        out.push(subtype::REMOVE_ADDRESS << 4);
        out.extend(self.as_slice().iter().copied());
    }
}

impl DataSignal {
    /// Bytes that [`emit`](Self::emit) appends: a multiple of four, 4 to 28.
    pub fn encoded_len(&self) -> usize {
        self.length().next_multiple_of(4)
    }

    /// Appends the option and NOPs up to a multiple of four; returns whether
    /// there was room. Without room nothing is appended.
    ///
    /// It is on every segment: written field by field to where the one before it
    /// ends, and appended at once.
    pub fn emit(&self, out: &mut OptionBytes) -> bool {
        let length = self.length();
        let mut bytes = [NO_OPERATION; Self::LENGTH_MOST];
        bytes[..4].copy_from_slice(&[MPTCP, length as u8, subtype::DATA_SIGNAL << 4, self.flags()]);
        let acknowledged = self.data_ack.map_or(4, |data_ack| data_ack.write(&mut bytes, 4));
        if let Some(mapping) = &self.mapping {
            mapping.write(&mut bytes, acknowledged);
        }
        out.try_extend_from_slice(&bytes[..length.next_multiple_of(4)]).is_ok()
    }

    /// With 64-bit numbers and a checksum.
    const LENGTH_MOST: usize = 28;

    fn length(&self) -> usize {
        let data_ack = self.data_ack.map_or(0, DataAck::length);
        let mapping = self.mapping.as_ref().map_or(0, MappingSignal::length);
        4 + data_ack + mapping
    }

    fn flags(&self) -> u8 {
        let fin = if self.data_fin { flag::DATA_FIN } else { 0 };
        let ack = match self.data_ack {
            None => 0,
            Some(DataAck::Short(_)) => flag::DATA_ACK,
            Some(DataAck::Long(_)) => flag::DATA_ACK | flag::LONG_DATA_ACK,
        };
        let mapping = match self.mapping.map(|mapping| mapping.data_sequence) {
            None => 0,
            Some(DataAck::Short(_)) => flag::MAPPING,
            Some(DataAck::Long(_)) => flag::MAPPING | flag::LONG_SEQUENCE,
        };
        fin | ack | mapping
    }
}

impl DataAck {
    const fn length(self) -> usize {
        match self {
            Self::Short(_) => 4,
            Self::Long(_) => 8,
        }
    }

    /// Writes the number; returns where it ends.
    fn write(self, out: &mut [u8; DataSignal::LENGTH_MOST], at: usize) -> usize {
        match self {
            Self::Short(low) => put(out, at, low.to_be_bytes()),
            Self::Long(number) => put(out, at, number.0.to_be_bytes()),
        }
    }
}

/// Writes a field; returns where it ends.
fn put<const N: usize>(out: &mut [u8; DataSignal::LENGTH_MOST], at: usize, field: [u8; N]) -> usize {
    if let Some(place) = out.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
        *place = field;
    }
    at + N
}

impl MappingSignal {
    fn length(&self) -> usize {
        let checksum = if self.checksum.is_some() { 2 } else { 0 };
        self.data_sequence.length() + 6 + checksum
    }

    fn write(&self, out: &mut [u8; DataSignal::LENGTH_MOST], at: usize) {
        let at = self.data_sequence.write(out, at);
        let at = put(out, at, self.subflow_offset.to_be_bytes());
        let at = put(out, at, self.length.to_be_bytes());
        if let Some(checksum) = self.checksum {
            put(out, at, checksum.to_be_bytes());
        }
    }
}
