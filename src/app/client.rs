//! One HTTP connection of a client: resolve, connect, handshake.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use hyper::Request;
use hyper::body::{Body, Bytes, Incoming};
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::header::{HOST, HeaderValue, USER_AGENT};
use hyper_util::rt::TokioIo;
use tokio::task::JoinHandle;

use super::error::TransferError;
use super::stall::{StallGuard, Watch};
use super::transport::{Connector, Transport};
use super::url::{Host, Url};

/// The most that HTTP buffers in each direction.
const BUFFER_BYTES: usize = 1 << 20;
const HEADER_BYTES: usize = 64 * 1024;

/// How much of a refusing server's explanation is shown.
const DETAIL_BYTES: usize = 300;

/// How long a client waits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// For one address to answer.
    pub(super) connect: Duration,
    /// For a byte to move in either direction.
    pub(super) stall: Duration,
}

/// An open HTTP connection. Dropping it drops the stream below.
#[derive(Debug)]
pub(super) struct Session<T: Transport, B> {
    sender: SendRequest<B>,
    /// Asks the transport about its links.
    probe: T::Probe,
    /// Gives back the stream when HTTP is done with it: as long as it is open
    /// the probe can tell what came last.
    driver: JoinHandle<Option<T>>,
}

impl<T: Transport, B> Drop for Session<T, B> {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Connects to the first address of `url` that answers.
pub(super) async fn dial<C, B>(
    connector: &C,
    url: &Url,
    patience: Patience,
) -> Result<Session<C::Transport, B>, TransferError>
where
    C: Connector,
    B: Body<Data = Bytes, Error = io::Error> + Send + 'static,
{
    let transport = connect(connector, url, patience.connect).await?;
    let probe = transport.probe();
    let guarded = StallGuard::new(transport, Watch::Both, patience.stall);
    let mut builder = Builder::new();
    builder.max_buf_size(BUFFER_BYTES).max_header_size(HEADER_BYTES);
    let (sender, connection) = builder
        .handshake(TokioIo::new(guarded))
        .await
        .map_err(|source| TransferError::Broken { source, done_bytes: 0, size_bytes: None })?;
    let driver = tokio::spawn(async move {
        match connection.without_shutdown().await {
            Ok(parts) => Some(parts.io.into_inner().into_inner()),
            Err(error) => {
                tracing::debug!(%error, "the connection ended");
                None
            }
        }
    });
    Ok(Session { sender, probe, driver })
}

async fn connect<C: Connector>(
    connector: &C,
    url: &Url,
    limit: Duration,
) -> Result<C::Transport, TransferError> {
    let mut failure = None;
    for address in resolve(url).await? {
        match tokio::time::timeout(limit, connector.connect(address)).await {
            Ok(Ok(transport)) => return Ok(transport),
            Ok(Err(source)) => failure = Some(TransferError::Connect { address, source }),
            Err(_) => {
                let text = format!("no answer within {} s", limit.as_secs_f32());
                let source = io::Error::new(io::ErrorKind::TimedOut, text);
                failure = Some(TransferError::Connect { address, source });
            }
        }
    }
    Err(failure.unwrap_or_else(|| TransferError::Resolve {
        host: url.host().to_string(),
        source: io::Error::new(io::ErrorKind::NotFound, "the name has no address"),
    }))
}

async fn resolve(url: &Url) -> Result<Vec<SocketAddr>, TransferError> {
    match url.host() {
        Host::Address(address) => Ok(vec![SocketAddr::new(*address, url.port())]),
        Host::Name(name) => match tokio::net::lookup_host((name.as_str(), url.port())).await {
            Ok(addresses) => Ok(addresses.collect()),
            Err(source) => Err(TransferError::Resolve { host: name.clone(), source }),
        },
    }
}

impl<T: Transport, B: Body + 'static> Session<T, B> {
    /// Sends `request` to the server of `url`; the future waits for the head
    /// of the response. The probe can be used beside it.
    pub(super) fn send(
        &mut self,
        url: &Url,
        mut request: Request<B>,
    ) -> (impl Future<Output = hyper::Result<hyper::Response<Incoming>>>, &mut T::Probe) {
        let headers = request.headers_mut();
        // The characters of a host and a port are the characters of a field.
        if let Ok(host) = HeaderValue::try_from(url.authority()) {
            headers.insert(HOST, host);
        }
        let agent = concat!("mpdk/", env!("CARGO_PKG_VERSION"));
        headers.insert(USER_AGENT, HeaderValue::from_static(agent));
        (self.sender.send_request(request), &mut self.probe)
    }
}

/// The error for a response that refuses, with the first words of its body
/// where that is text.
pub(super) async fn refused(url: &Url, response: hyper::Response<Incoming>) -> TransferError {
    let status = response.status();
    let location = response.headers().get(hyper::header::LOCATION).cloned();
    let detail = match location {
        Some(location) => format!("; it points to {}", String::from_utf8_lossy(location.as_bytes())),
        None => first_words(response.into_body()).await,
    };
    TransferError::Refused { url: url.to_string(), status, detail }
}

async fn first_words(mut body: Incoming) -> String {
    use http_body_util::BodyExt as _;
    let mut text = Vec::new();
    while text.len() < DETAIL_BYTES {
        match body.frame().await {
            Some(Ok(frame)) => text.extend_from_slice(frame.data_ref().unwrap_or(&Bytes::new())),
            _ => break,
        }
    }
    let line = String::from_utf8_lossy(&text);
    // What a server sends must not command the terminal it is shown on.
    let line: String = line.chars().filter(|c| !c.is_control()).take(DETAIL_BYTES).collect();
    match line.trim() {
        "" => String::new(),
        words if words.starts_with('<') => String::new(),
        words => format!(": {words}"),
    }
}
