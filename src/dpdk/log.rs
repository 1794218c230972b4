//! DPDK's log: into `tracing`, limited in rate; the last lines are kept for
//! error texts.

use super::error::LogTail;
use super::ffi;
use std::collections::VecDeque;
use std::ffi::c_char;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lines that an error text quotes.
const TAIL_LINES: usize = 4;
/// A driver that fails per packet logs per packet.
const LINES_PER_SECOND: u32 = 50;
/// net_virtio_user says that its link is down each time it is asked: a line
/// that repeats the one before it is published no more often than this.
const REPEAT: Duration = Duration::from_secs(30);
const LINE_LIMIT_BYTES: usize = 512;
/// What drivers call an error although nothing is lost by it: net_tap looks for
/// what its flow rules would need, which nobody asks for, and for secondary
/// processes, which there are none of.
const NO_ERRORS: [&str; 5] = [
    "tap_nl_dump_ext_ack(): Specified qdisc kind is unknown",
    "qdisc_create_multiq(): Could not add multiq qdisc",
    "failed to create multiq qdisc.",
    "Disabling rte flow support",
    "tap_mp_req_on_rxtx(): Failed to send start req to secondary",
];

/// The levels of rte_log.h that this room tells apart.
const ERROR: u32 = 4;
const WARNING: u32 = 5;
const NOTICE: u32 = 6;
const INFO: u32 = 7;
const DEBUG: u32 = 8;

#[derive(Debug)]
struct Log {
    tail: VecDeque<String>,
    last: Option<(String, Instant)>,
    second: Option<Instant>,
    lines: u32,
    suppressed: u64,
}

static LOG: Mutex<Log> = Mutex::new(Log::new());

/// From now on DPDK logs here.
pub(super) fn route() -> i32 {
    // SAFETY: `receive_line` has the signature asked for and lives for ever.
    unsafe { ffi::mpdk_log_route(Some(receive_line)) }
}

/// Forgets the lines so far, so that a tail quotes only what comes now.
pub(super) fn mark() {
    lock(|log| log.tail.clear());
}

/// The last warnings and errors since [`mark`].
pub(super) fn tail() -> LogTail {
    lock(|log| LogTail(log.tail.iter().cloned().collect()))
}

fn lock<T>(work: impl FnOnce(&mut Log) -> T) -> T {
    work(&mut LOG.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Called by DPDK from any thread, with whole lines.
unsafe extern "C" fn receive_line(level: u32, text: *const c_char, len: usize) {
    // SAFETY: the C library passes `len` bytes that live until this returns.
    let bytes = unsafe { std::slice::from_raw_parts(text.cast::<u8>(), len.min(LINE_LIMIT_BYTES)) };
    let text = String::from_utf8_lossy(bytes);
    let line = text.trim();
    let level = if NO_ERRORS.iter().any(|harmless| line.contains(harmless)) { DEBUG } else { level };
    if !line.is_empty() && lock(|log| log.admit(level, line, Instant::now())) {
        publish(level, line);
    }
}

impl Log {
    const fn new() -> Self {
        Self { tail: VecDeque::new(), last: None, second: None, lines: 0, suppressed: 0 }
    }

    /// Whether the line repeats the one before it, not long ago.
    fn repeats(&mut self, line: &str, now: Instant) -> bool {
        let repeats =
            self.last.as_ref().is_some_and(|(last, at)| last == line && now.duration_since(*at) < REPEAT);
        if !repeats {
            self.last = Some((line.into(), now));
        }
        repeats
    }

    /// Keeps the line for error texts; returns whether it is published.
    fn admit(&mut self, level: u32, line: &str, now: Instant) -> bool {
        if level <= WARNING {
            self.tail.push_back(line.into());
            if self.tail.len() > TAIL_LINES {
                self.tail.pop_front();
            }
        }
        if self.repeats(line, now) {
            return false;
        }
        if self.second.is_none_or(|start| now.duration_since(start) >= Duration::from_secs(1)) {
            self.second = Some(now);
            self.lines = 0;
            if self.suppressed > 0 {
                publish(WARNING, &format!("{} lines were suppressed", self.suppressed));
                self.suppressed = 0;
            }
        }
        self.lines += 1;
        let admitted = self.lines <= LINES_PER_SECOND;
        self.suppressed += u64::from(!admitted);
        admitted
    }
}

fn publish(level: u32, line: &str) {
    match level {
        ..=ERROR => tracing::error!(target: "dpdk", "{line}"),
        WARNING => tracing::warn!(target: "dpdk", "{line}"),
        NOTICE | INFO => tracing::info!(target: "dpdk", "{line}"),
        _ => tracing::debug!(target: "dpdk", "{line}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_is_limited_and_the_tail_keeps_the_last() {
        let mut log = Log::new();
        let start = Instant::now();
        let admitted = (0..100).filter(|n| log.admit(ERROR, &format!("line {n}"), start)).count();
        assert_eq!(admitted as u32, LINES_PER_SECOND);
        assert_eq!(log.suppressed, 50);
        assert_eq!(log.tail, ["line 96", "line 97", "line 98", "line 99"]);
        assert!(log.admit(INFO, "later", start + Duration::from_secs(1)));
        assert_eq!((log.suppressed, log.tail.len()), (0, TAIL_LINES));
    }

    #[test]
    fn a_repeated_line_is_published_now_and_then() {
        let mut log = Log::new();
        let start = Instant::now();
        assert!(log.admit(ERROR, "port 0 is down", start));
        assert!(!log.admit(ERROR, "port 0 is down", start + Duration::from_secs(2)));
        assert!(log.admit(ERROR, "port 0 is down", start + REPEAT));
        assert!(log.admit(ERROR, "port 1 is down", start + REPEAT));
        assert!(log.admit(ERROR, "port 0 is down", start + REPEAT));
    }
}
