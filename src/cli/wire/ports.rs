//! From a configuration to opened pairs of ports.

use crate::cli::ports::eal_config;
use crate::cli::start::Failure;
use crate::control::{WireConfig, WireDevice, WireLink};
use crate::dpdk::{
    DeviceAddress, DpdkDevice, Eal, OffloadRequest, Pool, PoolConfig, PoolKind, Port, PortConfig,
};

/// Frames are sent from the buffers they came in: none is built.
const TRANSMIT_BUFFERS: u32 = 64;

/// Starts DPDK and opens the ports of each link. For the thread that will use
/// them.
///
/// # Errors
/// What DPDK says, with the port's name.
pub(super) fn open(config: &WireConfig) -> Result<Vec<[DpdkDevice; 2]>, Failure> {
    let ports = config.links.iter().flat_map(|link| &link.ports);
    let addresses: Vec<DeviceAddress> =
        ports.map(|port| port.device.text.parse()).collect::<Result<_, _>>()?;
    let eal = Eal::start(&eal_config(&config.eal, config.pinned_cores()).for_devices(&addresses))?;
    let receive = PoolConfig {
        kind: PoolKind::Ordinary,
        ..PoolConfig::receive("receive", config.packet_buffers).for_devices(&addresses)
    };
    let receive = Pool::new(&eal, &receive)?;
    let transmit = Pool::new(&eal, &PoolConfig::transmit("transmit", TRANSMIT_BUFFERS))?;
    let open = |link: &WireLink, port: &WireDevice| -> Result<DpdkDevice, Failure> {
        let address = port.device.text.parse()?;
        let (_, mut queues) = Port::open(&eal, &address, &port_config(link, port), &receive, &transmit)?;
        queues.pop().ok_or_else(|| "the port has no queue".into())
    };
    config.links.iter().map(|link| Ok([open(link, &link.ports[0])?, open(link, &link.ports[1])?])).collect()
}

fn port_config(link: &WireLink, port: &WireDevice) -> PortConfig {
    PortConfig {
        mtu: link.mtu,
        receive_descriptors: port.rx_descriptors,
        transmit_descriptors: port.tx_descriptors,
        // The frames are for those behind the other port.
        promiscuous: true,
        offload: OffloadRequest {
            segmentation: link.super_frames,
            large_receive: link.super_frames,
            ..OffloadRequest::default()
        },
        ..PortConfig::default()
    }
}
