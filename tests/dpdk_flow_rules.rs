//! What a driver that takes flow rules is asked. No driver that runs without a
//! NIC takes them, so this binary defines the three functions itself: the linker
//! prefers them to those of DPDK.
#![cfg(feature = "dpdk")]
#![allow(unsafe_code)]

mod dpdk_support;

use dpdk_support::{eal, pools};
use mpdk::base::FourTuple;
use mpdk::dpdk::{DpdkDevice, Error, FlowRule, Port, PortConfig};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

/// `struct rte_flow_item`
#[repr(C)]
struct Item {
    kind: c_int,
    spec: *const u8,
    last: *const u8,
    mask: *const u8,
}

/// `struct rte_flow_action`
#[repr(C)]
struct Action {
    kind: c_int,
    conf: *const u16,
}

/// `struct rte_flow_error`
#[repr(C)]
struct FlowError {
    kind: c_int,
    cause: *const c_void,
    message: *const c_char,
}

/// Headers to match, of which every bit that is given counts, and where to go.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    addresses: Vec<u8>,
    ports: Vec<u8>,
    queue: u16,
}

/// What the driver has done.
#[derive(Debug)]
struct Driver {
    /// The number of each rule there is, and the rule.
    rules: Vec<(usize, Rule)>,
    checked: usize,
    made: usize,
    removed: usize,
}

static DRIVER: Mutex<Driver> = Mutex::new(Driver { rules: Vec::new(), checked: 0, made: 0, removed: 0 });
/// The table is full.
static FULL: AtomicBool = AtomicBool::new(false);
/// The next rule is one of IPv6.
static IPV6: AtomicBool = AtomicBool::new(false);

fn driver() -> MutexGuard<'static, Driver> {
    DRIVER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The bytes of a header that the mask selects.
///
/// # Safety
/// Specification and mask of the item have `len` bytes at `at`.
unsafe fn selected(item: &Item, at: usize, len: usize) -> Vec<u8> {
    // SAFETY: as the caller says.
    let bytes = |from: *const u8| unsafe { std::slice::from_raw_parts(from.add(at), len) };
    bytes(item.spec).iter().zip(bytes(item.mask)).map(|(value, mask)| value & mask).collect()
}

