//! `http://HOST[:PORT]/PATH`.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use hyper::http::uri::PathAndQuery;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};

/// What is encoded in one segment of a path: all but the unreserved
/// characters (RFC 3986 section 2.3).
pub(super) const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Where a transfer goes: the parts of an `http` URL (RFC 9110 section 4.2.1)
/// that a client needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    host: Host,
    port: u16,
    path: PathAndQuery,
}

/// The host of a [`Url`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// An address written out.
    Address(IpAddr),
    /// A name for the system's resolver.
    Name(String),
}

/// Why a text is not a URL that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// No `http://` in front.
    #[error("it must begin with http://")]
    NoScheme,
    /// TLS is not spoken here.
    #[error("https is not supported: this client speaks plain HTTP only")]
    Https,
    /// Another scheme.
    #[error("the scheme `{0}` is not supported, only http")]
    Scheme(String),
    /// `user:password@`.
    #[error("a user name or password in the URL is not supported")]
    UserInformation,
    /// Nothing between `//` and the path.
    #[error("it names no host")]
    NoHost,
    /// Not a name and not an address.
    #[error("`{0}` is neither a host name, an IPv4 address nor an IPv6 address in brackets")]
    Host(String),
    /// Not 1 to 65535.
    #[error("`{0}` is not a port (1 to 65535)")]
    Port(String),
    /// Characters that must be percent-encoded.
    #[error("the path `{0}` has characters that must be percent-encoded, such as a space as %20")]
    Path(String),
}

impl Url {
    /// The host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The port, 80 where the URL has none.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Path and query as they go into the request line, still encoded.
    pub fn path_and_query(&self) -> &str {
        self.path.as_str()
    }

    /// The value of the `Host` field (RFC 9110 section 7.2).
    pub fn authority(&self) -> String {
        match self.port {
            80 => self.host.to_string(),
            port => format!("{}:{port}", self.host),
        }
    }

    /// The last segment of the path, decoded, where it is usable as the name
    /// of a file: not empty, not `.` or `..`, no slash, no NUL.
    pub fn file_name(&self) -> Option<String> {
        let last = self.path.path().rsplit('/').next()?;
        let name = percent_encoding::percent_decode_str(last).decode_utf8().ok()?.into_owned();
        let usable = !matches!(name.as_str(), "" | "." | "..") && !name.contains(['/', '\0']);
        usable.then_some(name)
    }

    /// This URL, and where its path ends in a slash, `name` below it.
    #[must_use]
    pub fn join_name(&self, name: &[u8]) -> Url {
        if !self.path.path().ends_with('/') {
            return self.clone();
        }
        let encoded = percent_encoding::percent_encode(name, SEGMENT);
        let path = format!("{}{encoded}", self.path.path());
        // Unreserved characters and percent signs behind a valid path are a valid path.
        let path = PathAndQuery::try_from(path).unwrap_or_else(|_| self.path.clone());
        Url { host: self.host.clone(), port: self.port, path }
    }
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Url, UrlError> {
        let rest = strip_scheme(text)?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.contains('@') {
            return Err(UrlError::UserInformation);
        }
        let (host, port) = split_port(authority)?;
        Ok(Url { host: parse_host(host)?, port: parse_port(port)?, path: parse_path(path)? })
    }
}

fn strip_scheme(text: &str) -> Result<&str, UrlError> {
    let (scheme, rest) = text.split_once("://").ok_or(UrlError::NoScheme)?;
    match scheme.to_ascii_lowercase().as_str() {
        "http" => Ok(rest),
        "https" => Err(UrlError::Https),
        "" => Err(UrlError::NoScheme),
        _ => Err(UrlError::Scheme(scheme.to_owned())),
    }
}

/// Splits `HOST:PORT`; the colons of an IPv6 address stand in brackets.
fn split_port(authority: &str) -> Result<(&str, Option<&str>), UrlError> {
    let after_bracket = authority.rfind(']').map_or(0, |at| at + 1);
    match authority[after_bracket..].find(':') {
        Some(colon) => {
            let (host, port) = authority.split_at(after_bracket + colon);
            Ok((host, Some(&port[1..])))
        }
        None if authority.is_empty() => Err(UrlError::NoHost),
        None => Ok((authority, None)),
    }
}

fn parse_host(text: &str) -> Result<Host, UrlError> {
    let bad = || UrlError::Host(text.to_owned());
    if text.is_empty() {
        return Err(UrlError::NoHost);
    }
    if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return inner.parse::<Ipv6Addr>().map(|address| Host::Address(address.into())).map_err(|_| bad());
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(Host::Address(address));
    }
    let name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let only_numbers = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if text.len() <= 253 && text.bytes().all(name) && !only_numbers {
        Ok(Host::Name(text.to_owned()))
    } else {
        Err(bad())
    }
}

fn parse_port(text: Option<&str>) -> Result<u16, UrlError> {
    let Some(text) = text else { return Ok(80) };
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(port) if digits && port > 0 => Ok(port),
        _ => Err(UrlError::Port(text.to_owned())),
    }
}

fn parse_path(text: &str) -> Result<PathAndQuery, UrlError> {
    let without_fragment = text.split('#').next().unwrap_or("");
    let absolute = match without_fragment.as_bytes().first() {
        Some(b'/') => without_fragment.to_owned(),
        _ => format!("/{without_fragment}"),
    };
    let plain = absolute.bytes().all(|byte| byte.is_ascii_graphic());
    match PathAndQuery::try_from(absolute.as_str()) {
        Ok(path) if plain => Ok(path),
        _ => Err(UrlError::Path(without_fragment.to_owned())),
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Host::Address(address) => write!(f, "{address}"),
            Host::Name(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority(), self.path)
    }
}
