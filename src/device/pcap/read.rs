//! Reading captures: pcapng and classic pcap, both byte orders, frame by
//! frame. Blocks that are not understood are skipped; lengths are checked
//! before memory is taken.

use super::block::*;
use super::{CapturedFrame, Direction, PcapError};
use std::io::{self, Read};
use std::time::Duration;

const NS_PER_SECOND: u128 = 1_000_000_000;
/// More interfaces than any capture has: a file that lists more is a bomb.
const LIMIT_INTERFACES: usize = 4096;

/// Reads the frames of a capture file in order.
#[derive(Debug)]
pub struct FrameReader<R: Read> {
    input: R,
    format: Format,
}

#[derive(Debug)]
enum Format {
    Classic { swapped: bool, units_per_second: u128 },
    Pcapng { swapped: bool, interfaces: Vec<Interface> },
}

#[derive(Debug)]
struct Interface {
    link_type: u32,
    snap_bytes: u32,
    units_per_second: u128,
}

impl<R: Read> FrameReader<R> {
    /// Looks at the beginning of a file. `input` should be buffered.
    ///
    /// # Errors
    /// If it is no capture of Ethernet frames.
    pub fn new(mut input: R) -> Result<Self, PcapError> {
        let magic = read_array(&mut input)?;
        let format = match u32::from_ne_bytes(magic) {
            SECTION_HEADER => Format::Pcapng { swapped: read_section(&mut input)?, interfaces: Vec::new() },
            magic => classic(&mut input, magic)?,
        };
        Ok(Self { input, format })
    }

    /// The next frame, `None` at the end of the file.
    ///
    /// # Errors
    /// If the file is damaged; what follows cannot be read.
    pub fn next_frame(&mut self) -> Result<Option<CapturedFrame>, PcapError> {
        match &mut self.format {
            Format::Classic { swapped, units_per_second } => {
                classic_frame(&mut self.input, *swapped, *units_per_second)
            }
            Format::Pcapng { swapped, interfaces } => loop {
                let Some(kind) = read_or_end(&mut self.input)? else { return Ok(None) };
                let kind = u32::from_ne_bytes(kind);
                if kind == SECTION_HEADER {
                    *swapped = read_section(&mut self.input)?;
                    interfaces.clear();
                    continue;
                }
                let body = read_block(&mut self.input, *swapped)?;
                let fields = Fields { bytes: &body, swapped: *swapped };
                match if *swapped { kind.swap_bytes() } else { kind } {
                    INTERFACE if interfaces.len() >= LIMIT_INTERFACES => {
                        return Err(PcapError::Malformed("list of interfaces"));
                    }
                    INTERFACE => interfaces.push(fields.interface()?),
                    ENHANCED_PACKET => return fields.enhanced_packet(interfaces).map(Some),
                    SIMPLE_PACKET => return fields.simple_packet(interfaces).map(Some),
                    _ => {}
                }
            },
        }
    }
}

/// Reads the rest of a classic header, whose magic is read.
fn classic(input: &mut impl Read, magic: u32) -> Result<Format, PcapError> {
    let (swapped, units_per_second) = match magic {
        CLASSIC_MICROS => (false, 1_000_000),
        CLASSIC_NANOS => (false, NS_PER_SECOND),
        other if other.swap_bytes() == CLASSIC_MICROS => (true, 1_000_000),
        other if other.swap_bytes() == CLASSIC_NANOS => (true, NS_PER_SECOND),
        other => return Err(PcapError::UnknownFormat(other)),
    };
    let header: [u8; 20] = read_array(input)?;
    // The upper bits say whether frames end in a checksum.
    match (Fields { bytes: &header, swapped }).word(16)? & 0x0fff_ffff {
        ETHERNET => Ok(Format::Classic { swapped, units_per_second }),
        other => Err(PcapError::NotEthernet(other)),
    }
}

fn classic_frame(
    input: &mut impl Read,
    swapped: bool,
    units_per_second: u128,
) -> Result<Option<CapturedFrame>, PcapError> {
    let Some(header) = read_or_end::<16>(input)? else { return Ok(None) };
    let fields = Fields { bytes: &header, swapped };
    let seconds = u128::from(fields.word(0)?);
    let time = duration(seconds * units_per_second + u128::from(fields.word(4)?), units_per_second);
    let bytes = read_bytes(input, fields.word(8)?)?;
    Ok(Some(CapturedFrame { time, direction: None, wire_bytes: fields.word(12)?, bytes }))
}

/// Reads a section header behind its type; returns whether the byte order is
/// not this machine's.
fn read_section(input: &mut impl Read) -> Result<bool, PcapError> {
    let head: [u8; 8] = read_array(input)?;
    let order = Fields { bytes: &head, swapped: false }.word(4)?;
    let swapped = match order {
        BYTE_ORDER => false,
        other if other.swap_bytes() == BYTE_ORDER => true,
        _ => return Err(PcapError::Malformed("section header")),
    };
    let len = Fields { bytes: &head, swapped }.word(0)?;
    if len < 28 || !len.is_multiple_of(4) {
        return Err(PcapError::Malformed("section header"));
    }
    read_bytes(input, len - 12)?;
    Ok(swapped)
}

/// Reads a block behind its type: its body, without lengths.
fn read_block(input: &mut impl Read, swapped: bool) -> Result<Vec<u8>, PcapError> {
    let len: [u8; 4] = read_array(input)?;
    let len = Fields { bytes: &len, swapped }.word(0)?;
    if len < 12 || !len.is_multiple_of(4) {
        return Err(PcapError::Malformed("block length"));
    }
    let body = read_bytes(input, len - 12)?;
    let again: [u8; 4] = read_array(input)?;
    if (Fields { bytes: &again, swapped }).word(0)? != len {
        return Err(PcapError::Malformed("block length"));
    }
    Ok(body)
}

