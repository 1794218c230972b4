//! Where the parts of a region lie: planned by whoever creates it, checked by
//! whoever attaches.

use crate::layout::{
    ARENA_ALIGNMENT, ARENA_BLOCKS, BLOCK_BYTES, CACHE_LINE_BYTES, Descriptor, Geometry, MAGIC, RING_ENTRIES,
    RegionHeader, RingHeader, VERSION,
};
use std::io;

/// How large a region's parts are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegionConfig {
    /// Entries of the submission ring: a power of two.
    pub submission_entries: u32,
    /// Entries of the completion ring: a power of two.
    pub completion_entries: u32,
    /// Blocks of the transmit arena. They bound what all connections of the
    /// client together have sent without an acknowledgement.
    pub transmit_blocks: u32,
    /// Bytes of a transmit block: a power of two.
    pub transmit_block_bytes: u32,
    /// Blocks of the receive arena.
    pub receive_blocks: u32,
    /// Bytes of a receive block: a power of two.
    pub receive_block_bytes: u32,
}

impl Default for RegionConfig {
    /// 16 MiB: 512 blocks of 16 KiB each way, and rings that take a
    /// descriptor for every block at once.
    fn default() -> Self {
        Self {
            submission_entries: 2048,
            completion_entries: 2048,
            transmit_blocks: 512,
            transmit_block_bytes: 16384,
            receive_blocks: 512,
            receive_block_bytes: 16384,
        }
    }
}

/// Why memory is no region that can be used.
#[derive(Debug, thiserror::Error)]
pub enum RegionError {
    /// It is smaller than a header.
    #[error("{0} bytes cannot hold a region")]
    TooSmall(usize),
    /// It does not start at a cache line.
    #[error("the memory does not start at a multiple of {CACHE_LINE_BYTES} bytes")]
    Unaligned,
    /// It is something else.
    #[error("the memory starts with {0:#018x}: it is no mpdk region")]
    Magic(u64),
    /// The other side speaks another version.
    #[error("the region has version {0}, this program speaks version {VERSION}")]
    Version(u32),
    /// The header has another size.
    #[error("the region's header has {0} bytes instead of {header}", header = size_of::<RegionHeader>())]
    HeaderBytes(u32),
    /// It says to be larger than it is.
    #[error("the region says to have {stated} bytes, {mapped} are there")]
    RegionBytes {
        /// What its header says.
        stated: u64,
        /// What is there.
        mapped: usize,
    },
    /// A ring's size is not allowed.
    #[error("the {ring} ring has {entries} entries: not a power of two from {least} to {most}",
        least = RING_ENTRIES.start(), most = RING_ENTRIES.end())]
    Entries {
        /// Which ring.
        ring: &'static str,
        /// Its entries.
        entries: u32,
    },
    /// A block's size is not allowed.
    #[error("the {arena} arena has blocks of {bytes} bytes: not a power of two from {least} to {most}",
        least = BLOCK_BYTES.start(), most = BLOCK_BYTES.end())]
    BlockBytes {
        /// Which arena.
        arena: &'static str,
        /// Bytes of one of its blocks.
        bytes: u32,
    },
    /// A number of blocks is not allowed.
    #[error("the {arena} arena has {blocks} blocks: not from {least} to {most}",
        least = ARENA_BLOCKS.start(), most = ARENA_BLOCKS.end())]
    Blocks {
        /// Which arena.
        arena: &'static str,
        /// Its blocks.
        blocks: u32,
    },
    /// A part lies where it cannot.
    #[error("the {part} lies at {offset}: misaligned, over another part or outside the region")]
    Place {
        /// Which part.
        part: &'static str,
        /// Where its header says that it lies.
        offset: u64,
    },
    /// Its rings have been used before.
    #[error("the region has been used before")]
    Used,
    /// The system refused.
    #[error("cannot {action}: {error}")]
    System {
        /// What was tried.
        action: &'static str,
        /// What the system said.
        error: io::Error,
    },
}

/// A part of a region.
struct Part {
    name: &'static str,
    offset: u64,
    bytes: u64,
    alignment: u64,
}

impl Geometry {
    /// A geometry for `config`, its parts one after the other.
    ///
    /// # Errors
    /// If a size in `config` is not allowed.
    pub fn plan(config: &RegionConfig) -> Result<Self, RegionError> {
        let mut geometry = Self {
            magic: MAGIC,
            version: VERSION,
            header_bytes: size_of::<RegionHeader>() as u32,
            region_bytes: 0,
            submission_offset: 0,
            completion_offset: 0,
            transmit_offset: 0,
            receive_offset: 0,
            submission_entries: config.submission_entries,
            completion_entries: config.completion_entries,
            transmit_blocks: config.transmit_blocks,
            transmit_block_bytes: config.transmit_block_bytes,
            receive_blocks: config.receive_blocks,
            receive_block_bytes: config.receive_block_bytes,
            reserved: [0; 6],
        };
        geometry.check_sizes()?;
        let mut end = size_of::<RegionHeader>() as u64;
        let places = geometry.parts().map(|part| {
            let offset = end.next_multiple_of(part.alignment);
            end = offset + part.bytes;
            offset
        });
        [
            geometry.submission_offset,
            geometry.completion_offset,
            geometry.transmit_offset,
            geometry.receive_offset,
        ] = places;
        geometry.region_bytes = end;
        Ok(geometry)
    }

