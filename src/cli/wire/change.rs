//! From settings by name to a changed link.

use super::protocol::SettingValue;
use crate::control::{DIRECTION_KEYS, DirectionSettings};
use std::fmt::Write;

/// The directions by their names.
pub(super) const DIRECTIONS: [&str; 2] = ["a_to_b", "b_to_a"];

/// Changes both directions or, named in front of the key, one.
///
/// # Errors
/// A text for people, with the key; `directions` is half changed then.
pub(super) fn change<'a>(
    directions: &mut [DirectionSettings; 2],
    settings: impl IntoIterator<Item = (&'a String, &'a SettingValue)>,
) -> Result<(), String> {
    let mut some = false;
    for (name, value) in settings {
        some = true;
        for direction in chosen(directions, name)? {
            let (direction, key) = direction;
            set(direction, key, *value).map_err(|message| format!("{name}: {message}"))?;
        }
    }
    if !some {
        return Err("no settings".into());
    }
    for (direction, name) in directions.iter().zip(DIRECTIONS) {
        if let Some((key, message)) = direction.contradiction() {
            return Err(format!("{name}.{key}: {message}"));
        }
    }
    Ok(())
}

/// The directions that a name means, and the key in it.
fn chosen<'a, 'b>(
    directions: &'a mut [DirectionSettings; 2],
    name: &'b str,
) -> Result<impl Iterator<Item = (&'a mut DirectionSettings, &'b str)>, String> {
    let (only, key) = match name.split_once('.') {
        None => (None, name),
        Some((direction, key)) => {
            let index = DIRECTIONS.iter().position(|known| *known == direction);
            let unknown = || format!("{name}: there is no direction \"{direction}\", only a_to_b and b_to_a");
            (Some(index.ok_or_else(unknown)?), key)
        }
    };
    let meant = move |(index, direction)| only.is_none_or(|only| only == index).then_some((direction, key));
    Ok(directions.iter_mut().enumerate().filter_map(meant))
}

fn set(direction: &mut DirectionSettings, key: &str, value: SettingValue) -> Result<(), String> {
    match value {
        SettingValue::Switch(up) if key == "up" => {
            direction.up = up;
            Ok(())
        }
        SettingValue::Number(_) if key == "up" => Err("expected true or false".into()),
        SettingValue::Number(number) => direction.set(key, number),
        // An unknown key is told as such whatever its value.
        SettingValue::Switch(_) => direction.set(key, 0.0).and(Err("expected a number".into())),
    }
}

/// The keys, for the help.
pub(super) fn keys_help() -> String {
    let mut help = String::from("Keys, for both directions or behind a_to_b. or b_to_a. for one:\n");
    for key in DIRECTION_KEYS {
        // Writing to a string does not fail.
        let _ = writeln!(help, "  {:<18}{}", key.name, key.what);
    }
    help + "  up                true, or false to unplug: what is on the link is lost"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Duration;
    use std::collections::BTreeMap;

    fn changed(settings: &[(&str, SettingValue)]) -> Result<[DirectionSettings; 2], String> {
        let mut directions = [DirectionSettings::default(); 2];
        let settings: BTreeMap<_, _> =
            settings.iter().map(|(key, value)| ((*key).to_owned(), *value)).collect();
        change(&mut directions, &settings).map(|()| directions)
    }

    const NUMBER: SettingValue = SettingValue::Number(5.0);

    #[test]
    fn both_directions_or_one() {
        let [first, second] =
            changed(&[("delay_us", NUMBER), ("b_to_a.up", SettingValue::Switch(false))]).unwrap();
        assert_eq!((first.profile.delay, first.up), (Duration::from_micros(5), true));
        assert_eq!((second.profile.delay, second.up), (Duration::from_micros(5), false));
        let [first, second] = changed(&[("a_to_b.queue_packets", NUMBER)]).unwrap();
        assert_eq!((first.profile.queue_packets, second.profile.queue_packets), (5, 1_000));
    }

    #[test]
    fn mistakes_name_the_key() {
        let both = SettingValue::Switch(true);
        for (key, value, expected) in [
            ("delay", NUMBER, "delay: unknown key"),
            ("dleay_us", NUMBER, "dleay_us: unknown key: did you mean \"delay_us\"?"),
            ("dleay_us", both, "did you mean \"delay_us\"?"),
            ("loss", NUMBER, "loss: 5 is out of range: from 0 to 1"),
            ("loss", both, "loss: expected a number"),
            ("up", NUMBER, "up: expected true or false"),
            ("b_to_c.loss", NUMBER, "there is no direction \"b_to_c\""),
            ("a_to_b.queue_packets", SettingValue::Number(0.5), "0.5 is no whole number"),
            ("a_to_b.reorder", SettingValue::Number(0.5), "a_to_b.reorder: needs reorder_delay_us"),
            ("rate_mbit", SettingValue::Number(1e-9), "is out of range: 0 or from 0.001 to 400000"),
        ] {
            let message = changed(&[(key, value)]).unwrap_err();
            assert!(message.contains(expected), "{key}: {message}");
        }
        assert_eq!(changed(&[]).unwrap_err(), "no settings");
    }

    #[test]
    fn the_help_names_every_key() {
        let help = keys_help();
        assert!(DIRECTION_KEYS.iter().all(|key| help.contains(key.name)));
    }
}
