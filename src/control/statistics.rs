//! Where an endpoint's statistics pages lie.

use rustix::process::geteuid;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Where root's endpoints put what they show others, and those of a user who
/// has no folder of that kind (`RuntimeDirectory=mpdk` of systemd.exec(5) makes
/// it for one).
const OF_ALL: &str = "/run/mpdk";

/// Where the endpoint of a [file prefix](super::Eal::file_prefix) that this user
/// starts has its statistics pages.
pub fn statistics_folder(file_prefix: &str) -> PathBuf {
    let mut folders = statistics_folders(file_prefix);
    folders.swap_remove(0)
}

/// Where an endpoint of a file prefix can have its statistics pages, whoever
/// started it: first the folder of this user's, then root's.
pub fn statistics_folders(file_prefix: &str) -> Vec<PathBuf> {
    folders(geteuid().is_root(), std::env::var_os("XDG_RUNTIME_DIR").as_deref(), file_prefix)
}

/// `user_folder` is `XDG_RUNTIME_DIR`: for a user what `/run` is for root.
fn folders(is_root: bool, user_folder: Option<&OsStr>, file_prefix: &str) -> Vec<PathBuf> {
    // The specification wants what is not absolute ignored.
    let user_folder = user_folder.map(Path::new).filter(|folder| !is_root && folder.is_absolute());
    let roots = user_folder.map(|folder| folder.join("mpdk")).into_iter().chain([OF_ALL.into()]);
    roots.map(|root| root.join(file_prefix).join("statistics")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_a_folder_of_his_own_and_sees_root_s() {
        let folders = |is_root, user: Option<&str>| folders(is_root, user.map(OsStr::new), "left");
        let of_all = Path::new("/run/mpdk/left/statistics");
        assert_eq!(folders(true, Some("/run/user/0")), [of_all]);
        let own = Path::new("/run/user/9/mpdk/left/statistics");
        assert_eq!(folders(false, Some("/run/user/9")), [own, of_all]);
        for none in [None, Some(""), Some("run")] {
            assert_eq!(folders(false, none), [of_all]);
        }
    }

    #[test]
    fn an_endpoint_is_found_where_it_writes() {
        assert_eq!(statistics_folders("x").first(), Some(&statistics_folder("x")));
    }
}
