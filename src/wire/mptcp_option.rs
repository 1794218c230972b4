//! MPTCP options (RFC 8684 §3): kind 30, nine subtypes.

mod emit;
mod parse;
#[cfg(test)]
mod tests;

use crate::base::{AddressId, DataSeqNumber, Key, Token};
use arrayvec::ArrayVec;
use std::fmt;
use std::net::IpAddr;

/// Every MPTCP option of one segment. The one that is on nearly every segment
/// has a field of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MptcpOptions {
    /// The Data Sequence Signal; the first, if there are several.
    pub data_signal: Option<DataSignal>,
    /// All others, in order; what does not fit is dropped (`malformed`).
    pub others: ArrayVec<MptcpOption, 3>,
    /// Whether an option could not be parsed or there were too many.
    pub malformed: bool,
}

/// An MPTCP option other than DSS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MptcpOption {
    /// MP_CAPABLE, §3.1.
    Capable(MpCapable),
    /// MP_JOIN, §3.2.
    Join(MpJoin),
    /// ADD_ADDR, §3.4.1.
    AddAddress(AddAddress),
    /// REMOVE_ADDR, §3.4.2.
    RemoveAddress(AddressIds),
    /// MP_PRIO, §3.3.8: whether the peer wants the subflow as backup.
    Priority {
        /// The B flag.
        backup: bool,
    },
    /// MP_FAIL, §3.7: the data sequence number where the failed data starts.
    Fail(DataSeqNumber),
    /// MP_FASTCLOSE, §3.5, with the receiver's key.
    FastClose(Key),
    /// MP_TCPRST, §3.6.
    Reset {
        /// T: the cause may pass.
        transient: bool,
        /// Why.
        reason: ResetReason,
    },
}

/// The address ids of a REMOVE_ADDR: all that a received option can hold, up
/// to [`MOST_SENT`](Self::MOST_SENT) in one of ours.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AddressIds {
    ids: [u8; Self::MOST_RECEIVED],
    count: u8,
}

impl AddressIds {
    /// Ids in an option of ours: it fits beside timestamps and a Data ACK, and
    /// Linux ignores a longer one.
    pub const MOST_SENT: usize = 8;

    /// No id.
    pub const NONE: Self = Self { ids: [0; Self::MOST_RECEIVED], count: 0 };

    /// Ids in 40 bytes of options.
    const MOST_RECEIVED: usize = 37;

    /// Adds an id to send; returns whether there was room.
    pub fn push(&mut self, id: AddressId) -> bool {
        let room = self.len() < Self::MOST_SENT;
        room && self.append(id.0)
    }

    /// How many ids there are.
    pub fn len(&self) -> usize {
        usize::from(self.count)
    }

    /// Whether there is no id.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The ids.
    pub fn iter(&self) -> impl Iterator<Item = AddressId> + '_ {
        self.as_slice().iter().map(|&id| AddressId(id))
    }

    fn as_slice(&self) -> &[u8] {
        &self.ids[..self.len()]
    }

    fn append(&mut self, id: u8) -> bool {
        let Some(slot) = self.ids.get_mut(usize::from(self.count)) else { return false };
        *slot = id;
        self.count += 1;
        true
    }
}

impl Default for AddressIds {
    fn default() -> Self {
        Self { ids: [0; Self::MOST_RECEIVED], count: 0 }
    }
}

impl fmt::Debug for AddressIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.as_slice()).finish()
    }
}

/// MP_CAPABLE: which of the forms of RFC 8684 §3.1 and figure 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MpCapable {
    /// Protocol version; 1 is RFC 8684.
    pub version: u8,
    /// The flags A to H as on the wire (A is 0x80, H is 0x01).
    pub flags: u8,
    /// The key of the segment's sender: not in a SYN.
    pub sender_key: Option<Key>,
    /// The key of the segment's receiver: in the third ACK and first data.
    pub receiver_key: Option<Key>,
    /// Data-level length of the first data (length 22 and 24).
    pub data_length: Option<u16>,
    /// Checksum over the first data (length 24).
    pub checksum: Option<u16>,
}

impl MpCapable {
    /// A: checksums required.
    pub const CHECKSUM: u8 = 0x80;
    /// B: extensibility, sent as 0.
    pub const EXTENSIBILITY: u8 = 0x40;
    /// C: no more subflows to this address and port.
    pub const NO_JOIN_HERE: u8 = 0x20;
    /// H: HMAC-SHA256.
    pub const HMAC_SHA256: u8 = 0x01;
    /// D to H: the algorithms.
    pub const ALGORITHMS: u8 = 0x1f;
}

