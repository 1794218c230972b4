//! NUMA nodes: where ports, cores and memory are.

use crate::base::{PortIndex, PortSet};
use std::fs;

/// The nodes without repetition, at least one, and for each port which of them is
/// its.
pub(super) fn distinct(of_ports: &[Option<u32>]) -> (Vec<Option<u32>>, Vec<usize>) {
    let mut distinct: Vec<Option<u32>> = Vec::new();
    let place = |node: &Option<u32>| {
        distinct.iter().position(|known| known == node).unwrap_or_else(|| {
            distinct.push(*node);
            distinct.len() - 1
        })
    };
    let places = of_ports.iter().map(place).collect();
    if distinct.is_empty() {
        distinct.push(None);
    }
    (distinct, places)
}

/// Which of the cores polls a port that has one queue for all: one of the port's node,
/// and not the same one for all ports.
pub(super) fn polling_core(cpus: &[u16], port: usize, node: Option<u32>) -> usize {
    choose(&cpus.iter().map(|&cpu| node_of_cpu(cpu)).collect::<Vec<_>>(), port, node)
}

fn choose(of_cores: &[Option<u32>], port: usize, node: Option<u32>) -> usize {
    let near: Vec<usize> =
        (0..of_cores.len()).filter(|&core| node.is_some() && of_cores[core] == node).collect();
    if near.is_empty() { port % of_cores.len().max(1) } else { near[port % near.len()] }
}

/// The ports that are on another node than a CPU.
pub(super) fn far_ports(cpu: u16, of_ports: &[Option<u32>]) -> PortSet {
    far(node_of_cpu(cpu), of_ports)
}

fn far(node: Option<u32>, of_ports: &[Option<u32>]) -> PortSet {
    let mut far = PortSet::EMPTY;
    for (port, of_port) in (0..).map(PortIndex).zip(of_ports) {
        if node.is_some() && of_port.is_some() && *of_port != node {
            far.insert(port);
        }
    }
    far
}

/// As Linux has it (Documentation/ABI/stable/sysfs-devices-node); `None`: it has no
/// nodes.
fn node_of_cpu(cpu: u16) -> Option<u32> {
    let entries = fs::read_dir(format!("/sys/devices/system/cpu/cpu{cpu}")).ok()?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter_map(|name| name.strip_prefix("node")?.parse().ok()).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_node_has_one_place() {
        assert_eq!(distinct(&[]), (vec![None], vec![]));
        assert_eq!(distinct(&[None, None]), (vec![None], vec![0, 0]));
        let nodes = [Some(1), Some(0), Some(1), None];
        assert_eq!(distinct(&nodes), (vec![Some(1), Some(0), None], vec![0, 1, 0, 2]));
    }

    #[test]
    fn ports_are_polled_near_and_by_turns() {
        let cores = [Some(0), Some(1), Some(0), Some(1)];
        let chosen = |node| (0..4).map(|port| choose(&cores, port, node)).collect::<Vec<_>>();
        assert_eq!(chosen(Some(0)), [0, 2, 0, 2]);
        assert_eq!(chosen(Some(1)), [1, 3, 1, 3]);
        // Nobody is near, or nobody knows.
        assert_eq!(chosen(Some(7)), [0, 1, 2, 3]);
        assert_eq!(chosen(None), [0, 1, 2, 3]);
        assert_eq!(choose(&[None, None], 3, None), 1);
    }

    #[test]
    fn far_is_what_is_known_to_be_elsewhere() {
        let ports = [Some(0), None, Some(1)];
        let mut second = PortSet::EMPTY;
        second.insert(PortIndex(2));
        assert_eq!(far(Some(0), &ports), second);
        assert_eq!(far(None, &ports), PortSet::EMPTY);
    }

    #[test]
    fn linux_says_where_a_cpu_is() {
        // Kernels without NUMA have no nodes, and all others this one.
        assert!(matches!(node_of_cpu(0), None | Some(0)));
        assert_eq!(node_of_cpu(u16::MAX), None);
    }
}
