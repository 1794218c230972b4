//! Frames by hand, and an answerer that plays a host.

use mpdk::base::{HeapPacket, Packet, Payload, PortIndex, ReceiveMeta, TransmitFrame, TransmitOffload};
use mpdk::device::{Device, Refusal};

const ETHER_TYPE: usize = 12;
const ARP: [u8; 2] = [0x08, 0x06];
const IPV4: [u8; 2] = [0x08, 0x00];

/// Sends `bytes` as one frame without offloads.
pub fn send(device: &mut impl Device, bytes: &[u8]) -> Result<(), Refusal> {
    send_pieces(device, bytes, &[], TransmitOffload::default())
}

pub fn send_pieces(
    device: &mut impl Device,
    header: &[u8],
    payload: &[HeapPacket],
    offload: TransmitOffload,
) -> Result<(), Refusal> {
    device.transmit(TransmitFrame { port: PortIndex(0), header, payload: Payload::whole(payload), offload })
}

/// The packet's bytes in one piece.
pub fn bytes_of(packet: &impl Packet) -> Vec<u8> {
    let mut bytes = vec![0; packet.len()];
    assert_eq!(packet.copy_to(0, &mut bytes), packet.len());
    bytes
}

/// Receives one burst as bytes.
pub fn receive<D: Device>(device: &mut D) -> Vec<(Vec<u8>, ReceiveMeta)> {
    let mut burst = Vec::new();
    device.receive(&mut burst);
    burst.iter().map(|(packet, meta)| (bytes_of(packet), *meta)).collect()
}

/// The answer of a host with this Ethernet and IPv4 address: to ARP requests
/// and echo requests; `None` to everything else.
pub fn answer(frame: &[u8], mac: [u8; 6], ip: [u8; 4]) -> Option<Vec<u8>> {
    match <[u8; 2]>::try_from(frame.get(ETHER_TYPE..ETHER_TYPE + 2)?).ok()? {
        ARP => answer_arp(frame, mac, ip),
        IPV4 => answer_echo(frame, mac, ip),
        _ => None,
    }
}

/// RFC 826: the request's sender becomes the target.
fn answer_arp(frame: &[u8], mac: [u8; 6], ip: [u8; 4]) -> Option<Vec<u8>> {
    let request = frame.get(20..22)? == [0, 1] && frame.get(38..42)? == ip;
    let mut reply = request.then(|| frame.to_vec())?;
    reply.copy_within(6..12, 0);
    reply[6..12].copy_from_slice(&mac);
    reply[21] = 2;
    reply.copy_within(22..32, 32);
    reply[22..28].copy_from_slice(&mac);
    reply[28..32].copy_from_slice(&ip);
    Some(reply)
}

/// RFC 792: addresses swap, the type becomes 0.
fn answer_echo(frame: &[u8], mac: [u8; 6], ip: [u8; 4]) -> Option<Vec<u8>> {
    let request = frame.get(14)? == &0x45 && frame.get(23)? == &1 && frame.get(30..34)? == ip;
    let request = request && frame.get(34)? == &8;
    let mut reply = request.then(|| frame.to_vec())?;
    reply.copy_within(6..12, 0);
    reply[6..12].copy_from_slice(&mac);
    reply.copy_within(26..30, 30);
    reply[26..30].copy_from_slice(&ip);
    reply[34] = 0;
    reply[36..38].fill(0);
    let sum = checksum(&reply[34..]);
    reply[36..38].copy_from_slice(&sum);
    Some(reply)
}

/// The internet checksum (RFC 1071), in network order.
pub fn checksum(bytes: &[u8]) -> [u8; 2] {
    let mut sum: u32 = bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0)))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!(sum as u16)).to_be_bytes()
}

/// A frame of `len` bytes that carries its number and can be told from others:
/// an experimental EtherType (RFC 9542), then the number, then a pattern.
pub fn numbered(number: u32, len: usize) -> Vec<u8> {
    let mut frame = vec![0; len];
    frame[..6].fill(0xff);
    frame[6..12].copy_from_slice(&[0x02, 0, 0, 0, 0, 0x77]);
    frame[12..14].copy_from_slice(&[0x88, 0xb5]);
    frame[14..18].copy_from_slice(&number.to_be_bytes());
    for (at, byte) in frame[18..].iter_mut().enumerate() {
        *byte = (at as u32).wrapping_mul(number.wrapping_add(7)) as u8;
    }
    frame
}

/// The number of such a frame.
pub fn number_of(frame: &[u8]) -> Option<u32> {
    let ours = frame.get(12..14)? == [0x88, 0xb5];
    let number = frame.get(14..18)?.try_into().ok()?;
    ours.then(|| u32::from_be_bytes(number))
}