    /// Whether this is a region of this version whose parts lie in `mapped`
    /// bytes, each after the one before.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self, mapped: usize) -> Result<(), RegionError> {
        if self.magic != MAGIC {
            return Err(RegionError::Magic(self.magic));
        }
        if self.version != VERSION {
            return Err(RegionError::Version(self.version));
        }
        if self.header_bytes as usize != size_of::<RegionHeader>() {
            return Err(RegionError::HeaderBytes(self.header_bytes));
        }
        if self.region_bytes > mapped as u64 {
            return Err(RegionError::RegionBytes { stated: self.region_bytes, mapped });
        }
        self.check_sizes()?;
        self.check_places()
    }

    fn check_sizes(&self) -> Result<(), RegionError> {
        for (ring, entries) in
            [("submission", self.submission_entries), ("completion", self.completion_entries)]
        {
            if !entries.is_power_of_two() || !RING_ENTRIES.contains(&entries) {
                return Err(RegionError::Entries { ring, entries });
            }
        }
        for (arena, blocks, bytes) in [
            ("transmit", self.transmit_blocks, self.transmit_block_bytes),
            ("receive", self.receive_blocks, self.receive_block_bytes),
        ] {
            if !bytes.is_power_of_two() || !BLOCK_BYTES.contains(&bytes) {
                return Err(RegionError::BlockBytes { arena, bytes });
            }
            if !ARENA_BLOCKS.contains(&blocks) {
                return Err(RegionError::Blocks { arena, blocks });
            }
        }
        Ok(())
    }

    fn check_places(&self) -> Result<(), RegionError> {
        let mut least = size_of::<RegionHeader>() as u64;
        for Part { name, offset, bytes, alignment } in self.parts() {
            let end = offset.checked_add(bytes).filter(|&end| end <= self.region_bytes);
            match end {
                Some(end) if offset >= least && offset.is_multiple_of(alignment) => least = end,
                _ => return Err(RegionError::Place { part: name, offset }),
            }
        }
        Ok(())
    }

    /// The parts after the header, in order.
    fn parts(&self) -> [Part; 4] {
        let ring = |name, offset, entries: u32| Part {
            name,
            offset,
            bytes: (size_of::<RingHeader>() + entries as usize * size_of::<Descriptor>()) as u64,
            alignment: CACHE_LINE_BYTES as u64,
        };
        let arena = |name, offset, blocks: u32, bytes: u32| Part {
            name,
            offset,
            bytes: u64::from(blocks) * u64::from(bytes),
            alignment: ARENA_ALIGNMENT as u64,
        };
        [
            ring("submission ring", self.submission_offset, self.submission_entries),
            ring("completion ring", self.completion_offset, self.completion_entries),
            arena("transmit arena", self.transmit_offset, self.transmit_blocks, self.transmit_block_bytes),
            arena("receive arena", self.receive_offset, self.receive_blocks, self.receive_block_bytes),
        ]
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn planned() -> Geometry {
        Geometry::plan(&RegionConfig::default()).unwrap()
    }

    #[test]
    fn a_plan_passes_its_own_check() {
        let geometry = planned();
        geometry.check(geometry.region_bytes as usize).unwrap();
        assert!(geometry.region_bytes < 17 << 20);
    }

    #[test]
    fn each_wrong_field_has_its_error() {
        let error = |change: fn(&mut Geometry)| {
            let mut geometry = planned();
            change(&mut geometry);
            geometry.check(planned().region_bytes as usize).unwrap_err()
        };
        assert!(matches!(error(|g| g.magic = 7), RegionError::Magic(7)));
        assert!(matches!(error(|g| g.version = 9), RegionError::Version(9)));
        assert!(matches!(error(|g| g.header_bytes = 64), RegionError::HeaderBytes(64)));
        assert!(matches!(error(|g| g.region_bytes += 1), RegionError::RegionBytes { .. }));
        assert!(matches!(
            error(|g| g.completion_entries = 3),
            RegionError::Entries { ring: "completion", .. }
        ));
        assert!(matches!(error(|g| g.transmit_block_bytes = 65536), RegionError::BlockBytes { .. }));
        assert!(matches!(error(|g| g.receive_blocks = 0), RegionError::Blocks { arena: "receive", .. }));
        assert!(matches!(error(|g| g.submission_offset = 0), RegionError::Place { .. }));
        assert!(matches!(error(|g| g.transmit_offset += 64), RegionError::Place { .. }));
        assert!(matches!(error(|g| g.receive_offset = u64::MAX - 4095), RegionError::Place { .. }));
        assert!(matches!(error(|g| g.receive_offset = g.transmit_offset), RegionError::Place { .. }));
        let text = error(|g| g.version = 9).to_string();
        assert_eq!(text, "the region has version 9, this program speaks version 3");
    }

    proptest! {
        /// What passes the check lies inside and apart, whatever was written.
        #[test]
        fn a_checked_geometry_stays_inside(
            offsets: [u64; 4],
            shifts in prop::array::uniform4(0_u32..48),
            entries in prop::array::uniform2(0_u32..14),
            blocks in prop::array::uniform2(0_u32..70_000),
            mapped in 0_usize..1 << 26,
        ) {
            let geometry = Geometry {
                region_bytes: mapped as u64,
                submission_offset: offsets[0] >> shifts[0],
                completion_offset: offsets[1] >> shifts[1],
                transmit_offset: (offsets[2] >> shifts[2]) & !4095,
                receive_offset: (offsets[3] >> shifts[3]) & !4095,
                submission_entries: 1 << entries[0],
                completion_entries: 1 << entries[1],
                transmit_blocks: blocks[0],
                receive_blocks: blocks[1],
                ..planned()
            };
            if geometry.check(mapped).is_ok() {
                let mut least = size_of::<RegionHeader>() as u64;
                for part in geometry.parts() {
                    prop_assert!(part.offset >= least);
                    least = part.offset.checked_add(part.bytes).unwrap();
                }
                prop_assert!(least <= mapped as u64);
            }
        }
    }
}
