//! Asks a running emulator.

use super::WireError;
use super::protocol::{Request, Setting};
use serde_json::Value;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of an answer at most: far more than all links take.
const ANSWER_BYTES: u64 = 1 << 20;

/// Changes a link; returns once it is changed.
pub(super) fn set(control: &Path, link: &str, settings: &[Setting]) -> Result<(), WireError> {
    let settings = settings.iter().cloned().collect();
    ask(control, &Request::Set { link: link.to_owned(), settings }).map(drop)
}

/// What the links are like and have done.
pub(super) fn show(control: &Path) -> Result<Value, WireError> {
    Ok(ask(control, &Request::Show {})?["links"].take())
}

/// JSON for programs that people look at too.
pub(super) fn pretty(value: &Value) -> String {
    // A value always becomes text.
    serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string())
}

fn ask(control: &Path, request: &Request) -> Result<Value, WireError> {
    let unreachable = |source| WireError::Unreachable { path: control.to_owned(), source };
    let answer = exchange(control, request).map_err(unreachable)?;
    match answer["ok"].as_bool() {
        Some(true) => Ok(answer),
        _ => Err(WireError::Refused(answer["error"].as_str().unwrap_or("no reason given").to_owned())),
    }
}

fn exchange(control: &Path, request: &Request) -> io::Result<Value> {
    let mut stream = UnixStream::connect(control)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let line = serde_json::to_string(request)? + "\n";
    // One that was turned away is told why before it has said anything.
    let written = stream.write_all(line.as_bytes());
    let mut answer = String::new();
    BufReader::new(stream.take(ANSWER_BYTES)).read_line(&mut answer)?;
    if answer.is_empty() {
        written?;
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(serde_json::from_str(&answer)?)
}
