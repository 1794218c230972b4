//! Rules that bring the segments of one TCP flow to a queue
//! (<https://doc.dpdk.org/guides/prog_guide/rte_flow.html>).

use super::{Attached, Port};
use crate::base::{CoreIndex, FourTuple};
use crate::dpdk::queue::SoftwareRule;
use crate::dpdk::{DeviceAddress, Eal, Errno, Error, LogTail, ffi, log};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The segments of one TCP flow go to one queue of a port as long as this
/// lives. A rule does not keep its port open: closing a port ends its rules.
#[derive(Debug)]
pub struct FlowRule {
    _rule: Kind,
}

/// Either ends with its drop.
#[derive(Debug)]
enum Kind {
    Driver {
        _rule: DriverRule,
    },
    /// Of a port whose queues are made in software.
    Software {
        _rule: SoftwareRule,
    },
}

#[derive(Debug)]
struct DriverRule {
    eal: Eal,
    port: u16,
    name: String,
    flow: NonNull<ffi::rte_flow>,
    closed: Closed,
}

// SAFETY: the handle is used once, with the lock of DPDK's control held.
unsafe impl Send for DriverRule {}
// SAFETY: as above; nothing is done by shared reference.
unsafe impl Sync for DriverRule {}

/// Whether a port was closed, and its rules with it. Read and written with the
/// lock of DPDK's control held.
#[derive(Clone, Debug, Default)]
pub(super) struct Closed(Arc<AtomicBool>);

