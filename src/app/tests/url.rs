use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::app::{Host, Url, UrlError};

fn url(text: &str) -> Url {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn error(text: &str) -> UrlError {
    text.parse::<Url>().expect_err(text)
}

#[test]
fn addresses_names_and_ports() {
    let four = url("http://10.1.2.3:8080/a/b?c=d");
    assert_eq!(four.host(), &Host::Address(IpAddr::V4(Ipv4Addr::new(10, 1, 2, 3))));
    assert_eq!((four.port(), four.path_and_query()), (8080, "/a/b?c=d"));
    assert_eq!(four.authority(), "10.1.2.3:8080");

    let six = url("HTTP://[fd00::1]/x");
    assert_eq!(six.host(), &Host::Address(IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1))));
    assert_eq!((six.port(), six.authority().as_str()), (80, "[fd00::1]"));
    assert_eq!(url("http://[::1]:81/").to_string(), "http://[::1]:81/");

    let name = url("http://files.example:1");
    assert_eq!(name.host(), &Host::Name("files.example".to_owned()));
    assert_eq!(name.path_and_query(), "/");
    assert_eq!(url("http://h?q").path_and_query(), "/?q");
    assert_eq!(url("http://h/a#fragment").path_and_query(), "/a");
}

#[test]
fn every_error_says_what_is_wrong() {
    assert_eq!(error("host/path"), UrlError::NoScheme);
    assert_eq!(error("://host"), UrlError::NoScheme);
    assert_eq!(error("https://host/"), UrlError::Https);
    assert!(error("https://host/").to_string().contains("https is not supported"));
    assert_eq!(error("ftp://host/"), UrlError::Scheme("ftp".to_owned()));
    assert_eq!(error("http://user:secret@host/"), UrlError::UserInformation);
    assert_eq!(error("http:///path"), UrlError::NoHost);
    assert_eq!(error("http://:80/"), UrlError::NoHost);
    assert_eq!(error("http://"), UrlError::NoHost);
    assert_eq!(error("http://ho st/"), UrlError::Host("ho st".to_owned()));
    assert_eq!(error("http://1.2.3/"), UrlError::Host("1.2.3".to_owned()));
    assert_eq!(error("http://[fe80::1%eth0]/"), UrlError::Host("[fe80::1%eth0]".to_owned()));
    assert!(matches!(error("http://::1/"), UrlError::Host(_) | UrlError::Port(_) | UrlError::NoHost));
    for port in ["0", "65536", "-1", "+5", "", "x"] {
        assert_eq!(error(&format!("http://h:{port}/")), UrlError::Port(port.to_owned()), "{port}");
    }
    assert_eq!(error("http://h/a b"), UrlError::Path("/a b".to_owned()));
    assert_eq!(error("http://h/a\r\nX: y"), UrlError::Path("/a\r\nX: y".to_owned()));
    assert!(matches!(error("http://h/ü"), UrlError::Path(_)));
}

#[test]
fn file_names_are_decoded_and_safe() {
    assert_eq!(url("http://h/a/b%20c.bin?x").file_name().as_deref(), Some("b c.bin"));
    for unusable in ["/", "/a/", "/..", "/%2e%2e", "/a%2Fb", "/a%00b", "/.", "/%ff"] {
        assert_eq!(url(&format!("http://h{unusable}")).file_name(), None, "{unusable}");
    }
}

#[test]
fn a_name_is_joined_to_a_folder_only() {
    assert_eq!(url("http://h/d/").join_name(b"a b?.bin").path_and_query(), "/d/a%20b%3F.bin");
    assert_eq!(url("http://h/d").join_name(b"x").path_and_query(), "/d");
    assert_eq!(url("http://h").join_name(b"x").path_and_query(), "/x");
}
