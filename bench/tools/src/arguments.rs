//! The command line: a command, then `--key value` pairs.

use crate::measuring::Window;
use crate::socket::Protocol;
use std::net::SocketAddrV4;
use std::str::FromStr;
use std::time::Duration;

/// A command and its options, every default filled in.
pub struct Arguments {
    pub command: String,
    pub address: SocketAddrV4,
    pub protocol: Protocol,
    pub warm_up: Duration,
    pub seconds: Duration,
    pub bytes: usize,
    pub parallel: usize,
    cores: String,
}

impl Arguments {
    /// Reads the words behind the program's name.
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut arguments = Self {
            command: words.next().unwrap_or_default(),
            address: SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 5001),
            protocol: Protocol::Mptcp,
            warm_up: Duration::from_secs(1),
            seconds: Duration::from_secs(4),
            bytes: 64,
            parallel: 64,
            cores: "0,1".into(),
        };
        while let Some(key) = words.next() {
            let value = words.next().ok_or_else(|| format!("{key} lacks a value"))?;
            arguments.set(&key, &value)?;
        }
        Ok(arguments)
    }

    /// The time that counts, and the one before it.
    pub fn window(&self) -> Window {
        Window { warm_up: self.warm_up, length: self.seconds }
    }

    /// The two cores of `--cores`.
    pub fn cores(&self) -> Result<[usize; 2], String> {
        let (first, second) = self.cores.split_once(',').ok_or("--cores takes A,B")?;
        Ok([number("--cores", first)?, number("--cores", second)?])
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "--address" => self.address = number(key, value)?,
            "--protocol" => self.protocol = Protocol::named(value).ok_or("--protocol takes mptcp or tcp")?,
            "--warm-up" => self.warm_up = seconds(key, value)?,
            "--seconds" => self.seconds = seconds(key, value)?,
            "--bytes" => self.bytes = number::<usize>(key, value)?.clamp(1, 65_536),
            "--parallel" => self.parallel = number::<usize>(key, value)?.clamp(1, 1024),
            "--cores" => self.cores = value.into(),
            _ => return Err(format!("no option {key}")),
        }
        Ok(())
    }
}

fn number<T: FromStr>(key: &str, value: &str) -> Result<T, String> {
    value.trim().parse().map_err(|_| format!("{key}: cannot be {value}"))
}

fn seconds(key: &str, value: &str) -> Result<Duration, String> {
    Duration::try_from_secs_f64(number(key, value)?).map_err(|_| format!("{key}: cannot be {value}"))
}
