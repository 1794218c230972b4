//! What a device is called in the configuration.

use std::fmt;
use std::str::FromStr;

/// DPDK's limit for device names, without the final zero.
const NAME_LIMIT: usize = 63;
/// More arguments than any driver takes.
const ARGUMENTS_LIMIT: usize = 1024;

/// Which device: one that a driver makes up, or one on the PCI bus; with the
/// arguments for its driver.
///
/// Written as DPDK writes it: `net_tap0,iface=mptap0` or
/// `0000:3b:00.0,queues=4`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceAddress {
    /// A virtual device: `net_` and the name of its driver and a number.
    Virtual {
        /// `net_tap0`
        name: String,
        /// `iface=mptap0`, each with its value.
        arguments: Vec<(String, String)>,
    },
    /// A device on the PCI bus.
    Pci {
        /// Domain, bus, device and function: `0000:3b:00.0`.
        address: String,
        /// Arguments, each with its value.
        arguments: Vec<(String, String)>,
    },
}

/// Why a text names no device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It is neither of the two forms.
    #[error(
        "{0:?} is no device: expected net_<driver><number>[,key=value] or a PCI address like 0000:3b:00.0"
    )]
    Unknown(String),
    /// An argument is not of the form `key=value`.
    #[error("device {device}: argument {argument:?} is not key=value")]
    Argument {
        /// The device.
        device: String,
        /// What stands there.
        argument: String,
    },
    /// The text is longer than DPDK takes.
    #[error("device {0:?}...: the text is too long")]
    TooLong(String),
}

impl DeviceAddress {
    /// What DPDK knows the device by.
    pub fn name(&self) -> &str {
        match self {
            Self::Virtual { name, .. } => name,
            Self::Pci { address, .. } => address,
        }
    }

    /// The value of a driver's argument.
    pub fn argument(&self, key: &str) -> Option<&str> {
        self.arguments().iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// Whether it is a virtual device of this driver (`net_tap`).
    pub fn is_driver(&self, driver: &str) -> bool {
        matches!(self, Self::Virtual { name, .. } if name.trim_end_matches(|c: char| c.is_ascii_digit()) == driver)
    }

    /// The same with its queues, for drivers that must be told, and how many these
    /// are: `wished`, or one where the arguments say that there are fewer.
    pub(super) fn for_queues(&self, wished: u16) -> (Self, u16) {
        let Some((key, is_mutual)) = self.queues_argument() else { return (self.clone(), wished) };
        let mut told = self.clone();
        match self.argument(key).map(str::parse::<u16>) {
            // What is no number the driver refuses.
            Some(written) => {
                let suffices = written.map_or(true, |written| written >= wished);
                (told, if suffices { wished } else { 1 })
            }
            None if is_mutual => (told, 1),
            None => {
                if wished > 1 {
                    told.arguments_mut().push((key.into(), wished.to_string()));
                }
                (told, wished)
            }
        }
    }

    /// How a virtual driver is told its queues, if it must be, and whether the other
    /// side must have as many: then only a person knows.
    fn queues_argument(&self) -> Option<(&'static str, bool)> {
        const DRIVERS: [(&str, &str, bool); 4] = [
            ("net_virtio_user", "queues", true),
            ("net_vhost", "queues", true),
            ("net_af_packet", "qpairs", false),
            ("net_af_xdp", "queue_count", false),
        ];
        DRIVERS
            .iter()
            .find(|(driver, ..)| self.is_driver(driver))
            .map(|&(_, key, is_mutual)| (key, is_mutual))
    }

    fn arguments_mut(&mut self) -> &mut Vec<(String, String)> {
        match self {
            Self::Virtual { arguments, .. } | Self::Pci { arguments, .. } => arguments,
        }
    }

    fn arguments(&self) -> &[(String, String)] {
        match self {
            Self::Virtual { arguments, .. } | Self::Pci { arguments, .. } => arguments,
        }
    }
}

impl fmt::Display for DeviceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        self.arguments().iter().try_for_each(|(key, value)| write!(f, ",{key}={value}"))
    }
}

