//! The numbers of the file formats
//! (draft-ietf-opsawg-pcapng, draft-ietf-opsawg-pcap).

/// Section header block; the same in both byte orders.
pub(super) const SECTION_HEADER: u32 = 0x0a0d_0d0a;
/// Interface description block.
pub(super) const INTERFACE: u32 = 1;
/// Simple packet block.
pub(super) const SIMPLE_PACKET: u32 = 3;
/// Enhanced packet block.
pub(super) const ENHANCED_PACKET: u32 = 6;
/// Tells the byte order of a section.
pub(super) const BYTE_ORDER: u32 = 0x1a2b_3c4d;

pub(super) const OPTION_END: u16 = 0;
/// `if_name` of an interface description block.
pub(super) const OPTION_INTERFACE_NAME: u16 = 2;
/// `if_tsresol` of an interface description block.
pub(super) const OPTION_RESOLUTION: u16 = 9;
/// `epb_flags` of an enhanced packet block.
pub(super) const OPTION_PACKET_FLAGS: u16 = 2;

/// The direction's bits in `epb_flags`.
pub(super) const FLAG_INBOUND: u32 = 1;
pub(super) const FLAG_OUTBOUND: u32 = 2;
pub(super) const FLAG_DIRECTION: u32 = 3;

/// `LINKTYPE_ETHERNET`.
pub(super) const ETHERNET: u32 = 1;

/// Classic pcap with microseconds, with nanoseconds.
pub(super) const CLASSIC_MICROS: u32 = 0xa1b2_c3d4;
pub(super) const CLASSIC_NANOS: u32 = 0xa1b2_3c4d;

/// No frame and no block that is understood here is longer: super-frames have
/// 64 KiB, blocks add options. A longer one is refused before memory is taken.
pub(super) const LIMIT_BYTES: u32 = 1 << 20;
