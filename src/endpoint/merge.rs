//! Segments of one burst that follow each other, merged before anybody looks
//! at them (software GRO): a run is checked, acknowledged and put in order
//! once.
//!
//! A segment joins a run if all of its headers are those of the run's first,
//! but for what must differ (length, checksums, sequence number) and PSH. Equal
//! options mean the same mapping and the same Data ACK (RFC 8684 §3.3), so
//! nothing is lost by looking at the first alone.

use super::Endpoint;
use super::demux::Owner;
use super::path_header::HeaderBuffer;
use super::receive::Arrival;
use super::segment::is_checksum_valid;
use crate::base::{ChecksumState, Context, Outcome, Packet, PortIndex, ReceiveMeta, SeqNumber};
use crate::wire::{Ipv4, Ipv6, Tcp, TcpFlags, protocol};

/// Runs that are open at once: flows whose segments come mixed in one burst.
const RUNS_MOST: usize = 8;
/// Payload bytes of a run: those of one mapping.
const RUN_BYTES_MOST: usize = 65_535;
/// Segments of a run.
const RUN_SEGMENTS_MOST: usize = 64;

/// The longest headers, in whole words.
const FRONT_BYTES: usize = size_of::<HeaderBuffer>().next_multiple_of(8);

/// The front of the frame at hand, while a burst is taken in.
#[derive(Debug)]
pub(super) struct Front {
    bytes: [u8; FRONT_BYTES],
    len: usize,
    vlan: Option<u16>,
}

/// The bits of the headers that all frames of a run share, in words of eight bytes.
type HeaderMask = [u64; FRONT_BYTES / 8];

/// Of each pair of lengths of link and IP header, with the longest TCP header.
const MASKS: &[(usize, usize, HeaderMask)] = &[
    (14, Ipv4::HEADER_BYTES, mask_of(14, Ipv4::HEADER_BYTES)),
    (14, Ipv6::HEADER_BYTES, mask_of(14, Ipv6::HEADER_BYTES)),
    (18, Ipv4::HEADER_BYTES, mask_of(18, Ipv4::HEADER_BYTES)),
    (18, Ipv6::HEADER_BYTES, mask_of(18, Ipv6::HEADER_BYTES)),
];

/// What is being merged.
#[derive(Debug)]
pub(super) struct Merging<P> {
    /// `None` outside a burst: then nothing is merged.
    front: Option<Front>,
    runs: Vec<Run<P>>,
}

/// Segments in order, as one.
#[derive(Debug)]
struct Run<P> {
    /// The headers of the first.
    front: Front,
    /// Which bits of them the others must have too.
    mask: &'static HeaderMask,
    /// The sum of those words of its IPv4 header in which the others differ.
    changing_sum: u16,
    /// Bytes of its link header, IP header and TCP header.
    l2: usize,
    l3: usize,
    l4: usize,
    arrival: Arrival,
    owner: Owner,
    segment: Tcp,
    payload: P,
    /// The sequence number that continues it.
    next: SeqNumber,
    segments: usize,
    /// Frames that joined it and are not counted yet, and their bytes.
    joined: u64,
    joined_bytes: u64,
}

impl<P> Merging<P> {
    pub(super) const fn new() -> Self {
        Self { front: None, runs: Vec::new() }
    }
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_be_bytes)
}

impl Front {
    fn of(head: &[u8], vlan: Option<u16>) -> Self {
        let mut bytes = [0; _];
        let len = head.len().min(FRONT_BYTES);
        bytes[..len].copy_from_slice(&head[..len]);
        Self { bytes, len, vlan }
    }

    /// Bytes of the link and the IP header, if they have no options, and the mask
    /// for such headers.
    fn layout(&self) -> Option<(usize, usize, &'static HeaderMask)> {
        let l2 = if be16(&self.bytes, 12)? == 0x8100 { 18 } else { 14 };
        let l3 = match self.bytes[l2] {
            0x45 => Ipv4::HEADER_BYTES,
            first if first >> 4 == 6 && self.bytes[l2 + 6] == protocol::TCP => Ipv6::HEADER_BYTES,
            _ => return None,
        };
        MASKS.iter().find(|mask| (mask.0, mask.1) == (l2, l3)).map(|(l2, l3, mask)| (*l2, *l3, mask))
    }
}

