//! What sits in the middle of a path and interferes (RFC 8684 §6, §7): strips
//! options, changes payload, splits and merges segments, rewrites sequence
//! numbers.

use super::segment::tcp_at;
use mpdk::wire::Checksum;

/// What a middlebox does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interference {
    /// Takes MPTCP options off SYNs.
    StripSyn,
    /// Takes MPTCP options off everything but SYNs.
    StripData,
    /// Takes MPTCP options off everything in one direction, SYNs excepted.
    StripDataFrom(usize),
    /// Takes MPTCP options off everything once so many frames have passed.
    StripAfter(u64),
    /// Changes a byte of every payload after so many frames, and mends the TCP checksum.
    ChangePayloadAfter(u64),
    /// Cuts segments in two, options repeated on both.
    Split,
    /// Shifts sequence numbers, as firewalls that randomise them do.
    ShiftSequence(u32),
}

/// A middlebox on a link.
#[derive(Clone, Debug)]
pub struct Middlebox {
    pub link: usize,
    pub what: Interference,
    passed: u64,
}

const ETHERNET: usize = 14;

/// Sets lengths and checksums right after a change.
fn mend(frame: &mut [u8], tcp: usize) {
    let length = (frame.len() - tcp) as u16;
    let mut checksum = Checksum::new();
    if tcp == ETHERNET + 20 {
        let total = (frame.len() - ETHERNET) as u16;
        frame[16..18].copy_from_slice(&total.to_be_bytes());
        frame[24..26].fill(0);
        let mut header = Checksum::new();
        header.add(&frame[ETHERNET..tcp]);
        let header = header.finish();
        frame[24..26].copy_from_slice(&header.to_be_bytes());
        checksum.add(&frame[26..34]);
    } else {
        frame[18..20].copy_from_slice(&length.to_be_bytes());
        checksum.add(&frame[22..54]);
    }
    checksum.add_u16(6);
    checksum.add_u16(length);
    frame[tcp + 16..tcp + 18].fill(0);
    checksum.add(&frame[tcp..]);
    let checksum = checksum.finish();
    frame[tcp + 16..tcp + 18].copy_from_slice(&checksum.to_be_bytes());
}

/// Overwrites MPTCP options with NOPs.
fn strip(frame: &mut [u8], tcp: usize) {
    let end = tcp + usize::from(frame[tcp + 12] >> 4) * 4;
    let mut at = tcp + 20;
    while at < end {
        let length = match frame[at] {
            0 => break,
            1 => 1,
            _ => usize::from(frame[at + 1]).max(2),
        };
        if frame[at] == 30 {
            frame[at..at + length].fill(1);
        }
        at += length;
    }
    mend(frame, tcp);
}

impl Middlebox {
    pub fn new(link: usize, what: Interference) -> Self {
        Self { link, what, passed: 0 }
    }

    /// What comes out for what goes in.
    pub fn pass(&mut self, from: usize, mut frame: Vec<u8>) -> Vec<Vec<u8>> {
        let Some(tcp) = tcp_at(&frame) else { return vec![frame] };
        self.passed += 1;
        let is_syn = frame[tcp + 13] & 0x02 != 0;
        match self.what {
            Interference::StripSyn if is_syn => strip(&mut frame, tcp),
            Interference::StripData if !is_syn => strip(&mut frame, tcp),
            Interference::StripDataFrom(side) if !is_syn && side == from => strip(&mut frame, tcp),
            Interference::StripAfter(frames) if self.passed > frames => strip(&mut frame, tcp),
            Interference::ChangePayloadAfter(frames) if self.passed > frames => self.change(&mut frame, tcp),
            Interference::Split => return split(frame, tcp),
            Interference::ShiftSequence(shift) => self.shift(from, shift, &mut frame, tcp),
            _ => {}
        }
        vec![frame]
    }

    fn change(&self, frame: &mut [u8], tcp: usize) {
        let payload = tcp + usize::from(frame[tcp + 12] >> 4) * 4;
        if payload < frame.len() {
            let last = frame.len() - 1;
            // Always more: what one segment of a mapping gains another must not lose, or the
            // mapping's sum stays the same.
            frame[last] = frame[last].wrapping_add(1);
            mend(frame, tcp);
        }
    }

    /// Host 0's sequence numbers are shifted on the way out and back; SACK
    /// blocks too, as a well-behaved firewall does.
    fn shift(&self, from: usize, shift: u32, frame: &mut [u8], tcp: usize) {
        let mut add = |at: usize, amount: u32| {
            let number = u32::from_be_bytes([frame[at], frame[at + 1], frame[at + 2], frame[at + 3]]);
            frame[at..at + 4].copy_from_slice(&number.wrapping_add(amount).to_be_bytes());
        };
        if from == 0 {
            add(tcp + 4, shift);
        } else {
            add(tcp + 8, shift.wrapping_neg());
            let end = tcp + usize::from(frame[tcp + 12] >> 4) * 4;
            shift_sack(frame, tcp + 20, end, shift.wrapping_neg());
        }
        mend(frame, tcp);
    }
}

fn shift_sack(frame: &mut [u8], mut at: usize, end: usize, amount: u32) {
    while at < end {
        let length = match frame[at] {
            0 => return,
            1 => 1,
            _ => usize::from(frame[at + 1]).max(2),
        };
        if frame[at] == 5 {
            for edge in (at + 2..at + length).step_by(4) {
                let number =
                    u32::from_be_bytes([frame[edge], frame[edge + 1], frame[edge + 2], frame[edge + 3]]);
                frame[edge..edge + 4].copy_from_slice(&number.wrapping_add(amount).to_be_bytes());
            }
        }
        at += length;
    }
}

/// Cuts the payload of a segment in two; both halves carry the options.
fn split(frame: Vec<u8>, tcp: usize) -> Vec<Vec<u8>> {
    let payload = tcp + usize::from(frame[tcp + 12] >> 4) * 4;
    let bytes = frame.len() - payload;
    let is_plain_data = frame[tcp + 13] & 0x07 == 0;
    if bytes < 2 || !is_plain_data {
        return vec![frame];
    }
    let cut = payload + bytes / 2;
    let mut first = frame[..cut].to_vec();
    let mut second = frame[..payload].to_vec();
    second.extend_from_slice(&frame[cut..]);
    let sequence = u32::from_be_bytes([frame[tcp + 4], frame[tcp + 5], frame[tcp + 6], frame[tcp + 7]]);
    let moved = sequence.wrapping_add((cut - payload) as u32);
    second[tcp + 4..tcp + 8].copy_from_slice(&moved.to_be_bytes());
    mend(&mut first, tcp);
    mend(&mut second, tcp);
    vec![first, second]
}