impl FromStr for DeviceAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.len() > ARGUMENTS_LIMIT {
            return Err(AddressError::TooLong(text.chars().take(32).collect()));
        }
        let mut parts = text.split(',');
        let device = parts.next().unwrap_or_default();
        let arguments = parts.map(|part| argument(device, part)).collect::<Result<_, _>>()?;
        if is_virtual_name(device) {
            Ok(Self::Virtual { name: device.into(), arguments })
        } else if let Some(address) = pci_address(device) {
            Ok(Self::Pci { address, arguments })
        } else {
            Err(AddressError::Unknown(device.into()))
        }
    }
}

fn is_virtual_name(name: &str) -> bool {
    name.strip_prefix("net_").is_some_and(|rest| {
        name.len() <= NAME_LIMIT
            && rest.starts_with(|c: char| c.is_ascii_lowercase())
            && rest.ends_with(|c: char| c.is_ascii_digit())
            && rest.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    })
}

/// The full address: the domain may be left out, as in `lspci`.
fn pci_address(text: &str) -> Option<String> {
    let text = text.to_ascii_lowercase();
    let full = if text.len() == 7 { format!("0000:{text}") } else { text };
    let shape = full.chars().map(|c| if c.is_ascii_hexdigit() { 'h' } else { c }).collect::<String>();
    (shape == "hhhh:hh:hh.h").then_some(full)
}

fn argument(device: &str, text: &str) -> Result<(String, String), AddressError> {
    let pair = text.split_once('=').filter(|(key, value)| is_key(key) && is_value(value));
    let Some((key, value)) = pair else {
        return Err(AddressError::Argument { device: device.into(), argument: text.into() });
    };
    Ok((key.into(), value.into()))
}

fn is_key(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

fn is_value(value: &str) -> bool {
    !value.is_empty() && value.chars().all(|c| c.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_and_written() {
        let tap: DeviceAddress = "net_tap0,iface=mptap0,mac=02:00:00:00:00:01".parse().unwrap();
        assert_eq!((tap.name(), tap.argument("iface")), ("net_tap0", Some("mptap0")));
        assert_eq!(tap.argument("path"), None);
        assert!(tap.is_driver("net_tap") && !tap.is_driver("net_ring"));
        assert_eq!(tap.to_string(), "net_tap0,iface=mptap0,mac=02:00:00:00:00:01");
        let nic: DeviceAddress = "3B:00.1".parse().unwrap();
        assert_eq!(nic, DeviceAddress::Pci { address: "0000:3b:00.1".into(), arguments: vec![] });
        assert!(!nic.is_driver("net_tap"));
        assert!(
            "net_virtio_user1,path=/run/x.sock"
                .parse::<DeviceAddress>()
                .unwrap()
                .is_driver("net_virtio_user")
        );
    }

    #[test]
    fn drivers_are_told_their_queues() {
        let told = |text: &str, wished| {
            let (address, queues) = text.parse::<DeviceAddress>().unwrap().for_queues(wished);
            (address.to_string(), queues)
        };
        let as_is = |text: &str, queues| (text.to_string(), queues);
        assert_eq!(told("net_af_packet0,iface=x", 3), as_is("net_af_packet0,iface=x,qpairs=3", 3));
        assert_eq!(told("net_af_packet0,iface=x", 1), as_is("net_af_packet0,iface=x", 1));
        for text in ["net_tap0", "0000:3b:00.0", "net_virtio_user0,path=/x,queues=4"] {
            assert_eq!(told(text, 2), as_is(text, 2));
        }
        // The other side might have one.
        for text in ["net_vhost0,iface=/x", "net_virtio_user0,path=/x", "net_virtio_user0,path=/x,queues=2"] {
            assert_eq!(told(text, 3), as_is(text, 1));
        }
    }

    #[test]
    fn what_names_no_device_is_refused() {
        for text in ["", "eth0", "net_", "net_tap", "net_Tap0", "net_tap0 --vdev", "0000:3b:00", "3b:00.x"] {
            assert!(matches!(text.parse::<DeviceAddress>(), Err(AddressError::Unknown(_))), "{text:?}");
        }
        for text in ["net_tap0,", "net_tap0,iface", "net_tap0,iface=", "net_tap0,a=b\n--x", "net_tap0,a b=c"]
        {
            assert!(matches!(text.parse::<DeviceAddress>(), Err(AddressError::Argument { .. })), "{text:?}");
        }
        let long = format!("net_tap0,iface={}", "x".repeat(2000));
        assert!(matches!(long.parse::<DeviceAddress>(), Err(AddressError::TooLong(_))));
    }
}
