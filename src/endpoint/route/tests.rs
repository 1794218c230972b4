use super::*;
use crate::base::Random;
use crate::endpoint::keyed_hash::KeyedHash;
use crate::endpoint::{Limits, PortAddress, PortConfig};
use crate::wire::MacAddress;

/// Two ports: 10.0.0.1/24 with a gateway, and 10.0.1.1/24 and 10.0.1.129/25
/// without one. Both have IPv6.
fn ports() -> Vec<Port<()>> {
    let config = |last: u8, addresses: &[(&str, u8)], gateway: Option<&str>| PortConfig {
        name: format!("port{last}"),
        mac: MacAddress([2, 0, 0, 0, 0, last]),
        mtu: 1500,
        addresses: addresses
            .iter()
            .map(|(address, prefix_bits)| PortAddress {
                address: address.parse().unwrap(),
                prefix_bits: *prefix_bits,
            })
            .collect(),
        gateway_v4: gateway.map(|gateway| gateway.parse().unwrap()),
        gateway_v6: None,
        vlan: None,
        backup: false,
        tx_ip_checksum: false,
        tx_tcp_checksum: false,
        super_segment_bytes: 0,
    };
    let first = config(1, &[("10.0.0.1", 24), ("2001:db8::1", 64)], Some("10.0.0.254"));
    let second = config(2, &[("10.0.1.1", 24), ("10.0.1.129", 25)], None);
    let hash = KeyedHash::new(&mut Random::from_number(1));
    let port = |(index, config)| Port::new(PortIndex(index as u8), config, &Limits::default(), hash.clone());
    [first, second].into_iter().enumerate().map(port).collect()
}

fn way(source: &str, destination: &str) -> Option<(u8, String)> {
    let found = route(&ports(), source.parse().unwrap(), destination.parse().unwrap());
    found.map(|route| (route.port.0, route.next_hop.to_string()))
}

fn source(destination: &str) -> Option<String> {
    choose_source(&ports(), destination.parse().unwrap()).map(|source| source.to_string())
}

#[test]
fn the_source_decides_the_port() {
    assert_eq!(way("10.0.0.1", "10.0.0.7"), Some((0, "10.0.0.7".into())));
    assert_eq!(way("10.0.0.1", "10.0.1.7"), Some((0, "10.0.0.254".into())));
    assert_eq!(way("10.0.1.1", "10.0.1.7"), Some((1, "10.0.1.7".into())));
    assert_eq!(way("10.0.1.1", "10.0.0.7"), None, "no gateway");
    assert_eq!(way("10.0.9.9", "10.0.0.7"), None, "not ours");
    assert_eq!(way("10.0.0.1", "10.0.1.1"), None, "ourselves");
    assert_eq!(way("10.0.0.1", "2001:db8::7"), None, "another family");
    assert_eq!(way("10.0.0.1", "10.0.0.255"), None, "everybody");
}

#[test]
fn link_local_addresses_stay_on_the_link() {
    assert_eq!(way("2001:db8::1", "fe80::7"), Some((0, "fe80::7".into())));
    assert_eq!(way("fe80::ff:fe00:2", "fe80::7"), Some((1, "fe80::7".into())));
    assert_eq!(way("2001:db8::1", "2001:db8:1::7"), None);
    assert_eq!(source("fe80::7"), None, "which link?");
}

#[test]
fn the_nearest_address_is_the_source() {
    assert_eq!(source("10.0.0.7").as_deref(), Some("10.0.0.1"));
    assert_eq!(source("10.0.1.7").as_deref(), Some("10.0.1.1"));
    assert_eq!(source("10.0.1.200").as_deref(), Some("10.0.1.129"));
    assert_eq!(source("192.0.2.1").as_deref(), Some("10.0.0.1"));
    assert_eq!(source("2001:db8::7").as_deref(), Some("2001:db8::1"));
    assert_eq!(source("2001:db8:1::7"), None);
}

#[test]
fn a_port_without_link_comes_last() {
    let mut ports = ports();
    ports[1].config.gateway_v4 = Some("10.0.1.254".parse().unwrap());
    let destination = "192.0.2.1".parse().unwrap();
    assert_eq!(choose_source(&ports, destination), Some("10.0.0.1".parse().unwrap()));
    ports[0].link_up = false;
    assert_eq!(choose_source(&ports, destination), Some("10.0.1.1".parse().unwrap()));
    ports[1].link_up = false;
    assert_eq!(choose_source(&ports, destination), Some("10.0.0.1".parse().unwrap()));
}
