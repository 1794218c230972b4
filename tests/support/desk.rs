//! Two processes of ours, joined by two Unix sockets, by the profiles for it.

use super::{profile, program};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder with both configurations and their sockets.
#[derive(Debug)]
pub struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let own = format!("{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let desk = Self { folder: tempfile::tempdir().unwrap() };
        let sockets = format!("{}/mpdk-", desk.folder.path().display());
        for (name, keyword) in [("vhost.toml", "iface="), ("virtio-user.toml", "path=")] {
            let prefix = format!("mpdk-desk-{own}-{}", name.trim_end_matches(".toml"));
            let text = profile(name, &prefix);
            // The profiles' sockets lie where everybody's do.
            let moved = text.replace(&format!("{keyword}/tmp/mpdk-"), &format!("{keyword}{sockets}"));
            assert_eq!(moved.matches(&sockets).count(), 2, "two sockets in {name}");
            std::fs::write(desk.path(name), moved).unwrap();
        }
        desk
    }

    /// Lets the clients of a configuration read where their bytes arrived: all of
    /// a connection's window fits into what they may hold.
    pub fn read_in_place(&self, config: &str) {
        let window = "[mptcp]\nreceive_buffer_bytes = 4_194_304\n";
        self.edit(config, "[engine]\n", &format!("{window}[engine]\nreceive_in_place_buffers = 4_096\n"));
    }

    /// Replaces a text in a configuration, wherever it is.
    #[track_caller]
    pub fn edit(&self, config: &str, from: &str, to: &str) {
        let path = self.path(config);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "no {from:?} in {config}");
        std::fs::write(path, text.replace(from, to)).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `mpdk VERB`, which may be several words.
    pub fn mpdk(&self, verb: &str, config: &str) -> Command {
        let mut command = Command::new(program("mpdk"));
        command.args(["--log", "info,mpdk::cli=debug,dpdk=off"]).args(verb.split(' '));
        command.arg("--config").arg(self.path(config));
        command
    }
}
