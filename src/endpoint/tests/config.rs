use super::*;
use crate::base::{AddressId, Context, Counters, HeapPacket, Instant, PortIndex, Random};

fn check(change: impl FnOnce(&mut EndpointConfig)) -> Result<(), ConfigError> {
    let mut config = endpoint_config(1, 2);
    change(&mut config);
    let cx = &mut Context {
        now: Instant::ZERO,
        random: &mut Random::from_number(1),
        counters: &mut Counters::new(),
    };
    Endpoint::<HeapPacket>::new(config, cx).map(|_| ())
}

#[test]
fn takes_what_is_consistent() {
    assert_eq!(check(|_| {}), Ok(()));
    assert_eq!(check(|config| config.ports[0].gateway_v4 = Some([10, 0, 0, 254].into())), Ok(()));
    assert_eq!(check(|config| config.ports[0].gateway_v6 = Some("fe80::1".parse().unwrap())), Ok(()));
}

#[test]
fn names_what_is_not() {
    assert_eq!(check(|config| config.ports.clear()), Err(ConfigError::NoPort));
    let invalid = check(|config| config.ports[0].mac = MacAddress([1, 0, 0, 0, 0, 1])).unwrap_err();
    assert_eq!(invalid.to_string(), "port port0: 01:00:00:00:00:01 is not the address of one station");
    let small = check(|config| config.ports[1].mtu = 1279).unwrap_err();
    assert_eq!(small.to_string(), "port port1: an MTU of 1279 is below 1280");
    let vlan = check(|config| config.ports[0].vlan = Some(4095)).unwrap_err();
    assert_eq!(vlan.to_string(), "port port0: there is no VLAN 4095");
    let broadcast = PortAddress { address: [10, 9, 0, 255].into(), prefix_bits: 24 };
    let invalid = check(|config| config.ports[0].addresses.push(broadcast)).unwrap_err();
    assert_eq!(invalid.to_string(), "port port0: 10.9.0.255/24 is not an address of a host");
    let twice = check(|config| config.ports[1].addresses = config.ports[0].addresses.clone());
    assert_eq!(twice, Err(ConfigError::AddressTwice([10, 0, 0, 1].into())));
    let gateway = check(|config| config.ports[0].gateway_v4 = Some([10, 1, 0, 254].into())).unwrap_err();
    assert_eq!(gateway.to_string(), "port port0: the gateway 10.1.0.254 is not on the link");
    let cutting = check(|config| config.ports[0].super_segment_bytes = 1 << 14).unwrap_err();
    assert_eq!(cutting.to_string(), "port port0: cannot cut super-segments of 16384 bytes");
    // Equal link-local addresses.
    let twice = check(|config| config.ports[1].mac = config.ports[0].mac);
    assert!(matches!(twice, Err(ConfigError::AddressTwice(_))));
}

#[test]
fn mptcp_addresses_lie_on_their_ports() {
    let change = |change: fn(&mut LocalAddress)| {
        check(|config| {
            let mut mptcp = (*config.mptcp).clone();
            change(&mut mptcp.addresses[0]);
            config.mptcp = Rc::new(mptcp);
        })
    };
    let elsewhere = change(|local| local.port = PortIndex(1));
    assert_eq!(elsewhere, Err(ConfigError::MptcpAddressUnknown([10, 0, 0, 1].into())));
    assert_eq!(change(|local| local.id = AddressId(0)), Err(ConfigError::AddressIdInvalid(AddressId(0))));
    let twice = change(|local| local.id = AddressId(2)).unwrap_err();
    assert_eq!(twice.to_string(), "the address id 2 is 0 or given twice");
}

#[test]
fn every_address_gets_an_id() {
    let mut ports = vec![port_config(1, 0), port_config(1, 1)];
    ports[1].backup = true;
    ports[0].addresses.push(PortAddress { address: "fe80::5".parse().unwrap(), prefix_bits: 64 });
    let locals = local_addresses(&ports);
    assert_eq!(locals.iter().map(|local| local.id.0).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(locals.iter().map(|local| local.port.0).collect::<Vec<_>>(), [0, 0, 1, 1]);
    assert_eq!(locals.iter().map(|local| local.backup).collect::<Vec<_>>(), [false, false, true, true]);
}
