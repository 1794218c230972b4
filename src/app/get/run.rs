//! One run of a download: attempts, until the file is there or hope is gone.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT_ENCODING, HeaderValue, IF_RANGE, RANGE};
use hyper::{Request, Response};

use super::GetOptions;
use super::answer::{Answer, Asked, Remote, ends_with_connection, judge};
use super::destination::Destination;
use super::part::{Note, Part};
use crate::app::client::{Patience, Session, dial, refused};
use crate::app::digest::{DigestCheck, Sha256Digest};
use crate::app::error::TransferError;
use crate::app::monitor::Monitor;
use crate::app::piece_writer::PieceWriter;
use crate::app::retry::Retries;
use crate::app::transport::{Connector, Probe};
use crate::app::url::Url;

type EmptyBody = http_body_util::combinators::MapErr<Empty<Bytes>, fn(std::convert::Infallible) -> io::Error>;

/// A download and where it stands.
pub(super) struct Run<'a, C> {
    connector: &'a C,
    options: &'a GetOptions,
    monitor: &'a Monitor,
    url: Url,
    destination: Destination,
    writer: PieceWriter,
    /// What is known of the file on the server.
    remote: Remote,
    /// How much of the file went to the writer; read by the progress bar.
    done_bytes: AtomicU64,
    /// How much was there before this run.
    resumed_from: u64,
}

/// How an attempt ended that did not fail.
enum Attempt {
    Complete,
    /// The part could not be had: the next attempt asks for the whole.
    StartOver,
}

