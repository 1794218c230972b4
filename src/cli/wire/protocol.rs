//! What is said at the control socket: one JSON object per line, each request
//! answered by one.
//!
//! | request | answer |
//! |---|---|
//! | `{"verb": "show"}` | `{"ok": true, "links": [...]}` |
//! | `{"verb": "set", "link": "left", "settings": {"delay_us": 100, "a_to_b.loss": 0.1, "up": true}}` | `{"ok": true}` |
//! | anything else | `{"ok": false, "error": "..."}` |

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Bytes of a request at most, its newline not counted.
pub(super) const REQUEST_BYTES: usize = 16 * 1024;

/// What is asked for.
#[derive(Debug, Deserialize, Serialize)]
#[serde(tag = "verb", rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum Request {
    /// What the links are like and have done.
    Show {},
    /// Change a link: all of it or, if anything is wrong, nothing.
    Set { link: String, settings: BTreeMap<String, SettingValue> },
}

/// A setting's value.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(untagged)]
pub(super) enum SettingValue {
    Switch(bool),
    Number(f64),
}

/// A setting of the command line.
pub(super) type Setting = (String, SettingValue);

/// `KEY=VALUE`.
pub(super) fn parse_setting(text: &str) -> Result<Setting, String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    let value = match value {
        "true" => SettingValue::Switch(true),
        "false" => SettingValue::Switch(false),
        // What JSON has no number for is none.
        number => SettingValue::Number(
            number
                .parse()
                .ok()
                .filter(|number: &f64| number.is_finite())
                .ok_or_else(|| format!("\"{number}\" is no number, true or false"))?,
        ),
    };
    Ok((key.to_owned(), value))
}

/// A request from its line.
pub(super) fn parse_request(line: &[u8]) -> Result<Request, String> {
    serde_json::from_slice(line).map_err(|error| format!("no request: {error}"))
}

/// Done; with what was asked for.
pub(super) fn done(links: Option<Value>) -> Value {
    match links {
        Some(links) => serde_json::json!({ "ok": true, "links": links }),
        None => serde_json::json!({ "ok": true }),
    }
}

/// Not done, and why.
pub(super) fn refusal(error: &str) -> Value {
    serde_json::json!({ "ok": false, "error": error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_numbers_and_switches() {
        assert_eq!(parse_setting("up=false"), Ok(("up".into(), SettingValue::Switch(false))));
        assert_eq!(parse_setting("loss=0.5"), Ok(("loss".into(), SettingValue::Number(0.5))));
        assert!(parse_setting("up").unwrap_err().contains("KEY=VALUE"));
        for wrong in ["up=yes", "loss=", "loss=inf", "loss=NaN", "loss=1%"] {
            assert!(parse_setting(wrong).unwrap_err().contains("is no number"), "{wrong}");
        }
    }

    #[test]
    fn requests_are_strict() {
        let set = br#"{"verb":"set","link":"x","settings":{"up":true,"loss":0.5,"delay_us":3}}"#;
        assert!(matches!(parse_request(set), Ok(Request::Set { settings, .. }) if settings.len() == 3));
        assert!(matches!(parse_request(br#"{"verb":"show"}"#), Ok(Request::Show {})));
        for wrong in [
            &b""[..],
            b"show",
            b"{}",
            b"\xff\xfe",
            br#"{"verb":"stop"}"#,
            br#"{"verb":"show","all":true}"#,
            br#"{"verb":"set","link":"x"}"#,
            br#"{"verb":"set","link":"x","settings":{"up":"yes"}}"#,
            br#"{"verb":"set","link":"x","settings":{"loss":[1]}}"#,
            br#"{"verb":"show"} {"verb":"show"}"#,
        ] {
            let text = parse_request(wrong).map(drop).unwrap_err();
            assert!(text.starts_with("no request: "), "{text}");
        }
    }
}
