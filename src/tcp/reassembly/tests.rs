use super::*;
use crate::base::HeapPacket;
use proptest::prelude::*;

fn packet(bytes: &[u8]) -> HeapPacket {
    HeapPacket::new(bytes)
}

#[test]
fn what_came_first_stays() {
    let mut reassembly = Reassembly::new();
    assert_eq!(
        reassembly.insert(12, &packet(b"cd"), 10),
        Inserted { new_bytes: 2, duplicate: None, dropped: 0 }
    );
    let inserted = reassembly.insert(11, &packet(b"BCDE"), 10);
    assert_eq!(inserted, Inserted { new_bytes: 2, duplicate: Some((12, 14)), dropped: 0 });
    assert!(reassembly.take_next(10).is_none());
    let mut next = 11;
    let mut bytes = Vec::new();
    while let Some(piece) = reassembly.take_next(next) {
        next += piece.len() as u64;
        bytes.extend_from_slice(piece.as_slice());
    }
    assert_eq!(bytes, b"BcdE");
    assert!(reassembly.is_empty());
}

#[test]
fn the_furthest_goes_when_it_is_full() {
    let mut reassembly = Reassembly::new();
    reassembly.insert(30, &packet(b"x"), 2);
    reassembly.insert(20, &packet(b"y"), 2);
    assert_eq!(
        reassembly.insert(40, &packet(b"z"), 2),
        Inserted { new_bytes: 0, duplicate: None, dropped: 1 }
    );
    assert_eq!(
        reassembly.insert(10, &packet(b"w"), 2),
        Inserted { new_bytes: 1, duplicate: None, dropped: 1 }
    );
    assert_eq!(reassembly.ranges().iter().collect::<Vec<_>>(), [(10, 11), (20, 21)]);
}

proptest! {
    #[test]
    fn agrees_with_a_byte_array(
        steps in prop::collection::vec((1u64..100, 0usize..20, any::<bool>()), 1..80),
        limit in 1usize..40,
    ) {
        let mut reassembly = Reassembly::new();
        // The byte at an offset, as far as it is there; the stream is the offsets themselves.
        let mut model = [false; 130];
        let mut next = 1u64;
        for (start, len, take) in steps {
            if start > next {
                let bytes: Vec<u8> = (start..start + len as u64).map(|at| at as u8).collect();
                let before = model;
                let inserted = reassembly.insert(start, &packet(&bytes), limit);
                if inserted.dropped == 0 {
                    model[start as usize..start as usize + len].fill(true);
                } else {
                    // What stays is what the ranges say, and nothing that was not offered.
                    for (at, there) in model.iter_mut().enumerate() {
                        let offered = before[at] || (start as usize..start as usize + len).contains(&at);
                        *there = reassembly.ranges().containing(at as u64).is_some();
                        prop_assert!(offered || !*there);
                    }
                }
            } else if take {
                next += len as u64;
                model[..next as usize].fill(false);
            }
            while let Some(piece) = reassembly.take_next(next) {
                for &byte in piece.as_slice() {
                    prop_assert_eq!(u64::from(byte), next);
                    model[next as usize] = false;
                    next += 1;
                }
            }
            if next > 100 {
                break;
            }
            for at in next..130 {
                prop_assert_eq!(reassembly.ranges().containing(at).is_some(), model[at as usize]);
            }
            prop_assert!(reassembly.pieces.as_ref().is_none_or(|pieces| pieces.held.len() <= limit));
        }
    }
}
