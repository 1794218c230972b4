//! A small file system to fill up.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A tmpfs, unmounted on drop.
pub struct Tmpfs {
    folder: TempDir,
}

impl Tmpfs {
    /// Mounts one of `size_kib`; `None`, said aloud, where that is not allowed.
    pub fn mount(size_kib: u32) -> Option<Tmpfs> {
        let folder = TempDir::new().expect("a folder");
        let size = format!("size={size_kib}k");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "mpdk-test"]).arg(folder.path()).output();
        if mounted.as_ref().is_ok_and(|output| output.status.success()) {
            return Some(Tmpfs { folder });
        }
        eprintln!("SKIPPED: mounting a tmpfs is not allowed here: {mounted:?}");
        None
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // Lazily: a blocking thread may still hold a file.
        let unmounted = Command::new("umount").arg("-l").arg(self.folder.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "the tmpfs stays mounted");
    }
}
