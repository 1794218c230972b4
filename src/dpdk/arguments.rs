//! How DPDK is to be started, and the command line that says so.

use super::{DeviceAddress, Error};

/// Where packet memory comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MemoryMode {
    /// Ordinary pages: needs neither root nor hugepages, costs some speed. All
    /// of it is one file: exporting a part exports the whole.
    #[default]
    NoHuge,
    /// Hugepages without a mounted hugetlbfs and without files. Nothing stays
    /// behind when the process dies.
    InMemory,
    /// Hugepages as files of a mounted hugetlbfs, so that DPDK's own tools
    /// (`dpdk-proc-info`) can attach, unless a thread was
    /// [registered](crate::dpdk::Eal::register_thread): DPDK has either.
    Files,
}

/// The least severe log lines of DPDK that are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// What failed.
    Error,
    /// And what may be wrong.
    #[default]
    Warning,
    /// And what is unusual.
    Notice,
    /// And what happens.
    Info,
    /// And why.
    Debug,
}

impl LogLevel {
    const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

/// How DPDK is started.
#[derive(Clone, Debug)]
pub struct EalConfig {
    /// Where packet memory comes from.
    pub memory: MemoryMode,
    /// How much, in MiB.
    pub memory_mb: u32,
    /// One file for all memory instead of one per page. virtio-user needs it
    /// with hugepages: it can announce eight files to its peer. It exposes all
    /// memory to whoever is given a part.
    pub single_file: bool,
    /// Physical instead of virtual addresses for devices: only for a NIC
    /// without an IOMMU.
    pub physical_addresses: bool,
    /// Names this process's runtime files. With [`MemoryMode::Files`] every
    /// running process needs its own; a killed process's hugepages are freed
    /// by the next one that has its prefix.
    pub file_prefix: String,
    /// The CPUs that engine threads will run on: these pin themselves. DPDK's
    /// own housekeeping runs on the others, or on these if there are no others.
    /// Empty: any.
    pub cores: Vec<u32>,
    /// The PCI devices DPDK may touch. Others, and all if there are none, it
    /// does not look at.
    pub pci: Vec<DeviceAddress>,
    /// Serve DPDK's telemetry socket (`dpdk-telemetry.py`).
    pub telemetry: bool,
    /// What is kept of DPDK's log.
    pub log_level: LogLevel,
    /// Further arguments, as DPDK reads them.
    pub extra: Vec<String>,
}

impl Default for EalConfig {
    fn default() -> Self {
        Self {
            memory: MemoryMode::default(),
            memory_mb: 256,
            single_file: false,
            physical_addresses: false,
            file_prefix: "mpdk".into(),
            cores: Vec::new(),
            pci: Vec::new(),
            telemetry: false,
            log_level: LogLevel::default(),
            extra: Vec::new(),
        }
    }
}

/// Further arguments that contradict what the other fields say.
const OWNED: [&str; 17] = [
    "-m",
    "-l",
    "-c",
    "-a",
    "-b",
    "--allow",
    "--lcores",
    "--no-huge",
    "--in-memory",
    "--no-pci",
    "--file-prefix",
    "--log-level",
    "--no-telemetry",
    "--telemetry",
    "--iova-mode",
    "--single-file-segments",
    "--proc-type",
];
/// CPUs that an lcore can have (`RTE_MAX_LCORE` as distributions build DPDK).
const CPU_LIMIT: u32 = 128;
/// What of the prefix still fits into the path of a Unix socket.
const PREFIX_LIMIT: usize = 32;
/// 1 TiB: more is a slip of the finger.
const MEMORY_LIMIT_MB: u32 = 1 << 20;

impl EalConfig {
    /// The configuration that opens `devices`: those on the PCI bus are
    /// allowed, and hugepages come as one file where a virtio-user device
    /// needs that.
    #[must_use]
    pub fn for_devices(mut self, devices: &[DeviceAddress]) -> Self {
        self.pci.extend(devices.iter().filter(|device| matches!(device, DeviceAddress::Pci { .. })).cloned());
        self.single_file |= self.memory != MemoryMode::NoHuge
            && devices.iter().any(|device| device.is_driver("net_virtio_user"));
        self
    }

    /// The command line, the program's name first.
    pub(super) fn to_arguments(&self) -> Result<Vec<String>, Error> {
        self.check()?;
        let mut arguments = vec!["mpdk".into(), "-m".into(), self.memory_mb.to_string()];
        self.push_memory(&mut arguments);
        if self.pci.is_empty() {
            arguments.push("--no-pci".into());
        }
        for device in &self.pci {
            arguments.extend(["-a".into(), device.to_string()]);
        }
        if !self.telemetry {
            arguments.push("--no-telemetry".into());
        }
        arguments.push(format!("--lcores=0@({})", self.lcore_cpus()));
        arguments.push(format!("--file-prefix={}", self.file_prefix));
        arguments.push(format!("--log-level=*:{}", self.log_level.name()));
        arguments.extend(self.extra.iter().cloned());
        Ok(arguments)
    }

    /// One lcore for the calling thread, whatever the number of cores: DPDK
    /// would start a thread for each further one. Engine threads register
    /// themselves and get an lcore id of their own. That the one lcore has all
    /// their CPUs keeps DPDK's housekeeping off them if there are others.
    fn lcore_cpus(&self) -> String {
        let all: Vec<u32> = allowed_cores().collect();
        let wanted = if self.cores.is_empty() { &all } else { &self.cores };
        let mut cpus: Vec<u32> = wanted.iter().copied().filter(|&cpu| cpu < CPU_LIMIT).collect();
        // Beyond the limit DPDK says what it does not like.
        if cpus.is_empty() {
            cpus.extend(wanted.first());
        }
        cpus.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
    }

