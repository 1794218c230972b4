//! SHA-256 as a person types and reads it.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// A SHA-256 digest; its text is 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sha256Digest([u8; 32]);

/// Not 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a SHA-256 digest is 64 hexadecimal digits, `{0}` is not")]
pub struct DigestError(String);

/// What to do about the digest of what is transferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DigestCheck {
    /// Do not compute it.
    Skip,
    /// Compute and report it.
    #[default]
    Compute,
    /// Compute it, and fail unless it is this.
    Expect(Sha256Digest),
}

impl Sha256Digest {
    /// The digest of all that `hasher` was fed.
    pub(super) fn of(hasher: Sha256) -> Sha256Digest {
        Sha256Digest(hasher.finalize().into())
    }
}

impl DigestCheck {
    /// A fresh hasher where one is wanted.
    pub(super) fn hasher(self) -> Option<Sha256> {
        (self != DigestCheck::Skip).then(Sha256::new)
    }
}

impl FromStr for Sha256Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Sha256Digest, DigestError> {
        let bad = || DigestError(text.chars().take(80).collect());
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return Err(bad());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let [high, low] = [pair[0], pair[1]].map(|digit| char::from(digit).to_digit(16));
            let (Some(high), Some(low)) = (high, low) else { return Err(bad()) };
            *byte = (high * 16 + low) as u8;
        }
        Ok(Sha256Digest(bytes))
    }
}

impl fmt::Display for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Serialize for Sha256Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
