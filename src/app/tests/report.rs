use std::io;

use crate::app::{Failed, LinkReport, Report, Sha256Digest, Status, TransferError, UrlError, present};

const DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn report() -> Report {
    Report {
        url: "http://10.0.0.2/f".to_owned(),
        status: Status::Complete,
        error: None,
        file: "f".to_owned(),
        bytes: 1_250_000_000,
        size: Some(1_250_000_100),
        seconds: 1.0,
        bits_per_second: 1e10,
        sha256: Some(DIGEST.parse().expect("a digest")),
        resumed_from: 100,
        attempts: 2,
        mptcp: true,
        taken_over_frames: 5,
        links: vec![LinkReport {
            name: "p0".to_owned(),
            local: "10.0.0.1:1".parse().expect("an address"),
            remote: "10.0.0.2:80".parse().expect("an address"),
            bytes: 1_250_000_000,
            share: 1.0,
            bits_per_second: 1e10,
        }],
    }
}

#[test]
fn the_json_has_what_scripts_ask_for() {
    let json = serde_json::to_value(report()).expect("JSON");
    assert_eq!(json["status"], "complete");
    assert_eq!(json["bytes"], 1_250_000_000_u64);
    assert_eq!(json["bits_per_second"], 1e10);
    assert_eq!(json["sha256"], DIGEST);
    assert_eq!(json["resumed_from"], 100);
    assert_eq!(json["mptcp"], true);
    assert_eq!(json["taken_over_frames"], 5);
    assert_eq!(json["error"], serde_json::Value::Null);
    let link = &json["links"][0];
    assert_eq!((&link["name"], &link["local"]), (&"p0".into(), &"10.0.0.1:1".into()));
    assert_eq!((&link["share"], &link["remote"]), (&1.0.into(), &"10.0.0.2:80".into()));
}

#[test]
fn the_summary_says_it_in_a_few_lines() {
    let expected = format!(
        "f  1250000000 bytes in 1.000 s  10.000 Gbit/s  MPTCP  resumed from 100\n  \
         p0  10.0.0.1:1 -> 10.0.0.2:80  1250000000 bytes  100.0 %  10.00 Gbit/s\n  sha256 {DIGEST}"
    );
    assert_eq!(report().to_string(), expected);
}

#[test]
fn exit_codes_tell_the_causes_apart() {
    let local = |kind: io::ErrorKind| TransferError::write("f.part".as_ref(), None, kind.into());
    let url = TransferError::Url { url: "x".to_owned(), source: UrlError::NoScheme };
    let digest: Sha256Digest = DIGEST.parse().expect("a digest");
    let refused = TransferError::Refused {
        url: "http://h/".to_owned(),
        status: hyper::StatusCode::NOT_FOUND,
        detail: String::new(),
    };
    let wrong = TransferError::Digest { expected: digest, actual: digest, kept: None };
    let errors = [
        (TransferError::NoLength, 1),
        (url, 2),
        (refused, 3),
        (local(io::ErrorKind::PermissionDenied), 4),
        (local(io::ErrorKind::StorageFull), 4),
        (wrong, 5),
        (TransferError::Interrupted { signal: libc::SIGINT, kept: None }, 130),
    ];
    for (error, code) in errors {
        let failed = Failed { error, report: Box::new(report()) };
        assert_eq!(present(&Err(failed), true), code);
    }
    assert_eq!(present(&Ok(report()), false), 0);
}

#[test]
fn a_digest_is_64_hexadecimal_digits() {
    let digest: Sha256Digest = DIGEST.to_uppercase().parse().expect("either case");
    assert_eq!(digest.to_string(), DIGEST);
    let with_sign = format!("+{}", &DIGEST[1..]);
    for bad in ["", "abc", &DIGEST[1..], &format!("{DIGEST}0"), &with_sign, &"ü".repeat(32)] {
        assert!(bad.parse::<Sha256Digest>().is_err(), "{bad}");
    }
}
