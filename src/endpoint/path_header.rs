//! The headers of a subflow's segments: written once, filled in per segment.

use super::PortConfig;
use super::output::HEADER_BYTES_MOST;
use super::segmentation::Cut;
use crate::base::{FourTuple, Packet, TransmitOffload};
use crate::tcp::OutgoingSegment;
use crate::wire::{
    Checksum, EtherType, Ethernet, Ipv4, Ipv6, MacAddress, Tcp, TcpOptions, protocol, pseudo_header,
};
use std::net::{IpAddr, SocketAddr};

#[cfg(test)]
mod tests;

/// Bytes of Ethernet, VLAN and IPv6 header.
const LOWER_BYTES_MOST: usize = 18 + Ipv6::HEADER_BYTES;

/// What was written of a frame's headers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    pub(super) header_bytes: usize,
    pub(super) offload: TransmitOffload,
    payload_bytes: usize,
}

/// A buffer for one frame's headers.
pub(super) type HeaderBuffer = [u8; HEADER_BYTES_MOST];

/// Ethernet and IP header of a subflow's segments, and the sums of what does
/// not change in them.
#[derive(Debug)]
pub(super) struct PathHeader {
    lower: [u8; LOWER_BYTES_MOST],
    l2_bytes: u8,
    l3_bytes: u8,
    source_port: u16,
    destination_port: u16,
    /// Over the IPv4 header with a length of zero.
    ip_sum: Checksum,
    /// Over the pseudo-header with a length of zero.
    pseudo_sum: Checksum,
    ip_checksum_offload: bool,
    tcp_checksum_offload: bool,
}

/// Writes Ethernet, VLAN and IP header; returns the bytes of each.
/// `hop_limit` and `payload_bytes` are of the IP packet.
pub(super) fn write_lower(
    out: &mut [u8],
    port: &PortConfig,
    ends: (IpAddr, IpAddr),
    protocol: u8,
    hop_limit: u8,
    payload_bytes: u16,
) -> (usize, usize) {
    let ether_type = if ends.0.is_ipv4() { EtherType::IPV4 } else { EtherType::IPV6 };
    let l2_bytes = ethernet(port, MacAddress::default(), ether_type).emit(out);
    let l3_bytes = match ends {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let header = Ipv4::new(source, destination, protocol, payload_bytes);
            Ipv4 { time_to_live: hop_limit, ..header }.emit(&mut out[l2_bytes..])
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let header = Ipv6::new(source, destination, protocol, payload_bytes);
            Ipv6 { hop_limit, ..header }.emit(&mut out[l2_bytes..])
        }
        _ => 0,
    };
    (l2_bytes, l3_bytes)
}

/// The Ethernet header of a frame of ours.
pub(super) const fn ethernet(port: &PortConfig, destination: MacAddress, ether_type: EtherType) -> Ethernet {
    Ethernet { destination, source: port.mac, vlan: port.vlan, ether_type }
}

/// Hops of our packets.
pub(super) const HOP_LIMIT: u8 = 64;

impl PathHeader {
    pub(super) fn new(port: &PortConfig, tuple: &FourTuple) -> Self {
        let ends = (tuple.local.ip(), tuple.remote.ip());
        let mut lower = [0; LOWER_BYTES_MOST];
        let (l2_bytes, l3_bytes) = write_lower(&mut lower, port, ends, protocol::TCP, HOP_LIMIT, 0);
        let mut ip_sum = Checksum::new();
        if ends.0.is_ipv4() {
            lower[l2_bytes + Ipv4::CHECKSUM_OFFSET..][..2].fill(0);
            lower[l2_bytes + 2..l2_bytes + 4].fill(0);
            ip_sum.add(&lower[l2_bytes..l2_bytes + l3_bytes]);
        }
        Self {
            lower,
            l2_bytes: l2_bytes as u8,
            l3_bytes: l3_bytes as u8,
            source_port: tuple.local.port(),
            destination_port: tuple.remote.port(),
            ip_sum,
            pseudo_sum: pseudo_header(ends.0, ends.1, protocol::TCP, 0),
            ip_checksum_offload: port.tx_ip_checksum,
            tcp_checksum_offload: port.tx_tcp_checksum,
        }
    }

    /// Writes all headers of the frame that carries `cut` of `segment`, addressed
    /// to `mac`. `None`: the packet would be too long for IP.
    pub(super) fn write<P: Packet>(
        &self,
        mac: MacAddress,
        segment: &OutgoingSegment<P>,
        cut: &Cut<'_, P>,
        out: &mut HeaderBuffer,
    ) -> Option<Written> {
        let (l2_bytes, l3_bytes) = (usize::from(self.l2_bytes), usize::from(self.l3_bytes));
        let lower_bytes = l2_bytes + l3_bytes;
        let l4_bytes = Tcp::HEADER_BYTES + segment.options.len();
        out[..lower_bytes].copy_from_slice(&self.lower[..lower_bytes]);
        out[..6].copy_from_slice(&mac.0);
        let mut offload = TransmitOffload {
            ip_checksum: self.ip_checksum_offload && !self.is_ipv6(),
            tcp_checksum: self.tcp_checksum_offload,
            segment_bytes: segment.segment_bytes,
            l2_bytes: self.l2_bytes,
            l3_bytes: self.l3_bytes,
            l4_bytes: l4_bytes as u8,
            ipv6: self.is_ipv6(),
        };
        if usize::from(segment.segment_bytes) >= cut.payload.len() {
            offload.segment_bytes = 0;
        }
        let upper_bytes = u16::try_from(l4_bytes + cut.payload.len()).ok()?;
        self.write_length(upper_bytes, offload.ip_checksum, &mut out[l2_bytes..lower_bytes])?;
        self.write_tcp(segment, cut, upper_bytes, &offload, &mut out[lower_bytes..]);
        let payload_bytes = cut.payload.len();
        Some(Written { header_bytes: lower_bytes + l4_bytes, offload, payload_bytes })
    }

