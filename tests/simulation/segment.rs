//! What the simulation itself reads of a TCP segment: it shares no code with
//! what it tests.

use mpdk::base::{FourTuple, Token};
use mpdk::wire::Checksum;
use std::net::{IpAddr, SocketAddr};

const ETHERNET: usize = 14;
const FIN_SYN_RST_ACK: u8 = 0x17;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

/// A segment as its receiver sees it.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    pub tuple: FourTuple,
    flags: u8,
    /// The token of a SYN with MP_JOIN (RFC 8684 §3.2).
    pub join: Option<Token>,
}

/// Where the TCP header of an IPv4 or IPv6 frame lies, if it is one.
pub fn tcp_at(frame: &[u8]) -> Option<usize> {
    match (frame.get(12..14)?, frame.get(ETHERNET)?) {
        ([0x08, 0x00], 0x45) if frame.get(23) == Some(&6) => Some(ETHERNET + 20),
        ([0x86, 0xdd], 0x60..=0x6f) if frame.get(20) == Some(&6) => Some(ETHERNET + 40),
        _ => None,
    }
}

impl Segment {
    /// Reads a frame; `None`: it is no TCP segment, or it is damaged.
    pub fn read(frame: &[u8]) -> Option<Self> {
        let tcp = tcp_at(frame).filter(|&tcp| is_intact(frame, tcp))?;
        let header = frame.get(tcp..tcp + 20)?;
        let port = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        let (source, destination): (IpAddr, IpAddr) = if tcp == ETHERNET + 20 {
            let address = |at: usize| frame[at..].first_chunk::<4>().copied();
            (address(26)?.into(), address(30)?.into())
        } else {
            let address = |at: usize| frame[at..].first_chunk::<16>().copied();
            (address(22)?.into(), address(38)?.into())
        };
        let tuple = FourTuple {
            local: SocketAddr::new(destination, port(2)),
            remote: SocketAddr::new(source, port(0)),
        };
        let flags = header[13] & FIN_SYN_RST_ACK;
        let options = frame.get(tcp + 20..tcp + usize::from(header[12] >> 4) * 4).unwrap_or_default();
        Some(Self { tuple, flags, join: if flags == SYN { join_token(options) } else { None } })
    }

    /// Whether it asks for a connection or subflow.
    pub fn is_request(&self) -> bool {
        self.flags == SYN
    }

    /// The frame as if it asked for nothing.
    pub fn without_request(&self, frame: &[u8]) -> Vec<u8> {
        let mut frame = frame.to_vec();
        if let Some(tcp) = tcp_at(&frame) {
            frame[tcp + 13] = ACK;
        }
        frame
    }

    pub fn is_reset(&self) -> bool {
        self.flags & RST != 0
    }
}

/// Whether the checksums are right.
fn is_intact(frame: &[u8], tcp: usize) -> bool {
    let is_v4 = tcp == ETHERNET + 20;
    let mut header = Checksum::new();
    header.add(&frame[ETHERNET..tcp]);
    let mut segment = Checksum::new();
    segment.add(if is_v4 { &frame[26..34] } else { &frame[22..54] });
    segment.add_u16(6);
    segment.add_u16((frame.len() - tcp) as u16);
    segment.add(&frame[tcp..]);
    let declared = if is_v4 { 16 } else { 18 };
    let bytes = u16::from_be_bytes([frame[declared], frame[declared + 1]]);
    let counted = frame.len() - if is_v4 { ETHERNET } else { tcp };
    usize::from(bytes) == counted && (!is_v4 || header.finish() == 0) && segment.finish() == 0
}

fn join_token(mut options: &[u8]) -> Option<Token> {
    loop {
        match *options {
            [1, ref rest @ ..] => options = rest,
            [30, 12, 0x10..=0x1f, _, a, b, c, d, ..] => return Some(Token(u32::from_be_bytes([a, b, c, d]))),
            [kind, length, ..] if kind > 1 => options = options.get(usize::from(length.max(2))..)?,
            _ => return None,
        }
    }
}
