//! What answers mean.

use hyper::{HeaderMap, StatusCode};

use super::super::answer::{Answer, Asked, Remote, Validator, judge};

fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
    fields
        .iter()
        .map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")))
        .collect()
}

fn asked() -> Asked {
    Asked { offset: 10, size_bytes: 100, validator: Validator::Etag("\"a\"".to_owned()) }
}

#[test]
fn a_rest_must_be_exactly_what_was_asked_for() {
    let judge = |range: &str, tag: &str| {
        let headers = headers(&[("content-range", range), ("etag", tag)]);
        judge(StatusCode::PARTIAL_CONTENT, &headers, Some(&asked())).expect("an answer")
    };
    assert_eq!(judge("bytes 10-99/100", "\"a\""), Answer::Rest);
    for wrong in ["bytes 9-99/100", "bytes 10-98/100", "bytes 10-99/101", "bytes 10-99/*", "10-99/100", ""] {
        assert_eq!(judge(wrong, "\"a\""), Answer::Gone, "{wrong}");
    }
    assert_eq!(judge("bytes 10-99/100", "\"b\""), Answer::Gone);
}

#[test]
fn a_whole_says_what_it_knows() {
    let whole = |fields: &[(&'static str, &str)]| match judge(StatusCode::OK, &headers(fields), None) {
        Ok(Answer::Whole(remote)) => remote,
        other => panic!("{other:?}"),
    };
    let strong = whole(&[("content-length", "5"), ("etag", "\"a\"")]);
    assert_eq!(strong.size_bytes, Some(5));
    assert_eq!(strong.validator, Some(Validator::Etag("\"a\"".to_owned())));
    let weak = whole(&[("content-length", "5"), ("etag", "W/\"a\"")]);
    assert_eq!(weak.validator, None, "a weak tag does not put parts together");
    let chunked = whole(&[("transfer-encoding", "chunked"), ("content-length", "5")]);
    assert_eq!(chunked, Remote { size_bytes: None, validator: None });
    let date = "Sun, 13 Sep 2020 12:26:40 GMT";
    let settled = whole(&[("last-modified", date), ("date", "Sun, 13 Sep 2020 12:26:41 GMT")]);
    assert_eq!(settled.validator, Some(Validator::LastModified(date.to_owned())));
    assert_eq!(whole(&[("last-modified", date), ("date", date)]).validator, None);
}

#[test]
fn other_statuses() {
    let none = HeaderMap::new();
    let gone = judge(StatusCode::RANGE_NOT_SATISFIABLE, &none, Some(&asked())).expect("an answer");
    assert_eq!(gone, Answer::Gone);
    for status in [StatusCode::NOT_FOUND, StatusCode::MOVED_PERMANENTLY, StatusCode::RANGE_NOT_SATISFIABLE] {
        assert_eq!(judge(status, &none, None).expect("an answer"), Answer::Refused);
    }
    assert!(judge(StatusCode::PARTIAL_CONTENT, &none, None).is_err());
    assert!(judge(StatusCode::NO_CONTENT, &none, None).is_err());
    assert!(judge(StatusCode::OK, &headers(&[("content-length", "many")]), None).is_err());
}
