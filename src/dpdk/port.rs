//! Ports: attached, configured and started; stopped, closed and removed.

mod config;
mod flow;
mod setup;
mod spread;

use super::descriptors::Snapshot;
use super::queue::{RuleBook, Side, sides};
use super::wake::{Source, Wake};
use super::{DeviceAddress, DpdkDevice, Eal, Errno, Error, Pool, ffi, log, socket_file};
use crate::base::CoreIndex;
use crate::device::Capabilities;
use flow::Closed;
use std::ffi::CString;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

pub use config::PortConfig;
pub use flow::FlowRule;
pub use spread::ReceiveSpread;

/// A started port. When the handle and all its queues are dropped, the port is
/// stopped and closed; a virtual device is removed, so that neither its
/// network device nor its socket stays behind. (If the process is killed the
/// kernel removes a TAP; a stale socket is removed by the next start.)
#[derive(Debug)]
pub struct Port(Arc<Shared>);

/// What the queues of a port have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) id: u16,
    pub(super) address: DeviceAddress,
    pub(super) capabilities: Capabilities,
    pub(super) mac: [u8; 6],
    pub(super) queues: u16,
    spread: Option<ReceiveSpread>,
    /// Tells the core that polls, where queues are made in software.
    book: Option<RuleBook>,
    /// Why it takes no flow rules; `None` if it does.
    flow_refusal: Option<String>,
    node: Option<u32>,
    /// Last seen by the first queue's thread, read by the others.
    pub(super) link: AtomicBool,
    /// Closes the port, which gives back what its rings hold: before the pools.
    attached: Attached,
    pub(super) transmit_pool: Pool,
    _receive_pool: Pool,
}

/// An attached device, closed and removed when dropped.
#[derive(Debug)]
struct Attached {
    id: u16,
    address: DeviceAddress,
    device: *mut ffi::rte_device,
    started: bool,
    eal: Eal,
    /// What was open before: the rest since then is the device's.
    before: Snapshot,
    /// What net_af_packet receives from.
    sockets: Vec<RawFd>,
    /// Known to its flow rules.
    closed: Closed,
}

// SAFETY: the pointer is a handle that is used once, when the port is removed.
unsafe impl Send for Attached {}
// SAFETY: as above.
unsafe impl Sync for Attached {}

impl Port {
    /// Attaches a device, configures and starts it. The queues come in order;
    /// each goes to the thread that will use it.
    ///
    /// Frames are received into `receive` and built in `transmit`. Each queue
    /// takes `receive_descriptors` buffers from `receive` at once.
    ///
    /// # Errors
    /// If there is no such device, or it does not do what the configuration
    /// asks for. Nothing of it stays behind.
    pub fn open(
        eal: &Eal,
        address: &DeviceAddress,
        config: &PortConfig,
        receive: &Pool,
        transmit: &Pool,
    ) -> Result<(Self, Vec<DpdkDevice>), Error> {
        let (told, queues) = address.for_queues(config.queues);
        let mut attached = Attached::new(eal, &told)?;
        let queues = setup::queues(&attached, queues)?;
        let of_driver = PortConfig { queues, ..config.clone() };
        let ready = setup::set_up(&mut attached, &of_driver, receive)?;
        attached.before.close_new_on_exec();
        let wakes = (0..queues).map(|queue| attached.wake(queue, ready.interrupts)).collect::<Vec<_>>();
        let wake = wakes.iter().all(Option::is_some);
        let in_software = (queues < config.queues).then(|| attached.divide(config)).transpose()?;
        let (spread, sides, book) = in_software.map_or_else(
            || (ready.spread, (0..queues).map(|_| Side::Own).collect(), None),
            |(spread, sides, book)| (Some(spread), sides, Some(book)),
        );
        let shared = Arc::new(Shared {
            id: attached.id,
            address: address.clone(),
            capabilities: Capabilities { wake, ..ready.capabilities },
            mac: ready.mac,
            queues: config.queues,
            spread,
            book,
            flow_refusal: ready.flow_refusal,
            node: attached.node(),
            transmit_pool: transmit.clone(),
            link: AtomicBool::new(true),
            attached,
            _receive_pool: receive.clone(),
        });
        let mut wakes = (0..).zip(wakes);
        let device = |side: Side| {
            let of_driver = if let Side::Branch(_) = side { None } else { wakes.next() };
            let (queue, wake) = of_driver.unwrap_or((0, None));
            // Who cannot be woken by the others looks now and then.
            let wake = wake.filter(|wake| side.bell_fd().is_none_or(|bell| wake.watch(bell).is_ok()));
            DpdkDevice::new(&shared, queue, side, wake)
        };
        let devices = sides.into_iter().map(device).collect();
        Ok((Self(shared), devices))
    }

    /// What the port does by itself.
    pub fn capabilities(&self) -> &Capabilities {
        &self.0.capabilities
    }

    /// The port's Ethernet address.
    pub fn mac(&self) -> [u8; 6] {
        self.0.mac
    }

    /// How the port spreads what it receives over its queues, as its driver
    /// says or as it is done in software; `None` if it has one queue, or its driver
    /// does not say so much: then any frame may arrive on any queue.
    pub fn spread(&self) -> Option<&ReceiveSpread> {
        self.0.spread.as_ref()
    }

    /// The NUMA node that the port is connected to; `None` if it has none.
    pub fn node(&self) -> Option<u32> {
        self.0.node
    }

