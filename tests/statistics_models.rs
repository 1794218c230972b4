//! Models of every ordering claim of the statistics page's sequence lock,
//! explored by loom:
//! `RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom cargo test -p mpdk --no-default-features --test statistics_models`.
#![cfg(loom)]

use loom::sync::Arc;
use loom::sync::atomic::AtomicU64;
use loom::thread;
use mpdk::shm::{publish, read};
use std::convert::Infallible;
use std::sync::atomic::Ordering::Relaxed;

#[derive(Default)]
struct Page {
    sequence: AtomicU64,
    values: [AtomicU64; 2],
}

impl Page {
    fn publish(&self, turn: u64) {
        publish(&self.sequence, || {
            for value in &self.values {
                value.store(turn, Relaxed);
            }
        });
    }

    /// One look, with the sequence number that it went by.
    fn look(&self) -> Option<(u64, [u64; 2])> {
        let (mut sequence, mut values) = (0, [0; 2]);
        let number = || -> Result<u64, Infallible> {
            sequence = self.sequence.load(Relaxed);
            Ok(sequence)
        };
        let is_whole = read(number, || {
            values = self.values.each_ref().map(|value| value.load(Relaxed));
            Ok(())
        });
        let Ok(is_whole) = is_whole;
        is_whole.then_some((sequence, values))
    }
}

/// All values are of one publication: the one that the sequence number counts.
/// Fails without either fence of the second look.
#[test]
fn no_look_is_torn() {
    loom::model(|| {
        let page = Arc::new(Page::default());
        let writer = Arc::clone(&page);
        let writer = thread::spawn(move || {
            writer.publish(1);
            writer.publish(2);
        });
        if let Some((sequence, values)) = page.look() {
            assert_eq!(values, [sequence / 2; 2]);
        }
        writer.join().unwrap();
        assert_eq!(page.look(), Some((4, [2; 2])));
    });
}

/// What was published is there once its number is. Two looks: the second meets
/// the state between two publications that the first has seen the start of.
#[test]
fn looks_never_go_back() {
    loom::model(|| {
        let page = Arc::new(Page::default());
        let writer = Arc::clone(&page);
        let writer = thread::spawn(move || writer.publish(1));
        let looks = [page.look(), page.look()];
        let seen: Vec<_> = looks.into_iter().flatten().collect();
        assert!(seen.is_sorted(), "{seen:?}");
        assert!(seen.iter().all(|(sequence, values)| *values == [sequence / 2; 2]), "{seen:?}");
        writer.join().unwrap();
    });
}
