use super::*;
use proptest::prelude::*;
use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;

/// A ring on the heap, whose indices a test may falsify.
#[derive(Clone, Debug)]
struct HeapRing(Rc<(AtomicU32, AtomicU32, Vec<Cell<Words>>)>);

impl HeapRing {
    fn new(entries: usize, start: u32) -> Self {
        let slots = vec![Cell::new([0; 8]); entries];
        Self(Rc::new((AtomicU32::new(start), AtomicU32::new(start), slots)))
    }
}

impl RingMemory for HeapRing {
    type Word = AtomicU32;
    fn entries(&self) -> u32 {
        self.0.2.len() as u32
    }
    fn head(&self) -> &AtomicU32 {
        &self.0.0
    }
    fn tail(&self) -> &AtomicU32 {
        &self.0.1
    }
    fn read(&self, place: u32) -> Words {
        self.0.2[place as usize].get()
    }
    fn write(&self, place: u32, words: &Words) {
        self.0.2[place as usize].set(*words);
    }
}

proptest! {
    /// Against a queue as the model, starting anywhere in the range of indices.
    #[test]
    fn behaves_like_a_queue(
        start in prop_oneof![Just(0), Just(u32::MAX - 3), any::<u32>()],
        steps in prop::collection::vec((any::<bool>(), 0_usize..6), 0..200),
    ) {
        let ring = HeapRing::new(4, start);
        let mut producer = Producer::new(ring.clone()).unwrap();
        let mut consumer = Consumer::new(ring).unwrap();
        let mut model = VecDeque::new();
        let mut next = 0;
        for (put, count) in steps {
            if put {
                for _ in 0..count {
                    let fitted = producer.push(&[next; 8]).unwrap();
                    prop_assert_eq!(fitted, model.len() < 4);
                    if fitted {
                        model.push_back(next);
                        next += 1;
                    }
                }
                producer.publish();
                prop_assert_eq!(producer.room().unwrap() == 0, model.len() == 4);
            } else {
                let mut batch = [[0; 8]; 6];
                let taken = consumer.pop(&mut batch[..count]).unwrap();
                prop_assert_eq!(taken, count.min(model.len()));
                for words in &batch[..taken] {
                    prop_assert_eq!(Some(words[0]), model.pop_front());
                }
                prop_assert_eq!(consumer.is_empty().unwrap(), model.is_empty());
            }
        }
    }

    /// Whatever the other side stores, no entry outside is touched and the
    /// side that looks either goes on within the ring or is told.
    #[test]
    fn a_false_index_is_found_out(start: u32, pushed in 0_u32..=4, lie: u32) {
        let ring = HeapRing::new(4, start);
        let mut producer = Producer::new(ring.clone()).unwrap();
        for _ in 0..pushed {
            prop_assert!(producer.push(&[7; 8]).unwrap());
        }
        producer.publish();
        let mut consumer = Consumer::new(ring.clone()).unwrap();

        ring.head().store(lie, Ordering::Relaxed);
        let possible = lie.wrapping_sub(start) <= pushed;
        let full = pushed == 4;
        prop_assert_eq!(producer.room().is_ok(), possible || !full);

        ring.tail().store(lie, Ordering::Relaxed);
        let ahead = lie.wrapping_sub(start);
        let popped = consumer.pop(&mut [[0; 8]; 9]);
        if (pushed..=4).contains(&ahead) {
            prop_assert_eq!(popped, Ok(ahead as usize));
        } else {
            prop_assert!(popped.is_err());
        }
    }
}

#[test]
fn indices_that_contradict_the_size_are_refused() {
    let ring = HeapRing::new(4, 0);
    ring.tail().store(5, Ordering::Relaxed);
    let expected = Corrupt { found: 5, from: 0, to: 4 };
    assert_eq!(Consumer::new(ring.clone()).unwrap_err(), expected);
    assert!(Producer::new(ring).is_err());
}
