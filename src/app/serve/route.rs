//! From a request to its answer.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use hyper::body::Incoming;
use hyper::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, LAST_MODIFIED,
    LOCATION, RANGE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};

use super::ServeOptions;
use super::access_log::{Logged, Record};
use super::conditional::{Validators, Verdict, evaluate, range_applies};
use super::connection::{Mode, Peer};
use super::payload::Payload;
use super::range::{Selection, select};
use super::refusal::Refusal;
use super::root::{Node, OpenFile, Root};
use super::target::Target;
use super::upload::{Stored, UploadRules, blocking, store};
use super::{content_type, listing};
use crate::app::piece_reader::PieceReader;

/// What is served, by what rules.
#[derive(Debug)]
pub(super) struct Site {
    root: Arc<Root>,
    /// `None` where uploads are not allowed.
    uploads: Option<UploadRules>,
    /// A statistic (relaxed): it orders nothing.
    requests: AtomicU64,
}

impl Site {
    /// Opens the folder of `options`.
    pub(super) fn open(options: &ServeOptions) -> io::Result<Site> {
        let rules = UploadRules {
            max_bytes: options.max_upload_bytes,
            sync: options.sync_uploads,
            stall_timeout: options.stall_timeout,
        };
        Ok(Site {
            root: Arc::new(Root::open(&options.root)?),
            uploads: options.allow_put.then_some(rules),
            requests: AtomicU64::new(0),
        })
    }

    /// Requests answered so far.
    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }
}

/// Answers one request.
pub(super) async fn answer(peer: Peer, request: Request<Incoming>) -> Response<Logged> {
    peer.site.requests.fetch_add(1, Ordering::Relaxed);
    let record = Record::new(peer.remote, &request);
    let result = match peer.mode {
        Mode::Serve => route(&peer.site, request).await,
        Mode::TurnAway => Err(Refusal::Busy),
    };
    let mut response = result.unwrap_or_else(Refusal::into_response);
    // What is served is what its type says, not what a browser guesses.
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let status = response.status();
    response.map(|payload| record.answered(status, payload))
}

async fn route(site: &Site, request: Request<Incoming>) -> Result<Response<Payload>, Refusal> {
    let (head, body) = request.into_parts();
    match head.method {
        Method::GET | Method::HEAD => {
            let target = Target::parse(head.uri.path())?;
            let read = Read {
                query: head.uri.query().map(str::to_owned),
                headers: head.headers,
                body_wanted: head.method == Method::GET,
            };
            read.answer(site.root.clone(), target).await
        }
        Method::PUT => {
            let target = Target::parse(head.uri.path())?;
            let rules = site.uploads.ok_or(Refusal::Forbidden("uploads are not allowed"))?;
            store(site.root.clone(), target, head.headers, body, rules).await.map(|done| stored(&done))
        }
        _ => Err(Refusal::Method { put_allowed: site.uploads.is_some() }),
    }
}

fn stored(stored: &Stored) -> Response<Payload> {
    let status = if stored.created { StatusCode::CREATED } else { StatusCode::NO_CONTENT };
    let mut response = with_status(status, Payload::Empty);
    set(&mut response, ETAG, stored.validators.etag());
    if stored.created {
        set(&mut response, CONTENT_LENGTH, "0");
    }
    response
}

/// A GET or HEAD.
struct Read {
    query: Option<String>,
    headers: HeaderMap,
    body_wanted: bool,
}

impl Read {
    async fn answer(self, root: Arc<Root>, target: Target) -> Result<Response<Payload>, Refusal> {
        let relative = target.relative();
        let node = {
            let (root, relative) = (root.clone(), relative.clone());
            blocking(move || root.node(&relative)).await?
        };
        match node {
            Node::File(_) if target.is_directory() => Err(Refusal::NotFound),
            Node::File(file) => self.file(&relative, file),
            Node::Directory(_) if !target.is_directory() => Ok(self.redirect(&target)),
            Node::Directory(folder) => {
                let page = blocking(move || Ok(listing::page(&root, &target, &folder)?)).await?;
                Ok(self.page(page))
            }
        }
    }

    fn file(&self, path: &Path, open: OpenFile) -> Result<Response<Payload>, Refusal> {
        let OpenFile { file, size_bytes, validators } = open;
        match evaluate(&self.headers, Some(&validators), true) {
            Verdict::Proceed => {}
            Verdict::Failed => return Err(Refusal::Precondition),
            Verdict::NotModified => {
                let mut response = with_status(StatusCode::NOT_MODIFIED, Payload::Empty);
                describe(&mut response, &validators);
                return Ok(response);
            }
        }
        let (status, first, length) = match self.selection(&validators, size_bytes) {
            Selection::Whole => (StatusCode::OK, 0, size_bytes),
            Selection::Part { first, last } => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
            Selection::Unsatisfiable => return Err(Refusal::Range { size_bytes }),
        };
        let payload = match self.body_wanted {
            true => Payload::File(PieceReader::new(file, first, length, None)),
            false => Payload::Empty,
        };
        let mut response = with_status(status, payload);
        describe(&mut response, &validators);
        set(&mut response, CONTENT_TYPE, content_type::of(path));
        set(&mut response, CONTENT_LENGTH, &length.to_string());
        if status == StatusCode::PARTIAL_CONTENT {
            let range = format!("bytes {first}-{}/{size_bytes}", first + length - 1);
            set(&mut response, CONTENT_RANGE, &range);
        }
        Ok(response)
    }

    /// Range is defined for GET only (RFC 9110 section 14.2).
    fn selection(&self, validators: &Validators, size_bytes: u64) -> Selection {
        let field = self.headers.get(RANGE).and_then(|field| field.to_str().ok());
        match field {
            Some(field)
                if self.body_wanted && range_applies(&self.headers, validators, SystemTime::now()) =>
            {
                select(field, size_bytes)
            }
            _ => Selection::Whole,
        }
    }

    fn redirect(&self, target: &Target) -> Response<Payload> {
        let mut location = target.directory_path();
        if let Some(query) = &self.query {
            location.push('?');
            location.push_str(query);
        }
        let mut response = with_status(StatusCode::MOVED_PERMANENTLY, Payload::Empty);
        set(&mut response, LOCATION, &location);
        set(&mut response, CONTENT_LENGTH, "0");
        response
    }

    fn page(&self, page: String) -> Response<Payload> {
        let length = page.len();
        let payload = if self.body_wanted { Payload::Page(page.into()) } else { Payload::Empty };
        let mut response = with_status(StatusCode::OK, payload);
        set(&mut response, CONTENT_TYPE, "text/html; charset=utf-8");
        set(&mut response, CONTENT_LENGTH, &length.to_string());
        response
    }
}

fn with_status(status: StatusCode, payload: Payload) -> Response<Payload> {
    let mut response = Response::new(payload);
    *response.status_mut() = status;
    response
}

fn describe(response: &mut Response<Payload>, validators: &Validators) {
    set(response, ETAG, validators.etag());
    set(response, LAST_MODIFIED, &validators.last_modified());
    set(response, ACCEPT_RANGES, "bytes");
}

/// Sets a field; a value that no field can have is left out.
fn set(response: &mut Response<Payload>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::try_from(value) {
        response.headers_mut().insert(name, value);
    }
}
