//! MPTCP options from bytes. Every length that does not fit subtype and flags
//! is an error, so that nothing is guessed.

use super::{
    AddAddress, AddressIds, DataAck, DataSignal, MappingSignal, MpCapable, MpJoin, MptcpOption, MptcpOptions,
    ResetReason, flag, subtype,
};
use crate::base::{AddressId, DataSeqNumber, Key, Token};
use crate::wire::field::Fields;
use std::net::IpAddr;

impl MptcpOptions {
    /// Parses one option without its kind and length. Subtypes that are unknown
    /// here are skipped.
    pub(in crate::wire) fn parse_one(&mut self, value: &[u8]) {
        let accepted = match value {
            [first, rest @ ..] if first >> 4 == subtype::DATA_SIGNAL => self.parse_data_signal(rest),
            [first, rest @ ..] if first >> 4 <= subtype::RESET => self.parse_other(*first, rest),
            [_, ..] => true,
            [] => false,
        };
        self.malformed |= !accepted;
    }

    fn parse_data_signal(&mut self, value: &[u8]) -> bool {
        let signal = DataSignal::parse(value);
        let first = self.data_signal.is_none();
        if first {
            self.data_signal = signal;
        }
        first && signal.is_some()
    }

    fn parse_other(&mut self, first: u8, rest: &[u8]) -> bool {
        MptcpOption::parse(first, rest).is_some_and(|option| self.others.try_push(option).is_ok())
    }
}

impl MptcpOption {
    /// `first` is the byte with the subtype, `rest` what follows it.
    fn parse(first: u8, rest: &[u8]) -> Option<Self> {
        let low = first & 0x0f;
        let mut fields = Fields::new(rest);
        let option = match first >> 4 {
            subtype::CAPABLE => Self::Capable(MpCapable::parse(low, &mut fields)?),
            subtype::JOIN => Self::Join(MpJoin::parse(low, &mut fields)?),
            subtype::ADD_ADDRESS => Self::AddAddress(AddAddress::parse(low, &mut fields)?),
            subtype::REMOVE_ADDRESS => return Some(Self::RemoveAddress(AddressIds::parse(rest)?)),
            subtype::PRIORITY => Self::Priority { backup: low & flag::BACKUP != 0 },
            subtype::FAIL => Self::Fail(DataSeqNumber(parse_reserved_u64(&mut fields)?)),
            subtype::FAST_CLOSE => Self::FastClose(Key(parse_reserved_u64(&mut fields)?)),
            subtype::RESET => Self::Reset {
                transient: low & flag::TRANSIENT != 0,
                reason: ResetReason::from_code(fields.u8()?),
            },
            _ => return None,
        };
        fields.rest().is_empty().then_some(option)
    }
}

/// A reserved byte, then 64 bits: MP_FAIL and MP_FASTCLOSE.
fn parse_reserved_u64(fields: &mut Fields<'_>) -> Option<u64> {
    let _reserved = fields.u8()?;
    fields.u64()
}

impl MpCapable {
    fn parse(version: u8, fields: &mut Fields<'_>) -> Option<Self> {
        let flags = fields.u8()?;
        // What remains is 0, 8, 16, 18 or 20 bytes: each field comes only after
        // the one before it, and a half one remains and is refused.
        let sender_key = fields.u64().map(Key);
        let receiver_key = fields.u64().map(Key);
        let (data_length, checksum) =
            if receiver_key.is_some() { (fields.u16(), fields.u16()) } else { (None, None) };
        Some(Self { version, flags, sender_key, receiver_key, data_length, checksum })
    }
}

impl MpJoin {
    fn parse(low: u8, fields: &mut Fields<'_>) -> Option<Self> {
        let backup = low & flag::BACKUP != 0;
        let second = fields.u8()?;
        let address_id = AddressId(second);
        match fields.rest().len() {
            8 => {
                let token = Token(fields.u32()?);
                Some(Self::Syn { backup, address_id, token, nonce: fields.u32()? })
            }
            12 => {
                let hmac = fields.u64()?;
                Some(Self::SynAck { backup, address_id, hmac, nonce: fields.u32()? })
            }
            20 => Some(Self::Ack { hmac: fields.array()? }),
            _ => None,
        }
    }
}

