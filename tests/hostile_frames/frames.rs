//! Frames that a stranger on the link may send: right ones of every protocol,
//! and what becomes of them when they are cut, changed, stretched and tagged.

use crate::random::Random;

const ETHERNET_BYTES: usize = 14;
const TCP_PROTOCOL: u8 = 6;
const SYN: u8 = 2;

/// One link as its hostile neighbour sees it: everything but the endpoint's
/// Ethernet address follows from its number.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    pub mac: [u8; 6],
    pub link: u8,
}

/// The stranger's own Ethernet address.
pub const OWN_MAC: [u8; 6] = [0x02, 0x66, 0x66, 0x66, 0x66, 0x66];

impl Target {
    fn endpoint_v4(self) -> [u8; 4] {
        [10, 79, self.link, 2]
    }

    fn kernel_v4(self) -> [u8; 4] {
        [10, 79, self.link, 1]
    }

    /// Somebody in the subnet who is not there.
    fn nobody_v4(self, random: &mut Random) -> [u8; 4] {
        [10, 79, self.link, random.pick(&[77, 78, 0, 255, 254])]
    }

    fn v6(self, host: u8) -> [u8; 16] {
        let mut address = [0; 16];
        address[..4].copy_from_slice(&[0xfd, 0x79, 0, self.link]);
        address[15] = host;
        address
    }

    fn ethernet(self, ether_type: u16, payload: &[u8]) -> Vec<u8> {
        [&self.mac[..], &OWN_MAC, &ether_type.to_be_bytes(), payload].concat()
    }

    /// Who has the endpoint's address? `own` wants to know.
    pub fn arp_request(self, own: [u8; 4]) -> Vec<u8> {
        let mut arp = vec![0, 1, 8, 0, 6, 4, 0, 1];
        arp.extend([&OWN_MAC[..], &own, &[0; 6], &self.endpoint_v4()].concat());
        self.ethernet(0x0806, &arp)
    }

    fn ipv4(self, source: [u8; 4], protocol: u8, fragment: u16, payload: &[u8]) -> Vec<u8> {
        let total = (20 + payload.len()) as u16;
        let mut header = vec![0x45, 0];
        header.extend(total.to_be_bytes());
        header.extend([0, 1]);
        header.extend(fragment.to_be_bytes());
        header.extend([64, protocol, 0, 0]);
        header.extend([source, self.endpoint_v4()].concat());
        let sum = checksum(&[&header]);
        header[10..12].copy_from_slice(&sum);
        header.extend_from_slice(payload);
        self.ethernet(0x0800, &header)
    }

    fn ipv6(self, source: [u8; 16], next: u8, payload: &[u8]) -> Vec<u8> {
        let mut header = vec![0x60, 0, 0, 0];
        header.extend((payload.len() as u16).to_be_bytes());
        header.extend([next, 255]);
        header.extend([source, self.v6(2)].concat());
        header.extend_from_slice(payload);
        self.ethernet(0x86dd, &header)
    }

    fn icmp(self, random: &mut Random, kind: u8, rest: &[u8]) -> Vec<u8> {
        let mut message = vec![kind, random.pick(&[0, 1, 3, 4, 13]), 0, 0];
        message.extend_from_slice(rest);
        let sum = checksum(&[&message]);
        message[2..4].copy_from_slice(&sum);
        let source = self.nobody_v4(random);
        self.ipv4(source, 1, 0, &message)
    }

    /// ICMPv6 of any type: echo, neighbour and router discovery, errors, MLD.
    fn icmp6(self, random: &mut Random) -> Vec<u8> {
        let kind = random.pick(&[1, 2, 3, 4, 128, 129, 130, 133, 134, 135, 136, 137, 143]);
        let source = self.v6(random.pick(&[77, 78]));
        let mut message = vec![kind, 0, 0, 0, 0, 0, 0, 0];
        message.extend(self.v6(random.pick(&[2, 77])));
        // Options: source or target link-layer address, MTU, of any length.
        for _ in 0..random.below(4) {
            let length = random.pick(&[0, 1, 1, 2, 255]);
            message.extend([random.pick(&[1, 2, 3, 5, 200]), length]);
            message.extend(random.bytes(6));
        }
        let pseudo = pseudo_header(&[&source[..], &self.v6(2)].concat(), message.len(), 58);
        let sum = checksum(&[&pseudo, &message]);
        message[2..4].copy_from_slice(&sum);
        self.ipv6(source, 58, &message)
    }

