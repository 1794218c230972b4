//! What a port says of its queues, its rules and its node, by drivers that need
//! neither root nor a NIC.
#![cfg(feature = "dpdk")]
#![allow(unsafe_code)]

mod dpdk_support;

use dpdk_support::{eal, open, pools};
use mpdk::base::FourTuple;
use mpdk::dpdk::{DeviceAddress, Error, Pool, PoolConfig, PoolKind, Port, PortConfig, ReceiveSpread};

fn two_queues() -> PortConfig {
    PortConfig { queues: 2, receive_descriptors: 512, ..PortConfig::default() }
}

/// A port with queues that nobody uses.
fn open_port(device: &str, config: &PortConfig, pools: &(Pool, Pool)) -> Port {
    let address: DeviceAddress = device.parse().unwrap();
    Port::open(&eal(), &address, config, &pools.0, &pools.1).unwrap().0
}

#[test]
fn a_spread_is_what_was_asked_for() {
    let pools = pools(&eal(), "spread");
    let key: [u8; ReceiveSpread::KEY_BYTES] = std::array::from_fn(|at| at as u8 + 1);
    for queues in [2, 3] {
        let config = PortConfig { queues, hash_key: Some(key), ..two_queues() };
        let port = open_port("net_null0", &config, &pools);
        let spread = port.spread().expect("net_null keeps what it is told");
        assert_eq!(spread.key, key);
        assert!(spread.queues.len().is_power_of_two() && spread.queues.len() >= 64);
        for queue in 0..queues {
            let share = spread.queues.iter().filter(|&&found| found == queue).count();
            let even = spread.queues.len() / usize::from(queues);
            assert!((even..=even + 1).contains(&share), "queue {queue} has {share}");
        }
        assert_eq!(spread.queues[0], 0, "what is not hashed goes to the first");
    }
}

#[test]
fn keys_are_drawn_and_one_queue_has_no_spread() {
    let pools = pools(&eal(), "keys");
    let key = |number: u32| {
        let port = open_port(&format!("net_null{number}"), &two_queues(), &pools);
        port.spread().unwrap().key
    };
    assert_ne!(key(1), key(1));
    let (port, _) = open(&eal(), "net_null2", &PortConfig::default(), &pools);
    assert_eq!(port.spread(), None);
    let port = open_port("net_ring0", &two_queues(), &pools);
    assert_eq!(port.spread(), None, "this driver does not hash");
}

#[test]
fn drivers_without_rules_refuse_them() {
    let pools = pools(&eal(), "rules");
    let flow = FourTuple { local: "10.0.0.1:80".parse().unwrap(), remote: "10.0.0.2:5000".parse().unwrap() };
    let folder = tempfile::tempdir().unwrap();
    let vhost = format!("net_vhost0,iface={}/x.sock,queues=2", folder.path().display());
    for device in ["net_null3", "net_ring1", &vhost] {
        let port = open_port(device, &two_queues(), &pools);
        assert!(!port.takes_flow_rules());
        let error = port.steer(&flow, 1).unwrap_err();
        assert!(matches!(error, Error::Unsupported { .. }), "{error:?}");
        assert!(error.to_string().contains("takes no flow rules: "), "{error}");
    }
}

#[test]
fn memory_lies_on_a_node_that_there_is() {
    let eal = eal();
    let make =
        |name: &str, node, kind| Pool::new(&eal, &PoolConfig { node, kind, ..PoolConfig::receive(name, 64) });
    for kind in [PoolKind::Exported, PoolKind::Ordinary] {
        let pool = make("node-0", Some(0), kind).unwrap();
        assert_eq!(pool.available(), 64);
        let error = make("node-31", Some(31), kind).unwrap_err();
        assert!(matches!(error, Error::Config { key: "node", .. }), "{error:?}");
        assert!(error.to_string().contains("no NUMA node 31"), "{error}");
    }
    let pools = pools(&eal, "node");
    let port = open_port("net_null4", &PortConfig::default(), &pools);
    assert!(port.node().is_none_or(|node| node == 0), "{:?}", port.node());
    assert_eq!(eal.node_of(&"0000:fe:1f.7".parse().unwrap()), None, "there is no such device");
}