/// All bits of headers of these lengths, but for IP's length, identification
/// and checksum, TCP's sequence number, PSH and checksum.
const fn mask_of(l2: usize, l3: usize) -> HeaderMask {
    let (ip, tcp) = (l2, l2 + l3);
    let mut mask = [0; FRONT_BYTES / 8];
    let mut at = 0;
    while at < FRONT_BYTES {
        let ip_differs = if l3 == Ipv4::HEADER_BYTES {
            matches!(at.wrapping_sub(ip), 2..6 | 10..12)
        } else {
            matches!(at.wrapping_sub(ip), 4..6)
        };
        let byte = match at.wrapping_sub(tcp) {
            4..8 | 16..18 => 0,
            13 => !TcpFlags::PSH.0,
            _ if ip_differs => 0,
            _ => 0xff,
        };
        mask[at / 8] |= (byte as u64) << (8 * (at % 8));
        at += 1;
    }
    let mut word = 0;
    while word < mask.len() {
        // As the bytes lie in memory.
        mask[word] = mask[word].to_le();
        word += 1;
    }
    mask
}

/// The sum in ones' complement of an IPv4 header's length, identification and
/// checksum: equal in headers that are otherwise equal, if their checksums are
/// right (RFC 1071).
fn changing_sum(frame: &[u8], ip: usize) -> Option<u16> {
    let sum =
        u32::from(be16(frame, ip + 2)?) + u32::from(be16(frame, ip + 4)?) + u32::from(be16(frame, ip + 10)?);
    // Never zero, which would have two forms: the length is not.
    let folded = (sum & 0xffff) + (sum >> 16);
    Some(((folded & 0xffff) + (folded >> 16)) as u16)
}

/// The first `bytes` bytes of a word, 1 to 8, as they lie in memory.
const fn first_bytes(bytes: usize) -> u64 {
    (u64::MAX >> (64 - 8 * bytes)).to_le()
}

impl<P: Packet> Run<P> {
    /// Payload bytes of a frame that continues the run.
    fn continuation(&self, head: &[u8], frame_bytes: usize, meta: &ReceiveMeta) -> Option<usize> {
        let (ip, tcp) = (self.l2, self.l2 + self.l3);
        let header_bytes = tcp + self.l4;
        let (words, _) = head.get(..header_bytes.next_multiple_of(8))?.as_chunks::<8>();
        let sequence = head.get(tcp + 4..)?.first_chunk().copied().map(u32::from_be_bytes)?;
        if sequence != self.next.0 || meta.vlan != self.front.vlan {
            return None;
        }
        let (front, _) = self.front.bytes.as_chunks::<8>();
        let (mut difference, mut last) = (0, 0);
        for ((one, other), mask) in words.iter().zip(front).zip(self.mask) {
            difference |= last;
            last = (u64::from_ne_bytes(*one) ^ u64::from_ne_bytes(*other)) & mask;
        }
        // Payload begins in the last word.
        if difference | (last & first_bytes((header_bytes - 1) % 8 + 1)) != 0 {
            return None;
        }
        let ip_bytes = if self.l3 == Ipv4::HEADER_BYTES {
            usize::from(be16(head, ip + 2)?)
        } else {
            usize::from(be16(head, ip + 4)?) + Ipv6::HEADER_BYTES
        };
        let payload = ip_bytes.checked_sub(self.l3 + self.l4).filter(|&bytes| bytes > 0)?;
        (self.l2 + ip_bytes <= frame_bytes).then_some(payload)
    }

    /// Whether the checksums of a frame that continues the run are right;
    /// `false` also if the driver says that one is wrong.
    fn verifies(&self, frame: &P, payload_bytes: usize, meta: &ReceiveMeta) -> bool {
        let ip_valid = match meta.ip_checksum {
            ChecksumState::Bad => false,
            // All other words are those of the first, whose checksum was right.
            ChecksumState::Unknown if self.l3 == Ipv4::HEADER_BYTES => {
                changing_sum(frame.head(), self.l2) == Some(self.changing_sum)
            }
            _ => true,
        };
        ip_valid
            && match meta.l4_checksum {
                ChecksumState::Good => true,
                ChecksumState::Bad => false,
                ChecksumState::Unknown => {
                    let packet = frame.slice(self.l2 + self.l3, self.l4 + payload_bytes);
                    is_checksum_valid(&self.arrival, &packet, ChecksumState::Unknown)
                }
            }
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.segments < RUN_SEGMENTS_MOST && self.payload.len() + bytes <= RUN_BYTES_MOST
    }
}

impl<P: Packet> Endpoint<P> {
    /// Takes in the frames of one burst of `port`, merging what follows each
    /// other; otherwise as [`handle_frame`](Self::handle_frame).
    pub fn handle_burst(
        &mut self,
        cx: &mut Context<'_>,
        port: PortIndex,
        frames: impl IntoIterator<Item = (P, ReceiveMeta)>,
    ) {
        let mut frames = frames.into_iter();
        while let Some((frame, meta)) = frames.next() {
            if let Some(frame) = self.merge(cx, port, frame, &meta) {
                // Nothing can continue the last one.
                let is_last = frames.size_hint().1 == Some(0);
                self.merging.front = (!is_last).then(|| Front::of(frame.head(), meta.vlan));
                self.handle_frame(cx, port, frame, meta);
            }
        }
        self.merging.front = None;
        if !self.merging.runs.is_empty() {
            // Delivering begins no run.
            let mut runs = std::mem::take(&mut self.merging.runs);
            runs.drain(..).for_each(|run| self.deliver_run(cx, run));
            self.merging.runs = runs;
        }
    }

