//! What can be said of one direction, in the file and while it runs.

use crate::base::Duration;
use crate::control::config::reader::{Notes, Section, did_you_mean};
use crate::emulator::{Chance, Profile};

/// Frames that wait for the transmitter unless the file says otherwise.
const DEFAULT_QUEUE_PACKETS: u32 = 1_000;
const MINUTE_US: f64 = 60_000_000.0;

/// What one direction is like, by the names that people use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DirectionSettings {
    /// What it does to frames.
    pub profile: Profile,
    /// Whether it carries anything.
    pub up: bool,
}

/// A number that a direction is described by.
#[derive(Debug)]
pub struct Key {
    /// Its name, the unit last.
    pub name: &'static str,
    /// What it is.
    pub what: &'static str,
    /// Smallest and largest value. 0 is possible too, and switches it off.
    range: (f64, f64),
    whole: bool,
    read: fn(&Profile) -> f64,
    write: fn(&mut Profile, f64),
}

/// The numbers of a direction. Beside them there is `up`, true or false.
pub const DIRECTION_KEYS: &[Key] = &[
    Key {
        name: "rate_mbit",
        what: "megabits of Ethernet frame per second; 0 is no limit",
        range: (0.001, 400_000.0),
        whole: false,
        read: |profile| profile.rate_bits_per_second as f64 / 1e6,
        write: |profile, value| profile.rate_bits_per_second = (value * 1e6).round() as u64,
    },
    Key {
        name: "queue_packets",
        what: "frames that wait for the transmitter; 0 is no limit",
        range: (0.0, 1_000_000.0),
        whole: true,
        read: |profile| f64::from(profile.queue_packets),
        write: |profile, value| profile.queue_packets = value as u32,
    },
    Key {
        name: "queue_bytes",
        what: "bytes that wait for the transmitter; 0 is no limit",
        range: (0.0, 4_294_967_296.0),
        whole: true,
        read: |profile| profile.queue_bytes as f64,
        write: |profile, value| profile.queue_bytes = value as u64,
    },
    Key {
        name: "delay_us",
        what: "time on the way",
        range: (0.0, MINUTE_US),
        whole: false,
        read: |profile| micros(profile.delay),
        write: |profile, value| profile.delay = duration(value),
    },
    Key {
        name: "jitter_us",
        what: "added to the delay: uniform from 0 to this; order is kept",
        range: (0.0, MINUTE_US),
        whole: false,
        read: |profile| micros(profile.jitter),
        write: |profile, value| profile.jitter = duration(value),
    },
    Key {
        name: "loss",
        what: "share of frames lost",
        range: (0.0, 1.0),
        whole: false,
        read: |profile| profile.loss.share(),
        write: |profile, value| profile.loss = Chance::new(value),
    },
    Key {
        name: "loss_burst_frames",
        what: "frames that a loss takes in a row on average; 0 loses each by itself",
        range: (0.0, 1_000_000.0),
        whole: true,
        read: |profile| f64::from(profile.loss_burst_frames),
        write: |profile, value| profile.loss_burst_frames = value as u32,
    },
    Key {
        name: "duplicate",
        what: "share of frames that arrive twice",
        range: (0.0, 1.0),
        whole: false,
        read: |profile| profile.duplicate.share(),
        write: |profile, value| profile.duplicate = Chance::new(value),
    },
    Key {
        name: "reorder",
        what: "share of frames that are held back while others pass",
        range: (0.0, 1.0),
        whole: false,
        read: |profile| profile.reorder.share(),
        write: |profile, value| profile.reorder = Chance::new(value),
    },
    Key {
        name: "reorder_delay_us",
        what: "how long these are held back",
        range: (0.0, MINUTE_US),
        whole: false,
        read: |profile| micros(profile.reorder_delay),
        write: |profile, value| profile.reorder_delay = duration(value),
    },
];

impl Default for DirectionSettings {
    fn default() -> Self {
        let profile = Profile { queue_packets: DEFAULT_QUEUE_PACKETS, ..Profile::default() };
        Self { profile, up: true }
    }
}

impl DirectionSettings {
    /// Changes one number.
    ///
    /// # Errors
    /// A text for people: there is no such key, or it cannot have this value.
    pub fn set(&mut self, key: &str, value: f64) -> Result<(), String> {
        let Some(found) = DIRECTION_KEYS.iter().find(|candidate| candidate.name == key) else {
            let mut names: Vec<_> = DIRECTION_KEYS.iter().map(|key| key.name).collect();
            names.push("up");
            return Err(format!("unknown key{}", did_you_mean(key, &names)));
        };
        found.check(value)?;
        (found.write)(&mut self.profile, value);
        Ok(())
    }

    /// What is wrong with the numbers together: the key and a text.
    pub fn contradiction(&self) -> Option<(&'static str, &'static str)> {
        let endless = self.profile.reorder.share() > 0.0 && self.profile.reorder_delay == Duration::ZERO;
        endless.then_some(("reorder", "needs reorder_delay_us: nobody passes a frame that is not held back"))
    }

    /// Every number with its name.
    pub fn values(&self) -> impl Iterator<Item = (&'static str, f64)> + '_ {
        DIRECTION_KEYS.iter().map(|key| (key.name, (key.read)(&self.profile)))
    }
}

impl Key {
    fn check(&self, value: f64) -> Result<(), String> {
        let (low, high) = self.range;
        if !(value == 0.0 || (low..=high).contains(&value)) {
            let zero = if low > 0.0 { "0 or " } else { "" };
            return Err(format!("{value} is out of range: {zero}from {low} to {high}"));
        }
        if self.whole && value.fract() != 0.0 {
            return Err(format!("{value} is no whole number"));
        }
        Ok(())
    }
}

/// A table that describes a direction.
pub(super) fn read_direction(mut section: Section<'_>, notes: &Notes) -> DirectionSettings {
    let mut settings = DirectionSettings::default();
    for key in DIRECTION_KEYS {
        if let Some(number) = section.number(key.name)
            && let Err(message) = settings.set(key.name, number.value)
        {
            notes.problem(number.line, section.path(key.name), message);
        }
    }
    settings.up = section.boolean("up", true);
    if let Some((key, message)) = settings.contradiction() {
        notes.problem(section.line_of(key), section.path(key), message);
    }
    section.finish();
    settings
}

fn duration(us: f64) -> Duration {
    Duration::from_nanos((us * 1e3).round() as u64)
}

fn micros(span: Duration) -> f64 {
    span.as_nanos() as f64 / 1e3
}