    /// A TCP segment with a right checksum and what options come.
    fn tcp(self, random: &mut Random, over_v6: bool) -> Vec<u8> {
        let mut options = options(random);
        options.truncate(40);
        options.resize(options.len().next_multiple_of(4), 0);
        let any = random.byte();
        let flags = random.pick(&[SYN, SYN, SYN | 0x10, 0x10, 0x10, 0x18, 0x11, 4, 0x14, 0, 0xff, any]);
        let mut segment = Vec::new();
        // Below the ports that the kernel gives to its own connections.
        segment.extend((random.below(9_999) as u16 + 1).to_be_bytes());
        segment.extend(random.pick(&[5555, 5555, 80, 0, 65_535_u16]).to_be_bytes());
        segment.extend(random.bytes(8));
        segment.extend([((5 + options.len() / 4) as u8) << 4, flags]);
        segment.extend(random.pick(&[0, 1, 65_535_u16]).to_be_bytes());
        segment.extend([0, 0, 0, 0]);
        segment.extend(options);
        if random.one_in(3) {
            let bytes = random.below(1400);
            segment.extend(random.bytes(bytes));
        }
        if over_v6 { self.tcp_in_v6(random, segment) } else { self.tcp_in_v4(random, segment) }
    }

    fn tcp_in_v4(self, random: &mut Random, mut segment: Vec<u8>) -> Vec<u8> {
        let source = if random.one_in(2) { self.kernel_v4() } else { self.nobody_v4(random) };
        let addresses = [source, self.endpoint_v4()].concat();
        let sum = checksum(&[&pseudo_header(&addresses, segment.len(), TCP_PROTOCOL), &segment]);
        segment[16..18].copy_from_slice(&sum);
        self.ipv4(source, TCP_PROTOCOL, 0, &segment)
    }

    fn tcp_in_v6(self, random: &mut Random, mut segment: Vec<u8>) -> Vec<u8> {
        let source = self.v6(random.pick(&[1, 77]));
        let addresses = [source, self.v6(2)].concat();
        let sum = checksum(&[&pseudo_header(&addresses, segment.len(), TCP_PROTOCOL), &segment]);
        segment[16..18].copy_from_slice(&sum);
        self.ipv6(source, TCP_PROTOCOL, &segment)
    }

    /// A chain of IPv6 extension headers with something behind it.
    fn extended_v6(self, random: &mut Random) -> Vec<u8> {
        let mut payload = Vec::new();
        let first = random.pick(&[0, 43, 44, 60]);
        for _ in 0..random.below(12) + 1 {
            payload.extend([random.pick(&[0, 43, 44, 60, 6, 58, 59]), random.pick(&[0, 0, 1, 255])]);
            payload.extend(random.bytes(6));
        }
        payload.extend(random.bytes(40));
        self.ipv6(self.v6(77), first, &payload)
    }

    /// One of everything, still right or nearly so.
    fn proper(self, random: &mut Random, seen: &[Vec<u8>]) -> Vec<u8> {
        match random.below(12) {
            0 => self.arp_request(self.nobody_v4(random)),
            1 => self.icmp6(random),
            2 => {
                let bytes = random.below(1400);
                let content = random.bytes(bytes);
                self.icmp(random, 8, &content)
            }
            // An error that quotes a packet: one of the endpoint's, or noise.
            3 => {
                let quoted = match seen.is_empty() || random.one_in(2) {
                    true => random.bytes(28),
                    false => quoted(&seen[random.below(seen.len())], random),
                };
                let rest = [&random.bytes(4)[..], &quoted].concat();
                let kind = random.pick(&[3, 3, 4, 5, 11, 12]);
                self.icmp(random, kind, &rest)
            }
            4 => {
                let fragment = random.word() as u16 & 0x3fff | random.pick(&[0, 0x2000]);
                let (bytes, protocol) = (random.below(1400), random.pick(&[1, 6, 17]));
                let source = self.nobody_v4(random);
                self.ipv4(source, protocol, fragment, &random.bytes(bytes))
            }
            5 => self.extended_v6(random),
            6 => {
                let (bytes, protocol) = (random.below(600), random.pick(&[17, 47, 132, 255]));
                let source = self.nobody_v4(random);
                self.ipv4(source, protocol, 0, &random.bytes(bytes))
            }
            7 => self.tcp(random, true),
            8 => {
                let (bytes, ether_type) = (random.below(1500), random.word() as u16);
                self.ethernet(ether_type, &random.bytes(bytes))
            }
            _ => self.tcp(random, false),
        }
    }

    /// The next hostile frame. `seen`: frames of connections that live, whose
    /// checksums are made wrong where something was changed: what a stranger in
    /// the middle of the path could do is not the question.
    pub fn hostile(self, random: &mut Random, seen: &[Vec<u8>]) -> Vec<u8> {
        let live = !seen.is_empty() && random.one_in(3);
        let mut frame = match live {
            true => seen[random.below(seen.len())].clone(),
            false => self.proper(random, seen),
        };
        // A live frame that is not changed is a replay.
        let changed = random.below(4) > 0;
        if changed {
            change(&mut frame, random);
        }
        frame.resize(frame.len().max(ETHERNET_BYTES), 0);
        if live && changed {
            break_checksum(&mut frame);
        }
        self.spare_the_neighbour(&mut frame);
        if random.one_in(16) {
            tag(&mut frame, random);
        }
        frame
    }

