//! From a configuration to opened ports.

mod nodes;

use super::start::Failure;
use crate::base::{CoreIndex, FourTuple, PortIndex};
use crate::control::{self, Config, CorePlace, EalLogLevel, Memory, Port};
use crate::device::FlowSteering;
use crate::dpdk::{
    DeviceAddress, DpdkDevice, Eal, EalConfig, LogLevel, MemoryMode, OffloadRequest, Pool, PoolConfig,
    PoolKind, PortConfig, ReceiveSpread,
};
use std::any::Any;

/// DPDK and the ports on it.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) eal: Eal,
    /// For each core its queues, in the order of the configured ports.
    pub(super) cores: Vec<Vec<DpdkDevice>>,
    /// What each core is told of itself.
    pub(super) places: Vec<CorePlace>,
    /// The ports themselves.
    pub(super) ports: Vec<crate::dpdk::Port>,
    /// What the ports receive into.
    pub(super) receive: Pool,
}

impl Opened {
    /// The ports, for who tells them where flows go.
    pub(super) fn flows(&mut self) -> Box<dyn FlowSteering> {
        Box::new(PortFlows(std::mem::take(&mut self.ports)))
    }
}

/// The ports' own steering of flows: a core has the queue of its number.
#[derive(Debug)]
struct PortFlows(Vec<crate::dpdk::Port>);

impl FlowSteering for PortFlows {
    fn takes_rules(&self, port: PortIndex) -> bool {
        self.0.get(usize::from(port.0)).is_some_and(crate::dpdk::Port::takes_flow_rules)
    }

    fn steer(&self, port: PortIndex, flow: &FourTuple, core: CoreIndex) -> Option<Box<dyn Any + Send>> {
        let rule = self.0.get(usize::from(port.0))?.steer(flow, core.0.into());
        let rule =
            rule.inspect_err(|error| tracing::debug!(%flow, %error, "a flow goes on being handed over"));
        Some(Box::new(rule.ok()?))
    }
}

/// Starts DPDK and opens the configured ports, with a pair of queues for each
/// core.
///
/// # Errors
/// What DPDK says, with the port's name.
pub(super) fn open(config: &Config) -> Result<Opened, Failure> {
    let addresses: Vec<DeviceAddress> =
        config.ports.iter().map(|port| port.device.text.parse()).collect::<Result<_, _>>()?;
    let eal = Eal::start(&eal_config(&config.eal, config.pinned_cores()).for_devices(&addresses))?;
    let pools = Pools::new(&eal, config, &addresses)?;
    let mut cores: Vec<Vec<DpdkDevice>> = config.eal.cores.iter().map(|_| Vec::new()).collect();
    let (mut ports, mut spreads) = (Vec::new(), Vec::new());
    for (index, (port, address)) in config.ports.iter().zip(&addresses).enumerate() {
        let (node, (receive, transmit)) = pools.of(index);
        let polling = nodes::polling_core(&config.eal.cores, index, node);
        let port = port_config(port, polling, config.eal.cores.len());
        let (port, queues) = crate::dpdk::Port::open(&eal, address, &port, receive, transmit)?;
        for (core, queue) in cores.iter_mut().zip(queues) {
            core.push(queue);
        }
        spreads.push(port.spread().map(ReceiveSpread::over_cores));
        ports.push(port);
    }
    let receive = pools.of(0).1.0.clone();
    let nodes: Vec<_> = (0..ports.len()).map(|port| pools.of(port).0).collect();
    let place = |(core, &cpu): (u8, &u16)| CorePlace {
        core: CoreIndex(core),
        spreads: spreads.clone(),
        far_ports: nodes::far_ports(cpu, &nodes),
    };
    let places = (0..).zip(&config.eal.cores).map(place).collect();
    Ok(Opened { eal, cores, places, ports, receive })
}

/// How DPDK is started on these cores.
pub(super) fn eal_config(eal: &control::Eal, cores: &[u16]) -> EalConfig {
    EalConfig {
        memory: match eal.memory {
            Memory::NoHuge => MemoryMode::NoHuge,
            Memory::InMemory => MemoryMode::InMemory,
            Memory::Files => MemoryMode::Files,
        },
        memory_mb: eal.memory_mb,
        file_prefix: eal.file_prefix.clone(),
        cores: cores.iter().map(|&core| u32::from(core)).collect(),
        log_level: match eal.log_level {
            EalLogLevel::Error => LogLevel::Error,
            EalLogLevel::Warning => LogLevel::Warning,
            EalLogLevel::Notice => LogLevel::Notice,
            EalLogLevel::Info => LogLevel::Info,
            EalLogLevel::Debug => LogLevel::Debug,
        },
        extra: eal.arguments.clone(),
        ..EalConfig::default()
    }
}

/// The endpoint's buffers: those that frames arrive in, and those that they leave in,
/// on each NUMA node that a port is connected to.
struct Pools {
    by_node: Vec<(Option<u32>, (Pool, Pool))>,
    /// Of each port, which of them.
    of_ports: Vec<usize>,
}

impl Pools {
    fn new(eal: &Eal, config: &Config, devices: &[DeviceAddress]) -> Result<Self, Failure> {
        let nodes: Vec<_> = devices.iter().map(|device| eal.node_of(device)).collect();
        let (distinct, of_ports) = nodes::distinct(&nodes);
        // Each node has its share of the buffers, and at least what its ports hold.
        let share = |buffers: u32| buffers.div_ceil(distinct.len() as u32);
        let pools = |(number, &node): (usize, &Option<u32>)| -> Result<_, Failure> {
            let name = |what: &str| if number == 0 { what.to_owned() } else { format!("{what}{number}") };
            let receive = PoolConfig::receive(&name("receive"), share(config.engine.packet_buffers));
            let receive = PoolConfig { kind: PoolKind::Ordinary, node, ..receive.for_devices(devices) };
            let transmit =
                PoolConfig { node, ..PoolConfig::transmit(&name("transmit"), config.transmit_buffers()) };
            Ok((node, (Pool::new(eal, &receive)?, Pool::new(eal, &transmit)?)))
        };
        let by_node = distinct.iter().enumerate().map(pools).collect::<Result<_, _>>()?;
        Ok(Self { by_node, of_ports })
    }

    /// A port's node and pools.
    fn of(&self, port: usize) -> (Option<u32>, &(Pool, Pool)) {
        let (node, pools) = &self.by_node[self.of_ports[port]];
        (*node, pools)
    }
}

fn port_config(port: &Port, polling: usize, cores: usize) -> PortConfig {
    PortConfig {
        queues: cores as u16,
        polling: polling as u16,
        mtu: port.mtu,
        receive_descriptors: port.rx_descriptors,
        transmit_descriptors: port.tx_descriptors,
        promiscuous: port.promiscuous,
        mac: port.device_mac(),
        offload: OffloadRequest {
            segmentation: port.tso,
            large_receive: port.lro,
            ..OffloadRequest::default()
        },
        ..PortConfig::default()
    }
}
