//! Which room may use which, and what each may do: read from the sources, so
//! that a wrong dependency fails here before anybody builds on it.

#[path = "rooms/paths.rs"]
mod paths;
#[path = "rooms/rules.rs"]
mod rules;
#[path = "rooms/source.rs"]
mod source;
#[path = "rooms/tokens.rs"]
mod tokens;

use rules::{ROOMS, violations};
use source::{Source, read_sources};
use std::path::Path;

/// What is wrong in files given as (path, text).
fn found(files: &[(&str, &str)]) -> Vec<String> {
    violations(&files.iter().map(|(path, text)| Source::new(path, text)).collect::<Vec<_>>())
}

/// One file has exactly one violation, and this is part of it.
#[track_caller]
fn one(path: &str, text: &str, expected: &str) {
    let found = found(&[(path, text)]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains(expected), "\"{}\" lacks \"{expected}\"", found[0]);
}

#[track_caller]
fn none(path: &str, text: &str) {
    assert_eq!(found(&[(path, text)]), Vec::<String>::new());
}

#[test]
fn the_rooms_keep_their_rules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = read_sources(root);
    assert!(
        sources.iter().any(|source| source.path == "src/base/mod.rs"),
        "the sources are not where they were"
    );
    let found = violations(&sources);
    assert!(found.is_empty(), "{} violations:\n{}", found.len(), found.join("\n"));
}

#[test]
fn every_folder_is_a_room() {
    let folders = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    for folder in folders.map(Result::unwrap).filter(|entry| entry.path().is_dir()) {
        let name = folder.file_name().into_string().unwrap();
        assert!(ROOMS.iter().any(|room| room.name == name), "src/{name} is no room of the table");
    }
}

#[test]
fn the_table_has_no_circles() {
    // Each room uses only rooms that stand before it.
    for (index, room) in ROOMS.iter().enumerate() {
        for used in room.uses {
            let before = ROOMS[..index].iter().any(|earlier| earlier.name == *used);
            assert!(before || *used == "client", "{} uses {used}, which stands behind it", room.name);
        }
    }
}

#[test]
fn a_room_above_is_out_of_reach() {
    one("src/tcp/mod.rs", "use crate::mptcp::Connection;", "src/tcp/mod.rs:1: tcp may not use mptcp");
    one("src/tcp/send.rs", "\nfn f() -> crate::endpoint::Endpoint {}", "send.rs:2: tcp may not use endpoint");
    one("src/wire/tcp.rs", "use crate::{base::SeqNumber, tcp::State};", "wire may not use tcp");
    one("src/base/x.rs", "use super::super::wire::Tcp;", "base may not use wire");
    one("src/base/mod.rs", "use super::wire::Tcp;", "base may not use wire");
    one("src/base/mod.rs", "mod a { use super::super::wire::Tcp; }", "base may not use wire");
    one("src/app/mod.rs", "use crate::engine::Engine;", "app may not use engine");
    one("src/tcp/mod.rs", "use mpdk_client::Stream;", "tcp may not use client");
    one("src/tcp/mod.rs", "use crate::helpers::x;", "there is no room helpers");
    one("client/src/lib.rs", "use mpdk::base::Instant;", "client may not use mpdk");
}

#[test]
fn a_room_below_is_in_reach() {
    none("src/mptcp/mod.rs", "use crate::{base::{Key, Token}, tcp::{self, Config}};\nuse crate::wire::Tcp;");
    none("src/shm/mod.rs", "use mpdk_client::layout::Entry;");
    none("src/base/time.rs", "use super::{ids::Key, seq};\nuse self::inner::X;\nuse crate::base::Instant;");
    none("src/wire/mod.rs", "pub mod protocol { use super::Tcp; }\nuse crate::base::Key;");
}

