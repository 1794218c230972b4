//! Network namespaces.

use super::process::run;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// A network namespace with its loopback up. It is removed when dropped; what
/// still runs in it keeps it alive in the dark.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes one: `mpdk-LABEL-PID-NUMBER`.
    #[track_caller]
    pub fn new(label: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let namespace = Self { name: format!("mpdk-{label}-{}-{number}", std::process::id()) };
        run(Command::new("ip").args(["netns", "add", &namespace.name]));
        namespace.ip(&["link", "set", "lo", "up"]);
        namespace
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs `ip ARGUMENTS` in it.
    #[track_caller]
    pub fn ip(&self, arguments: &[&str]) -> String {
        run(Command::new("ip").args(["-n", &self.name]).args(arguments))
    }

    /// A program that will run in it. The child is the program itself.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }

    /// Sets a sysctl of the namespace, such as `net.mptcp.enabled`.
    #[track_caller]
    pub fn sysctl(&self, key: &str, value: &str) {
        let path = PathBuf::from("/proc/sys").join(key.replace('.', "/"));
        let result = self.enter(|| std::fs::write(&path, value));
        result.unwrap_or_else(|error| panic!("{key} = {value}: {error}"));
    }

    /// Gives a device an address (`10.1.1.1/24`) and brings it up. An IPv6
    /// address can be used at once: nobody else is there to have it.
    #[track_caller]
    pub fn add_address(&self, device: &str, address: &str) {
        let no_detection: &[&str] = if address.contains(':') { &["nodad"] } else { &[] };
        self.ip(&[&["address", "add", address, "dev", device], no_detection].concat());
        self.ip(&["link", "set", device, "up"]);
    }

    /// How many subflows and announced addresses the kernel takes here.
    #[track_caller]
    pub fn set_mptcp_limits(&self, subflows: u8, accepted_addresses: u8) {
        let (subflows, accepted) = (subflows.to_string(), accepted_addresses.to_string());
        self.ip(&["mptcp", "limits", "set", "subflow", &subflows, "add_addr_accepted", &accepted]);
    }

    /// Tells the kernel's path manager of an address; `flags` such as
    /// `["signal"]` or `["subflow", "backup"]`.
    #[track_caller]
    pub fn add_mptcp_endpoint(&self, address: &str, device: &str, flags: &[&str]) {
        self.ip(&[&["mptcp", "endpoint", "add", address, "dev", device], flags].concat());
    }

    /// Runs `work` on a thread of its own in the namespace: sockets opened
    /// there stay there.
    #[track_caller]
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let path = format!("/run/netns/{}", self.name);
        let file = File::open(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                // SAFETY: moves only this thread, which ends with `work`.
                let moved = unsafe { libc::setns(file.as_raw_fd(), libc::CLONE_NEWNET) };
                assert_eq!(moved, 0, "{path}: {}", std::io::Error::last_os_error());
                work()
            });
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // A failure here must not hide why the test failed.
        let _ = Command::new("ip").args(["netns", "delete", &self.name]).status();
    }
}
