//! The kernel's sockets, as `ss` tells of them.

use super::namespace::Namespace;
use super::process::run;
use std::collections::HashMap;

/// A socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    /// `ESTAB`, `LISTEN`, ...
    pub state: String,
    /// Own address and port.
    pub local: String,
    /// The peer's.
    pub remote: String,
    /// What is said as `name:value`.
    pub fields: HashMap<String, String>,
    /// What is said as a word.
    pub words: Vec<String>,
}

impl Socket {
    /// A field as a number; 0 if it is not there.
    pub fn number(&self, field: &str) -> u64 {
        self.fields.get(field).and_then(|value| value.parse().ok()).unwrap_or(0)
    }
}

/// The MPTCP sockets of a namespace that do not listen (`ss -Mian`).
#[track_caller]
pub fn mptcp_sockets(namespace: &Namespace) -> Vec<Socket> {
    let all = parse(&run(namespace.command("ss").args(["-M", "-i", "-a", "-n", "-H"])));
    all.into_iter().filter(|socket| socket.state != "LISTEN").collect()
}

/// The TCP sockets of a namespace that are subflows of MPTCP (`ss -tian`).
#[track_caller]
pub fn subflows(namespace: &Namespace) -> Vec<Socket> {
    let all = parse(&run(namespace.command("ss").args(["-t", "-i", "-a", "-n", "-H"])));
    let is_subflow = |socket: &Socket| socket.words.iter().any(|word| word == "tcp-ulp-mptcp");
    all.into_iter().filter(|socket| socket.state != "LISTEN" && is_subflow(socket)).collect()
}

/// A line of columns per socket, followed by indented lines about it.
fn parse(text: &str) -> Vec<Socket> {
    let mut sockets: Vec<Socket> = Vec::new();
    for line in text.lines() {
        if !line.starts_with(char::is_whitespace) {
            sockets.extend(parse_columns(line));
        } else if let Some(socket) = sockets.last_mut() {
            parse_details(socket, line);
        }
    }
    sockets
}

fn parse_columns(line: &str) -> Option<Socket> {
    let mut columns = line.split_whitespace();
    let state = columns.next()?.to_owned();
    let mut addresses = columns.skip(2).map(str::to_owned);
    let (local, remote) = (addresses.next()?, addresses.next()?);
    let mut socket = Socket { state, local, remote, fields: HashMap::new(), words: Vec::new() };
    // Some versions print the details behind the columns.
    parse_details(&mut socket, &addresses.collect::<Vec<_>>().join(" "));
    Some(socket)
}

fn parse_details(socket: &mut Socket, line: &str) {
    for word in line.split_whitespace() {
        match word.split_once(':') {
            Some((name, value)) => {
                socket.fields.insert(name.to_owned(), value.to_owned());
            }
            None => socket.words.push(word.to_owned()),
        }
    }
}