/// Integers in the byte order of the section.
struct Fields<'a> {
    bytes: &'a [u8],
    swapped: bool,
}

impl<'a> Fields<'a> {
    fn word(&self, at: usize) -> Result<u32, PcapError> {
        let bytes = self.bytes.get(at..).and_then(|rest| rest.first_chunk()).ok_or(PcapError::Truncated)?;
        let word = u32::from_ne_bytes(*bytes);
        Ok(if self.swapped { word.swap_bytes() } else { word })
    }

    fn half(&self, at: usize) -> Result<u16, PcapError> {
        let bytes = self.bytes.get(at..).and_then(|rest| rest.first_chunk()).ok_or(PcapError::Truncated)?;
        let half = u16::from_ne_bytes(*bytes);
        Ok(if self.swapped { half.swap_bytes() } else { half })
    }

    /// The value of an option among those that begin at `at`.
    fn option(&self, mut at: usize, code: u16) -> Option<&'a [u8]> {
        loop {
            let (found, len) = (self.half(at).ok()?, usize::from(self.half(at + 2).ok()?));
            if found == OPTION_END {
                return None;
            }
            let value = self.bytes.get(at + 4..at + 4 + len)?;
            if found == code {
                return Some(value);
            }
            at += 4 + len.next_multiple_of(4);
        }
    }

    fn interface(&self) -> Result<Interface, PcapError> {
        let resolution = self.option(8, OPTION_RESOLUTION).and_then(|value| value.first().copied());
        Ok(Interface {
            link_type: u32::from(self.half(0)?),
            snap_bytes: self.word(4)?,
            units_per_second: units_per_second(resolution.unwrap_or(6))?,
        })
    }

    fn enhanced_packet(&self, interfaces: &[Interface]) -> Result<CapturedFrame, PcapError> {
        let interface = interfaces
            .get(self.word(0)? as usize)
            .ok_or(PcapError::Malformed("packet block: it names no interface"))?;
        interface.check_link()?;
        let units = u128::from(self.word(4)?) << 32 | u128::from(self.word(8)?);
        let captured = self.word(12)? as usize;
        let bytes = self.bytes.get(20..).and_then(|rest| rest.get(..captured)).ok_or(PcapError::Truncated)?;
        let flags = self
            .option(20 + captured.next_multiple_of(4), OPTION_PACKET_FLAGS)
            .and_then(|bytes| Fields { bytes, swapped: self.swapped }.word(0).ok());
        Ok(CapturedFrame {
            time: duration(units, interface.units_per_second),
            direction: flags.and_then(direction),
            wire_bytes: self.word(16)?,
            bytes: bytes.to_vec(),
        })
    }

    fn simple_packet(&self, interfaces: &[Interface]) -> Result<CapturedFrame, PcapError> {
        let interface =
            interfaces.first().ok_or(PcapError::Malformed("packet block: there is no interface"))?;
        interface.check_link()?;
        let wire_bytes = self.word(0)?;
        // A snap length of 0 is no limit.
        let snap = if interface.snap_bytes == 0 { u32::MAX } else { interface.snap_bytes };
        let captured = wire_bytes.min(snap) as usize;
        let bytes = self.bytes.get(4..).and_then(|rest| rest.get(..captured)).ok_or(PcapError::Truncated)?;
        Ok(CapturedFrame { time: Duration::ZERO, direction: None, wire_bytes, bytes: bytes.to_vec() })
    }
}

impl Interface {
    fn check_link(&self) -> Result<(), PcapError> {
        if self.link_type == ETHERNET { Ok(()) } else { Err(PcapError::NotEthernet(self.link_type)) }
    }
}

/// The meaning of `if_tsresol`: a negative power of ten, or of two if the
/// highest bit is set.
fn units_per_second(resolution: u8) -> Result<u128, PcapError> {
    let power = u32::from(resolution & 0x7f);
    let units = if resolution & 0x80 == 0 { 10_u128.checked_pow(power) } else { 1_u128.checked_shl(power) };
    // A finer unit than 2^-64 s would overflow the arithmetic below.
    units.filter(|&units| units <= 1 << 64).ok_or(PcapError::Malformed("time resolution"))
}

fn duration(units: u128, units_per_second: u128) -> Duration {
    let (seconds, rest) = (units / units_per_second, units % units_per_second);
    let ns = rest * NS_PER_SECOND / units_per_second;
    Duration::new(u64::try_from(seconds).unwrap_or(u64::MAX), ns as u32)
}

const fn direction(flags: u32) -> Option<Direction> {
    match flags & FLAG_DIRECTION {
        FLAG_INBOUND => Some(Direction::Inbound),
        FLAG_OUTBOUND => Some(Direction::Outbound),
        _ => None,
    }
}

/// Fills an array, or says that the file ended before its first byte.
fn read_or_end<const N: usize>(input: &mut impl Read) -> Result<Option<[u8; N]>, PcapError> {
    let mut bytes = [0; N];
    let mut filled = 0;
    while filled < N {
        match input.read(&mut bytes[filled..]) {
            Ok(0) if filled == 0 => return Ok(None),
            Ok(0) => return Err(PcapError::Truncated),
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Some(bytes))
}

fn read_array<const N: usize>(input: &mut impl Read) -> Result<[u8; N], PcapError> {
    read_or_end(input)?.ok_or(PcapError::Truncated)
}

fn read_bytes(input: &mut impl Read, len: u32) -> Result<Vec<u8>, PcapError> {
    if len > LIMIT_BYTES {
        return Err(PcapError::TooLong(len));
    }
    let mut bytes = vec![0; len as usize];
    input.read_exact(&mut bytes).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => PcapError::Truncated,
        _ => error.into(),
    })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
