//! What a port is to be like.

use super::ReceiveSpread;
use crate::dpdk::OffloadRequest;

/// What a port is to be like.
#[derive(Clone, Debug)]
pub struct PortConfig {
    /// Receive and transmit queues: one of each per engine thread. Drivers that
    /// must be told get it with their arguments, but net_vhost and net_virtio_user
    /// only by whoever writes those: the other side must have as many. A port that
    /// has fewer is used with one, and the others are made in software.
    ///
    /// Which queue a frame arrives on:
    /// - a NIC that hashes: what [`Port::spread`](super::Port::spread) says, and before that
    ///   [rules](super::Port::steer);
    /// - net_vhost and net_virtio_user: the one with the number of the sender's
    ///   queue. A queue that the other side lacks has a link that is up all the
    ///   same, and drops what is sent on it: both need as many;
    /// - net_tap: the one that last sent a frame of the same connection.
    ///   What the kernel sends at once in answer to the first frame from another
    ///   queue comes to the old one, as it learns behind that. After 3 s in
    ///   which nothing was sent for a flow, and before anything was, a hash of
    ///   the kernel's own decides (Linux, drivers/net/tun.c);
    /// - queues in software: what [`Port::spread`](super::Port::spread) says;
    /// - others: any.
    ///
    /// So a queue must be ready to receive what belongs to another.
    pub queues: u16,
    /// Where queues are made in software, which thread's polls the port.
    pub polling: u16,
    /// Bytes of network-layer packet in a frame.
    pub mtu: u16,
    /// Frames that wait in a receive queue; rounded to what the port takes.
    pub receive_descriptors: u16,
    /// Frames that wait in a transmit queue; rounded to what the port takes.
    /// Few: waiting frames hold memory and delay what comes behind them.
    pub transmit_descriptors: u16,
    /// Receive frames for other Ethernet addresses too.
    pub promiscuous: bool,
    /// The Ethernet address, instead of the device's own.
    pub mac: Option<[u8; 6]>,
    /// What the port shall do by itself.
    pub offload: OffloadRequest,
    /// Let the port wake a sleeping thread, if it can.
    pub interrupts: bool,
    /// The key of the hash that spreads flows over several queues, where the
    /// port has one; by default a random one, so that strangers cannot choose
    /// the queue of their flows.
    pub hash_key: Option<[u8; ReceiveSpread::KEY_BYTES]>,
}

impl Default for PortConfig {
    fn default() -> Self {
        Self {
            queues: 1,
            polling: 0,
            mtu: 1500,
            receive_descriptors: 1024,
            transmit_descriptors: 512,
            promiscuous: false,
            mac: None,
            offload: OffloadRequest::default(),
            interrupts: true,
            hash_key: None,
        }
    }
}
