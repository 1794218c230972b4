//! What a port is asked to do by itself, and what it then does.

use super::{DeviceAddress, ffi};
use crate::device::{Capabilities, Segmentation};

/// What to ask of a port where it offers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffloadRequest {
    /// Verify checksums of received frames.
    pub receive_checksum: bool,
    /// Fill in checksums of sent frames.
    pub transmit_checksum: bool,
    /// Take frames of several buffers.
    pub multi_segment: bool,
    /// Cut TCP super-frames (TSO). Between net_vhost and net_virtio_user both
    /// sides must ask for segmentation and large receive: super-frames cross
    /// uncut.
    pub segmentation: bool,
    /// Merge TCP segments (LRO).
    pub large_receive: bool,
}

impl Default for OffloadRequest {
    fn default() -> Self {
        Self {
            receive_checksum: true,
            transmit_checksum: true,
            multi_segment: true,
            segmentation: false,
            large_receive: false,
        }
    }
}

/// The longest super-frame: IP's length field has 16 bits.
const SUPER_FRAME_BYTES: u32 = 0xffff + Capabilities::LINK_HEADER_BYTES;

/// The offloads to configure: what is asked for, needed and offered.
pub(super) fn choose(request: &OffloadRequest, offered: u32, mtu: u16, payload_bytes: u16) -> u32 {
    let mut wanted = 0;
    let mut want = |asked: bool, offload: u32| {
        if asked {
            wanted |= offload;
        }
    };
    want(request.receive_checksum, ffi::MPDK_RX_IP_CHECKSUM | ffi::MPDK_RX_L4_CHECKSUM);
    want(request.transmit_checksum, ffi::MPDK_TX_IP_CHECKSUM | ffi::MPDK_TX_TCP_CHECKSUM);
    want(request.multi_segment, ffi::MPDK_TX_MULTI_SEGMENT);
    want(request.segmentation, ffi::MPDK_TX_TCP_SEGMENTATION | ffi::MPDK_TX_MULTI_SEGMENT);
    want(request.large_receive, ffi::MPDK_RX_LRO);
    // net_tap pays for scattering with a longer system call per packet, so it
    // is asked for only where frames are longer than a buffer.
    let frame_bytes = u32::from(mtu) + Capabilities::LINK_HEADER_BYTES;
    want(request.large_receive || frame_bytes > u32::from(payload_bytes), ffi::MPDK_RX_SCATTER);
    // Filling in the checksum is part of cutting.
    if wanted & ffi::MPDK_TX_TCP_SEGMENTATION != 0 {
        wanted |= ffi::MPDK_TX_TCP_CHECKSUM;
    }
    wanted & offered
}

/// What a port does that was configured with `offloads`.
pub(super) fn capabilities(
    address: &DeviceAddress,
    request: &OffloadRequest,
    offloads: u32,
    mtu: u16,
    max_segments: u16,
) -> Capabilities {
    let on = |offload: u32| offloads & offload != 0;
    let multi_segment = on(ffi::MPDK_TX_MULTI_SEGMENT);
    let segmentation = segmentation(address, request, offloads);
    let plain = Capabilities::plain(mtu);
    Capabilities {
        receive_ip_checksum: on(ffi::MPDK_RX_IP_CHECKSUM),
        receive_l4_checksum: on(ffi::MPDK_RX_L4_CHECKSUM),
        transmit_ip_checksum: on(ffi::MPDK_TX_IP_CHECKSUM),
        transmit_tcp_checksum: on(ffi::MPDK_TX_TCP_CHECKSUM),
        segmentation,
        large_receive: on(ffi::MPDK_RX_LRO),
        multi_segment,
        scatter: on(ffi::MPDK_RX_SCATTER),
        max_segments: match (multi_segment, max_segments) {
            (false, _) => 1,
            // 0 is no limit.
            (true, 0) => u16::MAX,
            (true, limit) => limit,
        },
        max_frame_bytes: match segmentation {
            Segmentation::None => plain.max_frame_bytes,
            _ => SUPER_FRAME_BYTES,
        },
        wake: false,
        ..plain
    }
}

fn segmentation(address: &DeviceAddress, request: &OffloadRequest, offloads: u32) -> Segmentation {
    // net_vhost does not list the offload and does it all the same.
    if address.is_driver("net_vhost") {
        let whole = request.segmentation && offloads & ffi::MPDK_TX_MULTI_SEGMENT != 0;
        return if whole { Segmentation::Both } else { Segmentation::None };
    }
    match offloads & ffi::MPDK_TX_TCP_SEGMENTATION != 0 {
        false => Segmentation::None,
        // net_tap cuts by rte_gso, which knows no TCP over IPv6.
        true if address.is_driver("net_tap") => Segmentation::Ipv4,
        true => Segmentation::Both,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERYTHING: u32 = u32::MAX;

    fn chosen(request: &OffloadRequest, offered: u32, mtu: u16) -> u32 {
        choose(request, offered, mtu, 1920)
    }

    #[test]
    fn only_what_is_offered_is_asked_for() {
        let request = OffloadRequest { segmentation: true, large_receive: true, ..Default::default() };
        assert_eq!(chosen(&request, 0, 1500), 0);
        let all = chosen(&request, EVERYTHING, 1500);
        assert!(all & ffi::MPDK_TX_TCP_SEGMENTATION != 0 && all & ffi::MPDK_RX_SCATTER != 0);
    }

    #[test]
    fn frames_longer_than_a_buffer_are_scattered() {
        let request = OffloadRequest::default();
        assert_eq!(chosen(&request, EVERYTHING, 1500) & ffi::MPDK_RX_SCATTER, 0);
        assert_ne!(chosen(&request, EVERYTHING, 9000) & ffi::MPDK_RX_SCATTER, 0);
    }

    #[test]
    fn capabilities_say_what_was_configured() {
        let vhost: DeviceAddress = "net_vhost0,iface=/x".parse().unwrap();
        let tap: DeviceAddress = "net_tap0".parse().unwrap();
        let request = OffloadRequest { segmentation: true, ..Default::default() };
        let multi = ffi::MPDK_TX_MULTI_SEGMENT;
        let caps = capabilities(&vhost, &request, multi, 1500, 0);
        assert_eq!((caps.segmentation, caps.max_segments), (Segmentation::Both, u16::MAX));
        assert!(caps.max_frame_bytes > 65535);
        let caps = capabilities(&tap, &request, multi | ffi::MPDK_TX_TCP_SEGMENTATION, 1500, 7);
        assert_eq!((caps.segmentation, caps.max_segments), (Segmentation::Ipv4, 7));
        let caps = capabilities(&tap, &OffloadRequest::default(), 0, 1400, 7);
        assert_eq!(caps, Capabilities { multi_segment: false, max_segments: 1, ..Capabilities::plain(1400) });
    }
}
