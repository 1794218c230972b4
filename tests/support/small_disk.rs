//! A small file system to fill up.

use super::process::run;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A tmpfs on a folder of its own, gone when dropped. Needs root.
#[derive(Debug)]
pub struct SmallDisk {
    folder: tempfile::TempDir,
}

impl SmallDisk {
    /// With room for so many MiB.
    #[track_caller]
    pub fn mount(mebibytes: u32) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let size = format!("size={mebibytes}m");
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "mpdk-test"]).arg(folder.path()));
        Self { folder }
    }

    /// A file of it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: what still runs may hold a file.
        let _ = Command::new("umount").arg("-l").arg(self.folder.path()).status();
    }
}