impl DataSignal {
    /// `value` is what follows the subtype: the flags, then the fields.
    fn parse(value: &[u8]) -> Option<Self> {
        Self::parse_long(value).or_else(|| Self::parse_any(value))
    }

    /// What nearly every segment carries: an acknowledgement of 64 bits, alone or
    /// with a mapping of 64 bits, whose fields all lie in known places.
    pub(super) fn parse_long(value: &[u8]) -> Option<Self> {
        const ACK: u8 = flag::DATA_ACK | flag::LONG_DATA_ACK;
        const BOTH: u8 = ACK | flag::MAPPING | flag::LONG_SEQUENCE;
        let number = |bytes: [u8; 8]| DataAck::Long(DataSeqNumber(u64::from_be_bytes(bytes)));
        let (&flags, rest) = value.split_first()?;
        let data_fin = flags & flag::DATA_FIN != 0;
        let (ack, rest) = rest.split_first_chunk()?;
        let data_ack = Some(number(*ack));
        match (flags & BOTH, rest.len()) {
            (ACK, 0) => Some(Self { data_fin, data_ack, mapping: None }),
            (BOTH, 14 | 16) => {
                let (&[a, b, c, d, e, f, g, h, i, j, k, l, m, n], checksum) = rest.split_first_chunk()?;
                let mapping = MappingSignal {
                    data_sequence: number([a, b, c, d, e, f, g, h]),
                    subflow_offset: u32::from_be_bytes([i, j, k, l]),
                    length: u16::from_be_bytes([m, n]),
                    checksum: checksum.first_chunk().copied().map(u16::from_be_bytes),
                };
                Some(Self { data_fin, data_ack, mapping: Some(mapping) })
            }
            _ => None,
        }
    }

    pub(super) fn parse_any(value: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(value);
        let flags = fields.u8()?;
        // RFC 8684 §3.3: a and m mean nothing without A and M.
        let data_ack = match flags & flag::DATA_ACK {
            0 => None,
            _ => Some(DataAck::parse(flags & flag::LONG_DATA_ACK != 0, &mut fields)?),
        };
        let mapping = match flags & flag::MAPPING {
            0 => None,
            _ => Some(MappingSignal::parse(flags & flag::LONG_SEQUENCE != 0, &mut fields)?),
        };
        let signal = Self { data_fin: flags & flag::DATA_FIN != 0, data_ack, mapping };
        fields.rest().is_empty().then_some(signal)
    }
}

impl DataAck {
    fn parse(long: bool, fields: &mut Fields<'_>) -> Option<Self> {
        if long {
            fields.u64().map(|number| Self::Long(DataSeqNumber(number)))
        } else {
            fields.u32().map(Self::Short)
        }
    }
}

impl MappingSignal {
    fn parse(long: bool, fields: &mut Fields<'_>) -> Option<Self> {
        let data_sequence = DataAck::parse(long, fields)?;
        let subflow_offset = fields.u32()?;
        let length = fields.u16()?;
        // RFC 8684 §3.3: whether there is a checksum shows in the length.
        Some(Self { data_sequence, subflow_offset, length, checksum: fields.u16() })
    }
}

impl AddAddress {
    fn parse(low: u8, fields: &mut Fields<'_>) -> Option<Self> {
        let address_id = AddressId(fields.u8()?);
        let echo = low & flag::ECHO != 0;
        let hmac_bytes = if echo { 0 } else { 8 };
        let (address, port) = match fields.rest().len().checked_sub(hmac_bytes)? {
            4 => (IpAddr::from(fields.array::<4>()?), None),
            6 => (IpAddr::from(fields.array::<4>()?), Some(fields.u16()?)),
            16 => (IpAddr::from(fields.array::<16>()?), None),
            18 => (IpAddr::from(fields.array::<16>()?), Some(fields.u16()?)),
            _ => return None,
        };
        let hmac = if echo { None } else { Some(fields.u64()?) };
        Some(Self { address_id, address, port, hmac })
    }
}

impl AddressIds {
    fn parse(value: &[u8]) -> Option<Self> {
        let mut ids = Self::default();
        let whole = value.iter().all(|&id| ids.append(id));
        (whole && !ids.is_empty()).then_some(ids)
    }
}
