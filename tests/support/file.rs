//! Large files of known content.

use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

const BLOCK_BYTES: usize = 1 << 20;

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RandomFile {
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
}

impl RandomFile {
    /// Writes `bytes` that look random, the same for the same `seed`, and of
    /// which no part repeats: bytes at the wrong place change the digest.
    #[track_caller]
    pub fn write(path: &Path, bytes: u64, seed: u64) -> Self {
        let mut file = File::create(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut hasher = Sha256::new();
        let mut block = vec![0; BLOCK_BYTES];
        let mut state = seed;
        let mut left = bytes;
        while left > 0 {
            let length = usize::try_from(left).unwrap_or(usize::MAX).min(BLOCK_BYTES);
            fill(&mut block, &mut state);
            hasher.update(&block[..length]);
            file.write_all(&block[..length]).expect("room on the disk");
            left -= length as u64;
        }
        Self { bytes, sha256: hexadecimal(&hasher.finalize()) }
    }
}

/// SplitMix64: every state gives another word.
fn fill(block: &mut [u8], state: &mut u64) {
    for word in block.chunks_exact_mut(8) {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word.copy_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes());
    }
}

/// The SHA-256 of what a reader gives until its end, in hexadecimal, with the
/// number of bytes.
pub fn sha256_of(mut reader: impl Read) -> std::io::Result<RandomFile> {
    let mut hasher = Sha256::new();
    let mut block = vec![0; BLOCK_BYTES];
    let mut bytes = 0;
    loop {
        match reader.read(&mut block)? {
            0 => return Ok(RandomFile { bytes, sha256: hexadecimal(&hasher.finalize()) }),
            length => {
                hasher.update(&block[..length]);
                bytes += length as u64;
            }
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
