use super::*;
use proptest::prelude::*;
use std::collections::VecDeque;

#[test]
fn values_come_in_order_once_they_are_shown() {
    let (mut producer, mut consumer) = ring(4);
    assert_eq!((producer.push(1), producer.push(2)), (Ok(()), Ok(())));
    assert!(consumer.is_empty(), "not shown yet");
    assert!(producer.publish() && !producer.publish());
    assert_eq!([consumer.pop(), consumer.pop(), consumer.pop()], [Some(1), Some(2), None]);
}

#[test]
fn a_full_ring_takes_nothing_until_slots_are_given_back() {
    let (mut producer, mut consumer) = ring(2);
    assert_eq!([producer.push('a'), producer.push('b'), producer.push('c')], [Ok(()), Ok(()), Err('c')]);
    producer.publish();
    assert_eq!(consumer.pop(), Some('a'));
    assert_eq!(producer.push('c'), Err('c'), "taken, but not given back");
    consumer.release();
    assert_eq!((producer.room(), producer.push('c')), (1, Ok(())));
}

#[test]
fn what_is_left_is_dropped_with_the_ring() {
    let alive = Arc::new(());
    let (mut producer, mut consumer) = ring(8);
    for _ in 0..6 {
        assert!(producer.push(alive.clone()).is_ok());
    }
    producer.publish();
    drop(consumer.pop());
    assert_eq!(Arc::strong_count(&alive), 6);
    assert!(!consumer.is_abandoned());
    drop(producer);
    assert!(consumer.is_abandoned());
    drop(consumer.pop());
    drop(consumer);
    assert_eq!(Arc::strong_count(&alive), 1);
}

#[test]
fn the_sides_do_not_share_lines() {
    let (producer, _consumer) = ring::<u64>(8);
    let shared = &*producer.shared;
    let line = |address: usize| address / 64;
    let (head, tail) = (&raw const shared.head as usize, &raw const shared.tail as usize);
    let slots = shared.slots.as_ptr() as usize;
    assert!(line(head).abs_diff(line(tail)) >= 2, "nor the pair that is fetched together");
    assert!(line(slots) != line(head) && line(slots) != line(tail));
}

#[test]
fn two_threads_lose_nothing() {
    const VALUES: u64 = 200_000;
    let (mut producer, mut consumer) = ring(64);
    let sender = std::thread::spawn(move || {
        let mut next = 0;
        while next < VALUES {
            for _ in 0..1 + next % 40 {
                if next < VALUES && producer.push(Box::new(next)).is_ok() {
                    next += 1;
                }
            }
            producer.publish();
            std::thread::yield_now();
        }
    });
    let mut expected = 0;
    while expected < VALUES {
        while let Some(value) = consumer.pop() {
            assert_eq!(*value, expected);
            expected += 1;
        }
        consumer.release();
        std::thread::yield_now();
    }
    sender.join().unwrap();
    assert!(consumer.is_empty());
}

#[derive(Clone, Debug)]
enum Act {
    Push,
    Publish,
    Pop,
    Release,
}

proptest! {
    #[test]
    fn it_does_what_two_queues_do(
        acts in prop::collection::vec(
            prop_oneof![4 => Just(Act::Push), 2 => Just(Act::Publish), 4 => Just(Act::Pop), 2 => Just(Act::Release)],
            0..400,
        ),
    ) {
        let (mut producer, mut consumer) = ring(8);
        // Put in, shown, and taken out but not given back.
        let (mut hidden, mut shown, mut held) = (VecDeque::new(), VecDeque::new(), 0_usize);
        let mut next = 0;
        for act in acts {
            match act {
                Act::Push => {
                    let full = hidden.len() + shown.len() + held == 8;
                    prop_assert_eq!(producer.push(next).is_err(), full);
                    if !full {
                        hidden.push_back(next);
                        next += 1;
                    }
                }
                Act::Publish => {
                    prop_assert_eq!(producer.publish(), !hidden.is_empty());
                    shown.append(&mut hidden);
                }
                Act::Pop => {
                    let value = shown.pop_front();
                    held += usize::from(value.is_some());
                    prop_assert_eq!(consumer.pop(), value);
                }
                Act::Release => {
                    consumer.release();
                    held = 0;
                }
            }
        }
    }
}

#[test]
#[should_panic(expected = "not a power of two")]
fn a_ring_of_six_is_refused() {
    drop(ring::<u8>(6));
}
