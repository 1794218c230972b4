//! What the tests of DPDK ports share. Each test file is a process of its own,
//! because DPDK starts once per process; the tests in a file share it.
#![allow(dead_code, unsafe_code)]

pub mod frames;
pub mod namespace;
pub mod ping;
pub mod process;

use mpdk::dpdk::{DeviceAddress, DpdkDevice, Eal, EalConfig, Pool, PoolConfig, Port, PortConfig};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Longer than anything takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// DPDK on ordinary pages, for all tests of the process.
pub fn eal() -> Eal {
    static EAL: OnceLock<Eal> = OnceLock::new();
    EAL.get_or_init(|| Eal::start(&EalConfig { memory_mb: 128, ..EalConfig::default() }).unwrap()).clone()
}

/// A pool to receive into and one to build frames in, named after the test.
pub fn pools(eal: &Eal, name: &str) -> (Pool, Pool) {
    pools_for(eal, name, "net_null0")
}

/// The same, as the device needs them.
pub fn pools_for(eal: &Eal, name: &str, device: &str) -> (Pool, Pool) {
    let receive = PoolConfig::receive(&format!("{name}-rx"), 4096).for_devices(&[device.parse().unwrap()]);
    let receive = Pool::new(eal, &receive).unwrap();
    let transmit = Pool::new(eal, &PoolConfig::transmit(&format!("{name}-tx"), 2048)).unwrap();
    (receive, transmit)
}

/// A port with one queue.
pub fn open(
    eal: &Eal,
    device: &str,
    config: &PortConfig,
    (receive, transmit): &(Pool, Pool),
) -> (Port, DpdkDevice) {
    let address: DeviceAddress = device.parse().unwrap();
    let (port, mut queues) = Port::open(eal, &address, config, receive, transmit).unwrap();
    assert_eq!(queues.len(), 1);
    (port, queues.remove(0))
}

/// Calls `work` until it returns something.
///
/// # Panics
/// If it does not within [`PATIENCE`].
pub fn wait_for<T>(what: &str, mut work: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = work() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited too long for {what}");
        std::thread::yield_now();
    }
}

/// Whether the process may make network devices; says so if not.
pub fn has_network_privileges() -> bool {
    let able = namespace::can_create();
    if !able {
        println!("SKIPPED: needs root and network namespaces (CAP_NET_ADMIN, CAP_SYS_ADMIN)");
    }
    able
}

/// Waits until `fd` is readable; `false` after `timeout`. Signals do not end it.
pub fn wait_readable(fd: i32, timeout: Duration) -> bool {
    let deadline = Instant::now() + timeout;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        // SAFETY: one descriptor.
        match unsafe { libc::poll(&raw mut poll, 1, left.as_millis() as i32 + 1) } {
            0 => return false,
            1 => return true,
            _ => assert_eq!(std::io::Error::last_os_error().kind(), std::io::ErrorKind::Interrupted),
        }
        if left.is_zero() {
            return false;
        }
    }
}
