//! Neighbour discovery (RFC 4861): the bodies of its four messages and the
//! options with hardware addresses.

use super::v6::{Icmpv6, kind};
use crate::wire::field::Fields;
use crate::wire::{MacAddress, solicited_node};
use arrayvec::ArrayVec;
use std::net::Ipv6Addr;

/// What follows the first eight bytes of a message of ours.
type Body = ArrayVec<u8, 24>;

const SOURCE_MAC: u8 = 1;
const TARGET_MAC: u8 = 2;

const ROUTER: u8 = 0x80;
const SOLICITED: u8 = 0x40;
const OVERRIDE: u8 = 0x20;

/// Parses a message. `None`: it is one that RFC 4861 has discarded.
pub(super) fn parse<'a>(
    kind: u8,
    rest: [u8; 4],
    body: &[u8],
    source: Ipv6Addr,
    destination: Ipv6Addr,
) -> Option<Icmpv6<'a>> {
    let mut fields = Fields::new(body);
    match kind {
        kind::ROUTER_SOLICITATION => parse_router_solicitation(body, source),
        kind::ROUTER_ADVERTISEMENT => parse_router_advertisement(rest, &mut fields, source),
        kind::NEIGHBOUR_SOLICITATION => parse_solicitation(&mut fields, source, destination),
        kind::NEIGHBOUR_ADVERTISEMENT => parse_advertisement(rest, &mut fields, destination),
        _ => None,
    }
}

/// RFC 4861 §6.1.1.
fn parse_router_solicitation<'a>(options: &[u8], source: Ipv6Addr) -> Option<Icmpv6<'a>> {
    let source_mac = find_option(options, SOURCE_MAC)?;
    let valid = !source.is_unspecified() || source_mac.is_none();
    valid.then_some(Icmpv6::RouterSolicitation { source_mac })
}

/// RFC 4861 §6.1.2.
fn parse_router_advertisement<'a>(
    rest: [u8; 4],
    fields: &mut Fields<'_>,
    source: Ipv6Addr,
) -> Option<Icmpv6<'a>> {
    let [_hop_limit, _flags, high, low] = rest;
    let _reachable_and_retransmit_ms = fields.u64()?;
    let source_mac = find_option(fields.rest(), SOURCE_MAC)?;
    let lifetime_s = u16::from_be_bytes([high, low]);
    source.is_unicast_link_local().then_some(Icmpv6::RouterAdvertisement { lifetime_s, source_mac })
}

/// RFC 4861 §7.1.1.
fn parse_solicitation<'a>(
    fields: &mut Fields<'_>,
    source: Ipv6Addr,
    destination: Ipv6Addr,
) -> Option<Icmpv6<'a>> {
    let target = Ipv6Addr::from(fields.array::<16>()?);
    let source_mac = find_option(fields.rest(), SOURCE_MAC)?;
    // Who has no address yet asks the group whether it is taken.
    let valid = !source.is_unspecified() || (destination == solicited_node(target) && source_mac.is_none());
    (valid && !target.is_multicast()).then_some(Icmpv6::NeighbourSolicitation { target, source_mac })
}

/// RFC 4861 §7.1.2.
fn parse_advertisement<'a>(
    rest: [u8; 4],
    fields: &mut Fields<'_>,
    destination: Ipv6Addr,
) -> Option<Icmpv6<'a>> {
    let target = Ipv6Addr::from(fields.array::<16>()?);
    let target_mac = find_option(fields.rest(), TARGET_MAC)?;
    let [flags, ..] = rest;
    let solicited = flags & SOLICITED != 0;
    // An answer goes to who asked, not to a group.
    if target.is_multicast() || (destination.is_multicast() && solicited) {
        return None;
    }
    Some(Icmpv6::NeighbourAdvertisement {
        target,
        router: flags & ROUTER != 0,
        solicited,
        overriding: flags & OVERRIDE != 0,
        target_mac,
    })
}

/// The hardware address in the first option of kind `wanted`, if there is one.
/// The outer `None`: an option has no length or does not end.
fn find_option(mut options: &[u8], wanted: u8) -> Option<Option<MacAddress>> {
    let mut found = None;
    while !options.is_empty() {
        let mut fields = Fields::new(options);
        let [kind, length] = fields.array()?;
        // RFC 4861 §4.6: a length of 0 discards the packet.
        let length_bytes = usize::from(length) * 8;
        options = options.get(length_bytes..).filter(|_| length != 0)?;
        if kind == wanted && length == 1 && found.is_none() {
            found = fields.array().map(MacAddress);
        }
    }
    Some(found)
}

/// The flags of an advertisement and what is reserved behind them.
pub(super) const fn flags(router: bool, solicited: bool, overriding: bool) -> [u8; 4] {
    let router = if router { ROUTER } else { 0 };
    let solicited = if solicited { SOLICITED } else { 0 };
    let overriding = if overriding { OVERRIDE } else { 0 };
    [router | solicited | overriding, 0, 0, 0]
}

/// What follows the first eight bytes of `message`; nothing for others than
/// neighbour discovery.
pub(super) fn body(message: &Icmpv6<'_>) -> Body {
    let mut body = Body::new();
    let (kind, mac) = match *message {
        Icmpv6::RouterSolicitation { source_mac } => (SOURCE_MAC, source_mac),
        Icmpv6::RouterAdvertisement { source_mac, .. } => {
            body.extend([0; 8]);
            (SOURCE_MAC, source_mac)
        }
        Icmpv6::NeighbourSolicitation { target, source_mac } => {
            body.extend(target.octets());
            (SOURCE_MAC, source_mac)
        }
        Icmpv6::NeighbourAdvertisement { target, target_mac, .. } => {
            body.extend(target.octets());
            (TARGET_MAC, target_mac)
        }
        _ => return body,
    };
    if let Some(mac) = mac {
        body.extend([kind, 1]);
        body.extend(mac.0);
    }
    body
}
