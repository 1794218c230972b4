//! Network namespaces, removed when dropped.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

/// A network namespace of its own.
#[derive(Debug)]
pub struct Namespace {
    pub name: String,
}

/// Whether namespaces and devices can be made here.
pub fn can_create() -> bool {
    // SAFETY: asks for a number.
    let root = unsafe { libc::geteuid() } == 0;
    root && File::open("/dev/net/tun").is_ok() && try_run("ip", &["netns", "list"]).is_ok()
}

impl Namespace {
    /// A new one, with its loopback up and without IPv6, whose own frames would
    /// disturb what is counted.
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("mpdk-{}-{number}", std::process::id());
        run("ip", &["netns", "add", &name]);
        let namespace = Self { name };
        namespace.run("ip", &["link", "set", "lo", "up"]);
        namespace.run("sysctl", &["-qw", "net.ipv6.conf.default.disable_ipv6=1"]);
        namespace
    }

    /// Runs a program in the namespace.
    pub fn run(&self, program: &str, arguments: &[&str]) {
        let mut all = vec!["netns", "exec", &self.name, program];
        all.extend(arguments);
        run("ip", &all);
    }

    /// Runs `work` in a thread that is in the namespace.
    pub fn spawn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> thread::JoinHandle<T> {
        let file = File::open(format!("/run/netns/{}", self.name)).unwrap();
        thread::spawn(move || {
            // SAFETY: changes only this thread.
            assert_eq!(unsafe { libc::setns(file.as_raw_fd(), libc::CLONE_NEWNET) }, 0);
            work()
        })
    }

    /// Takes a network device of this process's namespace, gives it an address
    /// and brings it up.
    pub fn take_device(&self, device: &str, address: &str) {
        run("ip", &["link", "set", device, "netns", &self.name]);
        self.run("sysctl", &["-qw", &format!("net.ipv6.conf.{device}.disable_ipv6=1")]);
        self.run("ip", &["address", "add", address, "dev", device]);
        self.run("ip", &["link", "set", device, "up"]);
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if let Err(error) = try_run("ip", &["netns", "del", &self.name]) {
            eprintln!("{error}");
        }
    }
}

/// Whether a network device exists in this process's namespace.
pub fn device_exists(name: &str) -> bool {
    std::path::Path::new("/sys/class/net").join(name).exists()
}

pub fn run(program: &str, arguments: &[&str]) {
    try_run(program, arguments).unwrap();
}

fn try_run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output =
        Command::new(program).args(arguments).output().map_err(|error| format!("{program}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("{program} {arguments:?}: {text}")) }
}
