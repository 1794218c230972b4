//! What an address says about itself: multicast groups, link-local addresses,
//! prefixes, and which sources no packet may come from.

use crate::wire::MacAddress;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address of a port and the prefix that is on its link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortAddress {
    /// The address.
    pub address: IpAddr,
    /// Bits of the prefix that is on the link: at most 32 or 128.
    pub prefix_bits: u8,
}

impl PortAddress {
    /// Whether `other` is of the same family and prefix.
    pub fn covers(&self, other: IpAddr) -> bool {
        match (self.address, other) {
            (IpAddr::V4(ours), IpAddr::V4(other)) => {
                let differing = ours.to_bits() ^ other.to_bits();
                differing.leading_zeros() >= u32::from(self.prefix_bits)
            }
            (IpAddr::V6(ours), IpAddr::V6(other)) => {
                let differing = ours.to_bits() ^ other.to_bits();
                differing.leading_zeros() >= u32::from(self.prefix_bits)
            }
            _ => false,
        }
    }

    /// Whether `other` is the directed broadcast address or the network's own
    /// (RFC 1122 §3.2.1.3), which prefixes of 31 and 32 bits do not have.
    pub(super) fn is_broadcast(&self, other: IpAddr) -> bool {
        let (IpAddr::V4(_), IpAddr::V4(host)) = (self.address, other) else { return false };
        if self.prefix_bits > 30 || !self.covers(other) {
            return false;
        }
        let host_mask = u32::MAX >> self.prefix_bits;
        let host = host.to_bits() & host_mask;
        host == 0 || host == host_mask
    }
}

/// The link-local address of a MAC address: modified EUI-64 (RFC 4291
/// appendix A) under fe80::/64.
pub(super) fn link_local(mac: MacAddress) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac.0;
    Ipv6Addr::from([0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 0x02, b, c, 0xff, 0xfe, d, e, f])
}

/// All nodes of a link (RFC 4291 §2.7.1).
pub(super) const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// Whether a host may have this address: neither unspecified, loopback,
/// multicast, broadcast nor reserved (RFC 1122 §3.2.1.3, RFC 4291 §2.7).
pub(super) const fn is_unicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_unicast_v4(address),
        IpAddr::V6(address) => is_unicast_v6(address),
    }
}

const fn is_unicast_v4(address: Ipv4Addr) -> bool {
    // 0/8 and 127/8; from 224/4 on multicast, reserved and broadcast.
    let first = address.octets()[0];
    first != 0 && first != 127 && first < 224
}

const fn is_unicast_v6(address: Ipv6Addr) -> bool {
    // IPv4-mapped addresses never appear on a link (RFC 4038 §4.2).
    !address.is_unspecified()
        && !address.is_loopback()
        && !address.is_multicast()
        && address.to_ipv4_mapped().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_covers_its_hosts() {
        let v4 = PortAddress { address: "10.1.2.3".parse().unwrap(), prefix_bits: 24 };
        assert!(v4.covers("10.1.2.200".parse().unwrap()));
        assert!(!v4.covers("10.1.3.3".parse().unwrap()));
        assert!(!v4.covers("fe80::1".parse().unwrap()));
        let v6 = PortAddress { address: "2001:db8::1".parse().unwrap(), prefix_bits: 64 };
        assert!(v6.covers("2001:db8::ffff".parse().unwrap()));
        assert!(!v6.covers("2001:db8:0:1::1".parse().unwrap()));
        let all = PortAddress { address: "10.1.2.3".parse().unwrap(), prefix_bits: 0 };
        assert!(all.covers("192.0.2.1".parse().unwrap()));
    }

    #[test]
    fn broadcast_is_the_first_and_last_of_a_prefix() {
        let of = |bits| PortAddress { address: "10.1.2.3".parse().unwrap(), prefix_bits: bits };
        assert!(of(24).is_broadcast("10.1.2.255".parse().unwrap()));
        assert!(of(24).is_broadcast("10.1.2.0".parse().unwrap()));
        assert!(!of(24).is_broadcast("10.1.2.4".parse().unwrap()));
        assert!(!of(24).is_broadcast("10.1.3.255".parse().unwrap()));
        assert!(!of(31).is_broadcast("10.1.2.3".parse().unwrap()));
        assert!(!of(32).is_broadcast("10.1.2.3".parse().unwrap()));
        assert!(of(0).is_broadcast("255.255.255.255".parse().unwrap()));
    }

    #[test]
    fn a_mac_address_gives_a_link_local_one() {
        let address = link_local(MacAddress([0x02, 0, 0, 0x12, 0x34, 0x56]));
        assert_eq!(address, "fe80::ff:fe12:3456".parse::<Ipv6Addr>().unwrap());
    }

    #[test]
    fn martians_are_no_unicast_addresses() {
        for martian in ["0.1.2.3", "127.0.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"] {
            assert!(!is_unicast(martian.parse().unwrap()), "{martian}");
        }
        for martian in ["::", "::1", "ff02::1", "::ffff:10.0.0.1"] {
            assert!(!is_unicast(martian.parse().unwrap()), "{martian}");
        }
        for host in ["10.0.0.1", "192.0.2.1", "fe80::1", "2001:db8::1"] {
            assert!(is_unicast(host.parse().unwrap()), "{host}");
        }
    }
}
