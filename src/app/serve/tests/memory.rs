//! The server over pipes in memory: nothing in it needs a socket.

use std::io;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::sync::{mpsc, oneshot};

use crate::app::{Accepted, Acceptor, Probe, Progress, ServeError, ServeOptions, Transport, serve};

pub struct NoProbe;

impl Probe for NoProbe {
    async fn progress(&mut self) -> io::Result<Progress> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl Transport for DuplexStream {
    type Probe = NoProbe;

    fn probe(&self) -> NoProbe {
        NoProbe
    }
}

/// Accepts what comes through a channel; the end of it is an error.
struct Pipes(mpsc::Receiver<io::Result<DuplexStream>>);

impl Acceptor for Pipes {
    type Transport = DuplexStream;

    async fn accept(&mut self) -> io::Result<Accepted<DuplexStream>> {
        let next = self.0.recv().await.unwrap_or_else(|| Err(io::ErrorKind::BrokenPipe.into()));
        next.map(|transport| Accepted { transport, remote: None })
    }
}

#[tokio::test]
async fn a_pipe_of_a_few_bytes_is_enough() {
    let folder = TempDir::new().expect("a folder");
    std::fs::write(folder.path().join("f"), "content").expect("written");
    let (send, receive) = mpsc::channel(1);
    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async { stopped.await.unwrap_or(()) };
    let server = tokio::spawn(serve(Pipes(receive), ServeOptions::new(folder.path()), shutdown));
    let (mut near, far) = duplex(7);
    send.send(Ok(far)).await.expect("it listens");
    near.write_all(b"GET /f HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n").await.expect("sent");
    let mut text = String::new();
    near.read_to_string(&mut text).await.expect("text");
    assert!(text.starts_with("HTTP/1.1 200 OK") && text.ends_with("content"), "{text}");
    drop(near);
    stop.send(()).expect("it runs");
    assert_eq!(server.await.expect("no panic").expect("no error").requests, 1);
}

#[tokio::test(start_paused = true)]
async fn errors_of_accepting() {
    let folder = TempDir::new().expect("a folder");
    let (send, receive) = mpsc::channel(4);
    for code in [rustix::io::Errno::CONNABORTED, rustix::io::Errno::MFILE, rustix::io::Errno::NOMEM] {
        send.send(Err(code.into())).await.expect("room");
    }
    drop(send);
    // The first three pass; that the endpoint is gone does not.
    let ended = serve(Pipes(receive), ServeOptions::new(folder.path()), std::future::pending()).await;
    assert!(matches!(ended, Err(ServeError::Accept(error)) if error.kind() == io::ErrorKind::BrokenPipe));
    let (_send, receive) = mpsc::channel(1);
    let missing = ServeOptions::new(folder.path().join("missing"));
    let ended = serve(Pipes(receive), missing, std::future::pending()).await;
    assert!(ended.expect_err("no folder").to_string().contains("missing"));
}
