//! From a configuration and opened ports to an engine.

use super::device::DeviceKind;
use super::settings::{Config, Port};
use crate::base::{CoreIndex, PortSet, Spread};
use crate::control::statistics_folder;
use crate::device::{Capabilities, Device};
use crate::endpoint::{EndpointConfig, Limits, MacAddress, PortAddress, PortConfig, Steering};
use crate::engine;
use crate::mptcp;
use std::net::IpAddr;
use std::rc::Rc;

/// Bytes of one block of a client's arena, and of one that would otherwise have
/// more blocks than an arena may.
const BLOCK_BYTES: u32 = 16_384;
const LARGE_BLOCK_BYTES: u32 = 32_768;
const BLOCKS_MOST: u64 = 65_536;
/// Ethernet with a VLAN tag, IPv6, and TCP with every option.
const HEADER_BYTES_MOST: u32 = 18 + 40 + 60;
/// IP packets have 16 bits of length; the headers count.
const SUPER_SEGMENT_BYTES_MOST: u32 = 65_535 - HEADER_BYTES_MOST;

/// One core among those of an endpoint.
#[derive(Clone, Debug, Default)]
pub struct CorePlace {
    /// Which one it is, in the order of the configuration.
    pub core: CoreIndex,
    /// How each port spreads what it receives over the cores, if that is known.
    pub spreads: Vec<Option<Spread>>,
    /// Ports on another NUMA node.
    pub far_ports: PortSet,
}

impl Config {
    /// One core's host over `devices`, which are its queues of the configured
    /// ports in their order.
    pub fn endpoint<D: Device>(&self, devices: &[D], place: &CorePlace) -> EndpointConfig {
        let cores = self.eal.cores.len();
        // What strangers can make grow is divided.
        let connections = (self.engine.max_connections as usize).div_ceil(cores.max(1));
        let far_ports = if self.mptcp.prefer_near_ports { place.far_ports } else { PortSet::EMPTY };
        EndpointConfig {
            ports: self.ports.iter().zip(devices).map(|(port, device)| endpoint_port(port, device)).collect(),
            mptcp: Rc::new(mptcp::Config { far_ports, ..self.mptcp() }),
            limits: Limits { connections, ..Limits::default() },
            steering: (cores > 1).then(|| Steering {
                core: place.core,
                cores: cores as u8,
                spreads: place.spreads.clone(),
            }),
        }
    }

    /// How the engine's thread runs.
    pub fn engine(&self) -> engine::EngineConfig {
        let settings = engine::Settings {
            spin: self.engine.spin,
            backlog: self.engine.backlog,
            never_sleep: self.engine.never_sleep,
            // Half of the buffers always wait for frames or are on their way.
            held_buffers: self.engine.packet_buffers as usize / 2 / self.eal.cores.len().max(1),
            ..engine::Settings::default()
        };
        engine::EngineConfig {
            settings,
            cpus: self.pinned_cores().iter().map(|&cpu| cpu.into()).collect(),
            statistics: Some(statistics_folder(&self.eal.file_prefix)),
        }
    }

    /// The cores that the file names. Those that it does not are no wish: two
    /// endpoints on one machine must not meet on the default.
    pub fn pinned_cores(&self) -> &[u16] {
        let is_default = self.defaults.iter().any(|default| default.key == "eal.cores");
        if is_default { &[] } else { &self.eal.cores }
    }

    /// How much memory one client shares with one core's engine.
    pub fn region(&self) -> engine::RegionConfig {
        let of_core = |mb: u32| arena(mb.div_ceil(self.eal.cores.len().max(1) as u32));
        let (transmit_blocks, transmit_block_bytes) = of_core(self.engine.transmit_arena_mb);
        let (receive_blocks, receive_block_bytes) = of_core(self.engine.receive_arena_mb);
        // Room for a descriptor of every block at once.
        let entries = (transmit_blocks + receive_blocks).next_power_of_two().clamp(2_048, 65_536);
        engine::RegionConfig {
            submission_entries: entries,
            completion_entries: entries,
            transmit_blocks,
            transmit_block_bytes,
            receive_blocks,
            receive_block_bytes,
        }
    }

    /// How much of the engine one client may use.
    pub fn client_limits(&self) -> engine::Limits {
        engine::Limits {
            connections: self.engine.max_connections as usize,
            backlog: self.engine.backlog,
            in_place_buffers: self.engine.receive_in_place_buffers,
            ..engine::Limits::default()
        }
    }
}

/// Blocks of an arena, and the bytes of one.
fn arena(mb: u32) -> (u32, u32) {
    let bytes = u64::from(mb) << 20;
    let block_bytes =
        if bytes / u64::from(BLOCK_BYTES) > BLOCKS_MOST { LARGE_BLOCK_BYTES } else { BLOCK_BYTES };
    ((bytes / u64::from(block_bytes)).min(BLOCKS_MOST) as u32, block_bytes)
}

impl Port {
    /// The address to give to the device, if it shall not keep its own.
    pub fn device_mac(&self) -> Option<[u8; 6]> {
        self.mac.filter(|_| self.device.kind != DeviceKind::Tap)
    }

    /// The endpoint's address on a device that has `device_mac`. A TAP's is the
    /// kernel's at the other end of the wire, and the two must differ.
    fn own_mac(&self, device_mac: [u8; 6]) -> [u8; 6] {
        if self.device.kind != DeviceKind::Tap {
            return device_mac;
        }
        self.mac.unwrap_or_else(|| {
            let [first, middle @ .., last] = device_mac;
            let [second, third, fourth, fifth] = middle;
            // Locally administered.
            [first | 2, second, third, fourth, fifth, last ^ 1]
        })
    }
}

fn endpoint_port<D: Device>(port: &Port, device: &D) -> PortConfig {
    let capabilities = device.capabilities();
    let address =
        |subnet: &super::Subnet| PortAddress { address: subnet.address, prefix_bits: subnet.prefix };
    PortConfig {
        name: port.name.clone(),
        mac: MacAddress(port.own_mac(device.mac())),
        mtu: capabilities.mtu,
        addresses: port.addresses.iter().map(address).collect(),
        gateway_v4: port.gateway.map(IpAddr::V4),
        gateway_v6: port.gateway6.map(IpAddr::V6),
        vlan: port.vlan,
        backup: port.backup,
        tx_ip_checksum: capabilities.transmit_ip_checksum,
        tx_tcp_checksum: capabilities.transmit_tcp_checksum,
        super_segment_bytes: super_segment_bytes(port, capabilities),
    }
}

/// Payload of one super-frame that the port cuts; 0 if it does not cut what its
/// addresses speak.
fn super_segment_bytes(port: &Port, capabilities: &Capabilities) -> usize {
    let cuts = |subnet: &super::Subnet| capabilities.segmentation.covers(subnet.address.is_ipv6());
    if !capabilities.transmit_tcp_checksum || !port.addresses.iter().all(cuts) {
        return 0;
    }
    capabilities.max_frame_bytes.saturating_sub(HEADER_BYTES_MOST).min(SUPER_SEGMENT_BYTES_MOST) as usize
}
