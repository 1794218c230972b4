//! Configuring and starting a port.

use super::spread::{self, ReceiveSpread};
use super::{Attached, PortConfig, flow};
use crate::device::Capabilities;
use crate::dpdk::{DeviceAddress, Errno, Error, Pool, PoolKind, ffi, log, offload};

/// The most queues a port is given.
const QUEUE_LIMIT: u16 = 256;
/// Frames that a queue holds, whatever the configuration says.
const DESCRIPTOR_LIMIT: u16 = 16 * 1024;
/// RFC 791: every link carries packets of 68 bytes.
const MTU_MINIMUM: u16 = 68;

/// net_virtio gives sent frames back when fewer descriptors are free than a
/// threshold: this many below all of them, so that it does so with every burst
/// and payload that clients wait for is not held by a ring's worth of frames.
const VIRTIO_UNREAD: u16 = 32;
/// Descriptors of a queue of net_virtio_user, unless `queue_size` says otherwise.
const VIRTIO_DESCRIPTORS: u16 = 256;

/// A started port.
pub(super) struct Ready {
    pub(super) capabilities: Capabilities,
    pub(super) mac: [u8; 6],
    pub(super) interrupts: bool,
    pub(super) spread: Option<ReceiveSpread>,
    pub(super) flow_refusal: Option<String>,
}

/// How many queues of the driver's serve `wished` threads: as many, or one.
pub(super) fn queues(port: &Attached, wished: u16) -> Result<u16, Error> {
    let info = port.info()?;
    let most = info.max_receive_queues.min(info.max_transmit_queues);
    Ok(if wished > most && most > 0 { 1 } else { wished })
}

/// Configures and starts `port`.
pub(super) fn set_up(port: &mut Attached, config: &PortConfig, receive: &Pool) -> Result<Ready, Error> {
    log::mark();
    let info = port.info()?;
    check(port, config, &info, receive)?;
    let payload_bytes = receive.config().payload_bytes;
    let offloads = offload::choose(&config.offload, info.offloads, config.mtu, payload_bytes);
    let hash_key = config.hash_key.map_or_else(spread::random_key, Ok);
    let hash_key = hash_key.map_err(|errno| Error::Port {
        port: port.address.name().into(),
        action: "drawing a key",
        errno,
        log: log::tail(),
    })?;
    let wanted = ffi::mpdk_port_setup {
        offloads,
        queues: config.queues,
        mtu: config.mtu,
        hash: config.queues > 1 && info.hashes_tcp && may_hash(&port.address),
        hash_key,
        interrupts: config.interrupts && may_interrupt(&port.address),
    };
    let interrupts = start_with_or_without_interrupts(port, config, &wanted, receive)?;
    filter(port, config)?;
    let mac = own_mac(port)?;
    let capabilities =
        offload::capabilities(&port.address, &config.offload, offloads, config.mtu, info.max_segments);
    let spread = wanted.hash.then(|| spread::agree(port.id, &hash_key, config.queues)).flatten();
    let flow_refusal = match config.queues {
        1 => Some("it has one queue".into()),
        _ => flow::refusal(port),
    };
    Ok(Ready { capabilities, mac, interrupts, spread, flow_refusal })
}

fn check(
    port: &Attached,
    config: &PortConfig,
    info: &ffi::mpdk_port_info,
    receive: &Pool,
) -> Result<(), Error> {
    let unsupported = |reason: String| Err(Error::Unsupported { port: port.address.name().into(), reason });
    let queue_limit = info.max_receive_queues.min(info.max_transmit_queues).min(QUEUE_LIMIT);
    if config.queues == 0 || config.queues > queue_limit {
        return unsupported(format!("it has 1 to {queue_limit} queues, not {}", config.queues));
    }
    let mtu_range = info.min_mtu.max(MTU_MINIMUM)..=info.max_mtu;
    if !mtu_range.contains(&config.mtu) {
        let (low, high) = mtu_range.into_inner();
        return unsupported(format!("its MTU is between {low} and {high}, not {}", config.mtu));
    }
    for descriptors in [config.receive_descriptors, config.transmit_descriptors] {
        if descriptors == 0 || descriptors > DESCRIPTOR_LIMIT {
            return unsupported(format!(
                "a queue has 1 to {DESCRIPTOR_LIMIT} descriptors, not {descriptors}"
            ));
        }
    }
    if config.mac.is_some_and(|mac| mac[0] & 1 != 0 || mac == [0; 6]) {
        return unsupported("its Ethernet address must be a unicast address".into());
    }
    if port.address.is_driver("net_af_xdp") && receive.config().kind != PoolKind::Ordinary {
        return unsupported("it corrupts packets whose payload lies apart: it needs an ordinary pool".into());
    }
    let needed = u32::from(config.queues) * u32::from(config.receive_descriptors);
    if receive.config().buffers <= needed {
        let buffers = receive.config().buffers;
        return unsupported(format!("its receive queues hold {needed} buffers and the pool has {buffers}"));
    }
    Ok(())
}

