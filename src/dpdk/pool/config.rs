//! How large a pool is, and where it lies.

use crate::dpdk::zone::node_number;
use crate::dpdk::{DeviceAddress, Error, ffi};

/// Where a pool's payload lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolKind {
    /// In a zone of its own, which other processes can be given: buffers'
    /// headers, which a client could corrupt the engine with, lie elsewhere.
    Exported,
    /// Next to the headers, as net_af_xdp needs it. Cannot be exported.
    Ordinary,
}

/// How large a pool is.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// Unique in the process; at most 20 letters, digits, `-` and `_`.
    pub name: String,
    /// Where the payload lies.
    pub kind: PoolKind,
    /// How many buffers.
    pub buffers: u32,
    /// Bytes of frame that one buffer takes; longer frames take several.
    pub payload_bytes: u16,
    /// The NUMA node its memory lies on: that of its [port](crate::dpdk::Port::node);
    /// any if `None`. [Ordinary pages](crate::dpdk::MemoryMode::NoHuge) lie where the
    /// kernel puts them.
    pub node: Option<u32>,
}

impl PoolConfig {
    /// For receiving: buffers of 2048 bytes that take frames of a 1500 byte
    /// MTU whole.
    pub fn receive(name: &str, buffers: u32) -> Self {
        Self { name: name.into(), kind: PoolKind::Exported, buffers, payload_bytes: 1920, node: None }
    }

    /// What these devices need to receive into: net_af_packet and NICs, which
    /// know buffers of powers of two, ask for 2048 bytes and net_af_xdp for
    /// an ordinary pool.
    #[must_use]
    pub fn for_devices(mut self, devices: &[DeviceAddress]) -> Self {
        for device in devices {
            if matches!(device, DeviceAddress::Pci { .. }) || device.is_driver("net_af_packet") {
                self.payload_bytes = self.payload_bytes.max(2048);
            }
            if device.is_driver("net_af_xdp") {
                // It computes addresses from the header's, and would write
                // over it if the payload lay elsewhere.
                self.kind = PoolKind::Ordinary;
            }
        }
        self
    }

    /// For sending.
    pub fn transmit(name: &str, buffers: u32) -> Self {
        Self { name: name.into(), kind: PoolKind::Ordinary, buffers, payload_bytes: 2048, node: None }
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        let wrong = |key, reason| Err(Error::Config { key, reason });
        let name_fits = (1..=20).contains(&self.name.len());
        if !name_fits || !self.name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)) {
            return wrong("name", format!("{:?} is no name for a pool", self.name));
        }
        if !(64..=1 << 24).contains(&self.buffers) {
            return wrong("buffers", format!("{} is not between 64 and 2^24", self.buffers));
        }
        if !(256..=16 * 1024).contains(&self.payload_bytes) {
            return wrong("payload_bytes", format!("{} is not between 256 and 16384", self.payload_bytes));
        }
        Ok(())
    }

    /// DPDK itself would not mind on ordinary pages.
    pub(super) fn check_node(&self) -> Result<(), Error> {
        // SAFETY: DPDK runs.
        if self.node.is_none_or(|node| unsafe { ffi::mpdk_has_node(node_number(Some(node))) }) {
            return Ok(());
        }
        let reason = format!("this machine has no NUMA node {}", self.node.unwrap_or_default());
        Err(Error::Config { key: "node", reason })
    }

    /// Bytes of a buffer with the room in front of the frame.
    pub(super) fn data_room(&self) -> u16 {
        // SAFETY: reads a constant.
        self.payload_bytes + unsafe { ffi::mpdk_headroom() }
    }

    /// Bytes from one payload to the next: a power of two, so that an offset
    /// tells the buffer.
    pub(super) fn stride(&self) -> u16 {
        self.data_room().next_power_of_two()
    }

    /// Buffers each thread keeps to itself, within what DPDK allows.
    pub(super) fn cache(&self) -> u32 {
        (self.buffers / 8).min(256)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_decide_how_their_buffers_are() {
        let plain = PoolConfig::receive("x", 64);
        let pool_of = |device: &str| plain.clone().for_devices(&[device.parse().unwrap()]);
        assert_eq!((pool_of("net_tap0").payload_bytes, pool_of("net_tap0").kind), (1920, PoolKind::Exported));
        assert_eq!(pool_of("net_af_packet0,iface=x").payload_bytes, 2048);
        assert_eq!(pool_of("0000:3b:00.0").payload_bytes, 2048);
        assert_eq!(pool_of("net_af_xdp0,iface=x").kind, PoolKind::Ordinary);
    }
}