/// MP_JOIN: which of the three forms of RFC 8684 §3.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MpJoin {
    /// On a SYN, 12 bytes.
    Syn {
        /// The B flag.
        backup: bool,
        /// Id of the sender's address.
        address_id: AddressId,
        /// The receiver's token.
        token: Token,
        /// The sender's random number.
        nonce: u32,
    },
    /// On a SYN/ACK, 16 bytes.
    SynAck {
        /// The B flag.
        backup: bool,
        /// Id of the sender's address.
        address_id: AddressId,
        /// The leftmost 64 bits of the HMAC.
        hmac: u64,
        /// The sender's random number.
        nonce: u32,
    },
    /// On the third ACK, 24 bytes: the leftmost 160 bits of the HMAC.
    Ack {
        /// The truncated HMAC.
        hmac: [u8; 20],
    },
}

/// DSS: the Data Sequence Signal (RFC 8684 §3.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DataSignal {
    /// F: the mapping (or the acknowledgement's segment) ends the data.
    pub data_fin: bool,
    /// The Data ACK.
    pub data_ack: Option<DataAck>,
    /// The mapping.
    pub mapping: Option<MappingSignal>,
}

/// The Data ACK, in 4 or 8 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataAck {
    /// The low 32 bits.
    Short(u32),
    /// All 64 bits.
    Long(DataSeqNumber),
}

impl DataAck {
    /// All 64 bits: a short number becomes the one nearest to `reference`
    /// (RFC 8684 §3.3.1), which reordered segments do not fool.
    pub const fn promote(self, reference: DataSeqNumber) -> DataSeqNumber {
        match self {
            Self::Short(low) => reference.nearest(low),
            Self::Long(number) => number,
        }
    }
}

/// A data sequence mapping as signalled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MappingSignal {
    /// The data sequence number in 4 or 8 bytes.
    pub data_sequence: SignalledSequence,
    /// Subflow sequence number relative to the initial one (the SYN is 0).
    pub subflow_offset: u32,
    /// Data-level length, a DATA_FIN counted; 0 is an infinite mapping.
    pub length: u16,
    /// Checksum of the mapping, if signalled.
    pub checksum: Option<u16>,
}

/// A data sequence number as signalled: in 4 or 8 bytes, like a Data ACK.
pub type SignalledSequence = DataAck;

/// ADD_ADDR (RFC 8684 §3.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddAddress {
    /// Id of the address.
    pub address_id: AddressId,
    /// The address.
    pub address: IpAddr,
    /// The port, if not the one in use.
    pub port: Option<u16>,
    /// The rightmost 64 bits of the HMAC; `None` is an echo (E = 1).
    pub hmac: Option<u64>,
}

/// Reason of an MP_TCPRST (RFC 8684 §3.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ResetReason {
    /// Unspecified error.
    Unspecified = 0,
    /// MPTCP-specific error.
    Mptcp = 1,
    /// Lack of resources.
    Resources = 2,
    /// Administratively prohibited.
    Prohibited = 3,
    /// Too much outstanding data.
    Outstanding = 4,
    /// Unacceptable performance.
    Performance = 5,
    /// Middlebox interference.
    Middlebox = 6,
}

impl ResetReason {
    /// The reason of a code; codes without a meaning here are unspecified.
    pub const fn from_code(code: u8) -> Self {
        match code {
            1 => Self::Mptcp,
            2 => Self::Resources,
            3 => Self::Prohibited,
            4 => Self::Outstanding,
            5 => Self::Performance,
            6 => Self::Middlebox,
            _ => Self::Unspecified,
        }
    }
}

/// The subtypes (RFC 8684 §7.2).
mod subtype {
    pub(super) const CAPABLE: u8 = 0x0;
    pub(super) const JOIN: u8 = 0x1;
    pub(super) const DATA_SIGNAL: u8 = 0x2;
    pub(super) const ADD_ADDRESS: u8 = 0x3;
    pub(super) const REMOVE_ADDRESS: u8 = 0x4;
    pub(super) const PRIORITY: u8 = 0x5;
    pub(super) const FAIL: u8 = 0x6;
    pub(super) const FAST_CLOSE: u8 = 0x7;
    pub(super) const RESET: u8 = 0x8;
}

/// The flags in the options' low bits. All others are reserved: zero when sent
/// (RFC 8684 §3.2, §3.3, §3.4.1, §3.6), ignored on receipt.
mod flag {
    /// MP_JOIN and MP_PRIO: B.
    pub(super) const BACKUP: u8 = 0x01;
    /// ADD_ADDR: E.
    pub(super) const ECHO: u8 = 0x01;
    /// MP_TCPRST: T.
    pub(super) const TRANSIENT: u8 = 0x01;
    /// DSS: A.
    pub(super) const DATA_ACK: u8 = 0x01;
    /// DSS: a.
    pub(super) const LONG_DATA_ACK: u8 = 0x02;
    /// DSS: M.
    pub(super) const MAPPING: u8 = 0x04;
    /// DSS: m.
    pub(super) const LONG_SEQUENCE: u8 = 0x08;
    /// DSS: F.
    pub(super) const DATA_FIN: u8 = 0x10;
}
