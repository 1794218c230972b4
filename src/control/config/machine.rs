//! What the checks of a configuration ask of the machine it is for.

use std::path::{Path, PathBuf};

/// What the checks ask of the machine. A trait, so that a configuration can be
/// checked for a machine other than this one.
pub trait Machine {
    /// Whether the path names an existing directory.
    fn is_directory(&self, path: &Path) -> bool;
    /// Whether the path exists.
    fn exists(&self, path: &Path) -> bool;
    /// Whether the network namespace has a device of this name.
    fn has_network_device(&self, name: &str) -> bool;
    /// Whether there is a PCI device of this address (`0000:3b:00.0`).
    fn has_pci_device(&self, address: &str) -> bool;
    /// Whether the core is online.
    fn has_core(&self, core: u16) -> bool;
    /// Free hugepage memory of all sizes, in MiB.
    fn free_hugepages_mb(&self) -> u64;
    /// Whether a hugetlbfs is mounted.
    fn has_hugetlbfs(&self) -> bool;
}

/// The machine this runs on.
#[derive(Clone, Copy, Debug, Default)]
pub struct ThisMachine;

impl Machine for ThisMachine {
    fn is_directory(&self, path: &Path) -> bool {
        path.is_dir()
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }

    fn has_network_device(&self, name: &str) -> bool {
        // Not /sys/class/net: a mounted sysfs shows the namespace it was mounted in.
        let table = std::fs::read_to_string("/proc/thread-self/net/dev").unwrap_or_default();
        table.lines().filter_map(|line| line.split_once(':')).any(|(device, _)| device.trim() == name)
    }

    fn has_pci_device(&self, address: &str) -> bool {
        Path::new("/sys/bus/pci/devices").join(address).exists()
    }

    fn has_core(&self, core: u16) -> bool {
        let online = std::fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
        cores_of(&online).any(|range| range.contains(&core))
    }

    fn free_hugepages_mb(&self) -> u64 {
        let Ok(sizes) = std::fs::read_dir("/sys/kernel/mm/hugepages") else { return 0 };
        let free_kb: u64 = sizes.filter_map(|entry| free_hugepages_kb(&entry.ok()?.path())).sum();
        free_kb / 1024
    }

    fn has_hugetlbfs(&self) -> bool {
        let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
        mounts.lines().any(|line| line.split(' ').nth(2) == Some("hugetlbfs"))
    }
}

/// The ranges of a kernel core list such as `0-3,8`.
fn cores_of(list: &str) -> impl Iterator<Item = std::ops::RangeInclusive<u16>> + '_ {
    list.trim().split(',').filter_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(first.parse().ok()?..=last.parse().ok()?)
    })
}

/// Free memory in pages of the size that names the directory (`hugepages-2048kB`).
fn free_hugepages_kb(directory: &Path) -> Option<u64> {
    let name = directory.file_name()?.to_str()?;
    let page_kb: u64 = name.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?;
    let free = PathBuf::from(directory).join("free_hugepages");
    let pages: u64 = std::fs::read_to_string(free).ok()?.trim().parse().ok()?;
    Some(pages * page_kb)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_core_list() {
        let has = |list: &str, core| cores_of(list).any(|range| range.contains(&core));
        assert!(has("0-3,8\n", 2) && has("0-3,8\n", 8) && !has("0-3,8\n", 7) && has("0\n", 0));
        assert!(!has("", 0));
    }

    #[test]
    fn reads_free_pages() {
        let folder = tempfile::tempdir().unwrap();
        let pages = folder.path().join("hugepages-2048kB");
        std::fs::create_dir(&pages).unwrap();
        std::fs::write(pages.join("free_hugepages"), "3\n").unwrap();
        assert_eq!(free_hugepages_kb(&pages), Some(6144));
        assert_eq!(free_hugepages_kb(folder.path()), None);
    }

    #[test]
    fn this_machine_has_a_loopback_and_a_first_core() {
        assert!(ThisMachine.has_network_device("lo"));
        assert!(!ThisMachine.has_network_device("no-such-device"));
        assert!(ThisMachine.has_core(0));
        assert!(!ThisMachine.has_core(u16::MAX));
        assert!(ThisMachine.is_directory(Path::new("/proc")));
    }
}