    /// Adds a frame to the run that it continues; gives it back if there is
    /// none.
    fn merge(
        &mut self,
        cx: &mut Context<'_>,
        port: PortIndex,
        mut frame: P,
        meta: &ReceiveMeta,
    ) -> Option<P> {
        let (head, frame_bytes) = (frame.head(), frame.len());
        let found = self.merging.runs.iter().enumerate().find_map(|(at, run)| {
            let same_port = run.arrival.port == port;
            Some((at, same_port.then(|| run.continuation(head, frame_bytes, meta))??))
        });
        let Some((at, bytes)) = found else { return Some(frame) };
        let run = &mut self.merging.runs[at];
        // What is damaged is counted where every frame is.
        if !run.verifies(&frame, bytes, meta) {
            return Some(frame);
        }
        let has_room = run.has_room(bytes);
        let pushes = TcpFlags(head[run.l2 + run.l3 + 13]);
        frame.trim_front(run.l2 + run.l3 + run.l4);
        frame.truncate(bytes);
        run.joined += 1;
        run.joined_bytes += frame_bytes as u64;
        let rest = if has_room { run.payload.append(frame).err() } else { Some(frame) };
        match rest {
            None => {
                run.segments += 1;
                run.next += bytes;
                run.segment.flags = run.segment.flags.with(pushes);
            }
            Some(frame) => self.restart_run(cx, at, frame),
        }
        None
    }

    /// Delivers a run, and lets it go on with what it did not take.
    fn restart_run(&mut self, cx: &mut Context<'_>, at: usize, payload: P) {
        let run = &mut self.merging.runs[at];
        let bytes = payload.len();
        let segment = run.segment.clone();
        let before = std::mem::replace(&mut run.payload, payload);
        run.segment.sequence = run.next;
        run.next += bytes;
        run.segments = 1;
        let owner = run.owner;
        // Its frames are counted when the run ends.
        self.deliver(cx, owner, &segment, before, 0);
    }

    /// A segment that passed the host's checks: it begins a run, or goes to its
    /// connection, behind the run of its subflow if there is one.
    pub(super) fn deliver_or_merge(
        &mut self,
        cx: &mut Context<'_>,
        arrival: &Arrival,
        owner: Owner,
        segment: &Tcp,
        payload: P,
    ) {
        if let Some(at) = self.merging.runs.iter().position(|run| run.owner == owner) {
            let run = self.merging.runs.remove(at);
            self.deliver_run(cx, run);
        }
        let plain = segment.flags.without(TcpFlags::PSH) == TcpFlags::ACK && !payload.is_empty();
        if !plain || self.merging.front.is_none() {
            return self.deliver(cx, owner, segment, payload, 1);
        }
        let Some(front) = self.merging.front.take() else { return };
        let Some((l2, l3, mask)) = front.layout() else {
            return self.deliver(cx, owner, segment, payload, 1);
        };
        let l4 = usize::from(segment.header_bytes);
        if front.len < l2 + l3 + l4 {
            return self.deliver(cx, owner, segment, payload, 1);
        }
        if self.merging.runs.len() == RUNS_MOST {
            let oldest = self.merging.runs.remove(0);
            self.deliver_run(cx, oldest);
        }
        let next = segment.sequence + payload.len();
        let arrival = *arrival;
        let changing_sum = changing_sum(&front.bytes, l2).unwrap_or_default();
        self.merging.runs.push(Run {
            front,
            mask,
            changing_sum,
            l2,
            l3,
            l4,
            arrival,
            owner,
            segment: segment.clone(),
            payload,
            next,
            segments: 1,
            joined: 0,
            joined_bytes: 0,
        });
    }

    fn deliver_run(&mut self, cx: &mut Context<'_>, run: Run<P>) {
        let Run { owner, segment, payload, arrival, joined, joined_bytes, .. } = run;
        cx.counters.add(Outcome::FrameReceived, joined);
        if let Some(port) = self.port_mut(arrival.port) {
            port.statistics.frames_received += joined;
            port.statistics.bytes_received += joined_bytes;
        }
        self.deliver(cx, owner, &segment, payload, joined + 1);
    }

    /// A segment goes to its connection; so many frames are counted with it.
    fn deliver(&mut self, cx: &mut Context<'_>, owner: Owner, segment: &Tcp, payload: P, frames: u64) {
        if self.cores.is_some() {
            self.note_taken_over(owner, frames);
        }
        if let Some(connection) = self.touch(owner.connection) {
            connection.handle_segment(cx, owner.subflow, segment, payload);
        }
    }
}
