//! ICMP for both families: echo is answered, errors go to `icmp_error`.

use super::Endpoint;
use super::path_header::HOP_LIMIT;
use super::receive::Arrival;
use super::send::OwnPacket;
use crate::base::{Context, Outcome, Packet};
use crate::wire::{Checksum, IcmpEcho, IcmpQuote, Icmpv4, Icmpv6, ParseError, protocol, pseudo_header};
use std::net::{IpAddr, Ipv6Addr};

/// Bytes before the body of every ICMP message.
const HEADER_BYTES: usize = 8;
const CHECKSUM_OFFSET: usize = 2;

/// What to do about a message: it is parsed from borrowed bytes, and done
/// without them.
enum Consequence {
    Echo { identifier: u16, sequence: u16 },
    Unreachable(Option<IcmpQuote>),
    TooBig { mtu: u32, quote: Option<IcmpQuote> },
    Nothing,
}

impl<P: Packet> Endpoint<P> {
    /// Takes in an ICMP message; `packet` begins with the IP header.
    pub(super) fn handle_icmp_v4(&mut self, cx: &mut Context<'_>, arrival: &Arrival, packet: P) {
        let mut scratch = std::mem::take(&mut self.message);
        let parsed = Icmpv4::parse(contiguous(&packet, arrival.header_bytes, &mut scratch));
        let consequence = parsed.map(|message| match message {
            Some(Icmpv4::EchoRequest(echo)) => echo.into(),
            Some(Icmpv4::Unreachable { quote, .. }) => Consequence::Unreachable(IcmpQuote::parse_v4(quote)),
            Some(Icmpv4::FragmentationNeeded { mtu, quote }) => {
                Consequence::TooBig { mtu: mtu.into(), quote: IcmpQuote::parse_v4(quote) }
            }
            _ => Consequence::Nothing,
        });
        self.message = scratch;
        self.apply_icmp(cx, arrival, packet, &consequence);
    }

    /// Takes in an ICMPv6 message; `packet` begins with the IP header.
    pub(super) fn handle_icmp_v6(&mut self, cx: &mut Context<'_>, arrival: &Arrival, packet: P) {
        let (IpAddr::V6(source), IpAddr::V6(destination)) = (arrival.source, arrival.destination) else {
            return;
        };
        let mut scratch = std::mem::take(&mut self.message);
        let parsed =
            Icmpv6::parse(contiguous(&packet, arrival.header_bytes, &mut scratch), source, destination);
        let consequence = parsed.map(|message| match message {
            Some(Icmpv6::EchoRequest(echo)) => echo.into(),
            Some(Icmpv6::Unreachable { quote, .. }) => Consequence::Unreachable(IcmpQuote::parse_v6(quote)),
            Some(Icmpv6::PacketTooBig { mtu, quote }) => {
                Consequence::TooBig { mtu, quote: IcmpQuote::parse_v6(quote) }
            }
            Some(
                discovery @ (Icmpv6::NeighbourSolicitation { .. }
                | Icmpv6::NeighbourAdvertisement { .. }
                | Icmpv6::RouterSolicitation { .. }
                | Icmpv6::RouterAdvertisement { .. }),
            ) => {
                self.handle_discovery(cx, arrival, &discovery);
                Consequence::Nothing
            }
            _ => Consequence::Nothing,
        });
        self.message = scratch;
        self.apply_icmp(cx, arrival, packet, &consequence);
    }

    fn apply_icmp(
        &mut self,
        cx: &mut Context<'_>,
        arrival: &Arrival,
        packet: P,
        consequence: &Result<Consequence, ParseError>,
    ) {
        match *consequence {
            Ok(Consequence::Echo { identifier, sequence }) => {
                self.answer_echo(cx, arrival, packet, identifier, sequence);
            }
            Ok(Consequence::Unreachable(quote)) => self.handle_unreachable(cx, quote),
            Ok(Consequence::TooBig { mtu, quote }) => self.handle_too_big(cx, mtu, quote),
            Ok(Consequence::Nothing) => cx.count(Outcome::IcmpIgnored),
            Err(_) => cx.count(Outcome::IcmpMalformed),
        }
    }

    /// Echoes to a group are left unanswered (RFC 1122 §3.2.2.6 permits it).
    fn answer_echo(
        &mut self,
        cx: &mut Context<'_>,
        arrival: &Arrival,
        packet: P,
        identifier: u16,
        sequence: u16,
    ) {
        if !arrival.to_us_alone || arrival.source.is_unspecified() {
            return cx.count(Outcome::IcmpIgnored);
        }
        if !self.icmp_echoes.take(cx.now) {
            return cx.count(Outcome::IcmpRateLimited);
        }
        cx.count(Outcome::IcmpEchoAnswered);
        let mut data = packet;
        data.trim_front(arrival.header_bytes + HEADER_BYTES);
        let echo = IcmpEcho { identifier, sequence, data: &[] };
        self.send_icmp(cx, arrival, &Icmpv4::EchoReply(echo), &Icmpv6::EchoReply(echo), data);
    }

    /// Answers the packet of `arrival`: with `v4` or `v6`, whose body is
    /// `body`, by reference.
    pub(super) fn send_icmp(
        &mut self,
        cx: &mut Context<'_>,
        arrival: &Arrival,
        v4: &Icmpv4<'_>,
        v6: &Icmpv6<'_>,
        body: P,
    ) {
        let (source, destination) = (arrival.destination, arrival.source);
        let mut upper = [0; HEADER_BYTES];
        let (protocol, mut sum) = if source.is_ipv4() {
            v4.emit(&mut upper);
            (protocol::ICMP, Checksum::new())
        } else {
            v6.emit(Ipv6Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED, &mut upper);
            let length_bytes = (HEADER_BYTES + body.len()) as u32;
            (protocol::ICMPV6, pseudo_header(source, destination, protocol::ICMPV6, length_bytes))
        };
        // Emitted without its body: the checksum is made anew, over both.
        upper[CHECKSUM_OFFSET..][..2].fill(0);
        sum.add(&upper);
        body.for_each_piece(&mut |bytes| sum.add(bytes));
        upper[CHECKSUM_OFFSET..][..2].copy_from_slice(&sum.finish().to_be_bytes());
        let payload = Some(body);
        self.send_routed(
            cx,
            OwnPacket { source, destination, protocol, hop_limit: HOP_LIMIT, upper: &upper, payload },
        );
    }
}

impl From<IcmpEcho<'_>> for Consequence {
    fn from(echo: IcmpEcho<'_>) -> Self {
        Self::Echo { identifier: echo.identifier, sequence: echo.sequence }
    }
}

/// The bytes of `packet` from `offset` on in one piece, copied to `scratch` if
/// they lie in several.
fn contiguous<'a, P: Packet>(packet: &'a P, offset: usize, scratch: &'a mut Vec<u8>) -> &'a [u8] {
    let head = packet.head();
    if head.len() == packet.len() {
        return &head[offset..];
    }
    scratch.resize(packet.len() - offset, 0);
    packet.copy_to(offset, scratch);
    scratch
}
