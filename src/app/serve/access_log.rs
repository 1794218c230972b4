//! One line for each request, when it is over.

use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::{Method, Request, StatusCode};

use super::payload::Payload;

/// What the line says. It is written on drop, so that a request that breaks
/// off anywhere has its line too.
#[derive(Debug)]
pub(super) struct Record {
    remote: Option<SocketAddr>,
    method: Method,
    /// As it was sent: still encoded, and so free of control characters.
    path: String,
    /// `None` until there is an answer.
    status: Option<StatusCode>,
    sent_bytes: u64,
    complete: bool,
    started: Instant,
}

impl Record {
    /// The record of a request that has just arrived.
    pub(super) fn new<B>(remote: Option<SocketAddr>, request: &Request<B>) -> Record {
        Record {
            remote,
            method: request.method().clone(),
            path: request.uri().to_string(),
            status: None,
            sent_bytes: 0,
            complete: false,
            started: Instant::now(),
        }
    }

    /// Ties the record to the answer's body: the line is written when that
    /// has been sent.
    pub(super) fn answered(mut self, status: StatusCode, payload: Payload) -> Logged {
        self.status = Some(status);
        self.complete = payload.is_end_stream();
        Logged { payload, record: self }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let status = self.status.map_or(0, |status| status.as_u16());
        let Record { remote, method, path, sent_bytes, complete, started, .. } = self;
        let remote = remote.map(|address| address.to_string()).unwrap_or_else(|| "-".to_owned());
        let milliseconds = started.elapsed().as_millis() as u64;
        tracing::info!(
            target: "mpdk::access",
            remote, %method, path, status, bytes = *sent_bytes, complete = *complete, milliseconds,
            "request"
        );
    }
}

/// A body that counts what is sent of it.
#[derive(Debug)]
pub(super) struct Logged {
    payload: Payload,
    record: Record,
}

impl Body for Logged {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        let polled = Pin::new(&mut self.payload).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            self.record.sent_bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
            self.record.complete = self.payload.is_end_stream();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.payload.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.payload.size_hint()
    }
}
