//! Just enough HTTP for the kernel's side of a transfer.

use super::file::{RandomFile, sha256_of};
use super::kernel_mptcp::kernel_mptcp_listener;
use super::namespace::Namespace;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Asks for a file; the connection is closed behind it.
#[track_caller]
pub fn request(stream: &mut TcpStream, path: &str) {
    write!(stream, "GET {path} HTTP/1.1\r\nHost: endpoint\r\nConnection: close\r\n\r\n").expect("a server");
}

/// Reads a head, to its empty line.
pub fn read_head(stream: &mut impl Read) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// Asks for `/file` on an open connection and checks what comes.
#[track_caller]
pub fn download(stream: &mut TcpStream, file: &RandomFile) {
    request(stream, "/file");
    let head = read_head(stream).expect("an answer");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert_eq!(sha256_of(stream).expect("the content"), *file);
}

/// The same on a connection that can be asked again.
#[track_caller]
pub fn download_and_stay(stream: &mut TcpStream, file: &RandomFile) {
    request_and_stay(stream);
    read_answer(stream, file);
}

/// Asks for `/file`; the connection stays.
#[track_caller]
pub fn request_and_stay(stream: &mut TcpStream) {
    write!(stream, "GET /file HTTP/1.1\r\nHost: endpoint\r\n\r\n").expect("a server");
}

/// Checks what comes of it.
#[track_caller]
pub fn read_answer(stream: &mut TcpStream, file: &RandomFile) {
    let head = read_head(stream).expect("an answer");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert_eq!(sha256_of(Read::take(stream, file.bytes)).expect("the content"), *file);
}

/// Sends a file by PUT and gives the head of the answer.
#[track_caller]
pub fn upload(stream: &mut TcpStream, path: &str, file: &Path) -> String {
    let mut content = File::open(file).expect("a file");
    let bytes = content.metadata().expect("a file").len();
    let head =
        format!("PUT {path} HTTP/1.1\r\nHost: endpoint\r\nConnection: close\r\nContent-Length: {bytes}\r\n");
    write!(stream, "{head}\r\n").expect("a server");
    io::copy(&mut content, stream).expect("a server that reads");
    read_head(stream).expect("an answer")
}

/// A server of one folder in a namespace, over MPTCP: GET and PUT, one request
/// per connection. Ends when dropped.
#[derive(Debug)]
pub struct HttpServer {
    ended: Arc<AtomicBool>,
}

impl HttpServer {
    /// Serves `folder` from now on.
    #[track_caller]
    pub fn start(namespace: &Namespace, address: &str, folder: &Path) -> Self {
        Self::serve(listener(namespace, address), folder, u64::MAX)
    }

    /// The same, but after so many bytes of a file it is gone: the connection
    /// ends and nobody listens any more.
    #[track_caller]
    pub fn that_stops_after(namespace: &Namespace, address: &str, folder: &Path, bytes: u64) -> Self {
        Self::serve(listener(namespace, address), folder, bytes)
    }

    /// Serves by plain TCP.
    #[track_caller]
    pub fn over_tcp(namespace: &Namespace, address: &str, folder: &Path) -> Self {
        let listener = namespace.enter(|| TcpListener::bind(address)).expect("a free port");
        Self::serve(listener, folder, u64::MAX)
    }

    #[track_caller]
    fn serve(listener: TcpListener, folder: &Path, most_bytes: u64) -> Self {
        listener.set_nonblocking(true).expect("a socket");
        let ended = Arc::new(AtomicBool::new(false));
        let (end, folder) = (Arc::clone(&ended), folder.to_owned());
        std::thread::spawn(move || accept(&listener, &end, &folder, most_bytes));
        Self { ended }
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

#[track_caller]
fn listener(namespace: &Namespace, address: &str) -> TcpListener {
    let address: SocketAddr = address.parse().expect("an address");
    kernel_mptcp_listener(namespace, address).expect("a free port")
}

fn accept(listener: &TcpListener, ended: &Arc<AtomicBool>, folder: &Path, most_bytes: u64) {
    while !ended.load(Ordering::Relaxed) {
        let Ok((stream, _)) = listener.accept() else {
            std::thread::sleep(Duration::from_millis(1));
            continue;
        };
        let (ended, folder) = (Arc::clone(ended), folder.to_owned());
        std::thread::spawn(move || {
            // A client that goes away has its reasons, and its test sees them.
            if answer(stream, &folder, most_bytes).is_ok_and(|whole| !whole) {
                ended.store(true, Ordering::Relaxed);
            }
        });
    }
}

/// Answers one request; whether all of it was answered.
fn answer(mut stream: TcpStream, folder: &Path, most_bytes: u64) -> io::Result<bool> {
    stream.set_nonblocking(false)?;
    let head = read_head(&mut stream)?;
    let mut words = head.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = folder.join(target.trim_start_matches('/'));
    match method {
        "PUT" => receive(&mut stream, &head, path).map(|()| true),
        _ => send(&mut stream, &head, &path, most_bytes),
    }
}

fn send(stream: &mut TcpStream, head: &str, path: &Path, most_bytes: u64) -> io::Result<bool> {
    let Ok(mut file) = File::open(path) else {
        write!(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
        return Ok(true);
    };
    let size = file.metadata()?.len();
    // What a download that goes on asks for: `bytes=FROM-`.
    let from: u64 = field(head, "range")
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok())
        .unwrap_or(0);
    let status = match from {
        0 => "200 OK".to_owned(),
        _ => format!("206 Partial Content\r\nContent-Range: bytes {from}-{}/{size}", size - 1),
    };
    let length = size - from;
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n")?;
    write!(stream, "ETag: \"one\"\r\nConnection: close\r\n\r\n")?;
    file.seek(SeekFrom::Start(from))?;
    let sent = io::copy(&mut file.take(most_bytes), stream)?;
    Ok(sent == length)
}

fn receive(stream: &mut TcpStream, head: &str, path: PathBuf) -> io::Result<()> {
    let bytes: u64 = field(head, "content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    if field(head, "expect").is_some() {
        write!(stream, "HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let received = io::copy(&mut Read::take(&mut *stream, bytes), &mut File::create(path)?)?;
    let status = if received == bytes { "201 Created" } else { "400 Bad Request" };
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

/// The value of a head's field.
fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}
