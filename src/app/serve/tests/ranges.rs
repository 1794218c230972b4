//! Ranges against a model over a byte array.

use proptest::prelude::*;

use super::super::range::{Selection, select};
use crate::app::tests::world::{World, content};

/// What section 14.1.2 says, byte by byte.
fn model(first: Option<u64>, last: Option<u64>, size: u64) -> Selection {
    let wanted = |at: u64| match (first, last) {
        (Some(first), Some(last)) => at >= first && at <= last,
        (Some(first), None) => at >= first,
        (None, Some(length)) => size - at <= length,
        (None, None) => true,
    };
    if matches!((first, last), (None, None)) || matches!((first, last), (Some(a), Some(b)) if a > b) {
        return Selection::Whole;
    }
    let bytes: Vec<u64> = (0..size).filter(|at| wanted(*at)).collect();
    match (bytes.first(), bytes.last()) {
        (Some(first), Some(last)) => Selection::Part { first: *first, last: *last },
        // A suffix of an empty file: satisfiable, and no range.
        _ if first.is_none() && last != Some(0) => Selection::Whole,
        _ => Selection::Unsatisfiable,
    }
}

fn text(number: Option<u64>) -> String {
    number.map_or(String::new(), |number| number.to_string())
}

proptest! {
    #[test]
    fn selections_are_those_of_the_model(
        first in proptest::option::of(0_u64..40),
        last in proptest::option::of(0_u64..40),
        size in 0_u64..32,
    ) {
        let field = format!("bytes={}-{}", text(first), text(last));
        prop_assert_eq!(select(&field, size), model(first, last, size), "{}", field);
    }

    #[test]
    fn no_field_panics_or_leaves_the_file(field in "\\PC{0,40}", size in any::<u64>()) {
        for field in [field.clone(), format!("bytes={field}")] {
            if let Selection::Part { first, last } = select(&field, size) {
                prop_assert!(first <= last && last < size);
            }
        }
    }

    #[test]
    fn the_largest_numbers(a in any::<u64>(), b in any::<u64>(), size in any::<u64>()) {
        for field in [format!("bytes={a}-{b}"), format!("bytes=-{a}"), format!("bytes={a}-")] {
            if let Selection::Part { first, last } = select(&field, size) {
                prop_assert!(first <= last && last < size);
            }
        }
    }
}

#[test]
fn fields_that_select_the_whole() {
    for field in [
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=5-2",
        "bytes=a-b",
        "bytes=0-1,3-4",
        "lines=0-1",
        "bytes=+1-2",
    ] {
        assert_eq!(select(field, 10), Selection::Whole, "{field}");
    }
    assert_eq!(select("BYTES=99999999999999999999999-", 10), Selection::Unsatisfiable);
    assert_eq!(select("bytes=0-99999999999999999999999", 10), Selection::Part { first: 0, last: 9 });
}

#[tokio::test]
async fn the_bytes_of_a_range_over_the_wire() {
    let world = World::start().await;
    let bytes = content(600_000);
    world.write("f", &bytes);
    for (first, last) in [(0, 0), (0, 599_999), (262_143, 262_144), (599_999, 599_999), (1, 524_288)] {
        let got = world.get_with("/f", &format!("Range: bytes={first}-{last}\r\n")).await;
        assert_eq!(got.status, 206);
        assert!(got.body == bytes[first..=last]);
        assert_eq!(got.field("content-range"), Some(format!("bytes {first}-{last}/600000").as_str()));
    }
    let suffix = world.get_with("/f", "Range: bytes=-10\r\n").await;
    assert_eq!(suffix.field("content-range"), Some("bytes 599990-599999/600000"));
    let outside = world.get_with("/f", "Range: bytes=600000-\r\n").await;
    assert_eq!((outside.status, outside.field("content-range")), (416, Some("bytes */600000")));
    let several = world.get_with("/f", "Range: bytes=0-1,5-6\r\n").await;
    assert_eq!((several.status, several.body.len()), (200, 600_000));
    let head = world.ask("HEAD", "/f", "Range: bytes=0-1\r\n", b"").await;
    assert_eq!((head.status, head.field("content-length")), (200, Some("600000")));
}

#[tokio::test]
async fn a_range_only_of_the_same_file() {
    let world = World::start().await;
    world.write("f", "0123456789");
    let tag = world.get_with("/f", "").await.field("etag").expect("a tag").to_owned();
    let range = |validator: &str| format!("Range: bytes=3-\r\nIf-Range: {validator}\r\n");
    let same = world.get_with("/f", &range(&tag)).await;
    assert_eq!((same.status, same.text()), (206, "3456789"));
    for other in ["\"other\"", "W/\"x\"", "Sun, 13 Sep 2020 12:26:40 GMT", "nonsense"] {
        let whole = world.get_with("/f", &range(other)).await;
        assert_eq!((whole.status, whole.text()), (200, "0123456789"), "{other}");
    }
    // A range that is outside is no error when the file is another.
    let outside = world.get_with("/f", "Range: bytes=99-\r\nIf-Range: \"other\"\r\n").await;
    assert_eq!(outside.status, 200);
}
