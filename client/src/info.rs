//! A `ConnectionInfo` as the bytes of a block.

use crate::layout::{ConnectionInfo, INFO_SUBFLOWS, SubflowInfo};

impl ConnectionInfo {
    /// How many bytes it takes in a block.
    pub const BYTES: usize = size_of::<Self>();

    /// Its bytes in memory.
    pub fn as_bytes(&self) -> &[u8; Self::BYTES] {
        // SAFETY: `repr(C)` with integers only, which fill it without padding:
        // the sizes asserted in `layout` are the sums of the fields' sizes.
        unsafe { &*(&raw const *self).cast() }
    }

    /// From the first bytes of a block; `None` if there are too few.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; Self::BYTES] = bytes.first_chunk()?;
        // SAFETY: as many bytes as it has; any integers are valid.
        Some(unsafe { bytes.as_ptr().cast::<Self>().read_unaligned() })
    }
}

/// No padding: the fields' sizes, in their order.
const _: () = {
    assert!(size_of::<SubflowInfo>() == 4 + 4 + 3 * 8 + 2 * 4 + 2 * 20 + 16);
    assert!(size_of::<ConnectionInfo>() == 4 + 2 + 2 + 5 * 8 + INFO_SUBFLOWS * size_of::<SubflowInfo>());
};

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::layout::Address;
    use std::net::SocketAddr;

    #[test]
    fn survives_a_block() {
        let local: SocketAddr = "[2001:db8::1]:443".parse().unwrap();
        let mut info = ConnectionInfo {
            token: 7,
            subflow_count: 200,
            bytes_acked: 1 << 40,
            ..ConnectionInfo::default()
        };
        info.subflows[1] = SubflowInfo {
            state: 5,
            local: Address::from(local),
            interface: *b"eth0\0\0\0\0\0\0\0\0\0\0\0\0",
            ..SubflowInfo::default()
        };
        let mut block = vec![0xff; 2048];
        block[..ConnectionInfo::BYTES].copy_from_slice(info.as_bytes());
        let read = ConnectionInfo::from_bytes(&block).unwrap();
        assert_eq!(read, info);
        assert_eq!(ConnectionInfo::from_bytes(&block[..ConnectionInfo::BYTES - 1]), None);
        let subflow = &read.subflows()[1];
        assert_eq!(read.subflows().len(), INFO_SUBFLOWS, "a count beyond the array is cut");
        assert_eq!(subflow.local.to_socket_addr(), Some(local));
        assert_eq!(subflow.remote.to_socket_addr(), None);
        assert_eq!((subflow.interface_name().as_str(), subflow.state_name()), ("eth0", "FIN-WAIT-2"));
        assert_eq!(SubflowInfo { state: 99, ..*subflow }.state_name(), "UNKNOWN");
    }
}