impl<'a, C: Connector> Run<'a, C> {
    /// Opens the destination and finds out from where to go on.
    pub(super) async fn open(
        connector: &'a C,
        options: &'a GetOptions,
        monitor: &'a Monitor,
        url: Url,
        output: PathBuf,
    ) -> Result<Run<'a, C>, TransferError> {
        let destination = Destination::open(&output)?;
        let mut remote = Remote { size_bytes: None, validator: None };
        let mut offset = 0;
        if options.resume
            && let Some((note, length)) =
                destination.earlier().filter(|(note, _)| note.url == url.to_string())
        {
            // The last byte again where none is missing: only an answer with
            // content says that the file is still the same.
            offset = length.min(note.size - 1);
            remote = Remote { size_bytes: Some(note.size), validator: Some(note.validator) };
            monitor.say("reading what is there already");
        }
        let writer = destination.writer_at(offset, options.check.hasher()).await?;
        Ok(Run {
            connector,
            options,
            monitor,
            url,
            destination,
            writer,
            remote,
            done_bytes: AtomicU64::new(offset),
            resumed_from: offset,
        })
    }

    /// The size of the file, where known, and from where the run resumed.
    pub(super) fn stand(&self) -> (Option<u64>, u64) {
        (self.remote.size_bytes, self.resumed_from)
    }

    /// Tries until everything has come and is written.
    pub(super) async fn transfer(&mut self) -> Result<(), TransferError> {
        let result = self.attempts().await;
        if result.is_err() {
            self.destination.remove_if_empty();
        }
        result
    }

    /// Ends a transfer that a signal broke off: writes what has come.
    pub(super) async fn interrupted(&mut self, signal: i32) -> TransferError {
        // Where that fails, what was written before is there.
        let _ = self.writer.flush().await;
        self.destination.remove_if_empty();
        TransferError::Interrupted { signal, kept: self.kept() }
    }

    /// The partial file, where it holds something.
    pub(super) fn kept(&self) -> Option<PathBuf> {
        self.destination.kept().map(Path::to_owned)
    }

    async fn attempts(&mut self) -> Result<(), TransferError> {
        let mut retries = Retries::new(self.options.retries, self.options.retry_delay);
        loop {
            match self.attempt().await {
                Ok(Attempt::Complete) => return Ok(()),
                Ok(Attempt::StartOver) => self.start_over(None).await?,
                Err(error) if !self.can_go_on() => return Err(error),
                Err(error) => retries.after(error, self.monitor).await?,
            }
        }
    }

    /// What has been passed on cannot be taken back: a stream can only go on
    /// where the server can give the rest of the same file.
    fn can_go_on(&self) -> bool {
        match self.destination {
            Destination::Part(_) => true,
            Destination::Stream { .. } => self.done() == 0 || self.asked().is_some(),
        }
    }

    async fn attempt(&mut self) -> Result<Attempt, TransferError> {
        let connection = self.monitor.next_connection();
        let patience = Patience { connect: self.options.connect_timeout, stall: self.options.stall_timeout };
        let mut session: Session<_, EmptyBody> = dial(self.connector, &self.url, patience).await?;
        let asked = self.asked();
        let request = self.request(asked.as_ref());
        let (sending, probe) = session.send(&self.url, request);
        let response = sending.await.map_err(|source| self.broken(source))?;
        match judge(response.status(), response.headers(), asked.as_ref())? {
            Answer::Refused => return Err(refused(&self.url, response).await),
            Answer::Gone => return Ok(Attempt::StartOver),
            Answer::Rest => {}
            Answer::Whole(remote) => {
                self.check_end_is_certain(&response)?;
                self.start_over(Some(remote)).await?;
            }
        }
        self.monitor.stands_at(self.done(), self.remote.size_bytes);
        self.receive(response.into_body(), connection, probe).await?;
        Ok(Attempt::Complete)
    }

    /// The part to ask for: what is missing of a file that can be resumed.
    fn asked(&self) -> Option<Asked> {
        let (offset, size_bytes) = (self.done(), self.remote.size_bytes?);
        let validator = self.remote.validator.clone()?;
        (offset > 0 && offset < size_bytes).then_some(Asked { offset, size_bytes, validator })
    }

    fn request(&self, asked: Option<&Asked>) -> Request<EmptyBody> {
        let body: EmptyBody = Empty::new().map_err(|never| match never {});
        let mut request = Request::new(body);
        // A path and query that were parsed are a request target.
        *request.uri_mut() = self.url.path_and_query().parse().unwrap_or_default();
        let headers = request.headers_mut();
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some(asked) = asked
            && let Ok(validator) = HeaderValue::try_from(asked.validator.as_str())
            && let Ok(range) = HeaderValue::try_from(format!("bytes={}-", asked.offset))
        {
            headers.insert(IF_RANGE, validator);
            headers.insert(RANGE, range);
        }
        request
    }

    /// Without a length an early end looks like the end; only a digest to
    /// compare with would tell.
    fn check_end_is_certain(&self, response: &Response<Incoming>) -> Result<(), TransferError> {
        let compared = matches!(self.options.check, DigestCheck::Expect(_));
        if ends_with_connection(response.headers()) && !compared {
            return Err(TransferError::NoLength);
        }
        Ok(())
    }

    /// Begins the file anew; `remote` is what is known of it now.
    async fn start_over(&mut self, remote: Option<Remote>) -> Result<(), TransferError> {
        let done_bytes = self.done();
        self.remote = remote.unwrap_or(Remote { size_bytes: None, validator: None });
        match &self.destination {
            Destination::Part(part) => part.restart(self.note().as_ref())?,
            Destination::Stream { .. } if done_bytes > 0 => {
                return Err(TransferError::Changed { done_bytes });
            }
            Destination::Stream { .. } => {}
        }
        self.writer = self.destination.writer_at(0, self.options.check.hasher()).await?;
        *self.done_bytes.get_mut() = 0;
        self.resumed_from = 0;
        Ok(())
    }

    /// What makes the partial file resumable, where anything does.
    fn note(&self) -> Option<Note> {
        let validator = self.remote.validator.clone()?;
        let size = self.remote.size_bytes.filter(|size| *size > 0)?;
        Some(Note { url: self.url.to_string(), size, validator })
    }

    /// Receives the body; whatever ends it, all that came is written.
    async fn receive<P: Probe>(
        &mut self,
        body: Incoming,
        connection: u32,
        probe: &mut P,
    ) -> Result<(), TransferError> {
        let (monitor, position) = (self.monitor, &self.done_bytes);
        let counter = monitor.counter();
        let pump = pump(body, &mut self.writer, position, &counter);
        let watch = monitor.watch(connection, probe, || position.load(Ordering::Relaxed));
        let ended = tokio::select! {
            biased;
            ended = pump => ended,
            never = watch => match never {},
        };
        monitor.last_sample(connection, probe).await;
        let flushed = match &ended {
            Err(Ended::Local(_)) => Ok(()),
            _ => self.writer.flush().await,
        };
        flushed.map_err(|source| self.not_written(source))?;
        match ended {
            Ok(()) => self.check_size(),
            Err(Ended::Network(source)) => Err(self.broken(source)),
            Err(Ended::Local(source)) => Err(self.not_written(source)),
        }
    }

    fn check_size(&self) -> Result<(), TransferError> {
        match self.remote.size_bytes {
            Some(size) if size != self.done() => {
                Err(TransferError::Answer(format!("{} bytes came instead of {size}", self.done())))
            }
            _ => Ok(()),
        }
    }

    /// Compares the digest and gives the file its name.
    pub(super) async fn check_and_place(
        self,
        digest: &mut Option<Sha256Digest>,
    ) -> Result<(), TransferError> {
        let destination = self.destination;
        let finished = self.writer.finish().await;
        let (_, hasher) = finished
            .map_err(|source| TransferError::write(destination.path(), destination.kept(), source))?;
        *digest = hasher.map(Sha256Digest::of);
        let part = match destination {
            Destination::Part(part) => Some(part),
            Destination::Stream { .. } => None,
        };
        if let (DigestCheck::Expect(expected), Some(actual)) = (self.options.check, *digest)
            && expected != actual
        {
            // Resuming would only end here again.
            part.as_ref().map_or(Ok(()), Part::forget_note)?;
            let kept = part.map(|part| part.path().to_owned());
            return Err(TransferError::Digest { expected, actual, kept });
        }
        match part {
            Some(part) => place(part).await,
            None => Ok(()),
        }
    }

    fn done(&self) -> u64 {
        self.done_bytes.load(Ordering::Relaxed)
    }

    fn broken(&self, source: hyper::Error) -> TransferError {
        let size_bytes = self.remote.size_bytes;
        TransferError::Broken { source, done_bytes: self.done(), size_bytes }
    }

    fn not_written(&self, source: io::Error) -> TransferError {
        TransferError::write(self.destination.path(), self.destination.kept(), source)
    }
}

/// What ended a body before its end.
enum Ended {
    Network(hyper::Error),
    Local(io::Error),
}

async fn pump(
    mut body: Incoming,
    writer: &mut PieceWriter,
    position: &AtomicU64,
    transferred: &AtomicU64,
) -> Result<(), Ended> {
    while let Some(frame) = body.frame().await {
        // Trailers are nothing to write.
        let Ok(data) = frame.map_err(Ended::Network)?.into_data() else { continue };
        let length = data.len() as u64;
        writer.write(data).await.map_err(Ended::Local)?;
        position.fetch_add(length, Ordering::Relaxed);
        transferred.fetch_add(length, Ordering::Relaxed);
    }
    Ok(())
}

async fn place(part: Part) -> Result<(), TransferError> {
    let path = part.path().to_owned();
    let placed = tokio::task::spawn_blocking(move || part.place()).await;
    placed.map_err(|error| TransferError::local("rename", &path, io::Error::other(error)))?
}
