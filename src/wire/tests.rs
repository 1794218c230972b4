//! The room as a whole: what is written is read back, an independent crate
//! agrees on the bytes, and no bytes do any harm.

mod arbitrary_bytes;
mod generate;
mod oracle;
mod round_trip;