    /// Closes the port now rather than when its last queue is dropped.
    ///
    /// # Errors
    /// If queues are still in use: they close it when they are dropped.
    pub fn close(self) -> Result<(), Error> {
        let port = self.0.address.name().to_string();
        let queues = Arc::strong_count(&self.0) - 1;
        match Arc::into_inner(self.0) {
            Some(_) => Ok(()),
            None => Err(Error::QueuesInUse { port, queues }),
        }
    }
}

impl Attached {
    /// Attaches a virtual device; one on the PCI bus was attached when DPDK
    /// started.
    fn new(eal: &Eal, address: &DeviceAddress) -> Result<Self, Error> {
        let control = eal.control();
        let fail = |action: &'static str| {
            move |errno| Error::Port { port: address.name().into(), action, errno, log: log::tail() }
        };
        log::mark();
        let before = Snapshot::take();
        if matches!(address, DeviceAddress::Virtual { .. }) {
            socket_file::clear_stale(address)?;
            let text = to_c(&address.to_string());
            // SAFETY: DPDK runs; the text lives through the call and is copied.
            Errno::check(unsafe { ffi::mpdk_device_attach(text.as_ptr()) }).map_err(fail("attaching"))?;
        }
        let (mut id, name) = (0, to_c(address.name()));
        // SAFETY: as above; room for one number.
        Errno::check(unsafe { ffi::mpdk_port_by_name(name.as_ptr(), &raw mut id) })
            .map_err(fail("finding"))?;
        let mut attached = Self {
            id,
            address: address.clone(),
            device: std::ptr::null_mut(),
            started: false,
            eal: eal.clone(),
            sockets: before.new_packet_sockets(),
            before,
            closed: Closed::default(),
        };
        // From here on dropping `attached` removes the device, for which it
        // takes the lock itself.
        drop(control);
        attached.device = attached.info()?.device;
        Ok(attached)
    }

    /// Makes queues in software.
    fn divide(&self, config: &PortConfig) -> Result<(ReceiveSpread, Vec<Side>, RuleBook), Error> {
        let (name, queues) = (self.address.name(), config.queues);
        tracing::info!(port = name, queues, polling = config.polling, "its queues are made in software");
        let fail =
            |errno| Error::Port { port: name.into(), action: "making queues", errno, log: log::tail() };
        let cores = u8::try_from(queues).map_err(|_| fail(Errno::new(libc::EINVAL)))?;
        let polling = CoreIndex(config.polling.min(queues - 1) as u8);
        let key = config.hash_key.map_or_else(spread::random_key, Ok).map_err(fail)?;
        let spread = ReceiveSpread::even(key, queues);
        let (sides, book) = sides(&spread.over_cores(), cores, polling)
            .map_err(|error| fail(Errno::new(error.raw_os_error().unwrap_or(libc::EIO))))?;
        Ok((spread, sides, book))
    }

    fn node(&self) -> Option<u32> {
        // SAFETY: the port is attached.
        u32::try_from(unsafe { ffi::mpdk_port_node(self.id) }).ok()
    }

    fn info(&self) -> Result<ffi::mpdk_port_info, Error> {
        let mut info = ffi::mpdk_port_info::default();
        // SAFETY: the port is attached; room for one description.
        self.check("asking", unsafe { ffi::mpdk_port_info(self.id, &raw mut info) })?;
        Ok(info)
    }

    /// A function's result as an error that names the port and the action.
    fn check(&self, action: &'static str, result: i32) -> Result<i32, Error> {
        Errno::check(result).map_err(|errno| Error::Port {
            port: self.address.name().into(),
            action,
            errno,
            log: log::tail(),
        })
    }

    /// What wakes the thread of a queue.
    fn wake(&self, queue: u16, interrupts: bool) -> Option<Wake> {
        let source = if self.address.is_driver("net_af_packet") {
            (!self.sockets.is_empty()).then(|| Source::Sockets(self.sockets.clone()))
        } else if interrupts {
            // SAFETY: the port is started and has this queue.
            let fd = Errno::check(unsafe { ffi::mpdk_port_interrupt_fd(self.id, queue) }).ok()?;
            let tap = self.address.is_driver("net_tap");
            Some(if tap { Source::Tap(fd) } else { Source::Interrupt(fd) })
        } else {
            None
        };
        let mut wake = Wake::new(source?, self.id, queue).ok()?;
        // Nobody sleeps yet.
        wake.disarm();
        Some(wake)
    }

    fn end(&mut self, action: &'static str, result: i32) {
        if let Err(errno) = Errno::check(result) {
            let port = self.address.name();
            tracing::warn!(port, action, %errno, "the port did not end cleanly");
        }
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        let eal = self.eal.clone();
        let _control = eal.control();
        self.closed.set();
        if self.started {
            // SAFETY: the queues are gone: nobody sends or receives.
            let result = unsafe { ffi::mpdk_port_stop(self.id) };
            self.end("stopping", result);
        }
        // SAFETY: as above; the port is not used after.
        let result = unsafe { ffi::mpdk_port_close(self.id) };
        self.end("closing", result);
        if matches!(self.address, DeviceAddress::Virtual { .. }) && !self.device.is_null() {
            // SAFETY: the device was attached here and is removed once.
            let result = unsafe { ffi::mpdk_device_detach(self.device) };
            self.end("removing", result);
            socket_file::remove_own(&self.address);
        }
    }
}

/// Addresses are checked when they are read: no zero bytes.
fn to_c(text: &str) -> CString {
    CString::new(text.replace('\0', "")).unwrap_or_default()
}
