//! The transport over plain TCP, and one whose connections are cut.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

use crate::app::{Accepted, Acceptor, Connector, Link, Probe, Progress, Transport};

/// A TCP connection that counts, and may end early.
pub struct TcpTransport {
    stream: TcpStream,
    counts: Arc<Counts>,
    /// Reads say "end" after so many bytes.
    read_limit: u64,
    /// Writes fail after so many bytes.
    write_limit: u64,
}

#[derive(Default)]
struct Counts {
    sent: AtomicU64,
    received: AtomicU64,
}

/// Pretends that the bytes went over two links, three quarters over the first.
pub struct TcpProbe {
    counts: Arc<Counts>,
    local: SocketAddr,
    remote: SocketAddr,
}

impl TcpTransport {
    fn new(stream: TcpStream) -> TcpTransport {
        TcpTransport { stream, counts: Arc::default(), read_limit: u64::MAX, write_limit: u64::MAX }
    }
}

impl Transport for TcpTransport {
    type Probe = TcpProbe;

    fn probe(&self) -> TcpProbe {
        TcpProbe {
            counts: self.counts.clone(),
            local: self.stream.local_addr().expect("connected"),
            remote: self.stream.peer_addr().expect("connected"),
        }
    }
}

impl Probe for TcpProbe {
    async fn progress(&mut self) -> io::Result<Progress> {
        let sent = self.counts.sent.load(Ordering::Relaxed);
        let received = self.counts.received.load(Ordering::Relaxed);
        let link = |name: &str, sent, received| Link {
            name: name.to_owned(),
            local: self.local,
            remote: self.remote,
            bytes_sent: sent,
            bytes_received: received,
            srtt_us: Some(100),
        };
        let (first_sent, first_received) = (sent / 4 * 3, received / 4 * 3);
        let links = vec![
            link("p0", first_sent, first_received),
            link("p1", sent - first_sent, received - first_received),
        ];
        Ok(Progress { mptcp: true, taken_over_frames: 0, links })
    }
}

impl AsyncRead for TcpTransport {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let left = self.read_limit - self.counts.received.load(Ordering::Relaxed);
        let length = buffer.remaining().min(usize::try_from(left).unwrap_or(usize::MAX));
        if length == 0 {
            return Poll::Ready(Ok(()));
        }
        let mut scratch = vec![0; length.min(1 << 20)];
        let mut part = ReadBuf::new(&mut scratch);
        let result = Pin::new(&mut self.stream).poll_read(context, &mut part);
        buffer.put_slice(part.filled());
        let count = part.filled().len();
        self.counts.received.fetch_add(count as u64, Ordering::Relaxed);
        result
    }
}

impl AsyncWrite for TcpTransport {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let left = self.write_limit - self.counts.sent.load(Ordering::Relaxed);
        if left == 0 {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let length = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let result = Pin::new(&mut self.stream).poll_write(context, &bytes[..length]);
        if let Poll::Ready(Ok(count)) = &result {
            self.counts.sent.fetch_add(*count as u64, Ordering::Relaxed);
        }
        result
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Connects by TCP.
pub struct TcpConnector;

impl Connector for TcpConnector {
    type Transport = TcpTransport;

    async fn connect(&self, remote: SocketAddr) -> io::Result<TcpTransport> {
        TcpStream::connect(remote).await.map(TcpTransport::new)
    }
}

/// What happens to one connection.
#[derive(Clone, Copy)]
pub enum Cut {
    /// It ends after so many received bytes, the head of the answer included.
    Received(u64),
    /// It breaks after so many sent bytes.
    Sent(u64),
    /// It is refused.
    Refused,
}

/// Connects by TCP; the first connections meet with the given cuts.
pub struct CuttingConnector {
    cuts: Mutex<std::vec::IntoIter<Cut>>,
}

impl CuttingConnector {
    pub fn new(cuts: impl Into<Vec<Cut>>) -> CuttingConnector {
        CuttingConnector { cuts: Mutex::new(cuts.into().into_iter()) }
    }
}

impl Connector for CuttingConnector {
    type Transport = TcpTransport;

    async fn connect(&self, remote: SocketAddr) -> io::Result<TcpTransport> {
        let cut = self.cuts.lock().expect("not poisoned").next();
        if matches!(cut, Some(Cut::Refused)) {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let mut transport = TcpTransport::new(TcpStream::connect(remote).await?);
        match cut {
            Some(Cut::Received(bytes)) => transport.read_limit = bytes,
            Some(Cut::Sent(bytes)) => transport.write_limit = bytes,
            _ => {}
        }
        Ok(transport)
    }
}

/// Accepts by TCP.
pub struct TcpAcceptor(pub TcpListener);

impl TcpAcceptor {
    pub async fn bind() -> (TcpAcceptor, SocketAddr) {
        let listener = TcpListener::bind((IpAddr::V4(Ipv4Addr::LOCALHOST), 0)).await.expect("loopback");
        let address = listener.local_addr().expect("bound");
        (TcpAcceptor(listener), address)
    }
}

impl Acceptor for TcpAcceptor {
    type Transport = TcpTransport;

    async fn accept(&mut self) -> io::Result<Accepted<TcpTransport>> {
        let (stream, remote) = self.0.accept().await?;
        Ok(Accepted { transport: TcpTransport::new(stream), remote: Some(remote) })
    }
}