/// # Safety
/// A pattern of Ethernet, IP and TCP, and one action that names a queue.
unsafe fn read(pattern: *const Item, actions: *const Action) -> Rule {
    // SAFETY: as the caller says; the last item has the type 0.
    unsafe {
        let [ethernet, ip, tcp, end] = std::array::from_fn(|at| &*pattern.add(at));
        assert!(ethernet.spec.is_null() && ethernet.mask.is_null(), "any Ethernet header");
        assert!(ip.last.is_null() && tcp.last.is_null(), "no ranges");
        assert_eq!((end.kind, (*actions.add(1)).kind), (0, 0));
        let (at, len) = if IPV6.load(Ordering::Relaxed) { (8, 32) } else { (12, 8) };
        let queue = *(*actions).conf;
        Rule { addresses: selected(ip, at, len), ports: selected(tcp, 0, 4), queue }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn rte_flow_validate(
    _port: u16,
    _attributes: *const c_void,
    pattern: *const Item,
    actions: *const Action,
    _error: *mut FlowError,
) -> c_int {
    // SAFETY: valid as DPDK's function wants it.
    unsafe { read(pattern, actions) };
    driver().checked += 1;
    0
}

#[unsafe(no_mangle)]
unsafe extern "C" fn rte_flow_create(
    _port: u16,
    _attributes: *const c_void,
    pattern: *const Item,
    actions: *const Action,
    error: *mut FlowError,
) -> *mut c_void {
    const MESSAGE: &CStr = c"the table is full";
    if FULL.load(Ordering::Relaxed) {
        // SAFETY: room for an error.
        unsafe { (*error).message = MESSAGE.as_ptr() };
        return ptr::null_mut();
    }
    // SAFETY: valid as DPDK's function wants it.
    let rule = unsafe { read(pattern, actions) };
    let mut driver = driver();
    driver.made += 1;
    let number = driver.made;
    driver.rules.push((number, rule));
    ptr::without_provenance_mut(number)
}

#[unsafe(no_mangle)]
extern "C" fn rte_flow_destroy(_port: u16, flow: *mut c_void, _error: *mut FlowError) -> c_int {
    let mut driver = driver();
    let before = driver.rules.len();
    driver.rules.retain(|(number, _)| *number != flow.addr());
    driver.removed += before - driver.rules.len();
    if driver.rules.len() == before { -libc::ENOENT } else { 0 }
}

fn rules() -> Vec<Rule> {
    driver().rules.iter().map(|(_, rule)| rule.clone()).collect()
}

fn flow(remote: &str, local: &str) -> FourTuple {
    FourTuple { local: local.parse().unwrap(), remote: remote.parse().unwrap() }
}

fn open_two(name: &str) -> (Port, Vec<DpdkDevice>) {
    let eal = eal();
    let pools = pools(&eal, name);
    let config = PortConfig { queues: 2, receive_descriptors: 512, ..PortConfig::default() };
    let opened = Port::open(&eal, &"net_null0".parse().unwrap(), &config, &pools.0, &pools.1);
    opened.unwrap()
}

#[test]
fn rules_are_made_kept_and_removed() {
    let (port, queues) = open_two("rules");
    assert!(port.takes_flow_rules());
    assert_eq!((rules(), driver().made), (vec![], 1), "the sample is gone");

    let first = port.steer(&flow("10.0.0.9:5000", "10.0.0.1:80"), 1).unwrap();
    let of_first = Rule {
        addresses: vec![10, 0, 0, 9, 10, 0, 0, 1],
        ports: [5000_u16.to_be_bytes(), 80_u16.to_be_bytes()].concat(),
        queue: 1,
    };
    assert_eq!(rules(), std::slice::from_ref(&of_first));
    IPV6.store(true, Ordering::Relaxed);
    let second = port.steer(&flow("[2001:db8::9]:5000", "[2001:db8::1]:80"), 0).unwrap();
    IPV6.store(false, Ordering::Relaxed);
    let of_second = rules().pop().unwrap();
    assert_eq!((of_second.addresses[..2].to_vec(), of_second.addresses[15]), (vec![0x20, 0x01], 9));
    assert_eq!((of_second.addresses[31], of_second.ports, of_second.queue), (1, of_first.ports.clone(), 0));
    drop(second);
    assert_eq!(rules(), [of_first], "the other stays");
    assert_eq!(driver().checked, 3, "each is checked before it is made");

    refusals(&port);

    // Another thread may drop it; and what outlives its port went with it.
    thread::spawn(move || drop(first)).join().unwrap();
    assert_eq!(rules(), []);
    let removed = driver().removed;
    outlives(port, queues);
    assert_eq!(driver().removed, removed, "the driver is not asked for a port that is closed");
}

fn refusals(port: &Port) {
    let good = flow("10.0.0.9:5001", "10.0.0.1:80");
    for (flow, queue, words) in
        [(good, 2, "none with number 2"), (flow("10.0.0.9:5001", "[2001:db8::1]:80"), 1, "two families")]
    {
        let error = port.steer(&flow, queue).unwrap_err();
        assert!(matches!(error, Error::Unsupported { .. }) && error.to_string().contains(words), "{error}");
    }
    FULL.store(true, Ordering::Relaxed);
    let error = port.steer(&good, 1).unwrap_err();
    FULL.store(false, Ordering::Relaxed);
    assert!(matches!(error, Error::Port { action: "making a flow rule", .. }), "{error:?}");
    assert!(error.to_string().contains("the table is full"), "{error}");
}

fn outlives(port: Port, queues: Vec<DpdkDevice>) {
    let rule: FlowRule = port.steer(&flow("10.0.0.9:5002", "10.0.0.1:80"), 1).unwrap();
    drop(queues);
    port.close().expect("a rule keeps no port open");
    drop(rule);
}
