//! The device behind a port: a virtual one of DPDK with its arguments
//! (`net_tap0,iface=left`), or the address of a PCI card.

use super::reader::did_you_mean;
use std::collections::BTreeMap;
use std::fmt;

/// A DPDK device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// What drives it.
    pub kind: DeviceKind,
    /// Its unique name: `net_tap0`, or the PCI address with its domain.
    pub name: String,
    /// Its arguments in the order of their names.
    pub arguments: BTreeMap<String, String>,
    /// What DPDK is given: the name with the arguments, as they were written.
    pub text: String,
}

/// What drives a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// A TAP device of the kernel.
    Tap,
    /// The driver's end of a vhost-user socket.
    VirtioUser,
    /// The other end of a vhost-user socket.
    Vhost,
    /// Shared memory with another packet processor.
    Memif,
    /// A packet socket on a kernel device.
    AfPacket,
    /// An XDP socket on a kernel device.
    AfXdp,
    /// Capture files in place of a network.
    Pcap,
    /// A ring inside the process.
    Ring,
    /// Nothing: frames come from nowhere and go there.
    Null,
    /// A network card.
    Pci,
}

/// What is known of a virtual device's driver (DPDK 22.11, NIC guide).
struct Driver {
    prefix: &'static str,
    kind: DeviceKind,
    arguments: &'static [&'static str],
    required: &'static [&'static str],
}

const DRIVERS: &[Driver] = &[
    Driver {
        prefix: "net_tap",
        kind: DeviceKind::Tap,
        arguments: &["iface", "mac", "remote"],
        required: &[],
    },
    Driver {
        prefix: "net_virtio_user",
        kind: DeviceKind::VirtioUser,
        arguments: &[
            "path",
            "mac",
            "cq",
            "queue_size",
            "queues",
            "iface",
            "server",
            "mrg_rxbuf",
            "in_order",
            "packed_vq",
            "speed",
            "vectorized",
        ],
        required: &["path"],
    },
    Driver {
        prefix: "net_vhost",
        kind: DeviceKind::Vhost,
        arguments: &[
            "iface",
            "queues",
            "client",
            "iommu-support",
            "postcopy-support",
            "tso",
            "linear-buffer",
            "ext-buffer",
        ],
        required: &["iface"],
    },
    Driver {
        prefix: "net_memif",
        kind: DeviceKind::Memif,
        arguments: &[
            "id",
            "role",
            "bsize",
            "rsize",
            "socket",
            "socket-abstract",
            "mac",
            "zero-copy",
            "secret",
        ],
        required: &[],
    },
    Driver {
        prefix: "net_af_packet",
        kind: DeviceKind::AfPacket,
        arguments: &["iface", "qpairs", "blocksz", "framesz", "framecnt", "qdisc_bypass"],
        required: &["iface"],
    },
    Driver {
        prefix: "net_af_xdp",
        kind: DeviceKind::AfXdp,
        arguments: &[
            "iface",
            "start_queue",
            "queue_count",
            "shared_umem",
            "xdp_prog",
            "busy_budget",
            "force_copy",
        ],
        required: &["iface"],
    },
    Driver {
        prefix: "net_pcap",
        kind: DeviceKind::Pcap,
        arguments: &[
            "rx_pcap",
            "tx_pcap",
            "rx_iface",
            "rx_iface_in",
            "tx_iface",
            "iface",
            "phy_mac",
            "infinite_rx",
        ],
        required: &[],
    },
    Driver { prefix: "net_ring", kind: DeviceKind::Ring, arguments: &["nodeaction"], required: &[] },
    Driver {
        prefix: "net_null",
        kind: DeviceKind::Null,
        arguments: &["size", "copy", "no-rx"],
        required: &[],
    },
];

impl DeviceKind {
    /// Largest MTU that the driver's frames have room for (DPDK 22.11); a PCI
    /// card's own limit shows when it is started.
    pub fn max_mtu(self) -> u16 {
        match self {
            // Frames of 1518 or 1522 bytes: Ethernet header, VLAN tag or checksum around them.
            Self::Tap | Self::Memif | Self::AfPacket => 1500,
            // A frame lies in one page, behind the kernel's headroom and before its trailer.
            Self::AfXdp => 3498,
            // 9728 bytes less Ethernet header, VLAN tag and virtio header; the ends of a wire agree.
            Self::VirtioUser | Self::Vhost | Self::Pcap | Self::Ring | Self::Null => 9698,
            Self::Pci => 9978,
        }
    }