#[test]
fn inner_modules_stay_inside() {
    let inner = ("src/tcp/config.rs", "pub struct Config;");
    let deep = found(&[inner, ("src/mptcp/mod.rs", "use crate::tcp::config::Config;")]);
    assert_eq!(
        deep,
        ["src/mptcp/mod.rs:1: crate::tcp::config::Config reaches into tcp: only crate::tcp::Config"]
    );
    let glob = found(&[inner, ("src/mptcp/mod.rs", "use crate::tcp::config::*;")]);
    assert_eq!(glob.len(), 1, "{glob:?}");
    // The room itself may, and a name that is no file is a name of mod.rs.
    assert_eq!(found(&[inner, ("src/tcp/mod.rs", "use crate::tcp::config::Config;")]), Vec::<String>::new());
    assert_eq!(found(&[inner, ("src/mptcp/mod.rs", "use crate::tcp::State::Closed;")]), Vec::<String>::new());
    let folder = ("src/tcp/loss/mod.rs", "");
    assert_eq!(found(&[folder, ("src/mptcp/mod.rs", "use crate::tcp::loss::Timer;")]).len(), 1);
    one("src/tcp/mod.rs", "pub mod config;", "tcp shows its inner module config");
    one("src/tcp/mod.rs", "pub(crate) mod config;", "tcp shows its inner module config");
    none("src/tcp/mod.rs", "mod config;\npub mod flags { pub const A: u8 = 1; }\npub(self) mod own;");
}

#[test]
fn words_that_belong_to_one_room() {
    one("src/engine/mod.rs", "fn f() { rte_eal_init(0) }", "rte_eal_init belongs to dpdk");
    none("src/dpdk/mod.rs", "fn f() { ffi::rte_eal_init(0) }");
    none("src/engine/mod.rs", "// rte_eal_init\nconst A: &str = \"rte_eal_init\";");
    one("src/app/mod.rs", "fn f() { unsafe { g() } }", "app may not say unsafe");
    none("src/shm/mod.rs", "fn f() { unsafe { g() } }");
}

#[test]
fn pure_rooms_have_no_world() {
    one("src/tcp/mod.rs", "use std::time::Instant;", "std::time::Instant is the world");
    one("src/tcp/mod.rs", "use std::time;", "std::time is the world");
    one("src/tcp/mod.rs", "use std::{fmt, thread};", "std::thread is the world");
    one("src/tcp/mod.rs", "use std::sync::atomic::AtomicU64;", "std::sync::atomic::AtomicU64 is the world");
    one("src/tcp/mod.rs", "fn f() { core::sync::atomic::fence(o) }", "is the world");
    one("src/tcp/mod.rs", "use std::net::UdpSocket;", "std::net::UdpSocket is the world");
    one("src/endpoint/mod.rs", "static COUNT: u32 = 0;", "static is the world");
    one("src/endpoint/mod.rs", "thread_local! { }", "thread_local is the world");
    one("src/endpoint/mod.rs", "fn f() { libc::getpid() }", "libc::getpid is the world");
    one("src/base/mod.rs", "fn f() { println!(\"x\") }", "println is the world");
    one("src/wire/mod.rs", "unsafe fn f() {}", "wire may not say unsafe");
    none(
        "src/tcp/mod.rs",
        "use std::net::IpAddr;\nuse std::rc::Rc;\nuse std::time::Duration;\nfn f(a: &'static str) {}",
    );
    none(
        "src/engine/mod.rs",
        "use std::time::Instant;\nuse std::sync::atomic::AtomicU64;\nstatic A: u8 = 1;",
    );
}

#[test]
fn tests_may_do_what_they_like() {
    none(
        "src/tcp/mod.rs",
        "#[cfg(test)]\nmod tests { use crate::mptcp::X; fn f() { std::thread::spawn(g) } }",
    );
    none("src/tcp/mod.rs", "#[cfg(all(test, loom))]\n#[allow(x)]\nuse crate::mptcp::X;");
    none("src/tcp/tests.rs", "use std::time::Instant;");
    none("src/tcp/tests/window.rs", "use std::time::Instant;");
    let declared = ("src/tcp/mod.rs", "#[cfg(test)]\nmod world;");
    assert_eq!(found(&[declared, ("src/tcp/world.rs", "use std::time::Instant;")]), Vec::<String>::new());
    one("src/tcp/mod.rs", "#[cfg(not(test))]\nuse crate::mptcp::X;", "tcp may not use mptcp");
    one(
        "src/tcp/mod.rs",
        "#[cfg(test)]\nuse crate::mptcp::X;\nuse crate::mptcp::Y;",
        "mod.rs:3: tcp may not use mptcp",
    );
}