    /// Turns the headers of the frame before into those of the next of the same
    /// segment; `false` and nothing done if more than a few bytes differ.
    pub(super) fn rewrite<P: Packet>(
        &self,
        before: &Written,
        cut: &Cut<'_, P>,
        out: &mut HeaderBuffer,
    ) -> bool {
        // A checksum made here covers everything.
        if !before.offload.tcp_checksum || cut.payload.len() != before.payload_bytes {
            return false;
        }
        let tcp = usize::from(self.l2_bytes + self.l3_bytes);
        out[tcp + 4..tcp + 8].copy_from_slice(&cut.sequence.0.to_be_bytes());
        out[tcp + 13] = cut.flags.0;
        true
    }

    /// Both ends of the segments.
    pub(super) fn tuple(&self) -> FourTuple {
        let (local, remote) = self.addresses();
        FourTuple {
            local: SocketAddr::new(local, self.source_port),
            remote: SocketAddr::new(remote, self.destination_port),
        }
    }

    /// Whether these are both ends of the segments.
    pub(super) fn leads(&self, tuple: &FourTuple) -> bool {
        self.source_port == tuple.local.port()
            && self.destination_port == tuple.remote.port()
            && match (tuple.local.ip(), tuple.remote.ip()) {
                // Side by side in the header.
                (IpAddr::V4(local), IpAddr::V4(remote)) => {
                    let at = usize::from(self.l2_bytes) + 12;
                    let ends = u64::from(local.to_bits()) << 32 | u64::from(remote.to_bits());
                    !self.is_ipv6() && self.lower[at..].first_chunk() == Some(&ends.to_be_bytes())
                }
                ends => self.addresses() == ends,
            }
    }

    /// Our address and the peer's.
    pub(super) fn addresses(&self) -> (IpAddr, IpAddr) {
        let at = |offset: usize| usize::from(self.l2_bytes) + offset;
        if self.is_ipv6() {
            let address =
                |offset| IpAddr::from(*self.lower[at(offset)..].first_chunk::<16>().unwrap_or(&[0; 16]));
            (address(8), address(24))
        } else {
            let address =
                |offset| IpAddr::from(*self.lower[at(offset)..].first_chunk::<4>().unwrap_or(&[0; 4]));
            (address(12), address(16))
        }
    }

    const fn is_ipv6(&self) -> bool {
        self.l3_bytes as usize == Ipv6::HEADER_BYTES
    }

    /// Fills in what depends on the length in the IP header.
    fn write_length(&self, upper_bytes: u16, checksum_offload: bool, ip: &mut [u8]) -> Option<()> {
        if self.is_ipv6() {
            ip[4..6].copy_from_slice(&upper_bytes.to_be_bytes());
            return Some(());
        }
        let total_bytes = upper_bytes.checked_add(u16::from(self.l3_bytes))?;
        ip[2..4].copy_from_slice(&total_bytes.to_be_bytes());
        if !checksum_offload {
            let mut sum = self.ip_sum;
            sum.add_u16(total_bytes);
            ip[Ipv4::CHECKSUM_OFFSET..][..2].copy_from_slice(&sum.finish().to_be_bytes());
        }
        Some(())
    }

    fn write_tcp<P: Packet>(
        &self,
        segment: &OutgoingSegment<P>,
        cut: &Cut<'_, P>,
        upper_bytes: u16,
        offload: &TransmitOffload,
        out: &mut [u8],
    ) {
        let l4_bytes =
            tcp_header(self.source_port, self.destination_port, segment, cut).emit(&segment.options, out);
        let mut sum = self.pseudo_sum;
        // A port that cuts adds the length of each piece itself.
        if offload.segment_bytes == 0 {
            sum.add_u16(upper_bytes);
        }
        let field = if offload.tcp_checksum {
            sum.sum()
        } else {
            sum.add(&out[..l4_bytes]);
            cut.payload.for_each_piece(|bytes| sum.add(bytes));
            sum.finish()
        };
        out[Tcp::CHECKSUM_OFFSET..][..2].copy_from_slice(&field.to_be_bytes());
    }
}

fn tcp_header<P>(
    source_port: u16,
    destination_port: u16,
    segment: &OutgoingSegment<P>,
    cut: &Cut<'_, P>,
) -> Tcp {
    Tcp {
        source_port,
        destination_port,
        sequence: cut.sequence,
        acknowledgement: segment.acknowledgement,
        flags: cut.flags,
        window: segment.window,
        urgent: 0,
        options: TcpOptions::default(),
        header_bytes: Tcp::HEADER_BYTES as u8,
    }
}
