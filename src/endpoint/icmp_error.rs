//! ICMP errors: those that we send about others' packets, and those about our
//! segments, which anybody can forge (RFC 5927).

use super::Endpoint;
use super::cores::CoreMessage;
use super::demux::Owner;
use super::receive::Arrival;
use crate::base::{Context, FourTuple, Outcome, Packet};
use crate::wire::{IcmpQuote, Icmpv4, Icmpv6, protocol};
use std::net::SocketAddr;

/// RFC 879: what every host takes, less what headers may need. No honest
/// router asks for less (RFC 5927 §7.2).
const PATH_MTU_LEAST_V4: u16 = 552;
/// RFC 8201 §4.
const PATH_MTU_LEAST_V6: u16 = 1280;
/// RFC 1191 §7: what to try if a router does not say what it takes.
const PLATEAUS: [u16; 8] = [32_000, 17_914, 8_166, 4_352, 2_002, 1_492, 1_006, 552];

impl<P: Packet> Endpoint<P> {
    /// Says that nobody here takes such a packet: never about one that more
    /// than us received (RFC 1122 §3.2.2, RFC 4443 §2.4).
    pub(super) fn answer_unreachable(&mut self, cx: &mut Context<'_>, arrival: &Arrival, packet: P) {
        // ICMPv6 has no such answer for an unknown protocol in its representation here.
        let answerable = arrival.source.is_ipv4() || arrival.protocol == protocol::UDP;
        if !arrival.to_us_alone || !answerable {
            return;
        }
        if !self.icmp_errors.take(cx.now) {
            return cx.count(Outcome::IcmpRateLimited);
        }
        let code = match arrival.protocol {
            protocol::UDP => Icmpv4::PORT_UNREACHABLE,
            _ => Icmpv4::PROTOCOL_UNREACHABLE,
        };
        let most_bytes =
            if arrival.source.is_ipv4() { Icmpv4::MAX_QUOTE_BYTES } else { Icmpv6::MAX_QUOTE_BYTES };
        let mut quote = packet;
        quote.truncate(most_bytes);
        let v4 = Icmpv4::Unreachable { code, quote: &[] };
        let v6 = Icmpv6::Unreachable { code: Icmpv6::PORT_UNREACHABLE, quote: &[] };
        self.send_icmp(cx, arrival, &v4, &v6, quote);
    }

    /// A segment of ours did not arrive: the connection decides, or the core that
    /// has it.
    pub(super) fn handle_unreachable(&mut self, cx: &mut Context<'_>, quote: Option<IcmpQuote>) {
        match quote {
            Some(quote) if self.is_elsewhere(&quote) => self.publish(CoreMessage::Unreachable(quote)),
            Some(quote) => self.handle_unreachable_here(cx, &quote),
            None => cx.count(Outcome::IcmpNotOurs),
        }
    }

    pub(super) fn handle_unreachable_here(&mut self, cx: &mut Context<'_>, quote: &IcmpQuote) {
        let Some(owner) = self.owner_of_quote(quote) else { return cx.count(Outcome::IcmpNotOurs) };
        cx.count(Outcome::IcmpUnreachableReceived);
        if let Some(connection) = self.touch(owner.connection) {
            connection.handle_unreachable(cx, owner.subflow, quote.sequence);
        }
    }

    /// A segment of ours was too big for a link.
    pub(super) fn handle_too_big(&mut self, cx: &mut Context<'_>, mtu: u32, quote: Option<IcmpQuote>) {
        match quote {
            Some(quote) if self.is_elsewhere(&quote) => self.publish(CoreMessage::TooBig { mtu, quote }),
            Some(quote) => self.handle_too_big_here(cx, mtu, &quote),
            None => cx.count(Outcome::IcmpNotOurs),
        }
    }

    pub(super) fn handle_too_big_here(&mut self, cx: &mut Context<'_>, mtu: u32, quote: &IcmpQuote) {
        let Some(owner) = self.owner_of_quote(quote) else { return cx.count(Outcome::IcmpNotOurs) };
        let connection = self.slot_mut(owner.connection).and_then(|slot| slot.connection());
        let known = connection.filter(|connection| connection.is_in_flight(owner.subflow, quote.sequence));
        let Some(path_mtu) = known.and_then(|connection| connection.path(owner.subflow)).map(|path| path.mtu)
        else {
            return cx.count(Outcome::IcmpNotOurs);
        };
        let Some(mtu) = lowered(path_mtu, mtu, quote.source.is_ipv4()) else {
            return cx.count(Outcome::IcmpIgnored);
        };
        cx.count(Outcome::IcmpPathMtuLowered);
        self.path_mtus.note(cx.now, quote.destination, mtu);
        if let Some(connection) = self.touch(owner.connection) {
            connection.handle_path_mtu(owner.subflow, mtu);
        }
    }

    /// Whether only another core can know of the segment that is quoted.
    fn is_elsewhere(&self, quote: &IcmpQuote) -> bool {
        self.cores.is_some() && self.owner_of_quote(quote).is_none()
    }

    fn owner_of_quote(&self, quote: &IcmpQuote) -> Option<Owner> {
        let tuple = FourTuple {
            local: SocketAddr::new(quote.source, quote.source_port),
            remote: SocketAddr::new(quote.destination, quote.destination_port),
        };
        self.owner_of(&tuple)
    }
}

/// The new path MTU, if the report asks for less than `known`.
fn lowered(known: u16, reported: u32, is_ipv4: bool) -> Option<u16> {
    let least = if is_ipv4 { PATH_MTU_LEAST_V4 } else { PATH_MTU_LEAST_V6 };
    let reported = match u16::try_from(reported).unwrap_or(u16::MAX) {
        0 => PLATEAUS.into_iter().find(|&plateau| plateau < known).unwrap_or(least),
        mtu => mtu,
    };
    Some(reported.max(least)).filter(|&mtu| mtu < known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_mtu_only_falls_and_not_below_the_floor() {
        assert_eq!(lowered(1500, 1400, true), Some(1400));
        assert_eq!(lowered(1500, 1500, true), None);
        assert_eq!(lowered(1500, 9000, true), None);
        assert_eq!(lowered(1500, 68, true), Some(552));
        assert_eq!(lowered(1500, 0, true), Some(1492));
        assert_eq!(lowered(552, 0, true), None);
        assert_eq!(lowered(1500, 1000, false), Some(1280));
        assert_eq!(lowered(1280, 1000, false), None);
        assert_eq!(lowered(9000, 1 << 20, false), None);
    }
}
