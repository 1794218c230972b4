//! Bytes and their meaning: `parse` and `emit`, nothing else. A parsed
//! representation owns no memory and is made once, at the edge.

mod arp;
mod checksum;
mod ethernet;
mod field;
mod icmp;
mod ipv4;
mod ipv6;
mod mptcp_option;
mod tcp;
mod tcp_option;
#[cfg(test)]
mod tests;

pub use arp::{Arp, ArpOperation};
pub use checksum::{Checksum, mapping_pseudo_header, pseudo_header};
pub use ethernet::{EtherType, Ethernet, MacAddress};
pub use icmp::{IcmpEcho, IcmpQuote, Icmpv4, Icmpv6};
pub use ipv4::Ipv4;
pub use ipv6::{Ipv6, solicited_node};
pub use mptcp_option::{
    AddAddress, AddressIds, DataAck, DataSignal, MappingSignal, MpCapable, MpJoin, MptcpOption, MptcpOptions,
    ResetReason, SignalledSequence,
};
pub use tcp::{Tcp, TcpFlags};
pub use tcp_option::{OptionBytes, SackBlocks, TcpOptions, Timestamps, emit_sack, emit_syn};

/// Why bytes could not be parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The bytes end inside the header.
    #[error("truncated")]
    Truncated,
    /// A field contradicts another or the specification.
    #[error("malformed")]
    Malformed,
    /// A checksum is wrong.
    #[error("bad checksum")]
    Checksum,
}

/// IP protocol numbers that are spoken here.
pub mod protocol {
    /// ICMP for IPv4.
    pub const ICMP: u8 = 1;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP: only answered with "port unreachable".
    pub const UDP: u8 = 17;
    /// ICMP for IPv6.
    pub const ICMPV6: u8 = 58;
}
