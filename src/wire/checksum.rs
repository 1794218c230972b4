//! The Internet checksum (RFC 1071), in pieces.

use crate::base::DataSeqNumber;
use std::net::IpAddr;

/// A ones'-complement sum of 16-bit words on its way: bytes are added piece by
/// piece, and pieces may have any length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checksum {
    /// The sum so far, 16 bits wide.
    sum: u16,
    /// Whether the next byte is the low half of a word.
    odd: bool,
}

impl Checksum {
    /// The sum of nothing.
    pub const fn new() -> Self {
        Self { sum: 0, odd: false }
    }

    /// Adds the bytes that follow.
    pub fn add(&mut self, bytes: &[u8]) {
        self.append(sum_of(bytes), !bytes.len().is_multiple_of(2));
    }

    /// Adds two bytes.
    pub const fn add_u16(&mut self, value: u16) {
        self.append(value, false);
    }

    /// Adds four bytes.
    pub const fn add_u32(&mut self, value: u32) {
        self.append(fold(value as u64), false);
    }

    /// Adds eight bytes.
    pub const fn add_u64(&mut self, value: u64) {
        self.append(fold(value), false);
    }

    /// Adds the bytes that `next` was made of.
    pub const fn combine(&mut self, next: Self) {
        self.append(next.sum, next.odd);
    }

    /// The sum of all bytes, not complemented: what hardware that completes a
    /// checksum wants to find in the field.
    pub const fn sum(self) -> u16 {
        self.sum
    }

    /// The checksum. Over bytes that contain their own valid checksum it is 0.
    pub const fn finish(self) -> u16 {
        !self.sum
    }

    const fn append(&mut self, sum: u16, odd: bool) {
        // RFC 1071 §2 (B): a sum of bytes that start in the middle of a word has
        // its halves exchanged.
        let sum = if self.odd { sum.swap_bytes() } else { sum };
        self.sum = add_with_carry(self.sum, sum);
        self.odd ^= odd;
    }
}

/// The sum that TCP and ICMPv6 begin with (RFC 9293 §3.1, RFC 8200 §8.1).
/// `length_bytes` is that of the upper-layer header and payload.
pub fn pseudo_header(source: IpAddr, destination: IpAddr, protocol: u8, length_bytes: u32) -> Checksum {
    let mut checksum = Checksum::new();
    for address in [source, destination] {
        match address {
            IpAddr::V4(address) => checksum.add_u32(address.to_bits()),
            IpAddr::V6(address) => checksum.add(&address.octets()),
        }
    }
    // The fields differ in width between the families, but not in their sum.
    checksum.add_u32(length_bytes);
    checksum.add_u16(u16::from(protocol));
    checksum
}

/// The sum over the pseudo-header of a DSS checksum (RFC 8684 §3.3.1,
/// figure 10): always with the 64-bit data sequence number.
pub fn mapping_pseudo_header(data_sequence: DataSeqNumber, subflow_offset: u32, length: u16) -> Checksum {
    let mut checksum = Checksum::new();
    checksum.add_u64(data_sequence.0);
    checksum.add_u32(subflow_offset);
    checksum.add_u16(length);
    checksum
}

/// The sum of `bytes`, padded with a zero byte to whole words.
fn sum_of(bytes: &[u8]) -> u16 {
    // RFC 1071 §2 (B): the order of bytes in a word can be settled at the end,
    // and wider words sum up to the same. A piece as long as this one cannot
    // overflow the 64 bits.
    bytes.chunks(1 << 30).fold(0, |sum, piece| add_with_carry(sum, sum_of_piece(piece)))
}

fn sum_of_piece(bytes: &[u8]) -> u16 {
    let (words, rest) = bytes.as_chunks::<4>();
    let mut sum: u64 = words.iter().map(|&word| u64::from(u32::from_ne_bytes(word))).sum();
    let mut last = [0; 4];
    last[..rest.len()].copy_from_slice(rest);
    sum += u64::from(u32::from_ne_bytes(last));
    u16::from_be_bytes(fold(sum).to_ne_bytes())
}

/// The ones'-complement sum of the four words in `sum`.
const fn fold(sum: u64) -> u16 {
    let sum = (sum >> 32) + (sum & 0xffff_ffff);
    let sum = (sum >> 32) + (sum & 0xffff_ffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    sum as u16
}

const fn add_with_carry(a: u16, b: u16) -> u16 {
    let (sum, carry) = a.overflowing_add(b);
    // The carry of two words never carries again.
    sum + carry as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, word by word.
    fn naive(bytes: &[u8]) -> u16 {
        let mut sum = 0u128;
        for word in bytes.chunks(2) {
            sum += u128::from(word[0]) << 8 | u128::from(word.get(1).copied().unwrap_or(0));
        }
        while sum > 0xffff {
            sum = (sum >> 16) + (sum & 0xffff);
        }
        !(sum as u16)
    }

    fn checksum(bytes: &[u8]) -> u16 {
        let mut checksum = Checksum::new();
        checksum.add(bytes);
        checksum.finish()
    }

    #[test]
    fn the_example_of_rfc_1071() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        let mut sum = Checksum::new();
        sum.add(&bytes);
        assert_eq!(sum.sum(), 0xddf2);
        assert_eq!(sum.finish(), !0xddf2);
    }

    #[test]
    fn long_runs_of_ones_carry_all_the_way() {
        for length in [0, 1, 2, 3, 7, 8, 64, 1500, 65_535, 1 << 20] {
            let bytes = vec![0xff; length];
            assert_eq!(checksum(&bytes), naive(&bytes), "{length}");
        }
    }

    #[test]
    fn a_mapping_begins_with_the_pseudo_header_of_figure_10() {
        let mut expected = Checksum::new();
        expected.add(&[1, 2, 3, 4, 5, 6, 7, 8]);
        expected.add(&[9, 10, 11, 12]);
        expected.add(&[13, 14, 0, 0]);
        let header = mapping_pseudo_header(DataSeqNumber(0x0102_0304_0506_0708), 0x090a_0b0c, 0x0d0e);
        assert_eq!(header, expected);
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(checksum(&bytes), naive(&bytes));
        }

        #[test]
        fn pieces_of_any_length_give_the_same(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8)
        ) {
            let whole = naive(&pieces.concat());
            let mut added = Checksum::new();
            let mut combined = Checksum::new();
            for piece in &pieces {
                added.add(piece);
                let mut part = Checksum::new();
                part.add(piece);
                combined.combine(part);
            }
            prop_assert_eq!(added.finish(), whole);
            prop_assert_eq!(combined, added);
        }

        #[test]
        fn integers_are_their_bytes(before in prop::collection::vec(any::<u8>(), 0..4), a: u16, b: u32, c: u64) {
            let mut integers = Checksum::new();
            integers.add(&before);
            integers.add_u16(a);
            integers.add_u32(b);
            integers.add_u64(c);
            let bytes = [&before[..], &a.to_be_bytes(), &b.to_be_bytes(), &c.to_be_bytes()].concat();
            prop_assert_eq!(integers.finish(), naive(&bytes));
        }

        #[test]
        fn bytes_with_their_checksum_sum_to_zero(mut bytes in prop::collection::vec(any::<u8>(), 2..100)) {
            bytes[..2].fill(0);
            let sum = checksum(&bytes).to_be_bytes();
            bytes[..2].copy_from_slice(&sum);
            prop_assert_eq!(checksum(&bytes), 0);
        }
    }
}
