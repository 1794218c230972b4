//! Links as text for people.

use super::change::DIRECTIONS;
use crate::control::{DirectionSettings, WireConfig};
use serde_json::Value;
use std::fmt::Write;

/// What a valid configuration starts.
pub(super) fn explain(config: &WireConfig) -> String {
    let mut text = format!("{} is valid\n", config.file.display());
    // Writing to a string does not fail.
    let _ = writeln!(text, "control: {}", config.control.display());
    for link in &config.links {
        let [a, b] = link.ports.each_ref().map(|port| &port.device.text);
        let _ = writeln!(text, "link {}, mtu {}: {a} <-> {b}", link.name, link.mtu);
        for (direction, name) in link.directions.iter().zip(DIRECTIONS) {
            let _ = writeln!(text, "  {name}: {}", describe(direction));
        }
    }
    text.truncate(text.trim_end().len());
    text
}

fn describe(direction: &DirectionSettings) -> String {
    let numbers = direction.values().filter(|(_, value)| *value != 0.0);
    let mut parts: Vec<_> = numbers.map(|(key, value)| format!("{key}={value}")).collect();
    if !direction.up {
        parts.push("up=false".into());
    }
    parts.join(" ")
}

/// An answer of the emulator.
pub(super) fn for_people(links: &Value) -> String {
    let mut text = String::new();
    for link in links.as_array().into_iter().flatten() {
        let port = |side: &str| {
            let down = if link[side]["link_up"] == false { " (down)" } else { "" };
            format!("{}{down}", link[side]["device"].as_str().unwrap_or_default())
        };
        let _ = writeln!(
            text,
            "link {}: {} <-> {}",
            link["name"].as_str().unwrap_or_default(),
            port("a"),
            port("b")
        );
        for name in DIRECTIONS {
            let _ = writeln!(text, "  {name}: {}", settings_of(&link[name]["settings"]));
            let _ = writeln!(text, "          {}", counts_of(&link[name]));
        }
    }
    text.truncate(text.trim_end().len());
    text
}

fn settings_of(settings: &Value) -> String {
    let numbers = settings.as_object().into_iter().flatten();
    let said =
        numbers.filter(
            |(key, value)| {
                if key.as_str() == "up" { **value == false } else { value.as_f64() != Some(0.0) }
            },
        );
    let text = |value: &Value| value.as_f64().map_or_else(|| value.to_string(), |number| number.to_string());
    let said: Vec<_> = said.map(|(key, value)| format!("{key}={}", text(value))).collect();
    said.join(" ")
}

fn counts_of(direction: &Value) -> String {
    let mut parts = Vec::new();
    for (name, tally) in direction["counts"].as_object().into_iter().flatten() {
        let (frames, bytes) = (tally["frames"].as_u64(), tally["bytes"].as_u64());
        let always = name == "received" || name == "sent";
        if let (Some(frames), Some(bytes)) = (frames, bytes)
            && (frames > 0 || always)
        {
            parts.push(format!("{name} {frames} ({bytes} bytes)"));
        }
    }
    if let Some(refused) = direction["refused_frames"].as_u64().filter(|refused| *refused > 0) {
        parts.push(format!("refused by the port {refused}"));
    }
    parts.join(", ")
}
