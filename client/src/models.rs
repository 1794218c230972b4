//! Models of every ordering claim of `ring` and `wake`, explored by loom:
//! `RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom cargo test -p mpdk-client --release loom`.
//!
//! Entries are loom cells, so that an unordered read and write of one fails the
//! model; a sleeper that is never woken is a deadlock, which fails it too.

use crate::layout::{WAKE_ON_ENTRIES, WAKE_ON_ROOM};
use crate::message::Words;
use crate::ring::{Consumer, Producer, RingMemory, SharedWord};
use crate::wake;
use loom::cell::UnsafeCell;
use loom::sync::atomic::AtomicU32;
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;
use std::sync::atomic::Ordering;

impl SharedWord for AtomicU32 {
    fn load(&self, order: Ordering) -> u32 {
        Self::load(self, order)
    }
    fn store(&self, value: u32, order: Ordering) {
        Self::store(self, value, order);
    }
    fn swap(&self, value: u32, order: Ordering) -> u32 {
        Self::swap(self, value, order)
    }
}

struct Shared {
    head: AtomicU32,
    tail: AtomicU32,
    slots: Vec<UnsafeCell<Words>>,
    sleeping: AtomicU32,
    closed: AtomicU32,
    doorbell: Doorbell,
}

/// Stands for the socket: a ring that nobody heard yet stays.
struct Doorbell {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl Doorbell {
    fn ring(&self) {
        *self.rung.lock().unwrap() = true;
        self.changed.notify_one();
    }

    fn wait(&self) {
        let mut rung = self.rung.lock().unwrap();
        while !*rung {
            rung = self.changed.wait(rung).unwrap();
        }
        *rung = false;
    }
}

#[derive(Clone)]
struct Ring(Arc<Shared>);

impl Ring {
    fn new(entries: usize, start: u32) -> Self {
        Self(Arc::new(Shared {
            head: AtomicU32::new(start),
            tail: AtomicU32::new(start),
            slots: (0..entries).map(|_| UnsafeCell::new([0; 8])).collect(),
            sleeping: AtomicU32::new(0),
            closed: AtomicU32::new(0),
            doorbell: Doorbell { rung: Mutex::new(false), changed: Condvar::new() },
        }))
    }

    fn producer(&self) -> Producer<Self> {
        Producer::new(self.clone()).unwrap()
    }

    fn consumer(&self) -> Consumer<Self> {
        Consumer::new(self.clone()).unwrap()
    }

    fn ring_for(&self, events: u32) {
        if wake::must_ring(&self.0.sleeping, events) {
            self.0.doorbell.ring();
        }
    }

    fn sleep_unless(&self, events: u32, mut work: impl FnMut() -> bool) {
        wake::announce_sleep(&self.0.sleeping, events);
        if !work() {
            self.0.doorbell.wait();
        }
        wake::cancel_sleep(&self.0.sleeping);
    }
}

impl RingMemory for Ring {
    type Word = AtomicU32;
    fn entries(&self) -> u32 {
        self.0.slots.len() as u32
    }
    fn head(&self) -> &AtomicU32 {
        &self.0.head
    }
    fn tail(&self) -> &AtomicU32 {
        &self.0.tail
    }
    fn read(&self, place: u32) -> Words {
        // SAFETY: the model checks that no write is concurrent.
        self.0.slots[place as usize].with(|words| unsafe { *words })
    }
    fn write(&self, place: u32, words: &Words) {
        // SAFETY: the model checks that no other access is concurrent.
        self.0.slots[place as usize].with_mut(|slot| unsafe { *slot = *words });
    }
}

/// Pushes `values`, waiting by yielding while the ring is full.
fn push_all(producer: &mut Producer<Ring>, values: std::ops::Range<u64>) {
    for value in values {
        while !producer.push(&[value; 8]).unwrap() {
            producer.publish();
            thread::yield_now();
        }
        producer.publish();
    }
}

#[test]
fn loom_entries_arrive_whole_and_in_order() {
    loom::model(|| {
        let ring = Ring::new(4, 0);
        let mut producer = ring.producer();
        let mut consumer = ring.consumer();
        let sender = thread::spawn(move || {
            assert!(producer.push(&[1; 8]).unwrap());
            assert!(producer.push(&[2; 8]).unwrap());
            producer.publish();
            assert!(producer.push(&[3; 8]).unwrap());
            producer.publish();
        });
        let mut next = 1;
        while next <= 3 {
            let mut batch = [[0; 8]; 3];
            let count = consumer.pop(&mut batch).unwrap();
            for words in &batch[..count] {
                assert_eq!(*words, [next; 8]);
                next += 1;
            }
            // One publication makes both of its entries visible.
            assert_ne!(next, 2);
            thread::yield_now();
        }
        sender.join().unwrap();
    });
}

#[test]
fn loom_places_are_reused_only_after_they_were_read() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        // Two places, four entries, and the indices wrap at 2^32 in between.
        let ring = Ring::new(2, u32::MAX - 1);
        let mut producer = ring.producer();
        let mut consumer = ring.consumer();
        let sender = thread::spawn(move || push_all(&mut producer, 0..4));
        let mut next = 0;
        while next < 4 {
            let mut batch = [[0; 8]; 2];
            let count = consumer.pop(&mut batch).unwrap();
            for words in &batch[..count] {
                assert_eq!(*words, [next; 8]);
                next += 1;
            }
            if count == 0 {
                thread::yield_now();
            }
        }
        sender.join().unwrap();
    });
}

