//! Sequence numbers: 32 bits at the subflow (RFC 9293 §3.4), 64 bits at the
//! connection (RFC 8684 §3.3.1). Both compare by signed distance.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};

/// A TCP sequence number, modulo 2^32.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct SeqNumber(pub u32);

/// An MPTCP data sequence number, modulo 2^64.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct DataSeqNumber(pub u64);

macro_rules! sequence_number {
    ($name:ident, $unsigned:ty, $signed:ty) => {
        impl $name {
            /// How far `self` lies after `earlier`; negative if before it.
            pub const fn distance(self, earlier: Self) -> $signed {
                self.0.wrapping_sub(earlier.0) as $signed
            }

            /// Bytes from `earlier` to `self`, zero if `self` is before it.
            pub const fn bytes_since(self, earlier: Self) -> usize {
                let distance = self.distance(earlier);
                if distance > 0 { distance as usize } else { 0 }
            }

            /// `self < other` in sequence space.
            pub const fn before(self, other: Self) -> bool {
                self.distance(other) < 0
            }

            /// `self > other` in sequence space.
            pub const fn after(self, other: Self) -> bool {
                self.distance(other) > 0
            }

            /// The later of the two.
            #[must_use]
            pub const fn max(self, other: Self) -> Self {
                if self.before(other) { other } else { self }
            }

            /// The earlier of the two.
            #[must_use]
            pub const fn min(self, other: Self) -> Self {
                if self.after(other) { other } else { self }
            }
        }

        impl Add<usize> for $name {
            type Output = Self;
            fn add(self, bytes: usize) -> Self {
                Self(self.0.wrapping_add(bytes as $unsigned))
            }
        }

        impl AddAssign<usize> for $name {
            fn add_assign(&mut self, bytes: usize) {
                *self = *self + bytes;
            }
        }

        impl Sub<usize> for $name {
            type Output = Self;
            fn sub(self, bytes: usize) -> Self {
                Self(self.0.wrapping_sub(bytes as $unsigned))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

sequence_number!(SeqNumber, u32, i32);
sequence_number!(DataSeqNumber, u64, i64);

impl DataSeqNumber {
    /// The 64-bit number nearest to `self` whose low 32 bits are `low`
    /// (RFC 8684 §3.3.1: promotion with a check for wrapping that a
    /// reordered packet does not fool).
    #[must_use]
    pub const fn nearest(self, low: u32) -> Self {
        let step = low.wrapping_sub(self.0 as u32) as i32;
        Self(self.0.wrapping_add(step as i64 as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn order_survives_the_wrap() {
        let last = SeqNumber(u32::MAX);
        assert!(last.before(last + 1));
        assert!((last + 1).after(last));
        assert_eq!((last + 5).bytes_since(last), 5);
        assert_eq!(last.bytes_since(last + 5), 0);
        assert_eq!(last.max(last + 1), SeqNumber(0));
        assert_eq!(last.min(last + 1), last);
    }

    proptest! {
        #[test]
        fn promotion_inverts_truncation(base: u64, step in -(1i64 << 31)..(1i64 << 31)) {
            let base = DataSeqNumber(base);
            let other = DataSeqNumber(base.0.wrapping_add(step as u64));
            prop_assert_eq!(base.nearest(other.0 as u32), other);
        }
    }
}
