//! ARP for IPv4 over Ethernet (RFC 826).

use super::field::{Fields, put};
use super::{EtherType, MacAddress, ParseError};
use std::net::Ipv4Addr;

/// What an ARP packet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum ArpOperation {
    /// Who has the target address?
    Request = 1,
    /// The sender has the sender address.
    Reply = 2,
}

/// An ARP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arp {
    /// Request or reply.
    pub operation: ArpOperation,
    /// The sender's hardware address.
    pub sender_mac: MacAddress,
    /// The sender's address; unspecified in a probe (RFC 5227).
    pub sender_address: Ipv4Addr,
    /// The target's hardware address; meaningless in a request.
    pub target_mac: MacAddress,
    /// The address asked for, or the receiver of the reply.
    pub target_address: Ipv4Addr,
}

const HARDWARE_ETHERNET: u16 = 1;
const ADDRESS_LENGTHS: [u8; 2] = [6, 4];

impl Arp {
    /// Bytes of a packet.
    pub const BYTES: usize = 28;

    /// Parses the packet at the front of `bytes`; padding may follow.
    ///
    /// # Errors
    /// [`ParseError::Truncated`] if the bytes end inside the packet,
    /// [`ParseError::Malformed`] if it is neither request nor reply or about
    /// anything but IPv4 over Ethernet.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let packet = bytes.first_chunk::<{ Self::BYTES }>().ok_or(ParseError::Truncated)?;
        Self::parse_fields(&mut Fields::new(packet)).ok_or(ParseError::Malformed)
    }

    fn parse_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let hardware = fields.u16()?;
        let protocol = EtherType(fields.u16()?);
        let lengths = fields.array()?;
        if (hardware, protocol, lengths) != (HARDWARE_ETHERNET, EtherType::IPV4, ADDRESS_LENGTHS) {
            return None;
        }
        let operation = match fields.u16()? {
            1 => ArpOperation::Request,
            2 => ArpOperation::Reply,
            _ => return None,
        };
        Some(Self {
            operation,
            sender_mac: MacAddress(fields.array()?),
            sender_address: fields.array::<4>()?.into(),
            target_mac: MacAddress(fields.array()?),
            target_address: fields.array::<4>()?.into(),
        })
    }

    /// Writes the packet to the front of `out`; returns the bytes written.
    ///
    /// # Panics
    /// If `out` is shorter than [`BYTES`](Self::BYTES).
    pub fn emit(&self, out: &mut [u8]) -> usize {
        put(
            out,
            &[
                &HARDWARE_ETHERNET.to_be_bytes(),
                &EtherType::IPV4.0.to_be_bytes(),
                &ADDRESS_LENGTHS,
                &(self.operation as u16).to_be_bytes(),
                &self.sender_mac.0,
                &self.sender_address.octets(),
                &self.target_mac.0,
                &self.target_address.octets(),
            ],
        )
    }
}