/// Virtual devices hash at the cost of eBPF programs or not at all; net_null
/// keeps what it is told, and nothing comes of it.
fn may_hash(address: &DeviceAddress) -> bool {
    matches!(address, DeviceAddress::Pci { .. }) || address.is_driver("net_null")
}

/// Whether it is worth asking: of the virtual devices only these interrupt,
/// and for the others DPDK logs errors.
fn may_interrupt(address: &DeviceAddress) -> bool {
    matches!(address, DeviceAddress::Pci { .. })
        || ["net_tap", "net_virtio_user", "net_vhost"].iter().any(|driver| address.is_driver(driver))
}

/// Drivers refuse interrupts at different steps: what fails with them is tried
/// without. Returns whether they are on.
fn start_with_or_without_interrupts(
    port: &mut Attached,
    config: &PortConfig,
    wanted: &ffi::mpdk_port_setup,
    receive: &Pool,
) -> Result<bool, Error> {
    match start(port, config, wanted, receive) {
        Ok(()) => Ok(wanted.interrupts),
        Err(error) if wanted.interrupts => {
            tracing::info!(%error, "trying without receive interrupts");
            let without = ffi::mpdk_port_setup { interrupts: false, ..*wanted };
            // The first error is the one that says what is wrong.
            start(port, config, &without, receive).map(|()| false).map_err(|_| error)
        }
        Err(error) => Err(error),
    }
}

fn start(
    port: &mut Attached,
    config: &PortConfig,
    wanted: &ffi::mpdk_port_setup,
    receive: &Pool,
) -> Result<(), Error> {
    let id = port.id;
    // SAFETY: here and below the port is attached and stopped, and pointers are
    // valid through the calls.
    port.check("configuring", unsafe { ffi::mpdk_port_configure(id, wanted) })?;
    set_mtu(port, config.mtu)?;
    set_up_queues(port, config, receive)?;
    if let Some(mac) = config.mac {
        // SAFETY: as above.
        port.check("setting the Ethernet address", unsafe { ffi::mpdk_port_set_mac(id, mac.as_ptr()) })?;
    }
    // SAFETY: as above.
    port.check("starting", unsafe { ffi::mpdk_port_start(id) })?;
    port.started = true;
    Ok(())
}

/// Some drivers take the MTU when they are configured and have no function to
/// set it.
fn set_mtu(port: &Attached, mtu: u16) -> Result<(), Error> {
    // SAFETY: the port is configured.
    tolerate(port, "setting the MTU", unsafe { ffi::mpdk_port_set_mtu(port.id, mtu) })
}

fn set_up_queues(port: &Attached, config: &PortConfig, receive: &Pool) -> Result<(), Error> {
    let id = port.id;
    let (mut incoming, mut outgoing) = (config.receive_descriptors, config.transmit_descriptors);
    // SAFETY: room for two numbers.
    let adjusted = unsafe { ffi::mpdk_port_adjust_descriptors(id, &raw mut incoming, &raw mut outgoing) };
    port.check("sizing the queues", adjusted)?;
    let free_threshold = free_threshold(&port.address, outgoing);
    for queue in 0..config.queues {
        // SAFETY: the pool outlives the port, which holds a handle of it.
        let result = unsafe { ffi::mpdk_port_receive_queue(id, queue, incoming, receive.as_ptr()) };
        port.check("setting up a receive queue", result)?;
        // SAFETY: the port is configured with as many queues.
        let result = unsafe { ffi::mpdk_port_transmit_queue(id, queue, outgoing, free_threshold) };
        port.check("setting up a transmit queue", result)?;
    }
    Ok(())
}

/// When the driver gives back what it has sent; 0 leaves that to the driver.
fn free_threshold(address: &DeviceAddress, descriptors: u16) -> u16 {
    if !address.is_driver("net_virtio_user") {
        return 0;
    }
    let most = address.argument("queue_size").and_then(|size| size.parse().ok());
    descriptors.min(most.unwrap_or(VIRTIO_DESCRIPTORS)).saturating_sub(VIRTIO_UNREAD)
}

/// Which frames the port lets in: also all multicast ones, because IPv6
/// finds neighbours by multicast (RFC 4861 §2.3).
fn filter(port: &Attached, config: &PortConfig) -> Result<(), Error> {
    // SAFETY: the port is started.
    tolerate(port, "receiving multicast", unsafe { ffi::mpdk_port_all_multicast(port.id) })?;
    if config.promiscuous {
        // SAFETY: the port is started.
        tolerate(port, "receiving everything", unsafe { ffi::mpdk_port_promiscuous(port.id) })?;
    }
    Ok(())
}

/// What a driver has no function for, it does not filter or limit either.
fn tolerate(port: &Attached, action: &'static str, result: i32) -> Result<(), Error> {
    match Errno::check(result) {
        Err(errno) if errno.number() == libc::ENOTSUP => Ok(()),
        _ => port.check(action, result).map(drop),
    }
}

fn own_mac(port: &Attached) -> Result<[u8; 6], Error> {
    let mut mac = [0; 6];
    // SAFETY: room for an address.
    port.check("reading the Ethernet address", unsafe { ffi::mpdk_port_mac(port.id, mac.as_mut_ptr()) })?;
    Ok(mac)
}
