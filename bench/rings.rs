//! What a value costs that goes from one core to another: this project's ring
//! beside crossbeam's queues, in batches of 1 and 32, with the state of the cores.
//!
//!     cargo run --release --example rings -- [CORE CORE]

use crossbeam::channel;
use crossbeam::queue::ArrayQueue;
use mpdk::ring::{Consumer, Producer, ring};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// As large as a segment that is handed over: a buffer's address, where it came
/// from and what the port said of it.
type Value = [u64; 4];

const VALUES: u64 = 4_000_000;
const CAPACITY: usize = 512;
const ROUNDS: usize = 5;

/// One side of a queue that sends.
trait Send1: Send + 'static {
    /// `false`: full.
    fn put(&mut self, value: Value) -> bool;
    fn show(&mut self) {}
}

/// One side of a queue that receives.
trait Receive1 {
    fn take(&mut self) -> Option<Value>;
    fn give_back(&mut self) {}
}

impl Send1 for Producer<Value> {
    fn put(&mut self, value: Value) -> bool {
        self.push(value).is_ok()
    }
    fn show(&mut self) {
        self.publish();
    }
}

impl Receive1 for Consumer<Value> {
    fn take(&mut self) -> Option<Value> {
        self.pop()
    }
    fn give_back(&mut self) {
        self.release();
    }
}

impl Send1 for Arc<ArrayQueue<Value>> {
    fn put(&mut self, value: Value) -> bool {
        self.push(value).is_ok()
    }
}

impl Receive1 for Arc<ArrayQueue<Value>> {
    fn take(&mut self) -> Option<Value> {
        self.pop()
    }
}

impl Send1 for channel::Sender<Value> {
    fn put(&mut self, value: Value) -> bool {
        self.try_send(value).is_ok()
    }
}

impl Receive1 for channel::Receiver<Value> {
    fn take(&mut self) -> Option<Value> {
        self.try_recv().ok()
    }
}

fn pin(core: usize) {
    let id = core_affinity::CoreId { id: core };
    assert!(core_affinity::set_for_current(id), "cannot run on core {core}");
}

/// Nanoseconds per value, from a stream of batches.
fn stream(cores: [usize; 2], batch: u64, mut sender: impl Send1, mut receiver: impl Receive1) -> f64 {
    let started = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&started);
    let thread = std::thread::spawn(move || {
        pin(cores[1]);
        // Release: pairs with the Acquire below.
        seen.store(1, Ordering::Release);
        for value in 0..VALUES {
            while !sender.put([value; 4]) {
                sender.show();
                std::hint::spin_loop();
            }
            if value % batch == batch - 1 {
                sender.show();
            }
        }
        sender.show();
        // The queue stays until all is taken.
        sender
    });
    pin(cores[0]);
    while started.load(Ordering::Acquire) == 0 {
        std::hint::spin_loop();
    }
    let begin = Instant::now();
    let mut expected = 0;
    while expected < VALUES {
        let mut taken = 0;
        while taken < batch
            && let Some(value) = receiver.take()
        {
            assert_eq!(value, [expected; 4]);
            expected += 1;
            taken += 1;
        }
        receiver.give_back();
    }
    let elapsed = begin.elapsed();
    drop(thread.join());
    elapsed.as_nanos() as f64 / VALUES as f64
}

/// Nanoseconds there and back of one line.
fn bounce(cores: [usize; 2]) -> f64 {
    const TURNS: u64 = 200_000;
    let line = Arc::new(AtomicU64::new(0));
    let other = Arc::clone(&line);
    let wait = |line: &AtomicU64, turn: u64| {
        // Acquire: pairs with the Release of whoever has the turn before.
        while line.load(Ordering::Acquire) < turn {
            std::hint::spin_loop();
        }
    };
    let thread = std::thread::spawn(move || {
        pin(cores[1]);
        for turn in 0..TURNS {
            wait(&other, 2 * turn + 1);
            other.store(2 * turn + 2, Ordering::Release);
        }
    });
    pin(cores[0]);
    let begin = Instant::now();
    for turn in 0..TURNS {
        line.store(2 * turn + 1, Ordering::Release);
        wait(&line, 2 * turn + 2);
    }
    let elapsed: Duration = begin.elapsed();
    drop(thread.join());
    elapsed.as_nanos() as f64 / TURNS as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let mut words = std::env::args().skip(1).map(|word| word.parse().expect("a core's number"));
    let cores = [words.next().unwrap_or(0), words.next().unwrap_or(1)];
    println!("cores {cores:?}; a line there and back: {:.0} ns", bounce(cores));
    println!("{:>28} {:>12} {:>12}", "ns per value of 32 bytes", "batch of 1", "batch of 32");
    let (mut own, mut queue, mut channels) = ([vec![], vec![]], [vec![], vec![]], [vec![], vec![]]);
    for _ in 0..ROUNDS {
        for (at, batch) in [1, 32].into_iter().enumerate() {
            let (producer, consumer) = ring(CAPACITY);
            own[at].push(stream(cores, batch, producer, consumer));
            let array = Arc::new(ArrayQueue::new(CAPACITY));
            queue[at].push(stream(cores, batch, Arc::clone(&array), array));
            let (sender, receiver) = channel::bounded(CAPACITY);
            channels[at].push(stream(cores, batch, sender, receiver));
        }
    }
    for (name, [single, batched]) in
        [("mpdk::ring", own), ("crossbeam ArrayQueue", queue), ("crossbeam channel", channels)]
    {
        println!("{name:>28} {:>12.1} {:>12.1}", median(single), median(batched));
    }
    println!("a line there and back: {:.0} ns", bounce(cores));
}
