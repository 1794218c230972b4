//! What the active side asks for: the first bytes of a connection.

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Take everything and throw it away.
    Discard,
    /// Answer every so many bytes with so many.
    Answer {
        /// Bytes of a request.
        request_bytes: u32,
        /// Bytes of its response.
        response_bytes: u32,
    },
    /// Answer this one byte with one.
    Once,
    /// Do nothing.
    Idle,
}

impl Wish {
    /// Bytes of the longest wish.
    pub const BYTES_MOST: usize = 9;

    /// As bytes.
    pub fn encode(self) -> Vec<u8> {
        match self {
            Self::Discard => vec![b'D'],
            Self::Once => vec![b'O'],
            Self::Idle => vec![b'I'],
            Self::Answer { request_bytes, response_bytes } => {
                let mut bytes = vec![b'A'];
                bytes.extend(request_bytes.to_le_bytes());
                bytes.extend(response_bytes.to_le_bytes());
                bytes
            }
        }
    }

    /// Reads a wish from the beginning of a stream: it and its length, or
    /// `None` if more bytes are needed.
    ///
    /// # Errors
    /// It is no wish.
    pub fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, NoWish> {
        let number =
            |at: usize| -> Option<u32> { Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?)) };
        let wish = match bytes.first() {
            None => return Ok(None),
            Some(b'D') => (Self::Discard, 1),
            Some(b'O') => (Self::Once, 1),
            Some(b'I') => (Self::Idle, 1),
            Some(b'A') => match (number(1), number(5)) {
                (Some(request_bytes), Some(response_bytes)) if request_bytes > 0 => {
                    (Self::Answer { request_bytes, response_bytes }, 9)
                }
                (Some(_), Some(_)) => return Err(NoWish),
                _ => return Ok(None),
            },
            Some(_) => return Err(NoWish),
        };
        Ok(Some(wish))
    }
}

/// The bytes are no [`Wish`]: whoever connected is no benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the connection does not begin with what a benchmark asks for")]
pub struct NoWish;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_are_read_as_written_and_from_any_part() {
        for wish in [
            Wish::Discard,
            Wish::Once,
            Wish::Idle,
            Wish::Answer { request_bytes: 64, response_bytes: 1 << 20 },
        ] {
            let bytes = wish.encode();
            assert!(bytes.len() <= Wish::BYTES_MOST);
            assert_eq!(Wish::decode(&bytes), Ok(Some((wish, bytes.len()))));
            for part in 0..bytes.len() {
                assert_eq!(Wish::decode(&bytes[..part]), Ok(None));
            }
        }
        assert_eq!(Wish::decode(b"GET / HTTP/1.1"), Err(NoWish));
        assert_eq!(Wish::decode(&[b'A', 0, 0, 0, 0, 1, 0, 0, 0]), Err(NoWish));
    }
}
