//! What a device takes off the software's hands.

/// What a device does by itself, and its limits. Software does the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Bytes of network-layer packet in a frame on the wire.
    pub mtu: u16,
    /// Verifies IPv4 header checksums of received frames.
    pub receive_ip_checksum: bool,
    /// Verifies TCP and UDP checksums of received frames.
    pub receive_l4_checksum: bool,
    /// Fills in IPv4 header checksums.
    pub transmit_ip_checksum: bool,
    /// Fills in TCP checksums.
    pub transmit_tcp_checksum: bool,
    /// Cuts TCP super-frames into segments (TSO).
    pub segmentation: Segmentation,
    /// Delivers merged TCP super-frames (LRO).
    pub large_receive: bool,
    /// Takes frames of several segments.
    pub multi_segment: bool,
    /// Delivers frames in several segments.
    pub scatter: bool,
    /// Segments of a frame on its way out, header included.
    pub max_segments: u16,
    /// Bytes of the longest frame it takes, Ethernet header included: more than
    /// the MTU allows only with [`segmentation`](Self::segmentation).
    pub max_frame_bytes: u32,
    /// Wakes a sleeper when frames come.
    pub wake: bool,
}

/// Which TCP super-frames a device cuts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Segmentation {
    /// None.
    #[default]
    None,
    /// TCP over IPv4.
    Ipv4,
    /// TCP over IPv4 and IPv6.
    Both,
}

impl Segmentation {
    /// Whether super-frames of this IP version are cut.
    pub const fn covers(self, ipv6: bool) -> bool {
        match self {
            Self::None => false,
            Self::Ipv4 => !ipv6,
            Self::Both => true,
        }
    }
}

impl Capabilities {
    /// Bytes of Ethernet header with one VLAN tag.
    pub const LINK_HEADER_BYTES: u32 = 18;

    /// A device that moves bytes and nothing else.
    pub const fn plain(mtu: u16) -> Self {
        Self {
            mtu,
            receive_ip_checksum: false,
            receive_l4_checksum: false,
            transmit_ip_checksum: false,
            transmit_tcp_checksum: false,
            segmentation: Segmentation::None,
            large_receive: false,
            multi_segment: true,
            scatter: false,
            max_segments: u16::MAX,
            max_frame_bytes: mtu as u32 + Self::LINK_HEADER_BYTES,
            wake: false,
        }
    }
}
