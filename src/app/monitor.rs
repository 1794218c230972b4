//! Watches a transfer from beside it: asks the connection what each link
//! carries, and draws the progress bar.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::ledger::{Direction, Ledger};
use super::report::{Report, Status, bits_per_second, rate_text};
use super::transport::Probe;

const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// A dead endpoint must not hold up the end of a transfer.
const LAST_SAMPLE_LIMIT: Duration = Duration::from_secs(1);

/// Rates are shown over so many polls, a second's worth.
const RATE_POLLS: usize = 5;

const TEMPLATE: &str = "{bar:30} {bytes}/{total_bytes} {eta}  {msg}";
const TEMPLATE_WITHOUT_SIZE: &str = "{spinner} {bytes} {elapsed}  {msg}";

/// The counters of one transfer and its progress bar.
#[derive(Debug)]
pub(super) struct Monitor {
    started: Instant,
    /// Content bytes moved by this run; counted by the transfer (relaxed:
    /// it is a statistic and orders nothing).
    transferred_bytes: Arc<AtomicU64>,
    watched: Mutex<Watched>,
    bar: ProgressBar,
}

#[derive(Debug)]
struct Watched {
    ledger: Ledger,
    connections: u32,
    /// The time, the bytes in all and of each link, at the last polls.
    history: VecDeque<(Instant, u64, Vec<u64>)>,
    ended: Option<Instant>,
}

impl Monitor {
    /// A monitor whose clock starts now; `visible` draws a bar on standard
    /// error where that is a terminal.
    pub(super) fn new(direction: Direction, visible: bool) -> Monitor {
        let target = if visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Monitor {
            started: Instant::now(),
            transferred_bytes: Arc::default(),
            watched: Mutex::new(Watched {
                ledger: Ledger::new(direction),
                connections: 0,
                history: VecDeque::with_capacity(RATE_POLLS + 1),
                ended: None,
            }),
            bar: ProgressBar::with_draw_target(None, target),
        }
    }

    /// What the transfer adds its content bytes to.
    pub(super) fn counter(&self) -> Arc<AtomicU64> {
        self.transferred_bytes.clone()
    }

    /// Content bytes moved so far.
    pub(super) fn transferred_bytes(&self) -> u64 {
        self.transferred_bytes.load(Ordering::Relaxed)
    }

    /// Counts a connection attempt and returns its number.
    pub(super) fn next_connection(&self) -> u32 {
        let mut watched = self.watched();
        watched.connections += 1;
        watched.ended = None;
        watched.connections
    }

    /// Shows that the transfer stands at `position_bytes` of `size_bytes`.
    pub(super) fn stands_at(&self, position_bytes: u64, size_bytes: Option<u64>) {
        let template = if size_bytes.is_some() { TEMPLATE } else { TEMPLATE_WITHOUT_SIZE };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
        if let Some(size) = size_bytes {
            self.bar.set_length(size);
        }
        self.bar.set_position(position_bytes);
        self.bar.reset_eta();
    }

    /// Shows what is going on besides the transfer.
    pub(super) fn say(&self, text: &str) {
        self.bar.set_message(text.to_owned());
    }

    /// Polls `probe` and draws until it is dropped. `position` tells where
    /// the transfer stands.
    pub(super) async fn watch<P: Probe>(
        &self,
        connection: u32,
        probe: &mut P,
        position: impl Fn() -> u64,
    ) -> Infallible {
        let mut ticks = tokio::time::interval(POLL_INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.sample(connection, probe).await;
            self.draw(position());
        }
    }

    /// Polls `probe` a last time, while the connection is still there.
    pub(super) async fn last_sample<P: Probe>(&self, connection: u32, probe: &mut P) {
        self.watched().ended = Some(Instant::now());
        // Late or never: then the sample before stands.
        let _ = tokio::time::timeout(LAST_SAMPLE_LIMIT, self.sample(connection, probe)).await;
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    /// The report, as far as the monitor knows: the clock stands at the last
    /// sample of a transfer that ended, else at now.
    pub(super) fn report(&self, url: String, file: String) -> Report {
        let watched = self.watched();
        let ended = watched.ended.unwrap_or_else(Instant::now);
        let seconds = ended.duration_since(self.started).as_secs_f64();
        let bytes = self.transferred_bytes();
        Report {
            url,
            status: Status::Complete,
            error: None,
            file,
            bytes,
            size: None,
            seconds,
            bits_per_second: bits_per_second(bytes, seconds),
            sha256: None,
            resumed_from: 0,
            attempts: watched.connections,
            mptcp: watched.ledger.mptcp(),
            taken_over_frames: watched.ledger.taken_over_frames(),
            links: watched.ledger.report(seconds),
        }
    }

    async fn sample<P: Probe>(&self, connection: u32, probe: &mut P) {
        match probe.progress().await {
            Ok(progress) => self.watched().ledger.enter(connection, &progress),
            Err(error) => tracing::debug!(%error, "the connection tells nothing about its links"),
        }
    }

    fn draw(&self, position_bytes: u64) {
        let total = self.transferred_bytes();
        let text = self.watched().rates(Instant::now(), total);
        self.bar.set_position(position_bytes);
        self.bar.set_message(text);
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        // Nothing panics while it holds the lock; what is in it stays usable.
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    /// The rate in all and of each link over the last polls.
    fn rates(&mut self, now: Instant, total_bytes: u64) -> String {
        let links: Vec<u64> = self.ledger.totals().map(|(_, bytes)| bytes).collect();
        self.history.push_back((now, total_bytes, links.clone()));
        if self.history.len() > RATE_POLLS + 1 {
            self.history.pop_front();
        }
        let Some((then, then_total, then_links)) = self.history.front() else { return String::new() };
        let seconds = now.duration_since(*then).as_secs_f64();
        let rate =
            |bytes: u64, before: u64| rate_text(bits_per_second(bytes.saturating_sub(before), seconds));
        let mut text = rate(total_bytes, *then_total);
        for (index, (name, bytes)) in self.ledger.totals().enumerate() {
            let before = then_links.get(index).copied().unwrap_or(0);
            text.push_str(&format!("  {name} {}", rate(bytes, before)));
        }
        text
    }
}
