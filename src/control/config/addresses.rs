//! The addresses of a port and the routers next to it.

use super::reader::{Located, Notes, Section};
use super::settings::Subnet;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

/// Addresses of a port at most.
const MAX_ADDRESSES: usize = 16;

/// `addresses`: at least one, each a host's own address with its prefix.
pub(super) fn read_subnets(section: &mut Section<'_>, notes: &Notes) -> Vec<Located<Subnet>> {
    let key = section.path("addresses");
    let texts = section.strings("addresses");
    let line = section.line_of("addresses");
    let Some(texts) = texts else {
        if section.is_missing("addresses") {
            notes.problem(line, key, "is missing");
        }
        return Vec::new();
    };
    if texts.is_empty() || texts.len() > MAX_ADDRESSES {
        notes.problem(line, &key, format!("{} addresses: from 1 to {MAX_ADDRESSES}", texts.len()));
    }
    let mut subnets = Vec::new();
    for text in texts {
        match parse_subnet(&text.value) {
            Ok(value) => subnets.push(Located { value, line: text.line }),
            Err(message) => notes.problem(text.line, &key, message),
        }
    }
    subnets
}

fn parse_subnet(text: &str) -> Result<Subnet, String> {
    let (address, prefix) =
        text.split_once('/').ok_or_else(|| format!("\"{text}\" has no prefix length: \"{text}/24\""))?;
    let address: IpAddr = address.parse().map_err(|_| format!("\"{address}\" is no IP address"))?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let prefix = prefix.parse().ok().filter(|bits| (1..=longest).contains(bits));
    let prefix = prefix.ok_or_else(|| format!("\"{text}\" has no prefix length from 1 to {longest}"))?;
    let subnet = Subnet { address, prefix };
    match why_no_host(&subnet) {
        Some(what) => Err(format!("{text} is {what}, not the address of a host")),
        None => Ok(subnet),
    }
}

/// Why an address cannot be a host's own, if it cannot.
fn why_no_host(subnet: &Subnet) -> Option<&'static str> {
    match subnet.address {
        address if address.is_unspecified() => Some("the unspecified address"),
        address if address.is_loopback() => Some("a loopback address"),
        address if address.is_multicast() => Some("a multicast address"),
        IpAddr::V4(own) if own.is_broadcast() => Some("the broadcast address"),
        IpAddr::V4(own) => why_no_host_v4(own, subnet),
        IpAddr::V6(own) if own.is_unicast_link_local() => {
            Some("a link-local address (an endpoint makes its own)")
        }
        // RFC 4291 §2.6.1; subnets of one link between two routers are RFC 6164's.
        IpAddr::V6(_) if subnet.prefix < 127 && subnet.network() == subnet.address => {
            Some("a subnet's anycast address")
        }
        IpAddr::V6(own) if own.to_ipv4_mapped().is_some() => Some("an IPv4-mapped address"),
        IpAddr::V6(_) => None,
    }
}

/// The first and last address of an IPv4 subnet are not a host's, except on
/// links of two (RFC 3021).
fn why_no_host_v4(own: Ipv4Addr, subnet: &Subnet) -> Option<&'static str> {
    if subnet.prefix >= 31 {
        return None;
    }
    let host_bits = u32::MAX >> subnet.prefix;
    match u32::from(own) & host_bits {
        0 => Some("the network's address"),
        bits if bits == host_bits => Some("the network's broadcast address"),
        _ => None,
    }
}

/// `gateway` or `gateway6`: a neighbour in one of the port's subnets.
pub(super) fn read_gateway<A: FromStr + Into<IpAddr> + Copy>(
    section: &mut Section<'_>,
    notes: &Notes,
    key: &'static str,
    what: &str,
    subnets: &[Located<Subnet>],
) -> Option<A> {
    let text = section.string(key)?;
    let path = section.path(key);
    let Ok(gateway) = text.value.parse::<A>() else {
        notes.problem(
            text.line,
            path,
            format!("\"{}\" is no {}", text.value, what.trim_start_matches("an ")),
        );
        return None;
    };
    let address: IpAddr = gateway.into();
    // A router's link-local address is the usual IPv6 next hop, and on every link.
    let link_local = matches!(address, IpAddr::V6(address) if address.is_unicast_link_local());
    if subnets.iter().any(|subnet| subnet.value.address == address) {
        notes.problem(text.line, path, format!("{address} is the port's own address"));
    } else if !link_local && !subnets.iter().any(|subnet| subnet.value.contains(address)) {
        let all: Vec<_> = subnets.iter().map(|subnet| subnet.value.to_string()).collect();
        let message = format!("{address} is in no subnet of the port ({})", all.join(", "));
        notes.problem(text.line, path, message);
    }
    Some(gateway)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_addresses_of_hosts() {
        for text in
            ["10.1.1.2/24", "10.0.0.0/31", "10.0.0.1/32", "fd00:1::2/64", "fd00::/127", "2001:db8::1/128"]
        {
            assert_eq!(parse_subnet(text).map(|subnet| subnet.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn refuses_addresses_that_no_host_has() {
        let cases = [
            ("10.1.1.2", "has no prefix length: \"10.1.1.2/24\""),
            ("10.1.1/24", "is no IP address"),
            ("10.1.1.2/33", "has no prefix length from 1 to 32"),
            ("fd00::1/0", "has no prefix length from 1 to 128"),
            ("10.1.1.0/24", "the network's address"),
            ("10.1.1.255/24", "the network's broadcast address"),
            ("127.0.0.1/8", "a loopback address"),
            ("224.0.0.1/24", "a multicast address"),
            ("0.0.0.0/8", "the unspecified address"),
            ("fe80::1/64", "a link-local address"),
            ("fd00::/64", "a subnet's anycast address"),
            ("::ffff:10.0.0.1/120", "an IPv4-mapped address"),
        ];
        for (text, expected) in cases {
            let message = parse_subnet(text).unwrap_err();
            assert!(message.contains(expected), "{text}: {message}");
        }
    }
}
