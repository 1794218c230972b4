//! Ethernet II frames with at most one VLAN tag (IEEE 802.3, 802.1Q).

use super::ParseError;
use super::field::{Fields, put};
use std::fmt;
use std::net::Ipv6Addr;

/// A hardware address.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddress(pub [u8; 6]);

impl MacAddress {
    /// Every station.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// The group address of an IPv6 multicast address (RFC 2464 §7).
    pub const fn multicast(group: Ipv6Addr) -> Self {
        let [.., a, b, c, d] = group.octets();
        Self([0x33, 0x33, a, b, c, d])
    }

    /// Whether it names a group of stations; the broadcast address does.
    pub const fn is_multicast(self) -> bool {
        self.0[0] & 1 != 0
    }

    /// Whether it can be the address of one station.
    pub fn is_unicast(self) -> bool {
        !self.is_multicast() && self.0 != [0; 6]
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EtherType(pub u16);

impl EtherType {
    /// IPv4.
    pub const IPV4: Self = Self(0x0800);
    /// ARP.
    pub const ARP: Self = Self(0x0806);
    /// A VLAN tag: never in a parsed header, unless there are two tags.
    pub const VLAN: Self = Self(0x8100);
    /// IPv6.
    pub const IPV6: Self = Self(0x86dd);
}

/// An Ethernet header. The payload is what follows `header_bytes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ethernet {
    /// Destination address.
    pub destination: MacAddress,
    /// Source address.
    pub source: MacAddress,
    /// The tag control information of a VLAN tag: priority in the upper four
    /// bits, id in the lower twelve.
    pub vlan: Option<u16>,
    /// What the frame carries.
    pub ether_type: EtherType,
}

impl Ethernet {
    /// The bits of `vlan` that name the VLAN; 0 names none.
    pub const VLAN_ID: u16 = 0x0fff;

    /// Parses the header at the front of `bytes`.
    ///
    /// # Errors
    /// [`ParseError::Truncated`] if the bytes end inside the header.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        Self::parse_fields(&mut Fields::new(bytes)).ok_or(ParseError::Truncated)
    }

    fn parse_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let destination = MacAddress(fields.array()?);
        let source = MacAddress(fields.array()?);
        let mut ether_type = EtherType(fields.u16()?);
        let mut vlan = None;
        if ether_type == EtherType::VLAN {
            vlan = Some(fields.u16()?);
            ether_type = EtherType(fields.u16()?);
        }
        Some(Self { destination, source, vlan, ether_type })
    }

    /// Bytes of header: 14, or 18 with a tag.
    pub const fn header_bytes(&self) -> usize {
        if self.vlan.is_some() { 18 } else { 14 }
    }

    /// The id of the VLAN that the frame belongs to. A tag with id 0 only has a
    /// priority.
    pub fn vlan_id(&self) -> Option<u16> {
        self.vlan.map(|tag| tag & Self::VLAN_ID).filter(|&id| id != 0)
    }

    /// Writes the header to the front of `out`; returns the bytes written.
    ///
    /// # Panics
    /// If `out` is shorter than [`header_bytes`](Self::header_bytes).
    pub fn emit(&self, out: &mut [u8]) -> usize {
        let addresses = put(out, &[&self.destination.0, &self.source.0]);
        let ether_type = self.ether_type.0.to_be_bytes();
        let out = &mut out[addresses..];
        addresses
            + match self.vlan {
                Some(tag) => put(out, &[&EtherType::VLAN.0.to_be_bytes(), &tag.to_be_bytes(), &ether_type]),
                None => put(out, &[&ether_type]),
            }
    }
}
