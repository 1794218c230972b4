//! DPDK's environment abstraction layer: started once, ended last.

use super::descriptors::Snapshot;
use super::{DeviceAddress, EalConfig, Errno, Error, ThreadRegistration, ffi, log};
use std::ffi::{CStr, CString};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Set by the first start, for ever: DPDK cannot be started again.
static STARTED: AtomicBool = AtomicBool::new(false);

/// DPDK, running. Clones are handles of the same; DPDK ends when the last
/// handle, pool, port and registered thread is gone.
#[derive(Clone, Debug)]
pub struct Eal(Arc<Running>);

#[derive(Debug)]
struct Running {
    /// Attaching and detaching devices is not for several threads at once.
    control: Mutex<()>,
}

impl Eal {
    /// Starts DPDK in this process. The calling thread keeps its CPU affinity
    /// and becomes known to DPDK; other threads that touch packets
    /// [register](Self::register_thread).
    ///
    /// Signals: `SIGIO` is ignored from now on if nobody handled it. A net_tap
    /// port takes a real-time signal for itself and needs at least one thread
    /// that does not block it.
    ///
    /// # Errors
    /// If the configuration is impossible, DPDK was started before, or DPDK
    /// does not start: then the process cannot try again.
    pub fn start(config: &EalConfig) -> Result<Self, Error> {
        let arguments = to_c(&config.to_arguments()?)?;
        if STARTED.swap(true, Ordering::AcqRel) {
            return Err(Error::AlreadyStarted);
        }
        log::mark();
        let before = Snapshot::take();
        let start = || {
            Errno::check(log::route())?;
            // SAFETY: the strings are never freed, so that DPDK may keep and
            // reorder pointers to them; `STARTED` lets this run once.
            Errno::check(unsafe {
                ffi::mpdk_eal_start(arguments.len() as i32, arguments.leak().as_mut_ptr())
            })
        };
        start().map_err(|errno| Error::Start { errno, log: log::tail() })?;
        before.close_new_on_exec();
        Ok(Self(Arc::new(Running { control: Mutex::new(()) })))
    }

    /// Makes the calling thread known to DPDK, until the registration is
    /// dropped. Unknown threads may touch packets too, but slowly: they have no
    /// caches and take every buffer from what all share, which costs 3 times as
    /// much, and 10 times while another thread does the same.
    ///
    /// The thread that started DPDK is known already. No other process can
    /// attach to this one's DPDK afterwards.
    ///
    /// # Errors
    /// If DPDK knows as many threads as it can (128), or another process has
    /// attached to it.
    pub fn register_thread(&self) -> Result<ThreadRegistration, Error> {
        ThreadRegistration::new(self)
    }

    /// The NUMA node that a device on the PCI bus is connected to: where its
    /// pools and its threads belong. `None` if it has none, or the device is
    /// not there.
    pub fn node_of(&self, device: &DeviceAddress) -> Option<u32> {
        let (mut id, name) = (0, CString::new(device.name()).ok()?);
        let _control = self.control();
        // SAFETY: DPDK runs; the name lives through the call, and there is room
        // for one number.
        Errno::check(unsafe { ffi::mpdk_port_by_name(name.as_ptr(), &raw mut id) }).ok()?;
        // SAFETY: the port was just found, and the lock keeps it.
        u32::try_from(unsafe { ffi::mpdk_port_node(id) }).ok()
    }

    /// Held while devices are attached, configured or detached.
    pub(super) fn control(&self) -> MutexGuard<'_, ()> {
        self.0.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets DPDK run until the process ends: somebody still holds its memory.
    pub(super) fn run_for_ever(&self) {
        std::mem::forget(self.clone());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // SAFETY: DPDK runs; the text is copied before it ends.
        let folder = unsafe { CStr::from_ptr(ffi::mpdk_runtime_folder()) }.to_string_lossy().into_owned();
        // SAFETY: whatever uses DPDK holds a handle, and this was the last.
        if let Err(errno) = Errno::check(unsafe { ffi::mpdk_eal_cleanup() }) {
            tracing::warn!(%errno, "DPDK did not end cleanly");
        }
        // DPDK leaves it behind. It is empty unless files are shared, and then
        // stays.
        let _ = std::fs::remove_dir(folder);
    }
}

/// The version of the DPDK that this process runs with.
pub fn dpdk_version() -> &'static str {
    // SAFETY: a constant string of the library.
    unsafe { CStr::from_ptr(ffi::mpdk_version()) }.to_str().unwrap_or("DPDK")
}

/// Strings for C, and the null pointer that ends `argv`.
fn to_c(arguments: &[String]) -> Result<Vec<*mut std::ffi::c_char>, Error> {
    let strings: Result<Vec<CString>, _> =
        arguments.iter().map(|argument| CString::new(argument.as_str())).collect();
    let strings = strings
        .map_err(|_| Error::Config { key: "extra", reason: "an argument contains a zero byte".into() })?;
    Ok(strings.into_iter().map(CString::into_raw).collect())
}
