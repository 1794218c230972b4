//! The table of the rooms, and what breaks it.

use super::paths::{Named, named_paths};
use super::source::{Source, without_test_files};
use std::collections::HashSet;

/// A room and the rooms it may use.
#[derive(Debug)]
pub struct Room {
    pub name: &'static str,
    pub uses: &'static [&'static str],
    /// No clock, thread, atomic, foreign function or global.
    pub pure: bool,
    /// May say `unsafe`.
    pub may_be_unsafe: bool,
}

const fn pure(name: &'static str, uses: &'static [&'static str]) -> Room {
    Room { name, uses, pure: true, may_be_unsafe: false }
}

const fn room(name: &'static str, uses: &'static [&'static str], may_be_unsafe: bool) -> Room {
    Room { name, uses, pure: false, may_be_unsafe }
}

/// The table, each room behind those it uses.
pub const ROOMS: &[Room] = &[
    pure("base", &[]),
    pure("wire", &["base"]),
    pure("emulator", &["base"]),
    pure("congestion", &["base"]),
    pure("tcp", &["base", "wire", "congestion"]),
    pure("mptcp", &["base", "wire", "congestion", "tcp"]),
    pure("endpoint", &["base", "wire", "tcp", "mptcp"]),
    room("device", &["base"], false),
    room("ring", &[], true),
    room("dpdk", &["base", "device", "ring"], true),
    // Sleeping on descriptors and by a precise timer are calls of libc.
    room("relay", &["base", "emulator", "device"], true),
    room("shm", &["base", "client"], true),
    room("engine", &["base", "device", "shm", "ring", "endpoint"], true),
    room("bench", &["base", "endpoint", "engine"], false),
    // The configuration is turned into the settings of congestion, tcp and mptcp.
    room(
        "control",
        &["base", "congestion", "emulator", "tcp", "mptcp", "shm", "device", "endpoint", "engine", "relay"],
        true,
    ),
    room("app", &["client"], false),
    // The verbs are programs of their own process: clients, as the app they run.
    room(
        "cli",
        &["base", "app", "bench", "control", "dpdk", "device", "emulator", "engine", "relay", "client"],
        false,
    ),
];

/// Modules and types that are the world outside, with the exceptions.
const WORLD: &[&str] = &[
    "std::time",
    "std::thread",
    "std::sync",
    "std::fs",
    "std::io",
    "std::env",
    "std::process",
    "std::os",
    "std::ffi",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::UdpSocket",
    "std::net::ToSocketAddrs",
    "libc",
    "tokio",
    "crossbeam",
    "core_affinity",
    "tracing",
    "rustix",
];
const NOT_THE_WORLD: &[&str] = &["std::time::Duration"];
/// Words that are the world, wherever they stand.
const WORLD_WORDS: &[&str] = &["static", "extern", "thread_local", "print", "println", "eprint", "eprintln"];

/// Everything in the files that breaks a rule: `PATH:LINE: what`.
pub fn violations(sources: &[Source]) -> Vec<String> {
    let files = inner_modules(sources);
    without_test_files(sources).flat_map(|source| violations_of(source, &files)).collect()
}

fn violations_of(source: &Source, files: &HashSet<(String, String)>) -> Vec<String> {
    let Some(name) = source.room() else { return Vec::new() };
    if name == "client" {
        return check_client(source);
    }
    let Some(room) = ROOMS.iter().find(|room| room.name == name) else {
        return vec![format!("{}:1: {name} is no room of the table", source.path)];
    };
    let paths = named_paths(source);
    let mut found: Vec<(usize, String)> = Vec::new();
    for path in &paths {
        found.extend(
            check_use(room, path).or_else(|| check_depth(room, path, files)).map(|text| (path.line, text)),
        );
        found.extend(check_world(room, path).map(|text| (path.line, text)));
    }
    found.extend(check_words(room, source));
    found.extend(check_inner_modules(room, source));
    found.sort();
    found.into_iter().map(|(line, text)| format!("{}:{line}: {text}", source.path)).collect()
}

/// The client uses nothing of the engine's package.
fn check_client(source: &Source) -> Vec<String> {
    let paths = named_paths(source);
    let wrong = paths.iter().filter(|path| path.segments[0] == "mpdk");
    wrong.map(|path| format!("{}:{}: client may not use {}", source.path, path.line, path.text())).collect()
}

/// The room that a path leads to, if any.
fn room_of(path: &Named) -> Option<&str> {
    match path.segments[0].as_str() {
        "crate" => path.segments.get(1).map(String::as_str),
        "mpdk_client" => Some("client"),
        _ => None,
    }
}

fn check_use(room: &Room, path: &Named) -> Option<String> {
    let used = room_of(path).filter(|used| *used != room.name)?;
    if used != "client" && ROOMS.iter().all(|room| room.name != used) {
        return Some(format!("there is no room {used} ({})", path.text()));
    }
    let forbidden = !room.uses.contains(&used);
    forbidden.then(|| format!("{} may not use {used} ({})", room.name, path.text()))
}

/// The files and folders of the rooms: (room, module).
fn inner_modules(sources: &[Source]) -> HashSet<(String, String)> {
    let inner = sources.iter().filter(|source| source.path.starts_with("src/") && source.module.len() >= 2);
    inner.map(|source| (source.module[0].clone(), source.module[1].clone())).collect()
}

/// Another room's path that goes through one of its files.
fn check_depth(room: &Room, path: &Named, files: &HashSet<(String, String)>) -> Option<String> {
    let [first, used, inner, .., last] = &path.segments[..] else { return None };
    let foreign = first == "crate" && used != room.name && files.contains(&(used.clone(), inner.clone()));
    foreign.then(|| format!("{} reaches into {used}: only crate::{used}::{last}", path.text()))
}

fn check_world(room: &Room, path: &Named) -> Option<String> {
    let text = path.text();
    // `core` is the part of `std` that needs no system; its clocks and atomics are the same.
    let standard = text.strip_prefix("core::").map_or_else(|| text.clone(), |rest| format!("std::{rest}"));
    let below = |roots: &[&str]| {
        roots.iter().any(|root| {
            standard.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        })
    };
    let world = room.pure && below(WORLD) && !below(NOT_THE_WORLD);
    world.then(|| format!("{text} is the world: {} is pure", room.name))
}

fn check_words(room: &Room, source: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for token in &source.tokens {
        let (word, line) = (token.text.as_str(), token.line);
        if (word.starts_with("rte_") || word.starts_with("RTE_")) && room.name != "dpdk" {
            found.push((line, format!("{word} belongs to dpdk")));
        }
        if word == "unsafe" && !room.may_be_unsafe {
            found.push((line, format!("{} may not say unsafe", room.name)));
        }
        if room.pure && WORLD_WORDS.contains(&word) {
            found.push((line, format!("{word} is the world: {} is pure", room.name)));
        }
    }
    found
}

/// A room's outside is its `mod.rs`, not the files behind it.
fn check_inner_modules(room: &Room, source: &Source) -> Vec<(usize, String)> {
    if source.module.len() != 1 {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (at, token) in source.tokens.iter().enumerate().filter(|(_, token)| token.is("mod")) {
        let (Some(name), Some(end)) = (source.tokens.get(at + 1), source.tokens.get(at + 2)) else {
            continue;
        };
        if end.is(";") && is_shown(&source.tokens[..at]) {
            found.push((token.line, format!("{} shows its inner module {}", room.name, name.text)));
        }
    }
    found
}

/// Whether a declaration after these tokens is `pub` or `pub(crate)`.
fn is_shown(before: &[super::tokens::Token]) -> bool {
    match before {
        [.., open, scope, close] if open.is("(") && close.is(")") => scope.is("crate"),
        [.., last] => last.is("pub"),
        [] => false,
    }
}