#[test]
fn loom_no_entry_is_slept_through() {
    loom::model(|| {
        let ring = Ring::new(2, 0);
        let (mut producer, mut consumer) = (ring.producer(), ring.consumer());
        let waker = ring.clone();
        let sender = thread::spawn(move || {
            for value in 0..2 {
                assert!(producer.push(&[value; 8]).unwrap());
                producer.publish();
                waker.ring_for(WAKE_ON_ENTRIES);
            }
        });
        let mut next = 0;
        while next < 2 {
            let mut batch = [[0; 8]; 2];
            let count = consumer.pop(&mut batch).unwrap();
            next += count as u64;
            if count == 0 {
                ring.sleep_unless(WAKE_ON_ENTRIES, || !consumer.is_empty().unwrap());
            }
        }
        sender.join().unwrap();
    });
}

#[test]
fn loom_no_room_is_slept_through() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let ring = Ring::new(2, u32::MAX);
        let (mut producer, mut consumer) = (ring.producer(), ring.consumer());
        let waker = ring.clone();
        let receiver = thread::spawn(move || {
            let mut taken = 0;
            while taken < 3 {
                let count = consumer.pop(&mut [[0; 8]; 2]).unwrap();
                taken += count;
                if count > 0 {
                    waker.ring_for(WAKE_ON_ROOM);
                } else {
                    thread::yield_now();
                }
            }
        });
        for value in 0..3 {
            while !producer.push(&[value; 8]).unwrap() {
                ring.sleep_unless(WAKE_ON_ROOM, || producer.room().unwrap() > 0);
            }
            producer.publish();
        }
        receiver.join().unwrap();
    });
}

#[test]
fn loom_what_was_put_before_closing_is_seen() {
    loom::model(|| {
        let ring = Ring::new(2, 0);
        let (mut producer, mut consumer) = (ring.producer(), ring.consumer());
        let closer = ring.clone();
        let sender = thread::spawn(move || {
            assert!(producer.push(&[1; 8]).unwrap());
            producer.publish();
            closer.0.closed.store(1, Ordering::Release);
            closer.ring_for(WAKE_ON_ENTRIES);
        });
        let mut taken = 0;
        loop {
            // The flag is read before the ring: an empty ring after it is the end.
            let closed = ring.0.closed.load(Ordering::Acquire) != 0;
            let count = consumer.pop(&mut [[0; 8]; 2]).unwrap();
            taken += count;
            if closed && count == 0 {
                break;
            }
            if count == 0 {
                ring.sleep_unless(WAKE_ON_ENTRIES, || {
                    !consumer.is_empty().unwrap() || ring.0.closed.load(Ordering::Acquire) != 0
                });
            }
        }
        assert_eq!(taken, 1);
        sender.join().unwrap();
    });
}