    /// ARP believes everybody: what names the kernel names somebody else
    /// instead, or the download would end with no mistake of the endpoint's.
    fn spare_the_neighbour(self, frame: &mut [u8]) {
        if frame[12..14] == [8, 6] && frame.get(28..32) == Some(&self.kernel_v4()) {
            frame[31] = 77;
        }
    }
}

/// The IP packet of a frame that the endpoint sent, as an error quotes it, with
/// a sequence number of nobody's.
fn quoted(frame: &[u8], random: &mut Random) -> Vec<u8> {
    let mut packet = frame[ETHERNET_BYTES.min(frame.len())..].to_vec();
    packet.truncate(random.pick(&[20, 28, 48]));
    if packet.len() >= 28 {
        packet[24..28].copy_from_slice(&random.bytes(4));
    }
    packet
}

/// TCP options: of every kind, with right and wrong lengths, MPTCP above all.
fn options(random: &mut Random) -> Vec<u8> {
    let mut options = Vec::new();
    for _ in 0..random.below(6) {
        match random.below(8) {
            0 => options.push(random.pick(&[0, 1])),
            1 => options.extend([2, 4, random.byte(), random.byte()]),
            2 => options
                .extend([random.pick(&[3, 4, 5, 8, 19, 28, 34, 253]), random.pick(&[0, 1, 2, 3, 10, 255])]),
            _ => {
                let length = random.pick(&[0, 1, 2, 3, 4, 8, 12, 16, 18, 20, 22, 24, 26, 28, 40, 255]);
                // Subtype and version or flags.
                options.extend([30, length, random.byte()]);
                let body = usize::from(length).clamp(3, 40) - 3;
                options.extend(random.bytes(body));
            }
        }
    }
    options
}

/// Cuts, changes, or stretches a frame.
fn change(frame: &mut Vec<u8>, random: &mut Random) {
    match random.below(8) {
        0 => frame.truncate(random.below(frame.len() + 1)),
        // More behind it, up to far more than the link takes.
        1 => {
            let most = random.pick(&[4, 60, 1600, 8900]);
            let bytes = random.below(most);
            frame.extend(random.bytes(bytes));
            frame.truncate(9000);
        }
        // A length field, or something like it.
        2 => {
            let at = random.below(frame.len().clamp(1, 80));
            if let Some(byte) = frame.get_mut(at) {
                *byte = random.pick(&[0, 1, 4, 5, 0x40, 0x45, 0x4f, 0x7f, 0x80, 0xf0, 0xff]);
            }
        }
        _ => {
            for _ in 0..random.below(8) + 1 {
                // Headers rather than content; the address mostly as it is.
                let at = random.below(frame.len().clamp(1, 90));
                let at = if at < 12 { at + random.pick(&[0, 12, 20]) } else { at };
                if let Some(byte) = frame.get_mut(at) {
                    *byte = random.byte();
                }
            }
        }
    }
}

/// Makes the checksum of an IPv4 TCP segment wrong if it is right.
fn break_checksum(frame: &mut [u8]) {
    let Some(header) = frame.get(14).map(|byte| usize::from(byte & 15) * 4) else { return };
    let (Some(total), Some(protocol)) = (frame.get(16..18), frame.get(23)) else { return };
    let total = usize::from(u16::from_be_bytes([total[0], total[1]]));
    if frame[12..14] != [8, 0] || *protocol != TCP_PROTOCOL || total < header + 20 {
        return;
    }
    let Some(segment) = frame.get(14 + header..14 + total) else { return };
    let pseudo = pseudo_header(&frame[26..34], segment.len(), TCP_PROTOCOL);
    if checksum(&[&pseudo, segment]) == [0, 0] {
        frame[14 + header + 16] ^= 1;
    }
}

/// One VLAN tag, or some.
fn tag(frame: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..random.pick(&[1, 1, 2, 4]) {
        let kind: u16 = random.pick(&[0x8100, 0x88a8, 0x9100]);
        let [high, low] = kind.to_be_bytes();
        frame.splice(12..12, [high, low, random.byte(), random.byte()]);
    }
}

fn pseudo_header(addresses: &[u8], length: usize, protocol: u8) -> Vec<u8> {
    let length = (length as u32).to_be_bytes();
    [addresses, &length, &[0, 0, 0, protocol]].concat()
}

/// The internet checksum (RFC 1071) of parts of even length but the last.
fn checksum(parts: &[&[u8]]) -> [u8; 2] {
    let words = parts.iter().flat_map(|part| part.chunks(2));
    let sum: u64 =
        words.map(|pair| u64::from(pair[0]) << 8 | u64::from(pair.get(1).copied().unwrap_or(0))).sum();
    let mut sum = sum;
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!(sum as u16)).to_be_bytes()
}