    /// The driver's name.
    pub fn driver(self) -> &'static str {
        DRIVERS.iter().find(|driver| driver.kind == self).map_or("pci", |driver| driver.prefix)
    }
}

impl Device {
    /// Reads a device as DPDK's `--vdev` and `--allow` take it.
    ///
    /// # Errors
    /// A text for people: an unknown driver or argument, one given twice, one
    /// that is missing, or a PCI address that is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (name, rest) = text.split_once(',').map_or((text, None), |(name, rest)| (name, Some(rest)));
        let pairs = rest.map_or_else(|| Ok(BTreeMap::new()), parse_arguments)?;
        if name.starts_with("net_") {
            return Self::virtual_device(text, name, pairs);
        }
        let address = pci_address(name).ok_or_else(|| {
            let drivers: Vec<_> = DRIVERS.iter().map(|driver| driver.prefix).collect();
            format!(
                "\"{name}\" is neither a PCI address (0000:3b:00.0) nor a device of {}",
                drivers.join(", ")
            )
        })?;
        let text = rest.map_or_else(|| address.clone(), |rest| format!("{address},{rest}"));
        Ok(Self { kind: DeviceKind::Pci, name: address, arguments: pairs, text })
    }

    fn virtual_device(text: &str, name: &str, arguments: BTreeMap<String, String>) -> Result<Self, String> {
        let stem = name.trim_end_matches(|letter: char| letter.is_ascii_digit());
        let driver =
            DRIVERS.iter().find(|driver| driver.prefix == stem).ok_or_else(|| unknown_driver(stem))?;
        if stem == name {
            return Err(format!("\"{name}\" needs a number: {name}0"));
        }
        if let Some(unknown) = arguments.keys().find(|key| !driver.arguments.contains(&key.as_str())) {
            let hint = did_you_mean(unknown, driver.arguments);
            return Err(format!("{stem} has no argument \"{unknown}\"{hint}"));
        }
        if let Some(missing) = driver.required.iter().find(|key| !arguments.contains_key(**key)) {
            return Err(format!("{stem} needs {missing}=: \"{name},{missing}=...\""));
        }
        let device = Self { kind: driver.kind, name: name.to_owned(), arguments, text: text.to_owned() };
        device.check_interface_name()?;
        Ok(device)
    }

    /// Kernel device names have at most 15 bytes, without space or slash.
    fn check_interface_name(&self) -> Result<(), String> {
        match self.network_device().or(self.created_network_device()) {
            Some(name) if name.len() > 15 || name.is_empty() || name.contains(['/', ' ']) => {
                Err(format!("\"{name}\" can't name a network device: 1 to 15 characters without / and space"))
            }
            _ => Ok(()),
        }
    }

    /// One of its arguments.
    pub fn argument(&self, name: &str) -> Option<&str> {
        self.arguments.get(name).map(String::as_str)
    }

    /// The socket that this device opens or waits at, and whether it is a file.
    pub fn socket(&self) -> Option<&str> {
        match self.kind {
            DeviceKind::VirtioUser => self.argument("path").filter(|path| !path.starts_with("/dev/")),
            DeviceKind::Vhost => self.argument("iface"),
            // Without this word DPDK takes the name for an abstract socket, which is no file.
            DeviceKind::Memif if self.argument("socket-abstract") == Some("no") => self.argument("socket"),
            _ => None,
        }
    }

    /// The kernel device that has to exist before.
    pub fn network_device(&self) -> Option<&str> {
        match self.kind {
            DeviceKind::AfPacket | DeviceKind::AfXdp => self.argument("iface"),
            DeviceKind::Tap => self.argument("remote"),
            _ => None,
        }
    }

    /// The kernel device that comes into being with this one.
    pub fn created_network_device(&self) -> Option<&str> {
        match self.kind {
            DeviceKind::Tap => self.argument("iface"),
            _ => None,
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn parse_arguments(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut arguments = BTreeMap::new();
    for pair in text.split(',') {
        let (key, value) = pair.split_once('=').ok_or_else(|| format!("\"{pair}\" is no name=value"))?;
        if arguments.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(format!("{key}= is given twice"));
        }
    }
    Ok(arguments)
}

fn unknown_driver(stem: &str) -> String {
    let drivers: Vec<_> = DRIVERS.iter().map(|driver| driver.prefix).collect();
    format!("unknown driver \"{stem}\"{}; known: {}", did_you_mean(stem, &drivers), drivers.join(", "))
}

/// `[domain:]bus:device.function` in hexadecimal, with the domain filled in.
fn pci_address(text: &str) -> Option<String> {
    let (rest, function) = text.split_once('.')?;
    let parts: Vec<_> = rest.split(':').collect();
    let (domain, bus, slot) = match parts[..] {
        [bus, slot] => ("0000", bus, slot),
        [domain, bus, slot] => (domain, bus, slot),
        _ => return None,
    };
    let widths = [(domain, 4), (bus, 2), (slot, 2), (function, 1)];
    let hexadecimal = |(part, width): &(&str, usize)| {
        part.len() == *width && part.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let fits = widths.iter().all(hexadecimal) && u8::from_str_radix(slot, 16).ok()? < 32 && function < "8";
    fits.then(|| format!("{domain}:{bus}:{slot}.{function}").to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistake(text: &str) -> String {
        Device::parse(text).unwrap_err()
    }

    #[test]
    fn reads_virtual_devices() {
        let tap = Device::parse("net_tap0,iface=left,mac=fixed").unwrap();
        assert_eq!((tap.kind, tap.name.as_str()), (DeviceKind::Tap, "net_tap0"));
        assert_eq!(tap.created_network_device(), Some("left"));
        assert_eq!(tap.to_string(), "net_tap0,iface=left,mac=fixed");
        let wire = Device::parse("net_virtio_user1,path=/run/wire.sock,server=1").unwrap();
        assert_eq!((wire.kind, wire.socket()), (DeviceKind::VirtioUser, Some("/run/wire.sock")));
        let kernel = Device::parse("net_virtio_user0,path=/dev/vhost-net").unwrap();
        assert_eq!(kernel.socket(), None);
        assert_eq!(Device::parse("net_af_packet0,iface=eth0").unwrap().network_device(), Some("eth0"));
    }

    #[test]
    fn reads_pci_addresses() {
        let card = Device::parse("3B:00.1").unwrap();
        assert_eq!((card.kind, card.name.as_str()), (DeviceKind::Pci, "0000:3b:00.1"));
        let card = Device::parse("0000:3b:00.0,mprq_en=1").unwrap();
        assert_eq!((card.text.as_str(), card.argument("mprq_en")), ("0000:3b:00.0,mprq_en=1", Some("1")));
        for wrong in ["3b:00", "3b:00.8", "3b:20.0", "xx:00.0", "0:3b:00.0", "eth0", ""] {
            assert!(mistake(wrong).contains("neither a PCI address"), "{wrong}");
        }
    }

    #[test]
    fn says_what_is_wrong_with_a_virtual_device() {
        assert!(mistake("net_tab0").starts_with("unknown driver \"net_tab\": did you mean \"net_tap\"?"));
        assert_eq!(mistake("net_tap"), "\"net_tap\" needs a number: net_tap0");
        assert_eq!(mistake("net_tap0,ifaec=a"), "net_tap has no argument \"ifaec\": did you mean \"iface\"?");
        assert_eq!(mistake("net_vhost0"), "net_vhost needs iface=: \"net_vhost0,iface=...\"");
        assert_eq!(mistake("net_tap0,iface"), "\"iface\" is no name=value");
        assert_eq!(mistake("net_tap0,iface=a,iface=b"), "iface= is given twice");
        assert!(mistake("net_tap0,iface=a-name-too-long-for-it").contains("1 to 15 characters"));
        assert!(mistake("net_tap0,iface=").contains("1 to 15 characters"));
    }

    #[test]
    fn every_driver_has_its_limit_and_name() {
        for driver in DRIVERS {
            assert_eq!(driver.kind.driver(), driver.prefix);
            assert!(driver.kind.max_mtu() >= 1500);
            assert!(driver.required.iter().all(|key| driver.arguments.contains(key)));
        }
    }
}