impl Closed {
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Port {
    /// Whether the port took a sample rule when it was opened. Ports with one
    /// queue are not asked. A rule may be refused all the same: tables fill up.
    pub fn takes_flow_rules(&self) -> bool {
        self.0.book.is_some() || self.0.flow_refusal.is_none()
    }

    /// Brings the TCP segments that arrive from `flow.remote` to `flow.local`
    /// to `queue`, whatever the port's [spread](Self::spread) says. Takes up
    /// to milliseconds and a lock: for a control thread.
    ///
    /// net_tap has rules where its network device stays in the network
    /// namespace of the thread that opened it, and the kernel has the queueing
    /// discipline `multiq`, the classifier `flower` and the action `skbedit`.
    ///
    /// # Errors
    /// If the port takes no rules, has no such queue, or refuses this rule.
    pub fn steer(&self, flow: &FourTuple, queue: u16) -> Result<FlowRule, Error> {
        let port = &self.0.attached;
        let unsupported = |reason| Err(Error::Unsupported { port: port.address.name().into(), reason });
        if let Some(book) = &self.0.book {
            let core = u8::try_from(queue).ok().filter(|&core| u16::from(core) < self.0.queues);
            let Some(core) = core.map(CoreIndex) else {
                return unsupported(format!("it has no queue with number {queue}"));
            };
            let rule = book.steer(flow, core).map(|rule| FlowRule { _rule: Kind::Software { _rule: rule } });
            return rule.map_or_else(|| unsupported(format!("no rule for {flow}")), Ok);
        }
        if let Some(refusal) = &self.0.flow_refusal {
            return unsupported(format!("it takes no flow rules: {refusal}"));
        }
        if queue >= self.0.queues {
            return unsupported(format!("it has {} queues, and none with number {queue}", self.0.queues));
        }
        let Some(tuple) = tuple_of(flow) else {
            return unsupported(format!("no flow has addresses of two families: {flow}"));
        };
        let _control = port.eal.control();
        log::mark();
        let (eal, name) = (port.eal.clone(), port.address.name().to_string());
        let refused = |action| {
            let port = name.clone();
            move |Refused { errno, log }| Error::Port { port, action, errno, log }
        };
        validate(port, &tuple, queue).map_err(refused("checking a flow rule"))?;
        let flow = create(port, &tuple, queue).map_err(refused("making a flow rule"))?;
        let closed = port.closed.clone();
        let rule = DriverRule { eal, port: port.id, name, flow, closed };
        Ok(FlowRule { _rule: Kind::Driver { _rule: rule } })
    }
}

impl Drop for DriverRule {
    fn drop(&mut self) {
        let _control = self.eal.control();
        if self.closed.is_set() {
            return;
        }
        log::mark();
        // SAFETY: the port is open, because closing it takes the same lock; the
        // rule is removed once.
        let removed = call(|text| unsafe { ffi::mpdk_flow_destroy(self.port, self.flow.as_ptr(), text) });
        if let Err(Refused { errno, log }) = removed {
            tracing::warn!(port = self.name, %errno, %log, "a flow rule stays");
        }
    }
}

/// Why a started port takes no rules; `None` if it took a sample. A driver of a
/// NIC knows by itself; a virtual one only finds out when it asks the kernel.
pub(super) fn refusal(port: &Attached) -> Option<String> {
    let host = |last| SocketAddr::from((Ipv4Addr::new(192, 0, 2, last), 9));
    // Addresses for documentation (RFC 5737), the port of the discard service.
    let sample = FourTuple { local: host(1), remote: host(2) };
    let tuple = tuple_of(&sample)?;
    let _control = port.eal.control();
    log::mark();
    try_out(port, &tuple).err().map(|Refused { errno, log }| format!("{errno}{log}"))
}

fn try_out(port: &Attached, tuple: &ffi::mpdk_flow_tuple) -> Result<(), Refused> {
    validate(port, tuple, 0)?;
    if matches!(port.address, DeviceAddress::Pci { .. }) {
        return Ok(());
    }
    let flow = create(port, tuple, 0)?;
    // SAFETY: the rule was just made and nobody else knows it.
    call(|text| unsafe { ffi::mpdk_flow_destroy(port.id, flow.as_ptr(), text) })
}

fn validate(port: &Attached, tuple: &ffi::mpdk_flow_tuple, queue: u16) -> Result<(), Refused> {
    // SAFETY: the port is started; the tuple lives through the call.
    call(|text| unsafe { ffi::mpdk_flow_validate(port.id, tuple, queue, text) })
}

fn create(
    port: &Attached,
    tuple: &ffi::mpdk_flow_tuple,
    queue: u16,
) -> Result<NonNull<ffi::rte_flow>, Refused> {
    let mut flow = std::ptr::null_mut();
    // SAFETY: the port is started; the tuple lives through the call, and there
    // is room for one handle.
    call(|text| unsafe { ffi::mpdk_flow_create(port.id, tuple, queue, &raw mut flow, text) })?;
    NonNull::new(flow).ok_or_else(|| Refused { errno: Errno::new(libc::EINVAL), log: log::tail() })
}

/// Why a driver did not do as asked of a rule: also what it says itself.
struct Refused {
    errno: Errno,
    log: LogTail,
}

/// A call's result with what the driver says, for which it gets room.
fn call(function: impl FnOnce(*mut std::ffi::c_char) -> i32) -> Result<(), Refused> {
    let mut text = [0; ffi::MPDK_FLOW_ERROR as usize];
    Errno::check(function(text.as_mut_ptr().cast())).map(drop).map_err(|errno| {
        let mut log = log::tail();
        // Often it only repeats the error number's name.
        log.0.extend(Some(read(&text)).filter(|said| !errno.to_string().contains(said)));
        Refused { errno, log }
    })
}

fn read(text: &[u8]) -> String {
    let len = text.iter().position(|&byte| byte == 0).unwrap_or(0);
    String::from_utf8_lossy(&text[..len]).into_owned()
}

/// As C takes it, seen from the segments; `None` if the families differ.
fn tuple_of(flow: &FourTuple) -> Option<ffi::mpdk_flow_tuple> {
    let mut tuple = ffi::mpdk_flow_tuple {
        source_port: flow.remote.port(),
        destination_port: flow.local.port(),
        ..Default::default()
    };
    match (flow.remote.ip(), flow.local.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            tuple.source[..4].copy_from_slice(&source.octets());
            tuple.destination[..4].copy_from_slice(&destination.octets());
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            tuple.ipv6 = true;
            (tuple.source, tuple.destination) = (source.octets(), destination.octets());
        }
        _ => return None,
    }
    Some(tuple)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_matches_what_arrives() {
        let flow = |remote: &str, local: &str| FourTuple {
            local: local.parse().unwrap(),
            remote: remote.parse().unwrap(),
        };
        let tuple = tuple_of(&flow("10.0.0.9:5000", "10.0.0.1:80")).unwrap();
        assert_eq!((tuple.source_port, tuple.destination_port), (5000, 80));
        assert_eq!((&tuple.source[..4], &tuple.destination[..4]), (&[10, 0, 0, 9][..], &[10, 0, 0, 1][..]));
        assert!(!tuple.ipv6);
        let tuple = tuple_of(&flow("[fe80::9]:5000", "[fe80::1]:80")).unwrap();
        assert!(tuple.ipv6 && tuple.source[15] == 9 && tuple.destination[15] == 1);
        assert!(tuple_of(&flow("10.0.0.9:5000", "[fe80::1]:80")).is_none());
    }
}
