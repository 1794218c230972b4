//! What an endpoint is told about its ports and limits, and what it refuses.

use super::address::{is_unicast, link_local};
use super::{PortAddress, Steering};
use crate::base::{AddressId, Duration, PortIndex};
use crate::mptcp;
use crate::wire::MacAddress;
use std::net::IpAddr;
use std::rc::Rc;

/// Settings of one core's host.
#[derive(Clone, Debug)]
pub struct EndpointConfig {
    /// The NIC ports, in the order of [`PortIndex`].
    pub ports: Vec<PortConfig>,
    /// Settings of every connection. Its `addresses` lie on these ports; see
    /// [`local_addresses`].
    pub mptcp: Rc<mptcp::Config>,
    /// What strangers can make grow at most.
    pub limits: Limits,
    /// What this core gets, if it shares the ports with others; `None`: all.
    pub steering: Option<Steering>,
}

/// One NIC port as a host sees it.
#[derive(Clone, Debug)]
pub struct PortConfig {
    /// The name people call it by.
    pub name: String,
    /// Its Ethernet address.
    pub mac: MacAddress,
    /// Largest IP packet in bytes. Below 1280 there is no IPv6.
    pub mtu: u16,
    /// Its addresses. The link-local one of IPv6 comes of itself.
    pub addresses: Vec<PortAddress>,
    /// Where packets go that leave the link.
    pub gateway_v4: Option<IpAddr>,
    /// Where packets go that leave the link.
    pub gateway_v6: Option<IpAddr>,
    /// The VLAN of every frame; `None`: untagged.
    pub vlan: Option<u16>,
    /// Subflows of this port are for when no other is left.
    pub backup: bool,
    /// The port fills in IPv4 header checksums.
    pub tx_ip_checksum: bool,
    /// The port fills in TCP checksums.
    pub tx_tcp_checksum: bool,
    /// Payload bytes of one frame that the port cuts itself (TSO); 0: none.
    pub super_segment_bytes: usize,
}

/// Limits: reaching one is a counted outcome.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections, those in TIME_WAIT counted.
    pub connections: usize,
    /// Listeners.
    pub listeners: usize,
    /// Handshakes not complete, over all listeners.
    pub half_open: usize,
    /// How long a handshake may take before a newer one may push it out.
    pub half_open_grace: Duration,
    /// Neighbours per port.
    pub neighbours: usize,
    /// Frames that wait for one neighbour.
    pub neighbour_frames: usize,
    /// ARP, ND, ICMP and RST frames that wait for room in one port, and frames
    /// that wait for all of its neighbours.
    pub own_frames: usize,
    /// ICMP errors sent per second.
    pub icmp_errors_per_second: u32,
    /// Echo requests answered per second.
    pub icmp_echoes_per_second: u32,
    /// RSTs per second for segments without a connection.
    pub resets_per_second: u32,
    /// Destinations whose path MTU is remembered.
    pub path_mtus: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 65_536,
            listeners: 1_024,
            half_open: 4_096,
            half_open_grace: Duration::from_millis(500),
            neighbours: 1_024,
            neighbour_frames: 64,
            own_frames: 512,
            icmp_errors_per_second: 1_000,
            icmp_echoes_per_second: 10_000,
            resets_per_second: 1_000,
            path_mtus: 1_024,
        }
    }
}

/// Why a configuration is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// There is nothing to send by.
    #[error("no port")]
    NoPort,
    /// A set of ports holds 64.
    #[error("{0} ports: at most 64")]
    TooManyPorts(usize),
    /// The MAC address is a group's or zero.
    #[error("port {port}: {mac} is not the address of one station")]
    MacInvalid {
        /// The port's name.
        port: String,
        /// The address.
        mac: MacAddress,
    },
    /// Smaller than what IPv4 demands of every link (RFC 791), or, with an
    /// address of IPv6, than what that demands (RFC 8200 §5).
    #[error("port {port}: an MTU of {mtu} is below {least}")]
    MtuTooSmall {
        /// The port's name.
        port: String,
        /// The MTU.
        mtu: u16,
        /// The least.
        least: u16,
    },
    /// A host cannot have this address, or the prefix is too long.
    #[error("port {port}: {address}/{prefix_bits} is not an address of a host")]
    AddressInvalid {
        /// The port's name.
        port: String,
        /// The address.
        address: IpAddr,
        /// Its prefix.
        prefix_bits: u8,
    },
    /// Two ports, or one twice, have this address.
    #[error("{0} is configured twice")]
    AddressTwice(IpAddr),
    /// The gateway is of the wrong family or on no link of its port.
    #[error("port {port}: the gateway {gateway} is not on the link")]
    GatewayOffLink {
        /// The port's name.
        port: String,
        /// The gateway.
        gateway: IpAddr,
    },
    /// VLANs are 1 to 4094.
    #[error("port {port}: there is no VLAN {vlan}")]
    VlanInvalid {
        /// The port's name.
        port: String,
        /// The VLAN.
        vlan: u16,
    },
    /// A port that cuts must fill in checksums; IP packets have 16 bits of length.
    #[error("port {port}: cannot cut super-segments of {bytes} bytes")]
    SuperSegmentInvalid {
        /// The port's name.
        port: String,
        /// The size.
        bytes: usize,
    },
    /// An address for MPTCP lies on no port, or on another.
    #[error("the address {0} for MPTCP is not on its port")]
    MptcpAddressUnknown(IpAddr),
    /// Ids of addresses are unique and not 0, which is the initial subflow's.
    #[error("the address id {} is 0 or given twice", .0.0)]
    AddressIdInvalid(AddressId),
}