    fn push_memory(&self, arguments: &mut Vec<String>) {
        match self.memory {
            // The shared configuration file would only serve secondary
            // processes, which need hugepages.
            MemoryMode::NoHuge => arguments.extend(["--no-huge".into(), "--no-shconf".into()]),
            MemoryMode::InMemory => arguments.push("--in-memory".into()),
            MemoryMode::Files => {}
        }
        if self.single_file && self.memory != MemoryMode::NoHuge {
            arguments.push("--single-file-segments".into());
        }
        let mode = if self.physical_addresses { "pa" } else { "va" };
        arguments.push(format!("--iova-mode={mode}"));
    }

    fn check(&self) -> Result<(), Error> {
        let wrong = |key, reason: String| Err(Error::Config { key, reason });
        if self.memory_mb == 0 || self.memory_mb > MEMORY_LIMIT_MB {
            return wrong("memory_mb", format!("{} is not between 1 and {MEMORY_LIMIT_MB}", self.memory_mb));
        }
        if self.physical_addresses && self.memory == MemoryMode::NoHuge {
            return wrong("physical_addresses", "ordinary pages have no fixed physical addresses".into());
        }
        check_prefix(&self.file_prefix)?;
        self.cores.iter().try_for_each(|&core| check_core(core))?;
        if let Some(device) = self.pci.iter().find(|device| !matches!(device, DeviceAddress::Pci { .. })) {
            return wrong("pci", format!("{device} is not on the PCI bus"));
        }
        self.extra.iter().try_for_each(|argument| check_extra(argument))
    }
}

fn check_prefix(prefix: &str) -> Result<(), Error> {
    let fits = (1..=PREFIX_LIMIT).contains(&prefix.len());
    if fits
        && prefix.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        && !prefix.starts_with('.')
    {
        return Ok(());
    }
    let reason = format!("{prefix:?} is not a name of 1 to {PREFIX_LIMIT} letters, digits, - _ .");
    Err(Error::Config { key: "file_prefix", reason })
}

fn check_core(core: u32) -> Result<(), Error> {
    if allowed_cores().any(|allowed| allowed == core) {
        return Ok(());
    }
    let reason = format!("this process may not run on CPU {core}");
    Err(Error::Config { key: "cores", reason })
}

fn check_extra(argument: &str) -> Result<(), Error> {
    let name = argument.split('=').next().unwrap_or_default();
    let reason = if OWNED.contains(&name) {
        format!("{argument:?}: another key of the configuration says this")
    } else if argument.is_empty() || argument.chars().any(char::is_control) {
        format!("{argument:?} is no argument")
    } else {
        return Ok(());
    };
    Err(Error::Config { key: "extra", reason })
}

fn allowed_cores() -> impl Iterator<Item = u32> {
    core_affinity::get_core_ids().unwrap_or_default().into_iter().map(|core| core.id as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(config: &EalConfig) -> Vec<String> {
        config.to_arguments().unwrap()
    }

    #[test]
    fn the_default_needs_no_privileges() {
        let arguments = arguments(&EalConfig::default());
        for wanted in ["--no-huge", "--no-pci", "--no-shconf", "--no-telemetry", "--iova-mode=va"] {
            assert!(arguments.iter().any(|argument| argument == wanted), "{wanted} in {arguments:?}");
        }
        assert!(arguments.windows(2).any(|pair| pair == ["-m", "256"]));
    }

    #[test]
    fn devices_decide_what_is_looked_at() {
        let devices = ["0000:3b:00.0,x=1", "net_virtio_user0,path=/x"].map(|text| text.parse().unwrap());
        let config = EalConfig { memory: MemoryMode::InMemory, ..Default::default() }.for_devices(&devices);
        let arguments = arguments(&config);
        assert!(arguments.windows(2).any(|pair| pair == ["-a", "0000:3b:00.0,x=1"]));
        assert!(!arguments.contains(&"--no-pci".to_string()));
        assert!(arguments.contains(&"--single-file-segments".to_string()));
        assert!(arguments.contains(&"--in-memory".to_string()));
    }

    #[test]
    fn impossible_values_name_their_key() {
        let default = EalConfig::default;
        let virtual_device: DeviceAddress = "net_tap0".parse().unwrap();
        for (key, config) in [
            ("memory_mb", EalConfig { memory_mb: 0, ..default() }),
            ("memory_mb", EalConfig { memory_mb: u32::MAX, ..default() }),
            ("file_prefix", EalConfig { file_prefix: "a/b".into(), ..default() }),
            ("file_prefix", EalConfig { file_prefix: "..".into(), ..default() }),
            ("file_prefix", EalConfig { file_prefix: String::new(), ..default() }),
            ("cores", EalConfig { cores: vec![100_000], ..default() }),
            ("pci", EalConfig { pci: vec![virtual_device], ..default() }),
            ("physical_addresses", EalConfig { physical_addresses: true, ..default() }),
            ("extra", EalConfig { extra: vec!["-m".into()], ..default() }),
            ("extra", EalConfig { extra: vec!["--log-level=8".into()], ..default() }),
            ("extra", EalConfig { extra: vec!["a\0b".into()], ..default() }),
        ] {
            match config.to_arguments() {
                Err(Error::Config { key: found, .. }) => assert_eq!(found, key),
                other => panic!("{key}: {other:?}"),
            }
        }
    }
}
