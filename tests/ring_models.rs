//! Models of every ordering claim of the ring, explored by loom:
//! `RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom cargo test -p mpdk --no-default-features --test ring_models`.
//!
//! Slots are loom cells: an unordered put and take of one fails the model.
#![cfg(loom)]

use loom::thread;
use mpdk::ring::{Consumer, Producer, Sleeping, ring};

fn put(producer: &mut Producer<Box<u32>>, value: u32) {
    let mut value = Box::new(value);
    while let Err(back) = producer.push(value) {
        value = back;
        thread::yield_now();
    }
}

fn take(consumer: &mut Consumer<Box<u32>>) -> u32 {
    loop {
        match consumer.pop() {
            Some(value) => return *value,
            None => thread::yield_now(),
        }
    }
}

#[test]
fn values_are_there_before_they_are_seen() {
    loom::model(|| {
        let (mut producer, mut consumer) = ring(2);
        let sender = thread::spawn(move || {
            put(&mut producer, 1);
            put(&mut producer, 2);
            producer.publish();
        });
        assert_eq!((take(&mut consumer), take(&mut consumer)), (1, 2));
        sender.join().unwrap();
        assert!(consumer.is_empty());
    });
}

#[test]
fn values_are_out_before_their_slots_are_filled_again() {
    loom::model(|| {
        let (mut producer, mut consumer) = ring(1);
        let sender = thread::spawn(move || {
            for value in 1..=3 {
                put(&mut producer, value);
                producer.publish();
            }
        });
        for expected in 1..=3 {
            assert_eq!(take(&mut consumer), expected);
            consumer.release();
        }
        sender.join().unwrap();
    });
}

#[test]
fn what_was_put_in_before_the_end_is_seen_at_the_end() {
    loom::model(|| {
        let (mut producer, mut consumer) = ring(2);
        let sender = thread::spawn(move || put(&mut producer, 1));
        while !consumer.is_abandoned() {
            thread::yield_now();
        }
        // It was never published: the end does that.
        assert_eq!(consumer.pop().map(|value| *value), Some(1));
        sender.join().unwrap();
    });
}

#[test]
fn the_last_of_the_two_drops_what_is_left() {
    loom::model(|| {
        let (mut producer, mut consumer) = ring(4);
        let value = loom::sync::Arc::new(());
        for _ in 0..3 {
            assert!(producer.push(value.clone()).is_ok());
        }
        producer.publish();
        let reader = thread::spawn(move || drop(consumer.pop()));
        drop(producer);
        reader.join().unwrap();
        assert_eq!(loom::sync::Arc::strong_count(&value), 1);
    });
}

/// What a sleeping thread waits on: readable once somebody wrote.
#[derive(Default)]
struct Bell(loom::sync::Mutex<bool>, loom::sync::Condvar);

impl Bell {
    fn ring(&self) {
        *self.0.lock().unwrap() = true;
        self.1.notify_one();
    }

    /// A bell that nobody rings any more is a deadlock, which loom reports.
    fn wait(&self) {
        let mut rung = self.0.lock().unwrap();
        while !std::mem::take(&mut *rung) {
            rung = self.1.wait(rung).unwrap();
        }
    }
}

#[test]
fn nobody_sleeps_in_front_of_a_value() {
    loom::model(|| {
        let (mut producer, mut consumer) = ring(2);
        let sleeper = loom::sync::Arc::new((Sleeping::default(), Bell::default()));
        let waker = loom::sync::Arc::clone(&sleeper);
        let sender = thread::spawn(move || {
            put(&mut producer, 1);
            producer.publish();
            if waker.0.must_wake() {
                waker.1.ring();
            }
        });
        let value = loop {
            if let Some(value) = consumer.pop() {
                break *value;
            }
            sleeper.0.announce();
            if consumer.is_empty() {
                sleeper.1.wait();
            }
            sleeper.0.cancel();
        };
        assert_eq!(value, 1);
        sender.join().unwrap();
    });
}
