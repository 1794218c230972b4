//! A running server on loopback, and plain requests to it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::tcp::TcpAcceptor;
use crate::app::{GetOptions, PutOptions, ServeError, ServeOptions, ServeSummary, serve};

/// Far more than anything here takes; reaching it is a failure.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A server for a fresh folder. Dropping it ends its task.
pub struct World {
    pub folder: TempDir,
    pub address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<Result<ServeSummary, ServeError>>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl World {
    /// With the default limits and uploads allowed.
    pub async fn start() -> World {
        World::start_with(|options| options.allow_put = true).await
    }

    pub async fn start_with(change: impl FnOnce(&mut ServeOptions)) -> World {
        let folder = TempDir::new().expect("a folder");
        let mut options = ServeOptions::new(folder.path());
        change(&mut options);
        let (acceptor, address) = TcpAcceptor::bind().await;
        let (stop, stopped) = oneshot::channel();
        let shutdown = async { stopped.await.unwrap_or(()) };
        let server = tokio::spawn(serve(acceptor, options, shutdown));
        World { folder, address, stop: Some(stop), server }
    }

    /// Tells the server to stop.
    pub fn begin_stop(&mut self) {
        self.stop.take().expect("not stopped before").send(()).expect("the server runs");
    }

    /// Stops the server and waits for it.
    pub async fn stop(mut self) -> ServeSummary {
        if self.stop.is_some() {
            self.begin_stop();
        }
        let ended = tokio::time::timeout(PATIENCE, &mut self.server).await;
        ended.expect("in time").expect("no panic").expect("no error")
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("below the folder")).expect("a folder");
        std::fs::write(&path, content).expect("written");
        path
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Every name in the folder, temporary ones included.
    pub fn names(&self) -> Vec<String> {
        names(self.folder.path())
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Options for a download of `path` to `output`, quick to retry.
    pub fn get(&self, path: &str, output: &Path) -> GetOptions {
        quick_get(self.url(path), output)
    }

    pub fn put(&self, file: &Path, path: &str) -> PutOptions {
        let mut options = PutOptions::new(file, self.url(path));
        options.progress = false;
        options.retry_delay = Duration::from_millis(1);
        options
    }

    /// Sends `method path` with `fields` (each ending in CRLF) and `body`,
    /// and reads the answer.
    pub async fn ask(&self, method: &str, path: &str, fields: &str, body: &[u8]) -> Reply {
        let head = format!("{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{fields}\r\n");
        self.ask_raw(method == "HEAD", &[head.as_bytes(), body].concat()).await
    }

    pub async fn get_with(&self, path: &str, fields: &str) -> Reply {
        self.ask("GET", path, fields, b"").await
    }

    /// Sends `request` as it is and reads to the end of the connection.
    pub async fn ask_raw(&self, head_only: bool, request: &[u8]) -> Reply {
        let mut stream = TcpStream::connect(self.address).await.expect("connected");
        // A server that has said no may have closed already.
        let _ = stream.write_all(request).await;
        read_reply(&mut stream, head_only).await
    }
}

/// Options that retry quickly and draw nothing.
pub fn quick_get(url: String, output: &Path) -> GetOptions {
    let mut options = GetOptions::new(url);
    options.output = Some(output.to_owned());
    options.progress = false;
    options.retry_delay = Duration::from_millis(1);
    options
}

pub fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let name = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.expect("an entry").file_name().into_string().expect("plain names")
    };
    let mut names: Vec<String> = entries.map(name).collect();
    names.sort();
    names
}

/// Content without a pattern that a shifted or repeated piece could match.
pub fn content(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let byte = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..length).map(byte).collect()
}

/// An answer, taken apart by hand.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Reply {
    /// The value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (field, value) = line.split_once(':')?;
            field.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }
}

/// Reads to the end of the connection; checks that the body is as long as
/// announced.
pub async fn read_reply(stream: &mut TcpStream, head_only: bool) -> Reply {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
    read.expect("in time").expect("an answer");
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let body = bytes.split_off(end + 4);
    let head = String::from_utf8(bytes).expect("text");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let reply = Reply { status, head, body };
    let announced = reply.field("content-length").map(|length| length.parse::<usize>().expect("a number"));
    match announced {
        Some(_) if head_only => assert!(reply.body.is_empty()),
        Some(length) => assert_eq!(reply.body.len(), length, "{}", reply.head),
        None => assert!(reply.body.is_empty(), "{}", reply.head),
    }
    reply
}

/// Waits until `condition` holds.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}
