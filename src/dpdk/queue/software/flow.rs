//! The ends of a TCP segment, as they lie in a frame.

use crate::base::FourTuple;
use std::net::IpAddr;

/// Addresses and ports of a segment: what a NIC hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Ends {
    bytes: [u8; 36],
    /// Bytes of both addresses.
    addresses: u8,
}

impl Ends {
    fn new(addresses: &[u8], ports: &[u8]) -> Self {
        let mut bytes = [0; 36];
        bytes[..addresses.len()].copy_from_slice(addresses);
        bytes[addresses.len()..][..ports.len()].copy_from_slice(ports);
        Self { bytes, addresses: addresses.len() as u8 }
    }

    /// Of the segments that come from the remote end; `None`: there are none between
    /// these addresses.
    pub(super) fn of_tuple(tuple: &FourTuple) -> Option<Self> {
        let mut ports = [0; 4];
        ports[..2].copy_from_slice(&tuple.remote.port().to_be_bytes());
        ports[2..].copy_from_slice(&tuple.local.port().to_be_bytes());
        match (tuple.remote.ip(), tuple.local.ip()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                Some(Self::new(&[source.octets(), destination.octets()].concat(), &ports))
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                Some(Self::new(&[source.octets(), destination.octets()].concat(), &ports))
            }
            _ => None,
        }
    }

    pub(super) fn addresses(&self) -> &[u8] {
        &self.bytes[..usize::from(self.addresses)]
    }

    pub(super) fn ports(&self) -> &[u8] {
        &self.bytes[usize::from(self.addresses)..][..4]
    }
}

const TCP: u8 = 6;
/// Ethernet addresses, and bytes of type and of a tag.
const MAC_BYTES: usize = 12;
const IPV4: [u8; 2] = [8, 0];
const IPV6: [u8; 2] = [0x86, 0xdd];
const VLAN: [u8; 2] = [0x81, 0];

/// Of a frame that begins so; `None`: it is no whole TCP segment, and belongs
/// nowhere in particular.
pub(super) fn ends_of(head: &[u8]) -> Option<Ends> {
    let mut at = MAC_BYTES;
    if head.get(at..at + 2)? == VLAN {
        at += 4;
    }
    let ether_type = head.get(at..at + 2)?;
    let packet = head.get(at + 2..)?;
    if ether_type == IPV4 {
        let header = packet.first_chunk::<20>()?;
        // RFC 791 §3.1: more fragments, or not the first.
        let is_fragment = header[6] & 0x3f != 0 || header[7] != 0;
        let header_bytes = usize::from(header[0] & 15) * 4;
        let is_whole = header[0] >> 4 == 4 && header_bytes >= 20 && !is_fragment;
        let ports = packet.get(header_bytes..header_bytes + 4)?;
        (is_whole && header[9] == TCP).then(|| Ends::new(&header[12..20], ports))
    } else if ether_type == IPV6 {
        // Extension headers before TCP's are nothing that NICs agree about.
        let header = packet.first_chunk::<40>()?;
        let ports = packet.get(40..44)?;
        (header[6] == TCP).then(|| Ends::new(&header[8..40], ports))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ipv4(tag: &[u8], header: &[u8]) -> Vec<u8> {
        [&[0; MAC_BYTES], tag, &IPV4, header, &[0, 80, 1, 2, 9, 9]].concat()
    }

    const HEADER: [u8; 20] = [0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, TCP, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];

    #[test]
    fn of_ipv4_with_and_without_tag_and_options() {
        let mut long = HEADER.to_vec();
        long[0] = 0x46;
        long.extend([1; 4]);
        for frame in [ipv4(&[], &HEADER), ipv4(&[0x81, 0, 0, 5], &HEADER), ipv4(&[], &long)] {
            let ends = ends_of(&frame).unwrap();
            assert_eq!((ends.addresses(), ends.ports()), (&HEADER[12..20], &[0, 80, 1, 2][..]));
            let (local, remote) = (([10, 0, 0, 2], 258).into(), ([10, 0, 0, 1], 80).into());
            assert_eq!(Ends::of_tuple(&FourTuple { local, remote }), Some(ends));
            for cut in 0..frame.len() - 2 {
                assert_eq!(ends_of(&frame[..cut]), None, "{cut}");
            }
        }
    }

    #[test]
    fn of_ipv6() {
        let mut header = [0; 40];
        header[0] = 0x60;
        header[6] = TCP;
        header[8..].copy_from_slice(&std::array::from_fn::<u8, 32, _>(|at| at as u8));
        let frame = [&[0; MAC_BYTES][..], &IPV6, &header, &[7, 8, 9, 10]].concat();
        let ends = ends_of(&frame).unwrap();
        assert_eq!((ends.addresses(), ends.ports()), (&header[8..], &[7, 8, 9, 10][..]));
        let bytes = |from: usize| std::array::from_fn::<u8, 16, _>(|at| (from + at) as u8);
        let tuple = FourTuple { remote: (bytes(0), 0x0708).into(), local: (bytes(16), 0x090a).into() };
        assert_eq!(Ends::of_tuple(&tuple), Some(ends));
        assert_eq!(Ends::of_tuple(&FourTuple { remote: ([10, 0, 0, 1], 80).into(), ..tuple }), None);
        let mut other = frame.clone();
        other[14 + 6] = 17;
        assert_eq!(ends_of(&other), None);
        assert!((0..frame.len()).all(|cut| ends_of(&frame[..cut]).is_none()));
    }

    #[test]
    fn fragments_and_others_have_none() {
        let changed = |at: usize, value| {
            let mut header = HEADER;
            header[at] = value;
            ends_of(&ipv4(&[], &header))
        };
        assert!(changed(6, 0x40).is_some());
        assert_eq!([changed(6, 0x20), changed(6, 1), changed(7, 1)], [None; 3]);
        assert_eq!([changed(9, 17), changed(0, 0x44), changed(0, 0x55)], [None; 3]);
        assert_eq!(ends_of(&[0; 60]), None);
    }
}
