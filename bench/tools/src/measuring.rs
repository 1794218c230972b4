//! What is counted when: a warm-up, then the time that counts.

use std::time::{Duration, Instant};

/// The time that counts, and the one before it.
#[derive(Clone, Copy)]
pub struct Window {
    pub warm_up: Duration,
    pub length: Duration,
}

/// Where in its window a measurement is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    WarmUp,
    Counting,
    Over,
}

/// A running window: reads the clock, and remembers when counting began.
pub struct Stopwatch {
    window: Window,
    start: Instant,
    begun: Option<Instant>,
    ended: Option<Instant>,
}

impl Stopwatch {
    /// The warm-up begins now.
    pub fn start(window: &Window) -> Self {
        Self { window: *window, start: Instant::now(), begun: None, ended: None }
    }

    /// The phase now. Counting lasts from the first answer `Counting` to the
    /// first `Over`.
    pub fn phase(&mut self) -> Phase {
        let now = Instant::now();
        let Some(begun) = self.begun else {
            if now - self.start < self.window.warm_up {
                return Phase::WarmUp;
            }
            self.begun = Some(now);
            return Phase::Counting;
        };
        if self.ended.is_none() && now - begun < self.window.length {
            return Phase::Counting;
        }
        self.ended.get_or_insert(now);
        Phase::Over
    }

    /// Seconds counted.
    pub fn seconds(&self) -> f64 {
        match (self.begun, self.ended) {
            (Some(begun), Some(ended)) => (ended - begun).as_secs_f64(),
            _ => 0.0,
        }
    }
}

/// Counts what happens while a window counts.
pub struct Counted {
    stopwatch: Stopwatch,
    pub total: u64,
}

impl Counted {
    /// The warm-up begins now.
    pub fn start(window: &Window) -> Self {
        Self { stopwatch: Stopwatch::start(window), total: 0 }
    }

    /// Adds `amount` if it falls into the window. `false` once that is over.
    pub fn add(&mut self, amount: u64) -> bool {
        match self.stopwatch.phase() {
            Phase::WarmUp => true,
            Phase::Counting => {
                self.total += amount;
                true
            }
            Phase::Over => false,
        }
    }

    /// Seconds counted.
    pub fn seconds(&self) -> f64 {
        self.stopwatch.seconds()
    }

    /// The report of so many bytes.
    pub fn bytes_report(&self) -> String {
        let seconds = self.seconds();
        let rate = if seconds > 0.0 { self.total as f64 * 8.0 / seconds } else { 0.0 };
        format!(
            "{{\"figure\":\"bulk\",\"bits_per_second\":{rate:.0},\"bytes\":{},\"seconds\":{seconds:.6}}}",
            self.total
        )
    }
}