/// Gives every configured address an id of its own from 1 on: 0 always means
/// the address of the initial subflow (RFC 8684 §3.2). Addresses beyond 255
/// get none and take no part in joins.
pub fn local_addresses(ports: &[PortConfig]) -> Vec<mptcp::LocalAddress> {
    let of_port = |(index, port): (usize, &PortConfig)| {
        let (port_index, backup) = (PortIndex(index as u8), port.backup);
        port.addresses.iter().map(move |at| (at.address, port_index, backup)).collect::<Vec<_>>()
    };
    let all = ports.iter().enumerate().flat_map(of_port).filter(|(address, ..)| !is_link_local(*address));
    all.zip(1..=u8::MAX)
        .map(|((address, port, backup), id)| mptcp::LocalAddress { id: AddressId(id), address, port, backup })
        .collect()
}

/// Whether an address means something on one link only.
pub(super) const fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

impl PortConfig {
    /// Every address of the port: the configured ones and, where the link
    /// carries IPv6, the link-local one of its MAC address.
    pub(super) fn all_addresses(&self) -> Vec<PortAddress> {
        let mut all = self.addresses.clone();
        let own = PortAddress { address: link_local(self.mac).into(), prefix_bits: 64 };
        if self.mtu >= MTU_LEAST_V6 && !all.iter().any(|at| at.address == own.address) {
            all.push(own);
        }
        all
    }

    fn check(&self) -> Result<(), ConfigError> {
        let port = || self.name.clone();
        if !self.mac.is_unicast() {
            return Err(ConfigError::MacInvalid { port: port(), mac: self.mac });
        }
        let least =
            if self.addresses.iter().any(|at| at.address.is_ipv6()) { MTU_LEAST_V6 } else { MTU_LEAST_V4 };
        if self.mtu < least {
            return Err(ConfigError::MtuTooSmall { port: port(), mtu: self.mtu, least });
        }
        if let Some(vlan) = self.vlan.filter(|vlan| !(1..=4094).contains(vlan)) {
            return Err(ConfigError::VlanInvalid { port: port(), vlan });
        }
        let bytes = self.super_segment_bytes;
        if bytes > 0 && !(self.tx_tcp_checksum && bytes <= SUPER_SEGMENT_MOST) {
            return Err(ConfigError::SuperSegmentInvalid { port: port(), bytes });
        }
        self.addresses.iter().try_for_each(|at| self.check_address(at))?;
        let gateways = [(self.gateway_v4, true), (self.gateway_v6, false)];
        gateways.into_iter().try_for_each(|(gateway, v4)| self.check_gateway(gateway, v4))
    }

    fn check_address(&self, at: &PortAddress) -> Result<(), ConfigError> {
        let bits = if at.address.is_ipv4() { 32 } else { 128 };
        if is_unicast(at.address) && at.prefix_bits <= bits && !at.is_broadcast(at.address) {
            return Ok(());
        }
        let (port, address, prefix_bits) = (self.name.clone(), at.address, at.prefix_bits);
        Err(ConfigError::AddressInvalid { port, address, prefix_bits })
    }

    fn check_gateway(&self, gateway: Option<IpAddr>, v4: bool) -> Result<(), ConfigError> {
        let Some(gateway) = gateway else { return Ok(()) };
        let on_link = self.all_addresses().iter().any(|at| at.covers(gateway) && at.address != gateway);
        if gateway.is_ipv4() == v4 && is_unicast(gateway) && on_link {
            return Ok(());
        }
        Err(ConfigError::GatewayOffLink { port: self.name.clone(), gateway })
    }
}

/// RFC 791 demands 68 of a link; what a TCP segment with 40 bytes of options
/// and some payload needs is more.
const MTU_LEAST_V4: u16 = 552;
/// RFC 8200 §5.
pub(super) const MTU_LEAST_V6: u16 = 1280;
/// The IP length field, less the largest headers.
pub(super) const SUPER_SEGMENT_MOST: usize = 65_535 - 100;

impl EndpointConfig {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.ports.is_empty() {
            return Err(ConfigError::NoPort);
        }
        if self.ports.len() > 64 {
            return Err(ConfigError::TooManyPorts(self.ports.len()));
        }
        self.ports.iter().try_for_each(PortConfig::check)?;
        let mut seen = Vec::new();
        for at in self.ports.iter().flat_map(PortConfig::all_addresses) {
            if seen.contains(&at.address) {
                return Err(ConfigError::AddressTwice(at.address));
            }
            seen.push(at.address);
        }
        self.check_mptcp()
    }

    fn check_mptcp(&self) -> Result<(), ConfigError> {
        let mut ids = vec![AddressId(0)];
        for local in &self.mptcp.addresses {
            let port = self.ports.get(usize::from(local.port.0));
            if !port.is_some_and(|port| port.addresses.iter().any(|at| at.address == local.address)) {
                return Err(ConfigError::MptcpAddressUnknown(local.address));
            }
            if ids.contains(&local.id) {
                return Err(ConfigError::AddressIdInvalid(local.id));
            }
            ids.push(local.id);
        }
        Ok(())
    }
}
