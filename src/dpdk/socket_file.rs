//! The Unix sockets that vhost-user ports listen on.

use super::{DeviceAddress, Error};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// Where the device listens, if it does.
pub(super) fn listening_path(address: &DeviceAddress) -> Option<&str> {
    if address.is_driver("net_vhost") && address.argument("client").is_none_or(|value| value == "0") {
        address.argument("iface")
    } else if address.is_driver("net_virtio_user") && address.argument("server") == Some("1") {
        address.argument("path")
    } else {
        None
    }
}

/// Removes the socket that a process left behind when it was killed: DPDK
/// would refuse to listen there. One that somebody listens on is left alone.
pub(super) fn clear_stale(address: &DeviceAddress) -> Result<(), Error> {
    let Some(path) = listening_path(address) else { return Ok(()) };
    let is_socket = fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    if !is_socket {
        return Ok(());
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            tracing::info!(path, "removing the socket of a process that is gone");
            remove(path);
            Ok(())
        }
        _ => Err(Error::SocketInUse { port: address.name().into(), path: path.into() }),
    }
}

/// Removes the socket of a device that was closed: not every driver does.
pub(super) fn remove_own(address: &DeviceAddress) {
    if let Some(path) = listening_path(address) {
        remove(path);
    }
}

fn remove(path: impl AsRef<Path>) {
    let path = path.as_ref();
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "the socket stays behind");
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    fn vhost(path: &Path) -> DeviceAddress {
        format!("net_vhost0,iface={}", path.display()).parse().unwrap()
    }

    #[test]
    fn only_dead_sockets_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wire.sock");
        let address = vhost(&path);
        clear_stale(&address).unwrap();

        let listener = UnixListener::bind(&path).unwrap();
        assert!(matches!(clear_stale(&address), Err(Error::SocketInUse { .. })));
        assert!(path.exists());
        drop(listener);
        clear_stale(&address).unwrap();
        assert!(!path.exists());

        fs::write(&path, "not a socket").unwrap();
        clear_stale(&address).unwrap();
        assert!(path.exists());
    }

    #[test]
    fn only_listening_devices_have_a_socket() {
        let path = |text: &str| listening_path(&text.parse().unwrap()).map(str::to_string);
        assert_eq!(path("net_vhost0,iface=/a"), Some("/a".into()));
        assert_eq!(path("net_vhost0,iface=/a,client=1"), None);
        assert_eq!(path("net_virtio_user0,path=/a"), None);
        assert_eq!(path("net_virtio_user0,path=/a,server=1"), Some("/a".into()));
        assert_eq!(path("net_tap0,iface=x"), None);
    }
}
